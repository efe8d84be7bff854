//! The layout of a model in the layer schedule: its programs linked, their steps in the table, the commands that run them.
//!
//! Pure functions of the model; nothing here talks to an adapter.

use super::command::{Commands, KernelName, Map};
use super::link::{Keeping, Place, Step, link};
use super::table::Writer;
use crate::model::{Interpolation, Model, ports};
use crate::program::{Program, vjp};
use crate::solve::{Tableau, tableau};

/// Threads of a workgroup, in all kernels.
pub const THREADS: usize = 64;

/// Terms that a product adds up per round: with the places of a convolution's taps fewer fit the workgroup's memory.
const PRODUCT_DEPTH: [usize; 2] = [8, 4];

/// Loop iterations of a thread that makes a vector of four numbers: its own, and one for each.
pub const QUAD_ITERATIONS: usize = 5;

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
        let mut writer = Writer::new(model);
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
