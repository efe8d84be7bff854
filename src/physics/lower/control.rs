//! Statements: branches, switches, loops, calls, stores.

use super::join::Memory;
use super::memory::Value;
use super::{Frame, Lowerer, Scalars, Watch, data_dependent};
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use naga::{Block, Expression, Handle, Span, Statement, SwitchCase, SwitchValue};

/// Rounds after which a loop without a known test of its end is given up.
const BLIND_ROUNDS: usize = 4_096;

/// Rounds after which any loop is given up.
const ROUND_LIMIT: usize = 10_000;

/// A way out of a function, loop or switch: where its condition holds, this memory and value count.
pub(super) struct Exit {
    pub condition: NodeId,
    pub memory: Memory,
    pub value: Option<Scalars>,
}

/// One side of a branch.
#[derive(Clone, Copy)]
enum Arm<'a, 'g> {
    Block(&'a Block),
    /// The remaining groups of cases of a switch on a value.
    Cases(NodeId, &'g [Group<'a>]),
}

/// Cases of a switch that share a body.
struct Group<'a> {
    values: Vec<f64>,
    default: bool,
    body: &'a Block,
}

/// Lengths of the lists of exits, to find those added since.
type Marks = [usize; 3];

impl<'a> Frame<'a> {
    fn marks(&self) -> Marks {
        [self.returns.len(), self.breaks.len(), self.continues.len()]
    }
}

impl<'a> Lowerer<'a> {
    /// Executes statements until the flow cannot go on.
    pub fn block(&mut self, frame: &mut Frame<'a>, block: &'a Block) -> Result<(), Fault> {
        for (statement, &span) in block.span_iter() {
            if !frame.reachable {
                break;
            }
            if span.is_defined() {
                self.span = span;
            }
            self.charge(1)?;
            self.statement(frame, statement, span)?;
        }
        Ok(())
    }

    fn statement(&mut self, frame: &mut Frame<'a>, statement: &'a Statement, span: Span) -> Result<(), Fault> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.emit(frame, handle)?;
                }
            }
            Statement::Block(block) => self.block(frame, block)?,
            Statement::If { condition, accept, reject } => {
                let condition = self.scalar(frame, *condition)?;
                self.branch(frame, condition, Arm::Block(accept), Arm::Block(reject))?;
            }
            Statement::Switch { selector, cases } => self.switch(frame, *selector, cases)?,
            Statement::Loop { body, continuing, break_if } => {
                self.watches.push(Watch { span, iterations: 0, known_test: false });
                self.repeat(frame, body, continuing, *break_if)?;
                self.watches.pop();
            }
            Statement::Break => {
                let exit = self.exit(frame.alive, None);
                frame.breaks.push(exit);
                self.stop(frame);
            }
            Statement::Continue => {
                let exit = self.exit(frame.alive, None);
                frame.continues.push(exit);
                self.stop(frame);
            }
            Statement::Return { value } => {
                let value = value.map(|value| self.scalars(frame, value)).transpose()?;
                self.leave(frame, value);
            }
            Statement::Store { pointer, value } => {
                let value = self.scalars(frame, *value)?;
                let Value::Pointer(pointer) = self.value(frame, *pointer)? else {
                    return Err(self.unsupported("a store to this place is", "store to local variables only"));
                };
                self.charge(value.len() / 16)?;
                self.store(&pointer, &value)?;
            }
            Statement::Call { function, arguments, result } => {
                let mut passed = Vec::with_capacity(arguments.len());
                for &argument in arguments {
                    passed.push(self.value(frame, argument)?);
                }
                let returned = self.call(*function, passed)?;
                if let (Some(handle), Some(scalars)) = (result, returned) {
                    frame.values[handle.index()] = Some(Value::Data(scalars));
                }
            }
            Statement::Kill => return Err(self.unsupported("`discard` is", "return a value instead")),
            Statement::ControlBarrier(_) | Statement::MemoryBarrier(_) => {
                return Err(self.unsupported("a barrier is", "remove it: physics runs for one sample at a time"));
            }
            Statement::Atomic { .. } | Statement::ImageAtomic { .. } => {
                return Err(self.unsupported("an atomic operation is", "use local variables"));
            }
            Statement::ImageStore { .. } => {
                return Err(self.unsupported("a texture is", "use a `const` array as a table"));
            }
            _ => return Err(self.unsupported("this statement is", "use plain WGSL arithmetic")),
        }
        Ok(())
    }

    /// A copy of the memory with the condition of the flow here.
    fn exit(&self, condition: NodeId, value: Option<Scalars>) -> Exit {
        Exit { condition, memory: self.memory.clone(), value }
    }

    /// Ends the flow by break or continue.
    fn stop(&mut self, frame: &mut Frame<'a>) {
        frame.alive = self.graph.boolean(false);
        frame.reachable = false;
    }

    /// Ends the flow by return. Only the memory of callers outlives it.
    pub fn leave(&mut self, frame: &mut Frame<'a>, value: Option<Scalars>) {
        let memory = self.memory[..frame.base].to_vec();
        frame.returns.push(Exit { condition: frame.alive, memory, value });
        frame.reachable = false;
    }

    /// Adds a condition to all exits added since the marks.
    fn guard(&mut self, frame: &mut Frame<'a>, marks: Marks, condition: NodeId) {
        let added = frame.returns[marks[0]..].iter_mut();
        let added = added.chain(&mut frame.breaks[marks[1]..]).chain(&mut frame.continues[marks[2]..]);
        for exit in added {
            exit.condition = self.and(condition, exit.condition);
        }
    }

    fn arm(&mut self, frame: &mut Frame<'a>, arm: Arm<'a, '_>) -> Result<(), Fault> {
        match arm {
            Arm::Block(block) => self.block(frame, block),
            Arm::Cases(selector, groups) => self.cases(frame, selector, groups),
        }
    }

    /// Runs one side if the condition is known, else both, and joins them.
    fn branch(
        &mut self,
        frame: &mut Frame<'a>,
        condition: NodeId,
        accept: Arm<'a, '_>,
        reject: Arm<'a, '_>,
    ) -> Result<(), Fault> {
        if let Some(known) = self.graph.known(condition) {
            let (taken, other) = if known { (accept, reject) } else { (reject, accept) };
            // Loops of callers are not concerned.
            if let (Arm::Block(block), Some(watch)) = (other, self.watches[frame.watches..].last_mut()) {
                watch.known_test |= leaves(block);
            }
            return self.arm(frame, taken);
        }
        self.charge(self.memory.len() / 8)?;
        let (memory, alive) = (self.memory.clone(), frame.alive);
        let marks = frame.marks();
        self.arm(frame, accept)?;
        self.guard(frame, marks, condition);
        let accepted = (std::mem::replace(&mut self.memory, memory), frame.alive, frame.reachable);

        (frame.alive, frame.reachable) = (alive, true);
        let marks = frame.marks();
        self.arm(frame, reject)?;
        let negated = self.graph.not(condition);
        self.guard(frame, marks, negated);

        match (accepted.2, frame.reachable) {
            (true, true) => {
                let rejected = std::mem::take(&mut self.memory);
                self.memory = self.join_memory(condition, &accepted.0, &rejected);
            }
            (true, false) => self.memory = accepted.0,
            _ => {}
        }
        frame.reachable |= accepted.2;
        frame.alive = self.pick(condition, accepted.1, frame.alive, true);
        Ok(())
    }

    /// Runs a switch: known selectors pick their case, others become a chain of branches.
    fn switch(
        &mut self,
        frame: &mut Frame<'a>,
        selector: Handle<Expression>,
        cases: &'a [SwitchCase],
    ) -> Result<(), Fault> {
        let selector = self.scalar(frame, selector)?;
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut open: Option<(Vec<f64>, bool)> = None;
        for case in cases {
            let (mut values, mut default) = open.take().unwrap_or_default();
            match case.value {
                SwitchValue::I32(value) => values.push(f64::from(value)),
                SwitchValue::U32(value) => values.push(f64::from(value)),
                SwitchValue::Default => default = true,
            }
            if case.fall_through {
                if !case.body.is_empty() {
                    return Err(self.unsupported("a case that falls through is", "end every case on its own"));
                }
                open = Some((values, default));
            } else {
                groups.push(Group { values, default, body: &case.body });
            }
        }
        // The default is what no value selects, wherever it stands.
        groups.sort_by_key(|group| group.default);
        let outer_breaks = std::mem::take(&mut frame.breaks);
        let (alive, marks) = (frame.alive, frame.marks());
        frame.alive = self.graph.boolean(true);
        self.cases(frame, selector, &groups)?;
        if frame.reachable {
            let exit = self.exit(frame.alive, None);
            frame.breaks.push(exit);
        }
        let exits = std::mem::replace(&mut frame.breaks, outer_breaks);
        self.guard(frame, [marks[0], frame.breaks.len(), marks[2]], alive);
        frame.alive = alive;
        for i in marks[2]..frame.continues.len() {
            let stays = self.graph.not(frame.continues[i].condition);
            frame.alive = self.and(frame.alive, stays);
        }
        self.resume(frame, exits);
        Ok(())
    }

    /// Goes on behind a loop or switch with the joined memory of its exits.
    fn resume(&mut self, frame: &mut Frame<'a>, exits: Vec<Exit>) {
        match self.join_exits(exits, None) {
            Some((memory, _)) => {
                self.memory = memory;
                frame.reachable = true;
            }
            None => frame.reachable = false,
        }
    }

    fn cases(&mut self, frame: &mut Frame<'a>, selector: NodeId, groups: &[Group<'a>]) -> Result<(), Fault> {
        let Some((group, rest)) = groups.split_first() else { return Ok(()) };
        if group.default {
            return self.block(frame, group.body);
        }
        let mut condition = self.graph.boolean(false);
        for &value in &group.values {
            let value = self.graph.constant(value);
            let hit = self.graph.binary(Op::Equal, selector, value);
            condition = self.or(condition, hit);
        }
        self.branch(frame, condition, Arm::Block(group.body), Arm::Cases(selector, rest))
    }

    /// Runs a loop until no flow is left in it.
    fn repeat(
        &mut self,
        frame: &mut Frame<'a>,
        body: &'a Block,
        continuing: &'a Block,
        break_if: Option<Handle<Expression>>,
    ) -> Result<(), Fault> {
        let outer = (std::mem::take(&mut frame.breaks), std::mem::take(&mut frame.continues));
        let (alive, returns) = (frame.alive, frame.returns.len());
        frame.alive = self.graph.boolean(true);
        loop {
            self.next_round()?;
            let top = frame.alive;
            let breaks = frame.breaks.len();
            self.block(frame, body)?;
            if frame.reachable {
                let exit = self.exit(frame.alive, None);
                frame.continues.push(exit);
            }
            let rejoining = std::mem::take(&mut frame.continues);
            self.resume(frame, rejoining);
            if !frame.reachable {
                break;
            }
            frame.alive = top;
            for i in breaks..frame.breaks.len() {
                let stays = self.graph.not(frame.breaks[i].condition);
                frame.alive = self.and(frame.alive, stays);
            }
            self.block(frame, continuing)?;
            if let Some(condition) = break_if {
                let ends = self.scalar(frame, condition)?;
                if self.graph.known(ends) == Some(false) {
                    if let Some(watch) = self.watches.last_mut() {
                        watch.known_test = true;
                    }
                    continue;
                }
                let leaving = self.and(frame.alive, ends);
                let exit = self.exit(leaving, None);
                frame.breaks.push(exit);
                if self.graph.known(ends) == Some(true) {
                    break;
                }
                let stays = self.graph.not(ends);
                frame.alive = self.and(frame.alive, stays);
            }
        }
        let exits = std::mem::replace(&mut frame.breaks, outer.0);
        frame.continues = outer.1;
        let marks = [returns, frame.breaks.len(), frame.continues.len()];
        self.guard(frame, marks, alive);
        frame.alive = alive;
        self.resume(frame, exits);
        Ok(())
    }

    /// Counts a round of the innermost loop.
    fn next_round(&mut self) -> Result<(), Fault> {
        self.charge(1 + self.memory.len() / 8)?;
        let Some(watch) = self.watches.last_mut() else { return Ok(()) };
        watch.iterations += 1;
        if watch.iterations > BLIND_ROUNDS && !watch.known_test {
            return Err(data_dependent(watch.span));
        }
        if watch.iterations > ROUND_LIMIT {
            return Err(Fault::new(watch.span, format!("this loop runs more than {ROUND_LIMIT} rounds"))
                .help("loops are unrolled: use fewer rounds"));
        }
        Ok(())
    }
}

/// True if a block can leave the loop around it: a break or return outside inner loops and switches.
fn leaves(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Break | Statement::Return { .. } => true,
        Statement::Block(inner) => leaves(inner),
        Statement::If { accept, reject, .. } => leaves(accept) || leaves(reject),
        _ => false,
    })
}
