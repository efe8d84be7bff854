//! Fields that the reverse sweep computes again instead of keeping them.
//!
//! A rollout keeps what the reverse sweep reads of every stage, and on grids that is most of its memory. An activation
//! whose argument is kept anyway costs one pass over the cells to compute again, less than reading it back from memory.

use super::build::{Operation, Over, Value, ValueId, View};

/// Rewrites a program whose first `forward` values are its forward part; `outputs` are renumbered too. The values
/// computed again, and the bits of everything else, are the same.
pub(super) fn recompute(values: Vec<Value>, forward: usize, outputs: &mut [View]) -> Vec<Value> {
    let again = candidates(&values, forward);
    let mut numbers: Vec<ValueId> = (0..values.len() as u32).map(ValueId).collect();
    let mut rewritten: Vec<Value> = values[..forward].to_vec();
    for (index, mut value) in values.iter().cloned().enumerate().skip(forward) {
        for view in value.operation.reads() {
            let read = view.value.index();
            if again.get(read) == Some(&true) && numbers[read].index() == read {
                numbers[read] = ValueId(rewritten.len() as u32);
                rewritten.push(values[read].clone());
            }
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

/// Component-wise functions of fields, read by the reverse part, whose arguments it reads for other reasons.
fn candidates(values: &[Value], forward: usize) -> Vec<bool> {
    let mut read = vec![false; forward];
    for value in &values[forward..] {
        for view in value.operation.reads().iter().filter(|v| v.value.index() < forward) {
            read[view.value.index()] = true;
        }
    }
    let mut again = vec![false; forward];
    for (index, value) in values[..forward].iter().enumerate() {
        again[index] = match &value.operation {
            Operation::Map { arguments, over: Over::Component, .. } if value.field && read[index] => {
                arguments.iter().all(|a| read[a.value.index()] && !again[a.value.index()])
            }
            _ => false,
        };
    }
    again
}
