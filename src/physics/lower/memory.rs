//! Values, pointers, loads and stores. A run-time index becomes selects; it is clamped to the range, as on devices.

use super::{Lowerer, Scalars};
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use std::rc::Rc;

/// The value of an expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Data(Scalars),
    Pointer(Pointer),
}

/// A place in a local variable.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    /// Index of the variable in the memory.
    pub variable: usize,
    pub offset: usize,
    pub width: usize,
    /// Run-time indices on the way, outermost first.
    pub steps: Vec<Step>,
}

/// A run-time index into `count` parts of `stride` scalars each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub index: NodeId,
    pub count: usize,
    pub stride: usize,
}

impl Lowerer<'_> {
    /// Checks an index that is known; `None` if it is a run-time index.
    pub fn known_index(&self, index: NodeId, count: usize) -> Result<Option<usize>, Fault> {
        let Some(value) = self.graph.value(index) else { return Ok(None) };
        if value >= 0.0 && value < count as f64 {
            return Ok(Some(value as usize));
        }
        let message = format!("index {value} is outside 0 to {}", count.saturating_sub(1));
        Err(self.fault(message).help("make the table longer, or clamp the index"))
    }

    /// Reads through a pointer.
    pub fn load(&mut self, pointer: &Pointer) -> Scalars {
        let cells = Rc::clone(&self.memory[pointer.variable]);
        let flags = self.flags[pointer.variable].clone();
        self.gather(&cells, flags.as_deref(), pointer.offset, pointer.width, &pointer.steps).into()
    }

    /// Reads `width` scalars at an offset plus run-time indices.
    pub fn gather(
        &mut self,
        cells: &[NodeId],
        flags: Option<&[bool]>,
        offset: usize,
        width: usize,
        steps: &[Step],
    ) -> Vec<NodeId> {
        let Some((step, rest)) = steps.split_first() else { return cells[offset..offset + width].to_vec() };
        let mut parts = Vec::with_capacity(step.count);
        for i in 0..step.count {
            parts.push(self.gather(cells, flags, offset + i * step.stride, width, rest));
        }
        // All parts have the same type, so the flags of the first serve for each.
        let first = offset..offset + width;
        self.choose_part(&parts, step.index, 0, flags.map(|f| &f[first]))
    }

    /// Selects the part of an index by halving: as many selects as a chain, but of logarithmic depth.
    fn choose_part(
        &mut self,
        parts: &[Vec<NodeId>],
        index: NodeId,
        start: usize,
        flags: Option<&[bool]>,
    ) -> Vec<NodeId> {
        if let [only] = parts {
            return only.clone();
        }
        let middle = parts.len() / 2;
        let low = self.choose_part(&parts[..middle], index, start, flags);
        let high = self.choose_part(&parts[middle..], index, start + middle, flags);
        let last_low = self.graph.constant((start + middle - 1) as f64);
        let in_low = self.graph.less_equal(index, last_low);
        self.pick_all(in_low, &low, &high, flags)
    }

    /// Writes through a pointer.
    pub fn store(&mut self, pointer: &Pointer, value: &[NodeId]) -> Result<(), Fault> {
        // The whole variable is copied: other paths of the flow may still see the old one.
        self.charge(self.memory[pointer.variable].len() / 16)?;
        let mut cells = self.memory[pointer.variable].to_vec();
        let flags = self.flags[pointer.variable].clone();
        let always = self.graph.boolean(true);
        self.scatter(&mut cells, flags.as_deref(), pointer.offset, &pointer.steps, always, value);
        self.memory[pointer.variable] = Rc::new(cells);
        Ok(())
    }

    fn scatter(
        &mut self,
        cells: &mut [NodeId],
        flags: Option<&[bool]>,
        offset: usize,
        steps: &[Step],
        condition: NodeId,
        value: &[NodeId],
    ) {
        let Some((step, rest)) = steps.split_first() else {
            for (i, &new) in value.iter().enumerate() {
                let at = offset + i;
                cells[at] = self.pick(condition, new, cells[at], flags.is_some_and(|f| f[at]));
            }
            return;
        };
        for i in 0..step.count {
            let hit = self.selects_part(step, i);
            let condition = self.and(condition, hit);
            self.scatter(cells, flags, offset + i * step.stride, rest, condition, value);
        }
    }

    /// Condition that a run-time index means part `i`, beyond the ends the first or last one.
    fn selects_part(&mut self, step: &Step, i: usize) -> NodeId {
        let position = self.graph.constant(i as f64);
        if step.count == 1 {
            self.graph.boolean(true)
        } else if i == 0 {
            self.graph.less_equal(step.index, position)
        } else if i + 1 == step.count {
            self.graph.less_equal(position, step.index)
        } else {
            self.graph.binary(Op::Equal, step.index, position)
        }
    }
}
