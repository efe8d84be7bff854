//! The CPU device: tiles of samples on native threads, in f32 or f64.
//!
//! f64 is the oracle of the tests; f32 is the device where there is no GPU. Each tile is one task; the activations of a
//! tile stay in cache from its forward to its reverse pass where the budget allows. Weight gradients are summed per chunk
//! of tiles and then over chunks in a fixed order, so the number of threads changes nothing. On a grid a tile is one
//! sample, whose cells take the place of the lanes.

mod correlate;
mod field;
mod gradient;
mod link;
mod matrix;
mod plane;
mod reverse;
mod rows;
mod run;
mod step;
mod tile;
mod weights;

use super::result::{DeviceError, Evaluation, Gradient, MemoryPlan, Rollout, Status, Wanted, reduce};
use super::{Device, Job};
use crate::graph::Real;
use crate::graph::Vector;
use crate::model::{Model, Sums, ports};
use crate::program::{Program, layers_again, vjp};
use crate::solve::{Costs, Plan, Tableau, TimeGrid, plan, tableau};
use gradient::Pass;
use link::link;
use plane::Planes;
use rayon::prelude::*;
use rows::Rows;
use std::sync::Mutex;
use step::Linked;
use tile::{Buffers, Setting, Tile, TileRange};
use weights::{WeightGradient, WeightValues};

/// Samples per tile: two AVX-512 vectors of f32, a good compromise between reuse of weights and small batches.
const LANES: usize = 32;

/// Most inputs of a layer that reverse sweeps run again: a number costs them so many multiply–adds, to keep it costs three
/// transfers of its bytes.
const FEW_INPUTS: usize = 16;

/// The CPU device with a model, in precision `T`.
pub struct Cpu<T> {
    model: Model,
    tableau: Tableau,
    evolve: Linked,
    evolve_reverse: Linked,
    observe: Linked,
    encode: Option<Linked>,
    rows: Rows,
    budget: usize,
    pool: Mutex<Vec<Buffers<T>>>,
    reverse_pool: Mutex<Vec<Buffers<T>>>,
    gradient_pool: Mutex<Vec<WeightGradient<T>>>,
}

/// The vector instructions that the CPU device uses here: `v3`, `v4`, `neon`, `scalar`.
pub fn simd() -> String {
    format!("{:?}", pulp::Arch::new()).split('(').next().unwrap_or("").to_lowercase()
}

impl<T: Vector> Cpu<T> {
    /// Links a model's programs. `budget` limits activations and checkpoints, in bytes.
    pub fn new(model: &Model, budget: usize) -> Cpu<T> {
        let table = &model.weights;
        let both = |program: &Program, wanted: &[bool], pinned: &[usize]| {
            let differentiated = layers_again(vjp(program, wanted, true), FEW_INPUTS);
            link(&differentiated.program, differentiated.forward, pinned, table)
        };
        let pinned = [ports::THETA];
        Cpu {
            tableau: tableau(model.spec.solver.method),
            evolve: link(&model.evolve, model.evolve.values.len(), &pinned, table),
            evolve_reverse: both(&model.evolve, &wanted_of(&model.evolve, &[ports::STATE, ports::THETA]), &pinned),
            observe: both(&model.observe, &wanted_of(&model.observe, &[ports::STATE, ports::THETA]), &pinned),
            encode: model.encode.as_ref().map(|p| both(p, &wanted_of(p, &[ports::THETA]), &[])),
            rows: Rows::of(model.grid.as_ref().map(Planes::new).as_ref()),
            model: model.clone(),
            budget,
            pool: Mutex::default(),
            reverse_pool: Mutex::default(),
            gradient_pool: Mutex::default(),
        }
    }

    /// Bytes of activations that one step of one tile keeps for its reverse pass.
    pub fn frame_bytes(&self) -> usize {
        self.evolve_reverse.frame * self.tableau.stages() * self.model.spec.solver.substeps * size_of::<T>()
    }

    /// The same of one sample.
    pub fn frame_bytes_per_sample(&self) -> usize {
        self.frame_bytes() / self.rows.samples()
    }

    /// Multiply–adds and operators of one step of one tile.
    fn step_work(&self) -> usize {
        let evaluation = self.model.multiply_adds() + self.model.evolve.operators();
        self.rows.samples() * evaluation * self.tableau.stages() * self.model.spec.solver.substeps
    }

    /// The checkpoint plan for a batch.
    pub fn plan(&self, job: &Job, grid: &TimeGrid) -> Plan {
        let costs = Costs {
            step: self.frame_bytes(),
            work: self.step_work(),
            state: self.model.integrated() * self.rows.length * size_of::<T>(),
            tiles: tiles(job, self.rows).len(),
            workers: rayon::current_num_threads(),
        };
        plan(grid.intervals(), costs, self.budget, job.objective.is_linear())
    }

    fn weights(&self, job: &Job) -> Vec<WeightValues<T>> {
        let table = &self.model.weights;
        (0..job.weights.members).into_par_iter().map(|m| WeightValues::new(table, job.weights.member(m))).collect()
    }

    fn forward(&self, job: &Job, full: bool) -> Result<Forward, DeviceError> {
        job.check(&self.model)?;
        let grid = job.grid(&self.model)?;
        let weights = self.weights(job);
        let setting = Setting { cpu: self, job, grid: &grid, weights: &weights };
        let tiles = tiles(job, self.rows);
        let results: Vec<TileResult> = tiles
            .par_iter()
            .map(|range| {
                let mut buffers = self.take(&self.pool);
                run::allocate(&mut buffers.evolve, &self.evolve, 1);
                let mut tile = Tile::new(&setting, *range, &mut buffers);
                let mut out = Full::new(self.rows, range.count, full);
                out.states(&tile.state);
                if self.model.makes_parameters() {
                    out.parameters(&tile.theta);
                }
                let mut predictions = vec![T::ZERO; if full { self.model.outputs.len() * self.rows.length } else { 0 }];
                for interval in 0..grid.intervals() {
                    tile.interval(&self.evolve, &mut buffers, interval, None, true);
                    tile.observe(&mut buffers, interval, full.then_some(&mut predictions));
                    out.states(&tile.state);
                    out.predictions(&predictions);
                }
                self.pool.lock().expect("no panic holds the pool").push(buffers);
                TileResult {
                    sums: tile.sums().collect(),
                    status: tile.status().collect(),
                    full: out,
                    points: tile.points(),
                }
            })
            .collect();
        let mut all = Forward { full: Full::new(self.rows, 0, false), ..Forward::of(job, &self.model) };
        for (tile, range) in results.into_iter().zip(&tiles) {
            all.sums.extend(tile.sums);
            all.status.extend(tile.status);
            all.full.samples.extend(tile.full.samples);
            if let Some(group) = all.points.get_mut(range.group) {
                group.extend(tile.points);
            }
        }
        Ok(all)
    }

    fn take(&self, pool: &Mutex<Vec<Buffers<T>>>) -> Buffers<T> {
        pool.lock().expect("no panic holds the pool").pop().unwrap_or_default()
    }

    /// Sums of zero, in memory that a former gradient has used: fresh pages cost more than to clear old ones.
    fn take_gradient(&self) -> WeightGradient<T> {
        let used = self.gradient_pool.lock().expect("no panic holds the pool").pop();
        used.map_or_else(|| WeightGradient::new(&self.model.weights), WeightGradient::cleared)
    }

    fn give_gradient(&self, used: WeightGradient<T>) {
        self.gradient_pool.lock().expect("no panic holds the pool").push(used);
    }
}

/// What the forward pass of a tile yields.
struct TileResult {
    sums: Vec<Sums>,
    status: Vec<Status>,
    full: Full,
    points: Vec<f64>,
}

/// What a forward pass yields.
struct Forward {
    sums: Vec<Sums>,
    status: Vec<Status>,
    /// Of every group, if points are wanted.
    points: Vec<Vec<f64>>,
    full: Full,
}

impl Forward {
    fn of(job: &Job, model: &Model) -> Forward {
        let full = Full::new(Rows::of(None), 0, false);
        Forward { sums: Vec::new(), status: Vec::new(), points: no_points(job, model), full }
    }

    fn evaluation(self, job: &Job) -> Evaluation {
        let (terms, _) = reduce(job, job.objective, &self.sums, &self.points);
        let evaluation = Evaluation { terms, sums: self.sums, status: self.status, points: self.points };
        evaluation.with_sums_checked(job)
    }
}

/// An empty list of points for every group, or no lists where no penalty is made of pairs.
fn no_points(job: &Job, model: &Model) -> Vec<Vec<f64>> {
    vec![Vec::new(); if model.objective.needs_points() { job.groups } else { 0 }]
}

/// States, predictions and made parameters of each sample, if they are wanted.
struct Full {
    rows: Rows,
    samples: Vec<[Vec<f64>; 3]>,
}

impl Full {
    fn new(rows: Rows, samples: usize, full: bool) -> Full {
        Full { rows, samples: vec![Default::default(); if full { samples } else { 0 }] }
    }

    fn states<T: Real>(&mut self, rows: &[T]) {
        self.append(0, rows);
    }

    fn predictions<T: Real>(&mut self, rows: &[T]) {
        self.append(1, rows);
    }

    fn append<T: Real>(&mut self, part: usize, rows: &[T]) {
        for (lane, sample) in self.samples.iter_mut().enumerate() {
            sample[part].extend(self.rows.array(rows, lane));
        }
    }

    /// Rows of lanes of θ and latents.
    fn parameters<T: Real>(&mut self, rows: &[T]) {
        for (lane, sample) in self.samples.iter_mut().enumerate() {
            sample[2].extend(rows.iter().skip(lane).step_by(LANES).map(|v| v.to_f64()));
        }
    }

    /// States, predictions and parameters of all samples, one after the other.
    fn joined(self) -> [Vec<f64>; 3] {
        let mut joined: [Vec<f64>; 3] = Default::default();
        for sample in self.samples {
            for (all, one) in joined.iter_mut().zip(sample) {
                all.extend(one);
            }
        }
        joined
    }
}

/// Marks of the ports with respect to which a program is differentiated.
fn wanted_of(program: &Program, ports: &[usize]) -> Vec<bool> {
    (0..program.ports.len()).map(|port| ports.contains(&port)).collect()
}

/// Tiles of a job: groups one after the other, none shared between groups.
fn tiles(job: &Job, rows: Rows) -> Vec<TileRange> {
    let (per_group, size) = (job.per_group(), rows.samples());
    (0..job.groups)
        .flat_map(|group| {
            (0..per_group).step_by(size).map(move |start| TileRange {
                first: group * per_group + start,
                count: size.min(per_group - start),
                group,
            })
        })
        .collect()
}

impl<T: Vector> Device for Cpu<T> {
    fn description(&self) -> String {
        let (bits, threads) = (8 * size_of::<T>(), rayon::current_num_threads());
        format!("cpu f{bits}, {threads} threads, simd {}", simd())
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        let mut forward = self.forward(job, true)?;
        let full = std::mem::replace(&mut forward.full, Full::new(self.rows, 0, false));
        let [states, predictions, parameters] = full.joined();
        Ok(Rollout { states, parameters, predictions, evaluation: forward.evaluation(job) })
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        Ok(self.forward(job, false)?.evaluation(job))
    }

    fn memory(&self, job: &Job) -> Option<MemoryPlan> {
        let grid = job.grid(&self.model).ok()?;
        let (plan, intervals) = (self.plan(job, &grid), grid.intervals());
        let tiles = tiles(job, self.rows).len();
        let in_flight = rayon::current_num_threads().min(tiles);
        let (state, stages) = (self.model.integrated() * self.rows.length, self.tableau.stages());
        let frames = grid.substeps() * stages * self.evolve_reverse.frame;
        // Scratch of the steps; rates or cotangents of the stages, the state and its cotangent.
        let fixed = field::scratch_size(&self.evolve_reverse) + (stages + 2) * state;
        // Frames and the state of every interval that is kept.
        let reverse = |intervals: usize| fixed + self.evolve_reverse.work + intervals * (frames + state);
        let (keeps, numbers) = match plan {
            Plan::OnePass => (format!("all stages of {in_flight} tiles at a time"), in_flight * reverse(intervals)),
            Plan::StoreAll => (format!("all stages of all {tiles} tiles"), tiles * reverse(intervals)),
            Plan::Segments { steps } => {
                let checkpoints = tiles * intervals.div_ceil(steps) * state;
                let forward = field::scratch_size(&self.evolve) + self.evolve.work + self.evolve.frame + stages * state;
                let words = format!("states every {steps} intervals, stages of {in_flight} tiles at a time");
                (words, checkpoints + in_flight * (forward + reverse(steps.min(intervals))))
            }
        };
        Some(MemoryPlan { keeps, bytes: numbers * size_of::<T>() })
    }

    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        job.check(&self.model)?;
        let grid = job.grid(&self.model)?;
        let weights = self.weights(job);
        let setting = Setting { cpu: self, job, grid: &grid, weights: &weights };
        let tiles = tiles(job, self.rows);
        let plan = self.plan(job, &grid);
        Ok(Pass { setting: &setting, tiles: &tiles, plan, wanted }.run())
    }
}
