//! Linking for adapters: from a differentiated program to steps over rows.
//!
//! A row holds one scalar of every sample of a workgroup. Rows lie in *work*, the workgroup memory of a kernel, where they
//! are reused once a value has been read for the last time, or in *frames*, storage that holds what the reverse part reads
//! of the forward part and what the products of weight gradients contract. The forward and the reverse part run in kernels
//! of their own, so each has its own plan of work rows. Kernels move rows by fours, *quads*: every value begins with a quad,
//! and products and component-wise functions read quads only, so a slice that begins within one is copied first.

use crate::device::pool::Pool;
use crate::graph::Function;
use crate::program::{Differentiated, Operation, Over, View, WeightId};
use std::ops::Range;
use std::sync::Arc;

/// Where a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A row of the workgroup's memory.
    Work(usize),
    /// A row of the call's frame.
    Frame(usize),
}

/// Rows that lie side by side in a vector.
pub const QUAD: usize = 4;

/// Rows of whole quads for `rows` of a value.
pub fn padded(rows: usize) -> usize {
    rows.next_multiple_of(QUAD)
}

impl Place {
    fn begins_a_quad(self) -> bool {
        let (Place::Work(row) | Place::Frame(row)) = self;
        row.is_multiple_of(QUAD)
    }

    fn offset(self, rows: usize) -> Place {
        match self {
            Place::Work(row) => Place::Work(row + rows),
            Place::Frame(row) => Place::Frame(row + rows),
        }
    }
}

/// One step. Results go to `output`, a work row, and to the frame row `save` if there is one.
#[derive(Clone, Debug)]
pub enum Step {
    /// A function of a sample's scalars; one place per input.
    Map { function: Arc<Function>, inputs: Vec<Place>, output: usize, save: Option<usize> },
    /// A function of one output over `rows` rows; one place per argument.
    Each { function: Arc<Function>, inputs: Vec<Place>, output: usize, save: Option<usize>, rows: usize },
    /// W x + b or Wᵀ x.
    Affine {
        weight: WeightId,
        bias: Option<WeightId>,
        transposed: bool,
        rows: usize,
        depth: usize,
        x: usize,
        output: usize,
        save: Option<usize>,
    },
    /// Copies rows.
    Copy { from: Place, output: usize, save: Option<usize>, rows: usize },
    /// Writes constants.
    Fill { values: Vec<f64>, output: usize, save: Option<usize> },
}

/// A weight gradient's contribution: Σ over calls and samples of y xᵀ, with frame rows.
#[derive(Clone, Copy, Debug)]
pub struct OuterProduct {
    /// The matrix.
    pub weight: WeightId,
    /// The bias, whose gradient is Σ y.
    pub bias: Option<WeightId>,
    /// First frame row of the cotangent.
    pub y: usize,
    /// First frame row of the activation.
    pub x: usize,
}

/// Rows that the drivers own, the same for all programs of a kernel.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// First row of each primal port.
    pub ports: Vec<usize>,
    /// First row of each cotangent port, in the reverse kernel.
    pub cotangents: Vec<usize>,
    /// First free row of the forward and of the reverse kernel.
    pub free: [usize; 2],
}

/// A linked program.
#[derive(Clone, Debug, Default)]
pub struct Linked {
    /// Steps of the forward and of the reverse part.
    pub steps: [Vec<Step>; 2],
    /// Work rows at which the primal outputs stand after the forward part.
    pub outputs: Vec<usize>,
    /// Work rows at which the cotangents of the wanted ports stand after the reverse part.
    pub cotangents: Vec<usize>,
    /// Rows of a frame.
    pub frame: usize,
    /// Work rows of the forward and the reverse kernel, the fixed ones included.
    pub work: [usize; 2],
    /// Weight gradients.
    pub products: Vec<OuterProduct>,
}

/// Links a differentiated program. Port 0 changes from call to call, so the reverse part finds it in the frame; the other
/// ports are prepared again for the reverse kernel.
pub fn link(program: &Differentiated, primal_outputs: usize, fixed: &Fixed) -> Linked {
    let values = &program.program.values;
    let mut linker = Linker {
        program,
        fixed,
        work: vec![None; values.len()],
        frame: vec![None; values.len()],
        linked: Linked::default(),
    };
    linker.assign_frames(primal_outputs);
    for (part, range) in [0..program.forward, program.forward..values.len()].into_iter().enumerate() {
        let outputs: Vec<View> = match part {
            0 => program.program.outputs[..primal_outputs].to_vec(),
            _ => program.program.outputs[primal_outputs..].to_vec(),
        };
        linker.part(part, range, &outputs);
    }
    linker.linked
}

struct Linker<'a> {
    program: &'a Differentiated,
    fixed: &'a Fixed,
    /// Work row of each value in the current part.
    work: Vec<Option<usize>>,
    frame: Vec<Option<usize>>,
    linked: Linked,
}

impl Linker<'_> {
    /// The work row of a port that both kernels have.
    fn port_row(&self, value: usize) -> Option<usize> {
        match self.program.program.values[value].operation {
            Operation::Input(port) if value >= self.program.forward => {
                Some(self.fixed.cotangents[port - self.fixed.ports.len()])
            }
            Operation::Input(port) if port > 0 => Some(self.fixed.ports[port]),
            _ => None,
        }
    }

    fn assign_frames(&mut self, primal_outputs: usize) {
        let values = &self.program.program.values;
        let mut saved = vec![false; values.len()];
        let crosses = |read: usize| read < self.program.forward && self.port_row(read).is_none();
        for value in &values[self.program.forward..] {
            let product = matches!(value.operation, Operation::Outer { .. });
            for view in value.operation.reads() {
                let read = view.value.index();
                saved[read] |= product || crosses(read);
            }
        }
        // A cotangent that is a forward value is read by the reverse kernel too.
        for output in &self.program.program.outputs[primal_outputs..] {
            saved[output.value.index()] |= crosses(output.value.index());
        }
        for (index, value) in values.iter().enumerate().filter(|(index, _)| saved[*index]) {
            self.frame[index] = Some(self.linked.frame);
            self.linked.frame += padded(value.width);
        }
    }

    /// Where the current part reads a view.
    fn place(&self, view: &View) -> Place {
        let index = view.value.index();
        let place = match self.work[index].or_else(|| self.port_row(index)) {
            Some(row) => Place::Work(row),
            None => Place::Frame(self.frame[index].expect("values that cross parts have a frame row")),
        };
        place.offset(view.start)
    }

    fn part(&mut self, part: usize, range: Range<usize>, outputs: &[View]) {
        let values = &self.program.program.values;
        self.work.fill(None);
        let mut last: Vec<usize> = (0..values.len()).collect();
        // Weight gradients are contracted from the frames, by a kernel of their own.
        for index in range.clone() {
            let contracted = matches!(values[index].operation, Operation::Outer { .. });
            for view in values[index].operation.reads().iter().filter(|v| !contracted || v.start % QUAD != 0) {
                last[view.value.index()] = index;
            }
        }
        for output in outputs {
            last[output.value.index()] = range.end;
        }
        let mut release: Vec<Vec<usize>> = vec![Vec::new(); range.end + 1];
        let mut pool = Pool::new(self.fixed.free[part]);
        for index in range.clone() {
            let (operation, width, save) = (&values[index].operation, values[index].width, self.frame[index]);
            if let Operation::Input(port) = operation {
                let row = if index < self.program.forward {
                    self.fixed.ports[*port]
                } else {
                    self.port_row(index).expect("a port")
                };
                self.work[index] = Some(row);
                match save {
                    Some(_) if row.is_multiple_of(QUAD) => {
                        let step = Step::Copy { from: Place::Work(row), output: row, save, rows: width };
                        self.linked.steps[part].push(step);
                    }
                    Some(_) => {
                        self.copied(part, Place::Work(row), save, width, &mut pool);
                    }
                    None => {}
                }
                continue;
            }
            if let Operation::Outer { weight, bias, y, x, .. } = operation {
                let (y, x) = (self.contracted(part, y, &mut pool), self.contracted(part, x, &mut pool));
                self.linked.products.push(OuterProduct { weight: *weight, bias: *bias, y, x });
                continue;
            }
            let reused = self.dying_argument(operation, index, width, &last, range.start);
            let output = match reused {
                Some(argument) => self.work[argument].expect("it has rows"),
                None => pool.take(padded(width)),
            };
            self.steps(part, operation, width, output, save, &mut pool);
            self.work[index] = Some(output);
            release[index].retain(|dead| Some(*dead) != reused);
            release[last[index]].push(index);
            for dead in release[index].drain(..) {
                pool.give(self.work[dead].expect("it has rows"), padded(values[dead].width));
            }
        }
        for view in outputs {
            let row = match self.place(view) {
                Place::Work(row) => row,
                from @ Place::Frame(_) => {
                    let output = pool.take(padded(view.width));
                    self.linked.steps[part].push(Step::Copy { from, output, save: None, rows: view.width });
                    output
                }
            };
            if part == 0 { self.linked.outputs.push(row) } else { self.linked.cotangents.push(row) }
        }
        self.linked.work[part] = pool.top();
    }

    /// The argument of a component-wise function that is read for the last time: its rows serve the result, since every
    /// component is read before its own place is written.
    fn dying_argument(
        &self,
        operation: &Operation,
        index: usize,
        width: usize,
        last: &[usize],
        first: usize,
    ) -> Option<usize> {
        let Operation::Map { arguments, over: Over::Component, .. } = operation else { return None };
        let values = &self.program.program.values;
        arguments.iter().map(|view| view.value.index()).find(|argument| {
            let own = *argument >= first && !matches!(values[*argument].operation, Operation::Input(_));
            own && last[*argument] == index && values[*argument].width == width
        })
    }

    fn steps(
        &mut self,
        part: usize,
        operation: &Operation,
        width: usize,
        output: usize,
        save: Option<usize>,
        pool: &mut Pool,
    ) {
        let step = match operation {
            Operation::Constant(values) => Step::Fill { values: values.clone(), output, save },
            Operation::Map { function, arguments, over: Over::Sample } => {
                let scalars = |view: &View| (0..view.width).map(|i| self.place(view).offset(i)).collect::<Vec<_>>();
                let inputs = arguments.iter().flat_map(scalars).collect();
                Step::Map { function: function.clone(), inputs, output, save }
            }
            Operation::Map { function, arguments, over: Over::Component } => {
                let inputs = arguments.iter().map(|view| self.argument(part, view, pool)).collect();
                Step::Each { function: function.clone(), inputs, output, save, rows: width }
            }
            Operation::Affine { weight, bias, x } => {
                let (weight, bias, depth, x) = (*weight, *bias, x.width, self.operand(part, x, pool));
                Step::Affine { weight, bias, transposed: false, rows: width, depth, x, output, save }
            }
            Operation::AffineT { weight, y } => {
                let (weight, depth, x) = (*weight, y.width, self.operand(part, y, pool));
                Step::Affine { weight, bias: None, transposed: true, rows: width, depth, x, output, save }
            }
            Operation::Concat(parts) => {
                let mut row = 0;
                for view in parts {
                    let (from, output) = (self.place(view), output + row);
                    self.linked.steps[part].push(Step::Copy { from, output, save: None, rows: view.width });
                    row += view.width;
                }
                if save.is_none() {
                    return;
                }
                // Parts may share quads, so they are saved together.
                Step::Copy { from: Place::Work(output), output, save, rows: width }
            }
            Operation::Input(_) | Operation::Outer { .. } => unreachable!("handled by the caller"),
            Operation::Map { over: Over::Cell, .. }
            | Operation::Conv { .. }
            | Operation::ConvT { .. }
            | Operation::Stencil { .. }
            | Operation::Sum(_) => unreachable!("fields run in the layer schedule"),
        };
        self.linked.steps[part].push(step);
    }

    /// Products read work rows only: a forward value is fetched from the frame first.
    fn operand(&mut self, part: usize, view: &View, pool: &mut Pool) -> usize {
        match self.place(view) {
            Place::Work(row) if row.is_multiple_of(QUAD) => row,
            from => self.copied(part, from, None, view.width, pool),
        }
    }

    /// Where a component-wise function reads a view, whole quads.
    fn argument(&mut self, part: usize, view: &View, pool: &mut Pool) -> Place {
        match self.place(view) {
            place if place.begins_a_quad() => place,
            from => Place::Work(self.copied(part, from, None, view.width, pool)),
        }
    }

    /// The frame row at which the contraction reads an operand, whole quads.
    fn contracted(&mut self, part: usize, view: &View, pool: &mut Pool) -> usize {
        let row = self.frame[view.value.index()].expect("operands are saved") + view.start;
        if row.is_multiple_of(QUAD) {
            return row;
        }
        let save = self.linked.frame;
        self.linked.frame += padded(view.width);
        self.copied(part, self.place(view), Some(save), view.width, pool);
        save
    }

    fn copied(&mut self, part: usize, from: Place, save: Option<usize>, rows: usize, pool: &mut Pool) -> usize {
        let output = pool.take(padded(rows));
        self.linked.steps[part].push(Step::Copy { from, output, save, rows });
        // Given back at once would let a product write over its own operand: it stays until the end.
        output
    }
}
