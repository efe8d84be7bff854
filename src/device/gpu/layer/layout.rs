//! The layout of a model in the layer schedule: its programs linked, the table that kernels read, the commands that run
//! the steps, the maps that are printed.
//!
//! Pure functions of the model; nothing here talks to an adapter.

use super::link::{Argument, Keeping, Linked, Place, Step, link};
use crate::graph::Function;
use crate::model::{Interpolation, Model, ports};
use crate::program::{Boundary, Grid, Over, Program, vjp};
use crate::solve::{Tableau, tableau};
use std::sync::Arc;

/// Threads of a workgroup, in all kernels.
pub const THREADS: usize = 64;

/// Terms that a product adds up per round: with the places of a convolution's taps fewer fit the workgroup's memory.
const PRODUCT_DEPTH: [usize; 2] = [8, 4];

/// Loop iterations of a thread that makes a vector of four numbers: its own, and one for each.
pub const QUAD_ITERATIONS: usize = 5;

/// The kernels; maps are printed, the others are written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "told in shaders/kernels/layer")]
pub enum KernelName {
    Product,
    Outer,
    Stencil,
    Sum,
    Combine,
    Fill,
    Load,
    Begin,
    Prepare,
    Observables,
    Check,
    Residuals,
    Mismatch,
    Targets,
    Seed,
    Reduce,
    Map(usize),
}

impl KernelName {
    /// Those that are the same for all models.
    pub const WRITTEN: [KernelName; 16] = [
        KernelName::Product,
        KernelName::Outer,
        KernelName::Stencil,
        KernelName::Sum,
        KernelName::Combine,
        KernelName::Fill,
        KernelName::Load,
        KernelName::Begin,
        KernelName::Prepare,
        KernelName::Observables,
        KernelName::Check,
        KernelName::Residuals,
        KernelName::Mismatch,
        KernelName::Targets,
        KernelName::Seed,
        KernelName::Reduce,
    ];

    /// Its position among all kernels of a model.
    pub fn index(self) -> usize {
        match self {
            KernelName::Map(map) => Self::WRITTEN.len() + map,
            written => Self::WRITTEN.iter().position(|k| *k == written).unwrap_or_default(),
        }
    }
}

/// A printed map: two steps share it if nothing but places differs.
#[derive(Clone, Debug)]
pub struct Map {
    /// The function.
    pub function: Arc<Function>,
    /// What it is repeated over.
    pub over: Over,
    /// Components of every argument, and whether it is a field.
    pub arguments: Vec<(usize, bool)>,
    /// True if the result is a field.
    pub field: bool,
}

/// Workgroups of a command, from numbers per sample.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// A thread for each.
    Threads(usize),
    /// A workgroup for each.
    Groups(usize),
    /// `blocks` workgroups for `width` lanes.
    Tiles { lanes: usize, width: usize, blocks: usize },
    /// `blocks` workgroups for each partition of the lanes.
    Blocks(usize),
}

/// A step as it is dispatched.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// A kernel with a step of the table.
    Step { kernel: KernelName, step: u32, size: Size, flops: f64 },
    /// A copy.
    Copy { from: Place, output: Place, scalars: usize },
}

/// A program, linked and written to the table.
#[derive(Debug, Default)]
pub struct Commands {
    /// Forward and reverse part.
    pub parts: [Vec<Command>; 2],
    /// Places and sizes.
    pub linked: Linked,
    /// Ports and outputs of the program itself; those of its reverse part stand behind them.
    pub own: [usize; 2],
}

impl Commands {
    /// Place of the cotangent of an output, where the reverse part reads it.
    pub fn cotangent(&self, output: usize) -> Option<Place> {
        self.linked.ports[self.own[0] + output]
    }

    /// Place of the cotangent that the reverse part yields, in the order of the ports that were asked for.
    pub fn derivative(&self, position: usize) -> Place {
        self.linked.outputs[self.own[1] + position]
    }
}

/// A model laid out for the layer schedule.
pub struct Layout {
    /// Channels of integrated states, parameters of a sample, inputs, channels of outputs.
    pub sizes: [usize; 4],
    /// Numbers that programs take for θ: the parameters, with latents behind them.
    pub parameters: usize,
    /// Whether encode makes them.
    pub makes: bool,
    /// Numbers of the observed window that encode takes.
    pub window: usize,
    /// Observables of stages and of observations.
    pub observables: [usize; 2],
    /// Whether observe takes the observation and the weights of its entries.
    pub sees_targets: bool,
    /// Cells of the grid, or 1.
    pub cells: usize,
    /// Columns of the grid, or 1.
    pub columns: usize,
    /// Most cells that a convolution sees, or 1.
    pub taps: usize,
    /// The scheme.
    pub tableau: Tableau,
    /// Steps per interval.
    pub substeps: usize,
    /// How inputs enter.
    pub interpolation: Interpolation,
    /// Evolve without a reverse part: nothing is kept.
    pub evolve: Commands,
    /// Evolve with its reverse part.
    pub evolve_kept: Commands,
    /// Observe with its reverse part.
    pub observe: Commands,
    /// Encode with its reverse part.
    pub encode: Option<Commands>,
    /// The table.
    pub table: Vec<u32>,
    /// The constants' places, first words in the table, numbers and cells.
    pub fills: Vec<(Place, u32, usize, usize)>,
    /// The printed maps.
    pub maps: Vec<Map>,
    /// The parameters.
    pub theta: Place,
    /// Cotangents of the state and of the parameters.
    pub cotangents: [Place; 2],
    /// The state between the ends of intervals.
    pub between: Place,
    /// Scalars of the fixed space.
    pub fixed: usize,
}

impl Layout {
    /// Lays a model out.
    pub fn new(model: &Model) -> Layout {
        let sizes = [model.integrated(), model.theta.len(), model.inputs.len(), model.outputs.len()];
        let (states, cells) = (model.integrated_len(), model.cells());
        let parameters = model.parameters();
        let mut fixed = parameters;
        let theta = Place::fixed(0);
        let mut take = |scalars: usize| {
            fixed += scalars;
            Place::fixed(fixed - scalars)
        };
        let (cotangents, between) = ([take(states), take(parameters)], take(states));
        let mut writer = Writer { model, table: Vec::new(), maps: Vec::new(), fills: Vec::new() };
        let mut commands = |program: &Program, forward: usize, keeping: Keeping| {
            writer.commands(program, link(program, forward, keeping, theta, &mut fixed))
        };
        let mut differentiated = |program: &Program, wanted: &[usize], keeping: Keeping| {
            let marks: Vec<bool> = (0..program.ports.len()).map(|port| wanted.contains(&port)).collect();
            let both = vjp(program, &marks, true);
            let own = [program.ports.len(), program.outputs.len()];
            Commands { own, ..commands(&both.program, both.forward, keeping) }
        };
        let both = [ports::STATE, ports::THETA];
        let lists = &model.objective.observables;
        let evolve_kept = differentiated(&model.evolve, &both, Keeping::Calls);
        let observe = differentiated(&model.observe, &both, Keeping::Work);
        let encode = model.encode.as_ref().map(|encode| differentiated(encode, &[ports::THETA], Keeping::Work));
        let evolve = commands(&model.evolve, model.evolve.values.len(), Keeping::Calls);
        let Writer { table, maps, fills, .. } = writer;
        Layout {
            sizes,
            parameters,
            makes: model.makes_parameters(),
            window: model.window_len(),
            observables: [lists.stages.len(), lists.observations.len()],
            sees_targets: model.observe.ports.len() > ports::TARGET,
            cells,
            columns: model.grid.as_ref().map_or(1, |g| g.columns),
            taps: model.grid.as_ref().map_or(1, |g| g.offsets().len()),
            tableau: tableau(model.spec.solver.method),
            substeps: model.spec.solver.substeps,
            interpolation: model.spec.model.inputs,
            evolve,
            evolve_kept,
            observe,
            encode,
            table,
            fills,
            maps,
            theta,
            cotangents,
            between,
            fixed,
        }
    }

    /// Numbers of a seed: of a squared residual, then of each observable.
    pub fn seed_width(&self) -> usize {
        1 + self.observables.iter().sum::<usize>()
    }

    /// Rows of results: status, squared error, present entries, observables.
    pub fn sum_rows(&self) -> usize {
        2 + self.seed_width()
    }

    /// Numbers in a state.
    pub fn states(&self) -> usize {
        self.sizes[0] * self.cells
    }

    /// Numbers in an observation.
    pub fn outputs(&self) -> usize {
        self.sizes[3] * self.cells
    }

    /// Calls of evolve in an interval.
    pub fn calls(&self) -> usize {
        self.tableau.stages() * self.substeps
    }

    /// Scalars of the work space, for all programs.
    pub fn work(&self) -> usize {
        self.programs().map(|p| p.linked.work).max().unwrap_or(0)
    }

    /// Scalars of one stage.
    pub fn stage(&self) -> usize {
        self.evolve.linked.stage.max(self.evolve_kept.linked.stage)
    }

    /// All programs.
    pub fn programs(&self) -> impl Iterator<Item = &Commands> {
        [&self.evolve, &self.evolve_kept, &self.observe].into_iter().chain(&self.encode)
    }

    /// Terms that a product adds up per round.
    pub fn product_depth(&self) -> usize {
        PRODUCT_DEPTH[usize::from(self.taps > 1)]
    }

    /// Number of kernels.
    pub fn kernel_count(&self) -> usize {
        KernelName::WRITTEN.len() + self.maps.len()
    }

    /// All kernels.
    pub fn kernel_names(&self) -> impl Iterator<Item = KernelName> {
        KernelName::WRITTEN.into_iter().chain((0..self.maps.len()).map(KernelName::Map))
    }

    /// Loop iterations that a thread takes in one dispatch, at most; those of weight gradients are bounded by their plan.
    pub fn iterations(&self) -> usize {
        let depth = self.product_depth();
        let terms = self.programs().flat_map(|p| p.linked.steps.iter().flatten()).map(|step| match step {
            Step::Product { channels, padding, .. } => channels * if padding.is_some() { self.taps } else { 1 },
            _ => 0,
        });
        // Of a round: itself, a quad of rows, at most `depth` quads of lanes, terms; before all rounds places, then writes.
        let each = 1 + QUAD_ITERATIONS + depth * QUAD_ITERATIONS + depth;
        let products = terms.max().unwrap_or(0).div_ceil(depth) * each + (self.taps + 4) * QUAD_ITERATIONS;
        // A workgroup per sample or channel looks at all numbers.
        products.max((self.states().max(self.outputs()) + self.parameters).div_ceil(THREADS))
    }

    /// What was planned, in a line.
    pub fn summary(&self) -> String {
        let dispatches = |part: usize| self.evolve_kept.parts[part].len();
        format!(
            "schedule layer, {} and {} dispatches per stage (forward, reverse), {} bytes of activations per trajectory \
             and interval",
            dispatches(0),
            dispatches(1),
            4 * self.calls() * self.evolve_kept.linked.frame
        )
    }
}

/// A table in the making.
struct Writer<'a> {
    model: &'a Model,
    table: Vec<u32>,
    maps: Vec<Map>,
    fills: Vec<(Place, u32, usize, usize)>,
}

impl<'a> Writer<'a> {
    fn commands(&mut self, program: &Program, linked: Linked) -> Commands {
        for fill in &linked.fills {
            let at = self.table.len() as u32;
            self.table.extend(fill.values.iter().map(|v| (*v as f32).to_bits()));
            self.fills.push((fill.output, at, fill.values.len() * fill.cells, fill.cells));
        }
        let parts = linked.steps.each_ref().map(|steps| steps.iter().map(|step| self.command(program, step)).collect());
        Commands { parts, linked, own: [program.ports.len(), program.outputs.len()] }
    }

    fn command(&mut self, program: &Program, step: &Step) -> Command {
        let at = self.table.len() as u32;
        let command = |kernel, size, flops: usize| Command::Step { kernel, step: at, size, flops: flops as f64 };
        match step {
            Step::Map { function, over, arguments, output, width, field } => {
                let map = self.map(function, *over, arguments, *field);
                self.table.extend([output.word(), *width as u32]);
                self.table.extend(arguments.iter().map(|a| a.place.word()));
                let threads = program.cells(*field) * if *over == Over::Component { *width } else { 1 };
                let traffic = arguments.iter().map(|a| a.width).sum::<usize>() + width;
                command(KernelName::Map(map), Size::Threads(threads), threads * (function.operations() + traffic))
            }
            Step::Product { weight, bias, transposed, padding, x, channels, output, rows, field } => {
                let (taps, lanes) = (self.taps(*padding), program.cells(*field));
                // Few rows make flat blocks: four rows of 256 lanes, up to 32 rows of 32.
                let quads = rows.div_ceil(4).next_power_of_two().min(8);
                self.table.extend([
                    output.word(),
                    x.word(),
                    self.model.weights.shape(*weight).offset as u32,
                    bias.map_or(0, |b| self.model.weights.shape(b).offset as u32 + 1),
                    *rows as u32,
                    *channels as u32,
                    taps as u32,
                    boundary(*padding) << 1 | u32::from(*transposed),
                    u32::from(*field),
                    quads as u32,
                ]);
                let size = Size::Tiles { lanes, width: 4 * THREADS / quads, blocks: rows.div_ceil(4 * quads) };
                command(KernelName::Product, size, 2 * rows * channels * taps * lanes)
            }
            Step::Outer { weight, bias, padding, y, x, field } => {
                let (taps, shape) = (self.taps(*padding), self.model.weights.shape(*weight));
                // Few rows make flat blocks: 8 x 128, 16 x 64 or 32 x 32.
                let quads = shape.rows.div_ceil(4).next_power_of_two().clamp(2, 8);
                self.table.extend([
                    y.word(),
                    x.word(),
                    shape.offset as u32,
                    bias.map_or(0, |b| self.model.weights.shape(b).offset as u32 + 1),
                    shape.rows as u32,
                    (shape.columns / taps) as u32,
                    taps as u32,
                    boundary(*padding),
                    u32::from(*field),
                    quads as u32,
                ]);
                let blocks = shape.rows.div_ceil(4 * quads) * shape.columns.div_ceil(4 * THREADS / quads);
                let size = Size::Blocks(blocks);
                command(KernelName::Outer, size, 2 * shape.len() * program.cells(*field))
            }
            Step::Stencil { stencil, transposed, x, output, width } => {
                let grid = self.grid();
                let taps = stencil.taps(grid);
                let words = [*width as u32, taps.len() as u32, u32::from(*transposed), boundary(Some(grid.boundary))];
                self.table.extend([output.word(), x.word()].into_iter().chain(words));
                for tap in &taps {
                    self.table.extend([tap.row as i32 as u32, tap.column as i32 as u32, (tap.factor as f32).to_bits()]);
                }
                let threads = width * grid.cells();
                command(KernelName::Stencil, Size::Threads(threads), 8 * taps.len() * threads)
            }
            Step::Sum { x, output, width } => {
                self.table.extend([output.word(), x.word(), *width as u32]);
                command(KernelName::Sum, Size::Groups(*width), width * program.cells(true))
            }
            Step::Copy { from, output, scalars } => Command::Copy { from: *from, output: *output, scalars: *scalars },
        }
    }

    /// Weights per channel: those of a convolution, or one.
    fn taps(&self, padding: Option<Boundary>) -> usize {
        padding.map_or(1, |_| self.grid().offsets().len())
    }

    fn grid(&self) -> &'a Grid {
        self.model.grid.as_ref().expect("operations on cells need a grid")
    }

    fn map(&mut self, function: &Arc<Function>, over: Over, arguments: &[Argument], field: bool) -> usize {
        let arguments: Vec<(usize, bool)> = match over {
            // The width of a component-wise map is data.
            Over::Component => arguments.iter().map(|a| (1, a.field)).collect(),
            Over::Sample | Over::Cell => arguments.iter().map(|a| (a.width, a.field)).collect(),
        };
        let same =
            |m: &Map| m.over == over && m.field == field && m.arguments == arguments && *m.function == **function;
        self.maps.iter().position(same).unwrap_or_else(|| {
            self.maps.push(Map { function: function.clone(), over, arguments, field });
            self.maps.len() - 1
        })
    }
}

/// As kernels read it.
fn boundary(padding: Option<Boundary>) -> u32 {
    match padding {
        None | Some(Boundary::Replicate) => 0,
        Some(Boundary::Periodic) => 1,
        Some(Boundary::Zero) => 2,
    }
}
