//! Running linked programs over one tile of samples.

use super::LANES;
use super::link::{Linked, Step};
use super::matrix::{Initial, Left, Product, Vector};
use super::weights::{WeightGradient, WeightValues};
use crate::graph::{CHUNK, Place, Real};
use std::ops::Range;

/// Scratch of the steps: resolved addresses.
#[derive(Default)]
pub struct Scratch {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
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
    scratch: &mut Scratch,
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
                let [rows, depth] = weights.size(*weight, *transposed);
                let (x, y) = (x.at(frame), y.at(frame));
                let (b, c) = two(memory, x..x + depth * LANES, y..y + rows * LANES);
                arch.dispatch(Product {
                    a: Left::Panels(weights.panels(*weight, *transposed)),
                    b,
                    c,
                    rows,
                    depth,
                    columns: LANES,
                    initial: Initial::Rows(bias.map(|id| weights.bias(id))),
                });
            }
            Step::Outer { weight, bias, y, x } => {
                let Some(gradient) = gradient.as_deref_mut() else { continue };
                let [rows, columns] = weights.size(*weight, false);
                let (x, y) = (x.at(frame), y.at(frame));
                let cotangent = &memory[y..y + rows * LANES];
                gradient.add_outer(*weight, cotangent, &memory[x..x + columns * LANES]);
                if let Some(bias) = bias {
                    gradient.add_bias(*bias, cotangent);
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
