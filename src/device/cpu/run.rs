//! Running linked programs over one tile of samples.

use super::LANES;
use super::link::{Linked, Step};
use super::matrix::{Initial, Product, Vector, transpose};
use crate::graph::{CHUNK, Place, Real};
use crate::program::{WeightId, WeightTable};
use std::ops::Range;

/// Columns of a gradient buffer are padded to this, so that the products need no edge cases.
const PAD: usize = 32;

/// One member's weights in the device's precision.
pub struct WeightValues<'a, T> {
    /// Names and shapes.
    pub table: &'a WeightTable,
    /// The values.
    pub values: &'a [T],
}

impl<T> WeightValues<'_, T> {
    fn slice(&self, id: WeightId) -> &[T] {
        let shape = self.table.shape(id);
        &self.values[shape.offset..shape.offset + shape.len()]
    }
}

/// Gradients of one member's weights, matrix columns padded.
#[derive(Clone, Debug)]
pub struct WeightGradient<T> {
    offsets: Vec<usize>,
    values: Vec<T>,
}

impl<T: Real> WeightGradient<T> {
    /// All zeros.
    pub fn new(table: &WeightTable) -> Self {
        let mut total = 0;
        let offsets = table
            .shapes()
            .iter()
            .map(|s| {
                let offset = total;
                total += if s.bias { s.rows } else { s.rows * s.columns.next_multiple_of(PAD) };
                offset
            })
            .collect();
        WeightGradient { offsets, values: vec![T::ZERO; total] }
    }

    /// Adds the gradient to unpadded f64 values.
    pub fn add_to(&self, table: &WeightTable, sums: &mut [f64]) {
        for (shape, offset) in table.shapes().iter().zip(&self.offsets) {
            let stride = if shape.bias { 1 } else { shape.columns.next_multiple_of(PAD) };
            for row in 0..shape.rows {
                for column in 0..shape.columns {
                    sums[shape.offset + row * shape.columns + column] +=
                        self.values[offset + row * stride + column].to_f64();
                }
            }
        }
    }
}

/// Scratch of the steps: resolved addresses and transposed activations.
#[derive(Default)]
pub struct Scratch<T> {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    transposed: Vec<T>,
}

/// Memory of a linked program: constants written, everything else zero. `frames` frames follow the work space.
pub fn allocate<T: Real>(memory: &mut Vec<T>, linked: &Linked, frames: usize) {
    memory.resize(linked.work + frames * linked.frame, T::ZERO);
    for (tape, offset) in linked.tapes.iter().zip(&linked.constants) {
        tape.write_constants(memory, *offset);
    }
    for (offset, value) in &linked.fills {
        memory[*offset..offset + LANES].fill(T::from_f64(*value));
    }
}

/// Runs a range of steps; `frame` is the offset of the stage's frame.
pub fn run<T: Vector>(
    linked: &Linked,
    steps: Range<usize>,
    memory: &mut [T],
    frame: usize,
    weights: &WeightValues<T>,
    mut gradient: Option<&mut WeightGradient<T>>,
    scratch: &mut Scratch<T>,
) {
    let arch = pulp::Arch::new();
    for step in &linked.steps[steps] {
        match step {
            Step::Map { tape, inputs, outputs } => {
                scratch.inputs.clear();
                scratch.inputs.extend(inputs.iter().map(|a| a.at(frame)));
                scratch.outputs.clear();
                scratch.outputs.extend(outputs.iter().map(|a| a.at(frame)));
                let place = Place {
                    inputs: &scratch.inputs,
                    outputs: &scratch.outputs,
                    constants: linked.constants[*tape],
                    registers: linked.registers,
                    lanes: LANES,
                };
                linked.tapes[*tape].run(memory, place);
            }
            Step::Each { tape, inputs, output, rows } => {
                let total = rows * LANES;
                for start in (0..total).step_by(CHUNK) {
                    scratch.inputs.clear();
                    scratch.inputs.extend(inputs.iter().map(|a| a.at(frame) + start));
                    let place = Place {
                        inputs: &scratch.inputs,
                        outputs: &[output.at(frame) + start],
                        constants: linked.constants[*tape],
                        registers: linked.registers,
                        lanes: CHUNK.min(total - start),
                    };
                    linked.tapes[*tape].run(memory, place);
                }
            }
            Step::Affine { weight, bias, transposed, x, y } => {
                let shape = weights.table.shape(*weight);
                let (rows, depth, row_stride, depth_stride) = if *transposed {
                    (shape.columns, shape.rows, 1, shape.columns)
                } else {
                    (shape.rows, shape.columns, shape.columns, 1)
                };
                let (x, y) = (x.at(frame), y.at(frame));
                let (b, c) = two(memory, x..x + depth * LANES, y..y + rows * LANES);
                arch.dispatch(Product {
                    a: weights.slice(*weight),
                    row_stride,
                    depth_stride,
                    b,
                    b_stride: LANES,
                    c,
                    c_stride: LANES,
                    rows,
                    depth,
                    columns: LANES,
                    initial: Initial::Rows(bias.map(|id| weights.slice(id))),
                });
            }
            Step::Outer { weight, bias, y, x } => {
                let Some(gradient) = gradient.as_deref_mut() else { continue };
                let shape = weights.table.shape(*weight);
                let (x, y) = (x.at(frame), y.at(frame));
                let stride = shape.columns.next_multiple_of(PAD);
                // Padding columns may hold anything: they only reach padding columns of the gradient.
                let size = scratch.transposed.len().max(LANES * stride);
                scratch.transposed.resize(size, T::ZERO);
                transpose(&memory[x..x + shape.columns * LANES], shape.columns, &mut scratch.transposed, stride);
                let cotangent = &memory[y..y + shape.rows * LANES];
                let offset = gradient.offsets[weight.0 as usize];
                arch.dispatch(Product {
                    a: cotangent,
                    row_stride: LANES,
                    depth_stride: 1,
                    b: &scratch.transposed,
                    b_stride: stride,
                    c: &mut gradient.values[offset..offset + shape.rows * stride],
                    c_stride: stride,
                    rows: shape.rows,
                    depth: LANES,
                    columns: stride,
                    initial: Initial::Accumulate,
                });
                if let Some(bias) = bias {
                    let offset = gradient.offsets[bias.0 as usize];
                    for (row, sum) in cotangent.chunks_exact(LANES).zip(&mut gradient.values[offset..]) {
                        let mut total = T::ZERO;
                        for value in row {
                            total += *value;
                        }
                        *sum += total;
                    }
                }
            }
            Step::Copy { from, to, rows } => {
                let from = from.at(frame);
                memory.copy_within(from..from + rows * LANES, to.at(frame));
            }
        }
    }
}

/// A range to read and a disjoint range to write.
fn two<T>(memory: &mut [T], read: Range<usize>, write: Range<usize>) -> (&[T], &mut [T]) {
    let [read, write] = memory.get_disjoint_mut([read, write]).expect("the plan keeps operands and results apart");
    (read, write)
}
