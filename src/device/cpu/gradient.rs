//! A gradient on the CPU: tiles forward and backward according to the checkpoint plan, partial sums in a fixed order.

use super::LANES;
use super::reverse::TileGradient;
use super::tile::{Buffers, Setting, Tile, TileRange};
use super::weights::WeightGradient;
use super::{no_points, run};
use crate::device::Job;
use crate::device::result::{Evaluation, Gradient, Status, Wanted, reduce};
use crate::graph::Vector;
use crate::model::{Seeds, Sums};
use crate::solve::Plan;
use rayon::prelude::*;

/// Consecutive tiles of one member that share a partial sum of weight gradients. How a member's tiles are divided depends
/// on that member alone, so that its sums have the same bits whatever other members there are.
fn chunks(job: &Job, tiles: &[TileRange]) -> Vec<std::ops::Range<usize>> {
    let mut chunks: Vec<std::ops::Range<usize>> = Vec::new();
    let mut first = 0;
    for run in tiles.chunk_by(|a, b| job.member(a.group) == job.member(b.group)) {
        let longest = run.len().div_ceil(CHUNKS);
        chunks.extend((0..run.len()).step_by(longest).map(|i| first + i..first + (i + longest).min(run.len())));
        first += run.len();
    }
    chunks
}

/// A gradient in the making.
pub struct Pass<'a, T> {
    /// The job and its device.
    pub setting: &'a Setting<'a, T>,
    /// All tiles of the job.
    pub tiles: &'a [TileRange],
    /// What is kept.
    pub plan: Plan,
    /// Which derivatives.
    pub wanted: Wanted,
}

/// Most partial sums of weight gradients; fixed, so that results do not depend on the number of threads.
const CHUNKS: usize = 64;

/// What a chunk of tiles yields.
struct ChunkResult<T> {
    member: usize,
    weights: Option<WeightGradient<T>>,
    theta: Vec<f64>,
    start: Vec<f64>,
    status: Vec<Status>,
}

/// Sums of all samples, points of all groups, results of all chunks.
type Passed<T> = (Vec<Sums>, Vec<Vec<f64>>, Vec<ChunkResult<T>>);

/// A tile after its forward pass: its buffers, or its checkpoints.
struct Waiting<'a, T> {
    tile: Tile<'a, T>,
    buffers: Option<Buffers<T>>,
    checkpoints: Vec<T>,
}

impl<'a, T: Vector> Pass<'a, T> {
    /// The objective and its derivatives.
    pub fn run(&self) -> Gradient {
        let (sums, points, results) = match self.plan {
            Plan::OnePass => self.one_pass(),
            Plan::StoreAll | Plan::Segments { .. } => self.two_passes(),
        };
        let (terms, _) = reduce(self.setting.job, self.setting.job.objective, &sums, &points);
        self.collect(Evaluation { terms, sums, status: Vec::new(), points }, results)
    }

    fn seeds(&self, sums: &[Sums], points: &[Vec<f64>]) -> Vec<Seeds> {
        reduce(self.setting.job, self.setting.job.objective, sums, points).1
    }

    /// Forward and backward tile by tile; the seeds follow from counts alone.
    fn one_pass(&self) -> Passed<T> {
        let seeds = self.seeds(&self.counts(), &[]);
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
        (sums.into_iter().flatten().collect(), no_points(self.setting.job, &self.setting.cpu.model), results)
    }

    /// All tiles forward, then the functional, then all tiles backward.
    fn two_passes(&self) -> Passed<T> {
        let keep = self.plan == Plan::StoreAll;
        let mut waiting: Vec<Waiting<T>> = self.tiles.par_iter().map(|range| self.forward(range, keep)).collect();
        let sums: Vec<Sums> = waiting.iter().flat_map(|w| w.tile.sums().collect::<Vec<_>>()).collect();
        let mut points = no_points(self.setting.job, &self.setting.cpu.model);
        for (waiting, range) in waiting.iter_mut().zip(self.tiles) {
            if let Some(group) = points.get_mut(range.group) {
                group.extend(waiting.tile.points());
            }
        }
        let seeds = self.seeds(&sums, &points);
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
        (sums, points, results)
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
        job.rows
            .iter()
            .map(|row| Sums { present: present(*row), stage_count, entries: k as f64, ..Sums::default() })
            .collect()
    }

    fn empty(&self, group: usize) -> ChunkResult<T> {
        let table = &self.setting.cpu.model.weights;
        ChunkResult {
            member: self.setting.job.member(group),
            weights: (self.wanted.weights && table.per_member() > 0).then(|| self.setting.cpu.take_gradient()),
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
        let (n, p) = (cpu.model.integrated() * cpu.rows.length, cpu.model.theta.len());
        let mut gradient =
            TileGradient { theta: vec![T::ZERO; cpu.model.parameters() * LANES], start: vec![T::ZERO; n] };
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
            evaluation: Evaluation { terms: Vec::new(), sums: Vec::new(), status: Vec::new(), points: Vec::new() },
            weights: vec![0.0; count],
            theta: Vec::new(),
            start: Vec::new(),
        };
        for result in results {
            if let Some(mut part) = result.weights {
                part.add_to(table, &mut out.weights[result.member * each..(result.member + 1) * each]);
                self.setting.cpu.give_gradient(part);
            }
            out.theta.extend(result.theta);
            out.start.extend(result.start);
            evaluation.status.extend(result.status);
        }
        out.evaluation = evaluation.with_sums_checked(self.setting.job);
        out
    }
}
