//! Values that the reverse sweep computes again instead of keeping them.
//!
//! A rollout keeps what the reverse sweep reads of every stage. On grids that is most of its memory: an activation whose
//! argument is kept anyway costs one pass over the cells to compute again, less than reading it back from memory. The same
//! holds of a layer behind few inputs, where the device says so: 6 → 128 is 6 multiply–adds per number that need not be
//! kept, 128 → 128 would be 128.

use super::operation::{Operation, Over, Value, ValueId, View};
use super::reverse::Differentiated;
use crate::graph::Tape;

/// The same with layers of at most `inputs` inputs, and the activations behind them, computed again in the reverse sweep.
pub fn layers_again(differentiated: Differentiated, inputs: usize) -> Differentiated {
    let Differentiated { mut program, forward } = differentiated;
    program.values = recompute(program.values, forward, inputs, &mut program.outputs);
    Differentiated { program, forward }
}

/// Rewrites a program whose first `forward` values are its forward part; `outputs` are renumbered too. The values
/// computed again, and the bits of everything else, are the same. Layers of at most `inputs` inputs are computed again.
pub(super) fn recompute(values: Vec<Value>, forward: usize, inputs: usize, outputs: &mut [View]) -> Vec<Value> {
    let again = candidates(&values, forward, inputs);
    let mut numbers: Vec<ValueId> = (0..values.len() as u32).map(ValueId).collect();
    let mut rewritten: Vec<Value> = values[..forward].to_vec();
    for (index, mut value) in values.iter().cloned().enumerate().skip(forward) {
        for view in value.operation.reads() {
            repeat(&values, &again, view.value.index(), &mut numbers, &mut rewritten);
        }
        value.operation.renumber(&numbers);
        numbers[index] = ValueId(rewritten.len() as u32);
        rewritten.push(value);
    }
    for output in outputs.iter_mut().filter(|o| o.value.index() >= forward) {
        output.value = numbers[output.value.index()];
    }
    rewritten
}

/// Appends a value that is computed again, behind what it reads, unless it has been already.
fn repeat(values: &[Value], again: &[bool], index: usize, numbers: &mut [ValueId], rewritten: &mut Vec<Value>) {
    if again.get(index) != Some(&true) || numbers[index].index() != index {
        return;
    }
    for view in values[index].operation.reads() {
        repeat(values, again, view.value.index(), numbers, rewritten);
    }
    let mut value = values[index].clone();
    value.operation.renumber(numbers);
    numbers[index] = ValueId(rewritten.len() as u32);
    rewritten.push(value);
}

/// Values of the forward part to compute again: component-wise functions of fields, read by the reverse part, whose arguments
/// it reads for other reasons; layers of few inputs that it keeps anyway, and rectifiers of these.
fn candidates(values: &[Value], forward: usize, inputs: usize) -> Vec<bool> {
    let mut read = vec![false; forward];
    for value in &values[forward..] {
        for view in value.operation.reads().iter().filter(|v| v.value.index() < forward) {
            read[view.value.index()] = true;
        }
    }
    let mut again = vec![false; forward];
    for (index, value) in values[..forward].iter().enumerate() {
        let kept = |view: &View| read[view.value.index()] && !again[view.value.index()];
        again[index] = match &value.operation {
            Operation::Map { arguments, over: Over::Component, .. } if value.field => {
                read[index] && arguments.iter().all(kept)
            }
            Operation::Map { function, arguments, over: Over::Component } => {
                // A tanh costs more than its way to memory.
                let cheap = || Tape::compile(function).rectifier().is_some();
                read[index] && arguments.iter().all(|a| again[a.value.index()]) && cheap()
            }
            Operation::Affine { x, .. } => !value.field && x.width <= inputs && kept(x),
            _ => false,
        };
    }
    again
}
