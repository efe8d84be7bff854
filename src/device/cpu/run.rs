//! Running linked programs over one tile of samples, or over the cells of one sample.

use super::LANES;
use super::field;
use super::matrix::{Gate, Initial, Left, Product};
use super::step::{Address, Input, Linked, Step};
use super::weights::{WeightGradient, WeightValues};
use crate::graph::{CHUNK, Place, Real, Vector};
use std::ops::Range;

/// Scratch of the steps: resolved addresses, vectors of a single sample, padded planes.
#[derive(Default)]
pub struct Scratch<T> {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    single: [Vec<T>; 2],
    planes: field::Scratch<T>,
}

/// Memory of a linked program: constants written, everything else zero. `frames` frames follow the work space.
pub fn allocate<T: Vector>(memory: &mut Vec<T>, linked: &Linked, frames: usize) {
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
                resolve(&mut scratch.inputs, inputs, frame);
                resolve(&mut scratch.outputs, outputs, frame);
                sweep(linked, *tape, memory, (&scratch.inputs, &scratch.outputs), LANES);
            }
            Step::Cells { tape, inputs, outputs } => {
                let row = linked.planes.as_ref().map_or(LANES, |p| p.stride);
                repeat(linked, inputs, frame, memory, scratch);
                resolve(&mut scratch.outputs, outputs, frame);
                for start in (0..row).step_by(CHUNK) {
                    sweep(linked, *tape, memory, (&scratch.inputs, &scratch.outputs), CHUNK.min(row - start));
                    let fields = scratch.inputs.iter_mut().zip(inputs).filter(|(_, input)| input.field);
                    fields.for_each(|(offset, _)| *offset += CHUNK);
                    scratch.outputs.iter_mut().for_each(|offset| *offset += CHUNK);
                }
            }
            Step::Each { tape, inputs, output, length } => {
                resolve(&mut scratch.inputs, inputs, frame);
                for start in (0..*length).step_by(CHUNK) {
                    let output = [output.at(frame) + start];
                    sweep(linked, *tape, memory, (&scratch.inputs, &output), CHUNK.min(length - start));
                    scratch.inputs.iter_mut().for_each(|offset| *offset += CHUNK);
                }
            }
            Step::Affine { weight, bias, transposed, x, y, field: false, .. } if linked.planes.is_some() => {
                let [rows, depth] = weights.size(*weight, *transposed);
                let [from, to] = &mut scratch.single;
                gather(memory, x.at(frame), depth, from);
                to.resize(rows, T::ZERO);
                weights.multiply(*weight, *transposed, *bias, from, to);
                for (lanes, value) in memory[y.at(frame)..].chunks_exact_mut(LANES).zip(to) {
                    lanes.fill(*value);
                }
            }
            Step::Affine { weight, bias, transposed, x, y, gate, .. } => {
                let row = linked.planes.as_ref().map_or(LANES, |p| p.stride);
                let [rows, depth] = weights.size(*weight, *transposed);
                let (x, y) = (x.at(frame), y.at(frame));
                let size = rows * row;
                let at = gate.and_then(|g| g.gate).map_or(y..y, |gate| gate.at(frame)..gate.at(frame) + size);
                let [b, c, values] = memory
                    .get_disjoint_mut([x..x + depth * row, y..y + size, at])
                    .expect("the plan keeps operands and results apart");
                arch.dispatch(Product {
                    a: Left::Panels(weights.panels(*weight, *transposed)),
                    b,
                    c,
                    rows,
                    depth,
                    columns: row,
                    initial: Initial::Rows(bias.map(|id| weights.bias(id))),
                    gate: gate.as_ref().map(|gate| Gate::new(&gate.rectifier, gate.gate.map(|_| &*values))),
                });
            }
            Step::Outer { weight, bias, y, x, field } => {
                let Some(gradient) = gradient.as_deref_mut() else { continue };
                let [rows, columns] = weights.size(*weight, false);
                let (x, y) = (x.at(frame), y.at(frame));
                match &linked.planes {
                    None => {
                        let cotangent = &memory[y..y + rows * LANES];
                        gradient.add_outer(*weight, cotangent, &memory[x..x + columns * LANES]);
                        if let Some(bias) = bias {
                            gradient.add_bias(*bias, cotangent);
                        }
                    }
                    Some(_) if !field => {
                        let [left, right] = &mut scratch.single;
                        gather(memory, y, rows, left);
                        gather(memory, x, columns, right);
                        gradient.add_single(*weight, left, right);
                        if let Some(bias) = bias {
                            gradient.add_to_bias(*bias, left.iter().copied());
                        }
                    }
                    Some(planes) => {
                        field::outer(
                            planes,
                            memory,
                            (y, rows),
                            (x, columns),
                            (*weight, *bias),
                            gradient,
                            &mut scratch.planes,
                        );
                    }
                }
            }
            Step::Correlate { factors, transposed, channels, boundary, x, y } => {
                let call = field::Call { channels: *channels, boundary: *boundary, x: x.at(frame), y: y.at(frame) };
                field::correlate(linked, factors, *transposed, call, weights, memory, &mut scratch.planes);
            }
            Step::Kernel { weight, bias, channels, boundary, y, x } => {
                let Some(gradient) = gradient.as_deref_mut() else { continue };
                let call = field::Call { channels: *channels, boundary: *boundary, x: x.at(frame), y: y.at(frame) };
                field::kernel(linked, (*weight, *bias), call, memory, gradient, &mut scratch.planes);
            }
            Step::Sum { channels, x, y } => {
                let planes = linked.planes.as_ref().expect("a field has planes");
                for channel in 0..*channels {
                    let plane = x.at(frame) + channel * planes.stride;
                    let sum = field::sum(&memory[plane..plane + planes.cells()]);
                    memory[y.at(frame) + channel * LANES..][..LANES].fill(sum);
                }
            }
            Step::Copy { from, to, length } => {
                let from = from.at(frame);
                memory.copy_within(from..from + length, to.at(frame));
            }
        }
    }
}

fn resolve(offsets: &mut Vec<usize>, addresses: &[Address], frame: usize) {
    offsets.clear();
    offsets.extend(addresses.iter().map(|a| a.at(frame)));
}

/// Resolves what a tape over cells reads; numbers that are the same in every cell are repeated for as many cells as a
/// sweep takes at a time.
fn repeat<T: Real>(linked: &Linked, inputs: &[Input], frame: usize, memory: &mut [T], scratch: &mut Scratch<T>) {
    let mut next = linked.broadcast;
    scratch.inputs.clear();
    for input in inputs {
        let offset = input.address.at(frame);
        if input.field {
            scratch.inputs.push(offset);
            continue;
        }
        let value = memory[offset];
        memory[next..next + CHUNK].fill(value);
        scratch.inputs.push(next);
        next += CHUNK;
    }
}

fn sweep<T: Vector>(linked: &Linked, tape: usize, memory: &mut [T], offsets: (&[usize], &[usize]), lanes: usize) {
    let (constants, registers) = (linked.constants[tape], linked.registers);
    let place = Place { inputs: offsets.0, outputs: offsets.1, constants, registers, lanes };
    linked.tapes[tape].run(memory, place);
}

/// The first lane of so many rows.
fn gather<T: Real>(memory: &[T], start: usize, rows: usize, to: &mut Vec<T>) {
    to.clear();
    to.extend((0..rows).map(|row| memory[start + row * LANES]));
}
