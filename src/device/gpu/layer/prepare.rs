//! A job of the layer schedule made ready: its plan, what the arena keeps where, and its buffers filled.

use super::Layers;
use super::link::Place;
use super::params::{Params, flags};
use super::plan::{self, Allowed, Plan, Sizes};
use super::recording::Recording;
use crate::device::gpu::job::check_members;
use crate::device::gpu::memory::{Memory, Slot};
use crate::device::gpu::seats::{Pieces, Seats};
use crate::device::{DeviceError, Job, Start};
use crate::solve::TimeGrid;

/// What is kept in a pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Sums alone.
    Sums,
    /// States and predictions, until the host has read them.
    Trail,
    /// Activations, for a reverse pass, and states at the starts of segments.
    Frames,
}

/// A job on the device: its plan, the arena's regions, and the parameters that all dispatches share.
pub struct Prepared<'a> {
    /// The job.
    pub job: &'a Job<'a>,
    /// Seats of its samples.
    pub seats: Seats,
    /// Members of each chunk.
    pieces: Vec<Pieces>,
    /// Times.
    pub grid: TimeGrid,
    /// Sizes that decided the plan.
    pub sizes: Sizes,
    /// Chunks and segments.
    pub plan: Plan,
    /// What is kept.
    pub keep: Keep,
    /// Parameters shared by all dispatches.
    pub base: Params,
    /// Distance of rows in batch and results, in samples.
    pub batch_stride: usize,
    /// First scalar of the stages.
    stages_at: usize,
    /// First scalar of the kept states.
    pub states_at: usize,
    /// First scalar of the kept predictions.
    pub predictions_at: usize,
    /// First scalar of the frames.
    frames_at: usize,
}

impl Prepared<'_> {
    /// Parameters of the dispatches of a chunk.
    pub fn chunk(&self, (first, count): (usize, usize)) -> Params {
        let pieces = self.pieces[first / self.plan.chunk];
        Params {
            first_sample: first as u32,
            samples: count as u32,
            pieces_at: pieces.at as u32,
            pieces: pieces.count as u32,
            longest: pieces.longest as u32,
            ..self.base
        }
    }

    /// Chunks: first seat and number of seats.
    pub fn chunks(&self) -> Vec<(usize, usize)> {
        chunks(&self.sizes, &self.plan)
    }

    /// Segments: first and one behind the last interval.
    pub fn segments(&self) -> Vec<(usize, usize)> {
        let (horizon, segment) = (self.sizes.horizon, self.plan.segment);
        (0..horizon).step_by(segment).map(|from| (from, horizon.min(from + segment))).collect()
    }

    /// Whether the loss is seen by the objective's derivative.
    pub fn has_targets(&self) -> bool {
        self.job.trajectories.targets.is_some()
    }

    /// Parameters of a call: the bases of its frame and of its stage.
    pub fn call(&self, layers: &Layers, base: Params, call: usize, stage: usize) -> Params {
        let (layout, mut bases) = (&layers.layout, base.bases);
        bases[2] = (self.frames_at + call * layout.evolve_kept.linked.frame) as u32;
        bases[3] = self.stage(layers, stage) as u32;
        Params { bases, ..base }
    }

    /// First scalar of a stage.
    pub fn stage(&self, layers: &Layers, stage: usize) -> usize {
        self.stages_at + stage * layers.layout.stage()
    }

    /// Where a result of a call of evolve stands, seen from another call.
    pub fn result_of(&self, layers: &Layers, place: Place, call: usize, stage: usize) -> Place {
        let at = self.call(layers, self.base, call, stage).bases[place.space as usize] as usize;
        Place::fixed(at + place.offset)
    }

    /// Where the state at the start of an interval stands. For a reverse pass the starts of segments and the end come first,
    /// then those within a segment.
    pub fn state(&self, interval: usize) -> Place {
        let segment = self.plan.segment;
        let slot = match self.keep {
            Keep::Trail => match interval % segment {
                0 if interval > 0 => segment,
                within => within,
            },
            Keep::Frames if interval == self.sizes.horizon || interval.is_multiple_of(segment) => {
                interval.div_ceil(segment)
            }
            Keep::Frames => self.sizes.horizon.div_ceil(segment) + interval % segment,
            Keep::Sums => 0,
        };
        Place::fixed(self.states_at + slot * self.sizes.state)
    }
}

fn chunks(sizes: &Sizes, plan: &Plan) -> Vec<(usize, usize)> {
    (0..sizes.samples).step_by(plan.chunk).map(|first| (first, plan.chunk.min(sizes.samples - first))).collect()
}

impl Layers {
    /// Sizes and plan of a job.
    pub(super) fn plan(&self, job: &Job, keep: Keep) -> Result<(Sizes, Plan), DeviceError> {
        let layout = &self.layout;
        let sizes = Sizes {
            samples: job.samples(),
            horizon: job.trajectories.steps,
            cells: layout.cells,
            base: layout.fixed + layout.work() + layout.tableau.stages() * layout.stage(),
            state: layout.states(),
            frames: if keep == Keep::Frames { layout.calls() * layout.evolve_kept.linked.frame } else { 0 },
            trail: if keep == Keep::Trail { layout.states() + layout.outputs() } else { 0 },
        };
        let binding = self.context.limits.max_storage_buffer_binding_size as usize;
        let parts = self.context.care.parts();
        let allowed = Allowed { binding, frames: self.budget.min(binding), parts };
        let plan = plan::plan(&sizes, &allowed).map_err(|message| {
            let remedy = "use shorter windows, fewer substeps, a smaller network or grid, or --device cpu";
            self.context.error(message, remedy)
        })?;
        Ok((sizes, plan))
    }

    /// Plans a job, reserves its buffers and uploads it.
    pub(super) fn prepare<'a>(
        &self,
        memory: &mut Memory,
        job: &'a Job<'a>,
        keep: Keep,
    ) -> Result<Prepared<'a>, DeviceError> {
        let layout = &self.layout;
        let (t, weights) = (job.trajectories, self.model.weights.per_member());
        let (sizes, plan) = self.plan(job, keep)?;
        let stages_at = layout.fixed + layout.work();
        let states_at = stages_at + layout.tableau.stages() * layout.stage();
        let predictions_at = states_at + sizes.kept_states(plan.segment) * sizes.state;
        let frames_at = predictions_at + if keep == Keep::Trail { plan.segment * layout.outputs() } else { 0 };
        let batch_stride = sizes.samples;
        let mut used = job.rows.to_vec();
        used.sort_unstable();
        used.dedup();
        let count = used.len();
        let (n, m, k) = (layout.states(), layout.sizes[2], layout.outputs());
        let inputs_at = count * if matches!(t.start, Start::States(_)) { n } else { layout.window };
        let start_times_at = inputs_at + count * (t.steps + 1) * m;
        let targets_at = start_times_at + if t.t0.is_empty() { 0 } else { count };
        let scales_at = targets_at + if t.targets.is_some() { count * t.steps * k } else { 0 };
        let seats = Seats::new(job, 1);
        check_members(&self.context, &seats)?;
        let members = seats.runs().len();
        let (piece_words, pieces) = seats.pieces(&chunks(&sizes, &plan), layout.table.len());
        let lanes = plan.chunk.min(seats.longest()) * layout.cells;
        let base = Params {
            bases: [0, layout.fixed as u32, 0, 0],
            stride: plan.chunk as u32,
            batch_stride: batch_stride as u32,
            per_group: seats.per_seed() as u32,
            cells: layout.cells as u32,
            columns: layout.columns as u32,
            flags: if t.t0.is_empty() { 0 } else { flags::START_TIMES }
                | if t.targets.is_some() { flags::TARGETS } else { 0 },
            seed: layout.seed_width() as u32,
            inputs_at: inputs_at as u32,
            start_times_at: start_times_at as u32,
            targets_at: targets_at as u32,
            scales_at: scales_at as u32,
            horizon: sizes.horizon as u32,
            partitions: plan::partitions(lanes, members * weights, self.context.iterations) as u32,
            weights: weights as u32,
            ..Params::default()
        };
        let context = &self.context;
        memory.reserve(context, Slot::Params, Recording::BYTES)?;
        memory.reserve(context, Slot::Frame, 4 * plan.chunk * sizes.arena(plan.segment))?;
        memory.reserve(context, Slot::Results, 4 * layout.sum_rows() * batch_stride)?;
        memory.reserve(context, Slot::Seeds, 4 * layout.seed_width() * seats.seed_count())?;
        if keep == Keep::Frames {
            memory.reserve(context, Slot::Partials, 4 * members * weights * base.partitions as usize)?;
            memory.reserve(context, Slot::Gradient, 4 * members * weights)?;
            memory.reserve(context, Slot::Norms, 4 * members * weights.div_ceil(256))?;
        }
        let grid = job.grid(&self.model)?;
        self.upload(memory, job, &seats, &piece_words, &used)?;
        Ok(Prepared {
            job,
            seats,
            pieces,
            grid,
            sizes,
            plan,
            keep,
            base,
            batch_stride,
            stages_at,
            states_at,
            predictions_at,
            frames_at,
        })
    }

    /// Uploads the trajectories that the job uses, and its samples.
    fn upload(
        &self,
        memory: &mut Memory,
        job: &Job,
        seats: &Seats,
        piece_words: &[u32],
        used: &[u32],
    ) -> Result<(), DeviceError> {
        let (t, context, layout) = (job.trajectories, &self.context, &self.layout);
        let bits = |x: &f64| (*x as f32).to_bits();
        let (n, m, k) = (layout.states(), layout.sizes[2], layout.outputs());
        let mut data: Vec<u32> = Vec::new();
        let mut add = |values: &[f64], each: usize| {
            let rows = used.iter().flat_map(|row| &values[*row as usize * each..][..each]);
            data.extend(rows.map(bits));
        };
        match &t.start {
            Start::States(values) => add(values, n),
            Start::Observations(values) => add(values, layout.window),
        }
        add(&t.inputs, (t.steps + 1) * m);
        if !t.t0.is_empty() {
            add(&t.t0, 1);
        }
        if let Some(targets) = &t.targets {
            add(targets, t.steps * k);
        }
        match &t.residual_scale {
            Some(scale) => data.extend(scale.iter().map(|s| bits(&(1.0 / s)))),
            None => data.extend(vec![bits(&1.0); layout.sizes[3]]),
        }
        let place = |row: &u32| used.binary_search(row).unwrap_or(0) as u32;
        let samples: Vec<usize> = seats.samples().map(|(sample, _)| sample).collect();
        let mut batch: Vec<u32> = samples.iter().map(|sample| place(&job.rows[*sample])).collect();
        batch.extend(samples.iter().map(|sample| bits(&job.multiplicity(*sample))));
        let p = layout.sizes[1];
        batch.extend(samples.iter().flat_map(|sample| job.theta[sample * p..][..p].iter().map(bits)));
        let members = seats.runs().iter().flat_map(|run| job.weights.member(run.member));
        let weights: Vec<f32> = members.map(|x| *x as f32).collect();
        let table = [layout.table.as_slice(), piece_words].concat();
        memory.write(context, Slot::Table, bytemuck::cast_slice(&table))?;
        memory.write(context, Slot::Weights, bytemuck::cast_slice(&weights))?;
        memory.write(context, Slot::Data, bytemuck::cast_slice(&data))?;
        memory.write(context, Slot::Batch, bytemuck::cast_slice(&batch))
    }
}
