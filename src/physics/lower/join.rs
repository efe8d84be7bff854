//! Joining values of divided control flow, and the boolean algebra that it needs.

use super::control::Exit;
use super::{Lowerer, Scalars};
use crate::graph::{Node, NodeId, Op};
use std::rc::Rc;

/// A copy of the memory: cheap, since variables are shared until written.
pub(super) type Memory = Vec<Rc<Vec<NodeId>>>;

impl Lowerer<'_> {
    /// a ∧ b
    pub fn and(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if self.opposite(a, b) { self.graph.boolean(false) } else { self.graph.and(a, b) }
    }

    /// a ∨ b
    pub fn or(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if self.opposite(a, b) { self.graph.boolean(true) } else { self.graph.or(a, b) }
    }

    fn opposite(&self, a: NodeId, b: NodeId) -> bool {
        let negates = |a, b| matches!(self.graph.node(a), Node::Apply(Op::Not, args) if args[0] == b);
        negates(a, b) || negates(b, a)
    }

    /// `then` where the condition holds, else `otherwise`. Booleans are joined by logic, not by select, so that printers
    /// never meet a select between conditions.
    pub fn pick(&mut self, condition: NodeId, then: NodeId, otherwise: NodeId, boolean: bool) -> NodeId {
        if then == otherwise {
            return then;
        }
        if !boolean {
            return self.graph.select(condition, then, otherwise);
        }
        match self.graph.known(condition) {
            Some(true) => return then,
            Some(false) => return otherwise,
            None => {}
        }
        let negated = self.graph.not(condition);
        match (self.graph.known(then), self.graph.known(otherwise)) {
            (Some(true), _) => self.or(condition, otherwise),
            (Some(false), _) => self.and(negated, otherwise),
            (_, Some(true)) => self.or(negated, then),
            (_, Some(false)) => self.and(condition, then),
            _ => {
                let a = self.and(condition, then);
                let b = self.and(negated, otherwise);
                self.or(a, b)
            }
        }
    }

    /// [`pick`](Self::pick) for all scalars of a value.
    pub fn pick_all(
        &mut self,
        condition: NodeId,
        then: &[NodeId],
        otherwise: &[NodeId],
        flags: Option<&[bool]>,
    ) -> Vec<NodeId> {
        let pairs = then.iter().zip(otherwise).enumerate();
        pairs.map(|(i, (&a, &b))| self.pick(condition, a, b, flags.is_some_and(|f| f[i]))).collect()
    }

    /// The memory `then` where the condition holds, else `otherwise`.
    pub fn join_memory(&mut self, condition: NodeId, then: &Memory, otherwise: &Memory) -> Memory {
        let mut joined = Vec::with_capacity(then.len());
        for (i, (a, b)) in then.iter().zip(otherwise).enumerate() {
            if Rc::ptr_eq(a, b) {
                joined.push(Rc::clone(a));
            } else {
                let flags = self.flags[i].clone();
                joined.push(Rc::new(self.pick_all(condition, a, b, flags.as_deref())));
            }
        }
        joined
    }

    /// Joins exits in program order: the first whose condition holds counts, and the last needs none. What has left by an
    /// earlier exit may fulfil the condition of a later one, which the order resolves.
    pub fn join_exits(&mut self, exits: Vec<Exit>, flags: Option<&[bool]>) -> Option<(Memory, Option<Scalars>)> {
        let mut exits = exits.into_iter().rev();
        let last = exits.next()?;
        let (mut memory, mut value) = (last.memory, last.value);
        for exit in exits {
            memory = self.join_memory(exit.condition, &exit.memory, &memory);
            value = match (exit.value, value) {
                (Some(a), Some(b)) => Some(self.pick_all(exit.condition, &a, &b, flags).into()),
                (a, b) => a.or(b),
            };
        }
        Some((memory, value))
    }
}
