//! Linking: from a program to steps over one flat memory.
//!
//! Every scalar of a value is a row of [`LANES`] samples. Rows lie in one of two spaces: *work*, shared by all stages and
//! reused once a value has been read for the last time, and *frame*, which holds what the reverse part of a
//! differentiated program reads from the forward part; a rollout keeps one frame per stage.

use super::LANES;
use crate::device::pool::Pool;
use crate::graph::{CHUNK, Tape};
use crate::program::{Operation, Over, Program, View, WeightId, WeightTable};
use std::collections::HashMap;
use std::sync::Arc;

/// A row, in elements: relative to the work space or to a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Address {
    /// True in a frame, false in work.
    pub frame: bool,
    /// Offset in elements.
    pub offset: usize,
}

impl Address {
    fn row(self, row: usize) -> Address {
        Address { offset: self.offset + row * LANES, ..self }
    }

    /// The position in memory, given where the frame starts.
    #[inline(always)]
    pub fn at(self, frame: usize) -> usize {
        if self.frame { frame + self.offset } else { self.offset }
    }
}

/// One step of a linked program.
#[derive(Debug)]
pub enum Step {
    /// A tape over the lanes of single rows.
    Map { tape: usize, inputs: Vec<Address>, outputs: Vec<Address> },
    /// A tape over contiguous rows.
    Each { tape: usize, inputs: Vec<Address>, output: Address, rows: usize },
    /// y = W x + b, or y = Wᵀ x.
    Affine { weight: WeightId, bias: Option<WeightId>, transposed: bool, x: Address, y: Address },
    /// Gradient of W += y xᵀ.
    Outer { weight: WeightId, bias: Option<WeightId>, y: Address, x: Address },
    /// Copies rows.
    Copy { from: Address, to: Address, rows: usize },
}

/// A linked program and its memory plan, all sizes in elements.
#[derive(Debug)]
pub struct Linked {
    /// Steps; the first `forward` are the forward part.
    pub steps: Vec<Step>,
    /// Number of steps of the forward part.
    pub forward: usize,
    /// The tapes of the maps.
    pub tapes: Vec<Tape>,
    /// Offset of each tape's constants.
    pub constants: Vec<usize>,
    /// Offset of the scratch registers.
    pub registers: usize,
    /// Rows that hold constant values.
    pub fills: Vec<(usize, f64)>,
    /// Elements of the work space, constants and registers included.
    pub work: usize,
    /// Elements of one frame.
    pub frame: usize,
    /// First row of each port.
    pub ports: Vec<Address>,
    /// Rows of each output.
    pub outputs: Vec<Vec<Address>>,
}

/// Links a program whose first `forward` values are its forward part; `pinned` ports keep their rows in the work space
/// because they do not change from stage to stage.
pub fn link(program: &Program, forward: usize, pinned: &[usize], table: &WeightTable) -> Linked {
    let count = program.values.len();
    // The last step that reads each value; outputs live to the end of the part that makes them.
    let mut last = (0..count).collect::<Vec<usize>>();
    let mut saved = vec![false; count];
    for (index, value) in program.values.iter().enumerate() {
        for view in value.operation.reads() {
            last[view.value.index()] = index;
            saved[view.value.index()] |= view.value.index() < forward && index >= forward;
        }
    }
    for output in &program.outputs {
        let index = output.value.index();
        last[index] = last[index].max(if index < forward { forward - 1 } else { count });
    }
    let mut tapes: Vec<Tape> = Vec::new();
    let mut known: HashMap<*const crate::graph::Function, usize> = HashMap::new();
    for value in &program.values {
        if let Operation::Map { function, .. } = &value.operation {
            known.entry(Arc::as_ptr(function)).or_insert_with(|| {
                tapes.push(Tape::compile(function));
                tapes.len() - 1
            });
        }
    }
    let mut top = 0;
    let constants = tapes
        .iter()
        .map(|tape| {
            let offset = top;
            top += tape.constants() * CHUNK;
            offset
        })
        .collect();
    let registers = top;
    top += tapes.iter().map(Tape::registers).max().unwrap_or(0) * CHUNK;
    let mut pool = Pool::new(top);
    let mut frame = 0;
    let mut place: Vec<Address> = Vec::with_capacity(count);
    let mut release: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count + 1];
    let mut linked = Linked {
        steps: Vec::new(),
        forward: 0,
        tapes,
        constants,
        registers,
        fills: Vec::new(),
        work: 0,
        frame: 0,
        ports: vec![Address { frame: false, offset: 0 }; program.ports.len()],
        outputs: Vec::new(),
    };
    for (index, value) in program.values.iter().enumerate() {
        if index == forward {
            linked.forward = linked.steps.len();
        }
        let size = value.width * LANES;
        let is_pinned = match &value.operation {
            Operation::Constant(_) => true,
            // Ports of the reverse part are the cotangents, written just before it runs.
            Operation::Input(port) => index >= forward || pinned.contains(port) || !saved[index],
            _ => false,
        };
        let address = if is_pinned {
            Address { frame: false, offset: pool.reserve(size) }
        } else if saved[index] {
            frame += size;
            Address { frame: true, offset: frame - size }
        } else {
            let offset = pool.take(size);
            release[last[index].min(count)].push((offset, size));
            Address { frame: false, offset }
        };
        let at = |view: &View, place: &[Address]| place[view.value.index()].row(view.start);
        match &value.operation {
            Operation::Input(port) => linked.ports[*port] = address,
            Operation::Constant(values) => {
                let rows = values.iter().enumerate().map(|(i, v)| (address.row(i).offset, *v));
                linked.fills.extend(rows);
            }
            Operation::Map { function, arguments, over } => {
                let tape = known[&Arc::as_ptr(function)];
                match over {
                    Over::Sample | Over::Cell => {
                        let rows = arguments.iter().flat_map(|a| (0..a.width).map(|i| at(a, &place).row(i)));
                        let inputs = rows.collect();
                        let outputs = (0..value.width).map(|i| address.row(i)).collect();
                        linked.steps.push(Step::Map { tape, inputs, outputs });
                    }
                    Over::Component => {
                        let inputs = arguments.iter().map(|a| at(a, &place)).collect();
                        linked.steps.push(Step::Each { tape, inputs, output: address, rows: value.width });
                    }
                }
            }
            Operation::Affine { weight, bias, x } => {
                let x = at(x, &place);
                linked.steps.push(Step::Affine { weight: *weight, bias: *bias, transposed: false, x, y: address });
            }
            Operation::AffineT { weight, y } => {
                let x = at(y, &place);
                linked.steps.push(Step::Affine { weight: *weight, bias: None, transposed: true, x, y: address });
            }
            Operation::Outer { weight, bias, y, x, .. } => {
                let (y, x) = (at(y, &place), at(x, &place));
                debug_assert!(!table.shape(*weight).is_empty());
                linked.steps.push(Step::Outer { weight: *weight, bias: *bias, y, x });
            }
            Operation::Conv { .. } | Operation::ConvT { .. } | Operation::Stencil { .. } | Operation::Sum(_) => todo!(),
            Operation::Concat(parts) => {
                let mut row = 0;
                for part in parts {
                    let (from, to) = (at(part, &place), address.row(row));
                    linked.steps.push(Step::Copy { from, to, rows: part.width });
                    row += part.width;
                }
            }
        }
        place.push(address);
        for (offset, size) in release[index].drain(..) {
            pool.give(offset, size);
        }
    }
    if forward >= count {
        linked.forward = linked.steps.len();
    }
    linked.outputs = program
        .outputs
        .iter()
        .map(|view| (0..view.width).map(|i| place[view.value.index()].row(view.start + i)).collect())
        .collect();
    linked.work = pool.top();
    linked.frame = frame;
    linked
}
