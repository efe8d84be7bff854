//! The CPU device: tiles of samples on native threads, in f32 or f64.
//!
//! f64 is the oracle of the tests; f32 is the device where there is no GPU. Each tile is one task; the activations of a
//! tile stay in cache from its forward to its reverse pass where the budget allows. Weight gradients are summed per chunk
//! of tiles and then over chunks in a fixed order, so the number of threads changes nothing. On a grid a tile is one
//! sample, whose cells take the place of the lanes.

mod correlate;
mod field;
mod link;
mod matrix;
mod plane;
mod run;
mod tile;
mod weights;

use super::result::{DeviceError, Evaluation, Gradient, MemoryPlan, Rollout, Status, Wanted, reduce};
use super::{Device, Job};
use crate::graph::Real;
use crate::model::{Model, Seeds, Sums, ports};
use crate::program::{Program, vjp};
use crate::solve::{Costs, Plan, Tableau, TimeGrid, plan, tableau};
use link::{Linked, link};
use matrix::Vector;
use plane::Planes;
use rayon::prelude::*;
use std::sync::Mutex;
use tile::{Buffers, Rows, Setting, Tile, TileGradient, TileRange};
use weights::{WeightGradient, WeightValues};

/// Samples per tile: two AVX-512 vectors of f32, a good compromise between reuse of weights and small batches.
const LANES: usize = 32;

/// Most partial sums of weight gradients; fixed, so that results do not depend on the number of threads.
const CHUNKS: usize = 64;

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
            let differentiated = vjp(program, wanted, true);
            link(&differentiated.program, differentiated.forward, pinned, table)
        };
        let pinned = [ports::THETA];
        Cpu {
            tableau: tableau(model.spec.solver.method),
            evolve: link(&model.evolve, model.evolve.values.len(), &pinned, table),
            evolve_reverse: both(&model.evolve, &[true, true, false, false], &pinned),
            observe: both(&model.observe, &[true, true, false, false], &pinned),
            encode: model.encode.as_ref().map(|p| both(p, &[false, true, false, false], &[])),
            rows: Rows::of(model.grid.as_ref().map(Planes::new).as_ref()),
            model: model.clone(),
            budget,
            pool: Mutex::default(),
            reverse_pool: Mutex::default(),
        }
    }

    /// Bytes of activations that one step of one tile keeps for its reverse pass.
    pub fn frame_bytes(&self) -> usize {
        self.evolve_reverse.frame * self.tableau.stages() * self.model.spec.solver.substeps * size_of::<T>()
    }

    /// The checkpoint plan for a batch.
    pub fn plan(&self, job: &Job, grid: &TimeGrid) -> Plan {
        let costs = Costs {
            step: self.frame_bytes(),
            state: self.model.state.len() * self.rows.length * size_of::<T>(),
            tiles: tiles(job, self.rows).len(),
            workers: rayon::current_num_threads(),
        };
        plan(grid.intervals(), costs, self.budget, job.objective.is_linear())
    }

    fn weights(&self, job: &Job) -> Vec<WeightValues<T>> {
        let table = &self.model.weights;
        (0..job.weights.members).into_par_iter().map(|m| WeightValues::new(table, job.weights.member(m))).collect()
    }

    fn forward(&self, job: &Job, full: bool) -> Result<(Vec<Sums>, Vec<Status>, Full), DeviceError> {
        job.check(&self.model)?;
        let grid = job.grid(&self.model)?;
        let weights = self.weights(job);
        let setting = Setting { cpu: self, job, grid: &grid, weights: &weights };
        let tiles = tiles(job, self.rows);
        let results: Vec<(Vec<Sums>, Vec<Status>, Full)> = tiles
            .par_iter()
            .map(|range| {
                let mut buffers = self.take(&self.pool);
                run::allocate(&mut buffers.evolve, &self.evolve, 1);
                let mut tile = Tile::new(&setting, *range, &mut buffers);
                let mut out = Full::new(self.rows, range.count, full);
                out.states(&tile.state);
                let mut predictions = vec![T::ZERO; if full { self.model.outputs.len() * self.rows.length } else { 0 }];
                for interval in 0..grid.intervals() {
                    tile.interval(&self.evolve, &mut buffers, interval, None, true);
                    tile.observe(&mut buffers, interval, full.then_some(&mut predictions));
                    out.states(&tile.state);
                    out.predictions(&predictions);
                }
                self.pool.lock().expect("no panic holds the pool").push(buffers);
                (tile.sums().collect(), tile.status().collect(), out)
            })
            .collect();
        let (mut sums, mut status, mut all) = (Vec::new(), Vec::new(), Full::new(self.rows, 0, false));
        for (tile_sums, tile_status, out) in results {
            sums.extend(tile_sums);
            status.extend(tile_status);
            all.samples.extend(out.samples);
        }
        Ok((sums, status, all))
    }

    fn take(&self, pool: &Mutex<Vec<Buffers<T>>>) -> Buffers<T> {
        pool.lock().expect("no panic holds the pool").pop().unwrap_or_default()
    }
}

/// States and predictions of each sample over the intervals, if they are wanted.
struct Full {
    rows: Rows,
    samples: Vec<[Vec<f64>; 2]>,
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

    /// States and predictions of all samples, one after the other.
    fn joined(self) -> [Vec<f64>; 2] {
        let mut joined: [Vec<f64>; 2] = Default::default();
        for sample in self.samples {
            for (all, one) in joined.iter_mut().zip(sample) {
                all.extend(one);
            }
        }
        joined
    }
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

/// Consecutive tiles of one member that share a partial sum of weight gradients.
fn chunks(job: &Job, tiles: &[TileRange]) -> Vec<std::ops::Range<usize>> {
    let longest = tiles.len().div_ceil(CHUNKS);
    let mut chunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, tile) in tiles.iter().enumerate() {
        match chunks.last_mut() {
            Some(last) if last.len() < longest && job.member(tiles[last.start].group) == job.member(tile.group) => {
                last.end = i + 1;
            }
            _ => chunks.push(i..i + 1),
        }
    }
    chunks
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
        let (sums, status, full) = self.forward(job, true)?;
        let (terms, _) = reduce(job, job.objective, &sums);
        let evaluation = Evaluation { terms, sums, status };
        let [states, predictions] = full.joined();
        Ok(Rollout { states, predictions, evaluation })
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        let (sums, status, _) = self.forward(job, false)?;
        let (terms, _) = reduce(job, job.objective, &sums);
        Ok(Evaluation { terms, sums, status })
    }

    fn memory(&self, job: &Job) -> Option<MemoryPlan> {
        let grid = job.grid(&self.model).ok()?;
        let (plan, intervals) = (self.plan(job, &grid), grid.intervals());
        let tiles = tiles(job, self.rows).len();
        let in_flight = rayon::current_num_threads().min(tiles);
        let (state, stages) = (self.model.state.len() * self.rows.length, self.tableau.stages());
        let frames = grid.substeps() * stages * self.evolve_reverse.frame;
        // Frames and the state of every interval that is kept; the rates of the stages.
        let reverse = |intervals: usize| self.evolve_reverse.work + intervals * (frames + state) + stages * state;
        let (keeps, numbers) = match plan {
            Plan::OnePass => (format!("all stages of {in_flight} tiles at a time"), in_flight * reverse(intervals)),
            Plan::StoreAll => (format!("all stages of all {tiles} tiles"), tiles * reverse(intervals)),
            Plan::Segments { steps } => {
                let checkpoints = tiles * intervals.div_ceil(steps) * state;
                let forward = self.evolve.work + self.evolve.frame + stages * state;
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
        let pass = Pass { setting: &setting, tiles: &tiles, plan, wanted };
        let (sums, results) = match plan {
            Plan::OnePass => pass.one_pass(),
            Plan::StoreAll | Plan::Segments { .. } => pass.two_passes(),
        };
        let (terms, _) = reduce(job, job.objective, &sums);
        Ok(pass.collect(Evaluation { terms, sums, status: Vec::new() }, results))
    }
}

/// A gradient in the making.
struct Pass<'a, T> {
    setting: &'a Setting<'a, T>,
    tiles: &'a [TileRange],
    plan: Plan,
    wanted: Wanted,
}

/// What a chunk of tiles yields.
struct ChunkResult<T> {
    member: usize,
    weights: Option<WeightGradient<T>>,
    theta: Vec<f64>,
    start: Vec<f64>,
    status: Vec<Status>,
}

/// A tile after its forward pass: its buffers, or its checkpoints.
struct Waiting<'a, T> {
    tile: Tile<'a, T>,
    buffers: Option<Buffers<T>>,
    checkpoints: Vec<T>,
}

impl<'a, T: Vector> Pass<'a, T> {
    fn seeds(&self, sums: &[Sums]) -> Vec<Seeds> {
        reduce(self.setting.job, self.setting.job.objective, sums).1
    }

    /// Forward and backward tile by tile; the seeds follow from counts alone.
    fn one_pass(&self) -> (Vec<Sums>, Vec<ChunkResult<T>>) {
        let seeds = self.seeds(&self.counts());
        let results: Vec<(Vec<Sums>, ChunkResult<T>)> = chunks(self.setting.job, self.tiles)
            .into_par_iter()
            .map(|chunk| {
                let mut result = self.empty(self.tiles[chunk.start].group);
                let mut sums = Vec::new();
                for range in &self.tiles[chunk] {
                    let mut waiting = self.forward(range, true);
                    sums.extend(waiting.tile.sums());
                    self.backward(&mut waiting, range, &seeds, &mut result);
                }
                (sums, result)
            })
            .collect();
        let (sums, results): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        (sums.into_iter().flatten().collect(), results)
    }

    /// All tiles forward, then the functional, then all tiles backward.
    fn two_passes(&self) -> (Vec<Sums>, Vec<ChunkResult<T>>) {
        let keep = self.plan == Plan::StoreAll;
        let mut waiting: Vec<Waiting<T>> = self.tiles.par_iter().map(|range| self.forward(range, keep)).collect();
        let sums: Vec<Sums> = waiting.iter().flat_map(|w| w.tile.sums().collect::<Vec<_>>()).collect();
        let seeds = self.seeds(&sums);
        let ranges = chunks(self.setting.job, self.tiles);
        let mut parts: Vec<(std::ops::Range<usize>, &mut [Waiting<T>])> = Vec::with_capacity(ranges.len());
        let mut rest = waiting.as_mut_slice();
        for range in ranges {
            let (part, tail) = rest.split_at_mut(range.len());
            parts.push((range, part));
            rest = tail;
        }
        let results = parts
            .into_par_iter()
            .map(|(range, part)| {
                let mut result = self.empty(self.tiles[range.start].group);
                for (waiting, tile) in part.iter_mut().zip(&self.tiles[range]) {
                    self.backward(waiting, tile, &seeds, &mut result);
                }
                result
            })
            .collect();
        (sums, results)
    }

    /// Numbers of present entries and stage evaluations, with sums zero: all that seeds of a linear objective need.
    fn counts(&self) -> Vec<Sums> {
        let Setting { job, grid, cpu, .. } = self.setting;
        let k = cpu.model.output_len() * job.trajectories.steps;
        let stage_count = (grid.steps() * cpu.tableau.stages()) as f64;
        let present = |row: u32| match &job.trajectories.targets {
            Some(y) => y[row as usize * k..(row as usize + 1) * k].iter().filter(|v| !v.is_nan()).count() as f64,
            None => 0.0,
        };
        job.rows.iter().map(|row| Sums { present: present(*row), stage_count, ..Sums::default() }).collect()
    }

    fn empty(&self, group: usize) -> ChunkResult<T> {
        let table = &self.setting.cpu.model.weights;
        ChunkResult {
            member: self.setting.job.member(group),
            weights: (self.wanted.weights && table.per_member() > 0).then(|| WeightGradient::new(table)),
            theta: Vec::new(),
            start: Vec::new(),
            status: Vec::new(),
        }
    }

    fn frames_per_interval(&self) -> usize {
        self.setting.grid.substeps() * self.setting.cpu.tableau.stages()
    }

    /// A forward pass that keeps all frames (`keep`), or checkpoints according to the plan.
    fn forward(&self, range: &TileRange, keep: bool) -> Waiting<'a, T> {
        let (cpu, intervals) = (self.setting.cpu, self.setting.grid.intervals());
        let linked = if keep { &cpu.evolve_reverse } else { &cpu.evolve };
        let pool = if keep { &cpu.reverse_pool } else { &cpu.pool };
        let mut buffers = cpu.take(pool);
        run::allocate(&mut buffers.evolve, linked, if keep { intervals * self.frames_per_interval() } else { 1 });
        let mut tile = Tile::new(self.setting, *range, &mut buffers);
        let mut checkpoints = Vec::new();
        for interval in 0..intervals {
            if let (false, Plan::Segments { steps }) = (keep, self.plan)
                && interval.is_multiple_of(steps)
            {
                checkpoints.extend_from_slice(&tile.state);
            }
            tile.interval(linked, &mut buffers, interval, keep.then_some(interval * self.frames_per_interval()), true);
            if keep {
                tile.leave_trail(&mut buffers, interval);
            }
            tile.observe(&mut buffers, interval, None);
        }
        if keep {
            return Waiting { tile, buffers: Some(buffers), checkpoints };
        }
        pool.lock().expect("no panic holds the pool").push(buffers);
        Waiting { tile, buffers: None, checkpoints }
    }

    fn backward(&self, waiting: &mut Waiting<T>, range: &TileRange, seeds: &[Seeds], result: &mut ChunkResult<T>) {
        let (cpu, intervals) = (self.setting.cpu, self.setting.grid.intervals());
        let (n, p) = (cpu.model.state.len() * cpu.rows.length, cpu.model.theta.len());
        let mut gradient = TileGradient { theta: vec![T::ZERO; p * LANES], start: vec![T::ZERO; n] };
        let seeds = &seeds[range.group];
        let tile = &mut waiting.tile;
        let mut buffers = waiting.buffers.take().unwrap_or_else(|| cpu.take(&cpu.reverse_pool));
        match self.plan {
            Plan::OnePass | Plan::StoreAll => {
                tile.reverse(&mut buffers, 0..intervals, seeds, &mut gradient, result.weights.as_mut());
            }
            Plan::Segments { steps } => {
                run::allocate(
                    &mut buffers.evolve,
                    &cpu.evolve_reverse,
                    steps.min(intervals) * self.frames_per_interval(),
                );
                for segment in (0..intervals.div_ceil(steps)).rev() {
                    let part = segment * steps..((segment + 1) * steps).min(intervals);
                    tile.state.copy_from_slice(&waiting.checkpoints[segment * n..(segment + 1) * n]);
                    for interval in part.clone() {
                        let first = (interval - part.start) * self.frames_per_interval();
                        tile.interval(&cpu.evolve_reverse, &mut buffers, interval, Some(first), false);
                        tile.leave_trail(&mut buffers, interval - part.start);
                    }
                    tile.reverse(&mut buffers, part, seeds, &mut gradient, result.weights.as_mut());
                }
            }
        }
        let start = gradient.start.clone();
        tile.reverse_encode(&mut buffers, &mut gradient, result.weights.as_mut());
        cpu.reverse_pool.lock().expect("no panic holds the pool").push(buffers);
        for lane in 0..range.count {
            if self.wanted.inputs {
                result.theta.extend((0..p).map(|i| gradient.theta[i * LANES + lane].to_f64()));
                result.start.extend(cpu.rows.array(&start, lane));
            }
        }
        result.status.extend(tile.status());
    }

    fn collect(&self, mut evaluation: Evaluation, results: Vec<ChunkResult<T>>) -> Gradient {
        let table = &self.setting.cpu.model.weights;
        let each = table.per_member();
        let count = if self.wanted.weights { self.setting.job.weights.members * each } else { 0 };
        let mut out = Gradient {
            evaluation: Evaluation { terms: Vec::new(), sums: Vec::new(), status: Vec::new() },
            weights: vec![0.0; count],
            theta: Vec::new(),
            start: Vec::new(),
        };
        for mut result in results {
            if let Some(part) = &mut result.weights {
                part.add_to(table, &mut out.weights[result.member * each..(result.member + 1) * each]);
            }
            out.theta.extend(result.theta);
            out.start.extend(result.start);
            evaluation.status.extend(result.status);
        }
        out.evaluation = evaluation;
        out
    }
}
