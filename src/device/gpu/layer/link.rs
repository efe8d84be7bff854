//! Linking for the layer schedule: from a program, with or without its reverse sweep, to steps over places of the arena.
//!
//! A place is a number of scalars per sample behind the start of a space, so that linking depends neither on the batch nor
//! on the plan. *Fixed* holds constants and ports, *work* what lives within a call and is reused, *frame* what the reverse
//! part reads of the forward part, one per call, and *stage* the results that the solver reads when all stages are done.

use crate::device::pool::Pool;
use crate::graph::Function;
use crate::model::ports;
use crate::program::{Boundary, Operation, Over, Program, Stencil, Value, View, WeightId};
use std::sync::Arc;

/// The parts of the arena that places are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The same in all calls.
    Fixed,
    /// Within a call.
    Work,
    /// Of a call, until it was walked back.
    Frame,
    /// Of a stage, until the end of its step.
    Stage,
}

/// A place: a space and an offset in it, in scalars per sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The space.
    pub space: Space,
    /// Scalars per sample before it.
    pub offset: usize,
}

impl Place {
    /// A place in the fixed space.
    pub fn fixed(offset: usize) -> Place {
        Place { space: Space::Fixed, offset }
    }

    /// A place so many scalars behind this one.
    pub fn behind(self, scalars: usize) -> Place {
        Place { offset: self.offset + scalars, ..self }
    }

    /// As kernels read it.
    pub fn word(self) -> u32 {
        (self.space as u32) << 30 | self.offset as u32
    }
}

/// An argument of a map.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// First component.
    pub place: Place,
    /// Components.
    pub width: usize,
    /// True for a field.
    pub field: bool,
}

/// One step; `field` says that it works in every cell.
#[derive(Clone, Debug)]
pub enum Step {
    /// A function over samples, cells or components.
    Map { function: Arc<Function>, over: Over, arguments: Vec<Argument>, output: Place, width: usize, field: bool },
    /// Weights times what lanes see: `rows` results of `channels` components, at the cells of a convolution with `padding`.
    Product {
        weight: WeightId,
        bias: Option<WeightId>,
        transposed: bool,
        padding: Option<Boundary>,
        x: Place,
        channels: usize,
        output: Place,
        rows: usize,
        field: bool,
    },
    /// A weight gradient's contribution y xᵀ.
    Outer { weight: WeightId, bias: Option<WeightId>, padding: Option<Boundary>, y: Place, x: Place, field: bool },
    /// A stencil on every channel.
    Stencil { stencil: Stencil, transposed: bool, x: Place, output: Place, width: usize },
    /// Sums of channels over cells.
    Sum { x: Place, output: Place, width: usize },
    /// Copies scalars.
    Copy { from: Place, output: Place, scalars: usize },
}

/// A constant value, written once per job.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Where.
    pub output: Place,
    /// One value per component.
    pub values: Vec<f64>,
    /// Scalars of a component.
    pub cells: usize,
}

/// A linked program.
#[derive(Clone, Debug, Default)]
pub struct Linked {
    /// Steps of the forward and of the reverse part.
    pub steps: [Vec<Step>; 2],
    /// Place of each port, those of cotangents included.
    pub ports: Vec<Option<Place>>,
    /// Place of each output.
    pub outputs: Vec<Place>,
    /// Constants.
    pub fills: Vec<Fill>,
    /// Scalars of the work space.
    pub work: usize,
    /// Scalars of a frame.
    pub frame: usize,
    /// Scalars of a stage.
    pub stage: usize,
}

/// How values outlive the part of a program that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Frames for the reverse part, stages for the solver: evolve.
    Calls,
    /// Both parts run one after the other, and results are used at once: observe, encode.
    Work,
}

/// Links a program whose first `forward` values are its forward part. The parameters stand at `theta`; `fixed` counts
/// the scalars of the fixed space.
pub fn link(program: &Program, forward: usize, keeping: Keeping, theta: Place, fixed: &mut usize) -> Linked {
    let mut linker = Linker {
        program,
        forward,
        keeping,
        fixed,
        places: vec![None; program.values.len()],
        linked: Linked { ports: vec![None; program.ports.len()], ..Linked::default() },
    };
    linker.run(theta);
    linker.linked
}

struct Linker<'a> {
    program: &'a Program,
    forward: usize,
    keeping: Keeping,
    fixed: &'a mut usize,
    places: Vec<Option<Place>>,
    linked: Linked,
}

impl Linker<'_> {
    fn scalars(&self, value: &Value) -> usize {
        value.width * self.program.cells(value.field)
    }

    /// Values that an output or a weight gradient depends on.
    fn live(&self) -> Vec<bool> {
        let values = &self.program.values;
        let mut live = vec![false; values.len()];
        for output in &self.program.outputs {
            live[output.value.index()] = true;
        }
        for (index, value) in values.iter().enumerate().rev() {
            live[index] |= matches!(value.operation, Operation::Outer { .. });
            if live[index] {
                for view in value.operation.reads() {
                    live[view.value.index()] = true;
                }
            }
        }
        live
    }

    fn run(&mut self, theta: Place) {
        let program = self.program;
        let (values, count, forward) = (&program.values, program.values.len(), self.forward);
        let live = self.live();
        let mut last: Vec<usize> = (0..count).collect();
        let mut saved = vec![false; count];
        for (index, value) in values.iter().enumerate().filter(|(index, _)| live[*index]) {
            for view in value.operation.reads() {
                let read = view.value.index();
                last[read] = index;
                saved[read] |= self.keeping == Keeping::Calls && read < forward && index >= forward;
            }
        }
        let mut result = vec![false; count];
        for output in &program.outputs {
            let index = output.value.index();
            // Results of the forward part are used before the reverse part begins.
            last[index] = last[index].max(if index < forward { forward - 1 } else { count });
            result[index] = true;
        }
        let mut pool = Pool::new(0);
        let mut release: Vec<Vec<usize>> = vec![Vec::new(); count + 1];
        let mut stage = [0, 0];
        for index in (0..count).filter(|index| live[*index]) {
            let (value, scalars) = (&values[index], self.scalars(&values[index]));
            let part = usize::from(index >= forward);
            let place = match &value.operation {
                Operation::Input(port) if *port == ports::THETA => theta,
                Operation::Constant(_) => self.reserve(scalars),
                _ if saved[index] => self.frame(scalars),
                _ if result[index] && self.keeping == Keeping::Calls => {
                    stage[part] += scalars;
                    Place { space: Space::Stage, offset: stage[part] - scalars }
                }
                Operation::Input(_) => self.reserve(scalars),
                _ => {
                    release[last[index]].push(index);
                    Place { space: Space::Work, offset: pool.take(scalars) }
                }
            };
            self.places[index] = Some(place);
            self.step(index, part, place);
            for dead in release[index].drain(..) {
                pool.give(self.places[dead].map_or(0, |p| p.offset), self.scalars(&values[dead]));
            }
        }
        self.linked.outputs = program.outputs.iter().map(|view| self.place(view)).collect();
        self.linked.work = pool.top();
        self.linked.stage = stage[0].max(stage[1]);
    }

    fn reserve(&mut self, scalars: usize) -> Place {
        *self.fixed += scalars;
        Place::fixed(*self.fixed - scalars)
    }

    fn frame(&mut self, scalars: usize) -> Place {
        self.linked.frame += scalars;
        Place { space: Space::Frame, offset: self.linked.frame - scalars }
    }

    fn place(&self, view: &View) -> Place {
        let place = self.places[view.value.index()].expect("what is read stands before its readers");
        place.behind(view.start * self.program.cells(view.field))
    }

    fn step(&mut self, index: usize, part: usize, output: Place) {
        let Value { operation, width, field } = &self.program.values[index];
        let (width, field) = (*width, *field);
        let step = match operation {
            Operation::Input(port) => {
                self.linked.ports[*port] = Some(output);
                return;
            }
            Operation::Constant(values) => {
                self.linked.fills.push(Fill { output, values: values.clone(), cells: self.program.cells(field) });
                return;
            }
            Operation::Map { function, arguments, over } => {
                let argument = |v: &View| Argument { place: self.place(v), width: v.width, field: v.field };
                let arguments = arguments.iter().map(argument).collect();
                Step::Map { function: function.clone(), over: *over, arguments, output, width, field }
            }
            Operation::Affine { weight, bias, x } => {
                self.product((*weight, *bias, false, None), x, (output, width, field))
            }
            Operation::AffineT { weight, y } => self.product((*weight, None, true, None), y, (output, width, field)),
            Operation::Conv { weight, bias, x, padding } => {
                self.product((*weight, *bias, false, Some(*padding)), x, (output, width, field))
            }
            Operation::ConvT { weight, y, padding } => {
                self.product((*weight, None, true, Some(*padding)), y, (output, width, field))
            }
            Operation::Outer { weight, bias, y, x, padding } => Step::Outer {
                weight: *weight,
                bias: *bias,
                padding: *padding,
                y: self.place(y),
                x: self.place(x),
                field: x.field,
            },
            Operation::Stencil { stencil, transposed, x } => {
                Step::Stencil { stencil: *stencil, transposed: *transposed, x: self.place(x), output, width }
            }
            Operation::Sum(x) => Step::Sum { x: self.place(x), output, width },
            Operation::Concat(parts) => {
                let mut output = output;
                for part in parts {
                    let scalars = part.width * self.program.cells(part.field);
                    let from = self.place(part);
                    self.linked.steps[usize::from(index >= self.forward)].push(Step::Copy { from, output, scalars });
                    output = output.behind(scalars);
                }
                return;
            }
        };
        self.linked.steps[part].push(step);
    }

    fn product(
        &self,
        (weight, bias, transposed, padding): (WeightId, Option<WeightId>, bool, Option<Boundary>),
        x: &View,
        (output, rows, field): (Place, usize, bool),
    ) -> Step {
        let (place, channels) = (self.place(x), x.width);
        Step::Product { weight, bias, transposed, padding, x: place, channels, output, rows, field }
    }
}
