//! Jobs on an adapter: uploads, recordings of dispatches, downloads.

use super::kernel::Kernel;
use super::memory::{Memory, Slot};
use super::params::{Params, flags};
use super::plan::{self, Allowed, Plan, Sizes};
use super::context::{Context, PARAMS_STRIDE};
use super::{Gpu, KernelName};
use crate::device::result::reduce;
use crate::device::{DeviceError, Evaluation, Gradient, Job, Start, Status, StatusCode, Trajectories, Wanted};
use crate::model::Sums;
use crate::solve::TimeGrid;
use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// Dispatches are sized to take about this long, far below any watchdog.
const TARGET_SECONDS: f64 = 0.05;

/// Submissions that may wait in the queue.
const IN_FLIGHT: usize = 3;

/// Measured speed: seconds per sample and interval of a forward pass; an adjoint counts three times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    seconds_per_unit: Option<f64>,
}

impl Pace {
    /// Intervals of one dispatch over `samples` samples; before anything was measured, from the work of a sample and
    /// interval in floating-point operations.
    pub fn intervals(&self, samples: usize, flops: f64, weight: f64) -> usize {
        // A slow adapter is assumed until it was measured: 20 Gflop/s.
        let unit = self.seconds_per_unit.unwrap_or(flops / 20e9) * weight;
        let fitting = TARGET_SECONDS / (unit * samples as f64).max(1e-12);
        (fitting as usize).max(1)
    }

    /// Expected time of some work.
    fn seconds(&self, units: f64, flops: f64) -> f64 {
        units * self.seconds_per_unit.unwrap_or(flops / 20e9)
    }

    /// Takes note of a measurement.
    pub fn measured(&mut self, seconds: f64, units: f64) {
        if units > 0.0 {
            let found = seconds / units;
            self.seconds_per_unit = Some(self.seconds_per_unit.map_or(found, |old| 0.5 * (old + found)));
        }
    }
}

/// Dispatches to submit together or piece by piece.
#[derive(Default)]
pub struct Recording {
    /// Parameters of all dispatches.
    pub params: Vec<Params>,
    dispatches: Vec<(KernelName, usize, [u32; 2], f64)>,
}

impl Recording {
    /// Adds a dispatch; `units` is its work for the pace.
    pub fn push(&mut self, kernel: KernelName, params: Params, size: [u32; 2], units: f64) {
        self.dispatches.push((kernel, self.params.len(), size, units));
        self.params.push(params);
    }

    /// Work of all dispatches.
    fn units(&self) -> f64 {
        self.dispatches.iter().map(|d| d.3).sum()
    }
}

/// A job on the device: sizes, plan, and the parameters that all its dispatches share.
pub struct Prepared {
    /// Sizes that decided the plan.
    pub sizes: Sizes,
    /// Chunks and segments.
    pub plan: Plan,
    /// Parameters shared by all dispatches.
    pub base: Params,
    /// Distance of rows in batch and results.
    pub batch_stride: usize,
}

/// What is kept in a pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Sums alone.
    Sums,
    /// States and predictions too.
    Trail,
    /// And activations, for a reverse pass.
    Frames,
}

type Forward = (Vec<Sums>, Vec<Status>, Vec<f64>, Vec<f64>);

impl Gpu {
    /// The buffers of jobs, for one job at a time.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic holds the memory")
    }

    fn flops(&self) -> f64 {
        let stages = (self.layout.tableau.stages() * self.layout.substeps) as f64;
        stages * (2.0 * self.model.multiply_adds() as f64 + 200.0)
    }

    /// Sizes and plan of a batch of `samples` samples.
    pub(super) fn prepare(
        &self,
        memory: &mut Memory,
        trajectories: &Trajectories,
        samples: usize,
        groups: usize,
        observed: bool,
        keep: Keep,
    ) -> Result<Prepared, DeviceError> {
        let [n, p, m, k] = self.layout.sizes;
        let (frame, frame_before) = self.layout.frame_rows();
        let sizes = Sizes {
            samples,
            horizon: trajectories.steps,
            trail: if keep == Keep::Sums { 0 } else { n + k },
            states: n,
            frame: if keep == Keep::Frames { frame } else { 0 },
            frame_before: if keep == Keep::Frames { frame_before } else { 0 },
            group: self.shapes[0].samples.min(self.shapes[1].samples),
        };
        let binding = self.context.limits.max_storage_buffer_binding_size as usize;
        let allowed = Allowed {
            binding,
            frames: self.budget.min(binding),
            workgroups: self.context.limits.max_compute_workgroups_per_dimension as usize,
        };
        let plan = plan::plan(&sizes, &allowed).map_err(|message| {
            self.context.error(message, "use shorter windows, a smaller network, or --device cpu")
        })?;
        let batch_stride = samples.next_multiple_of(plan::ALIGN);
        let count = trajectories.count;
        let start = match &trajectories.start {
            Start::States(_) => n,
            Start::Observations(_) => k,
        };
        let inputs_at = count * start;
        let start_times_at = inputs_at + trajectories.inputs.len() * usize::from(m > 0);
        let targets_at = start_times_at + trajectories.t0.len();
        let slots = if keep == Keep::Sums { 1 } else { sizes.horizon + 1 };
        let mut bits = 0;
        let has_targets = trajectories.targets.is_some();
        for (flag, on) in [
            (flags::KEEP, keep != Keep::Sums),
            (flags::OBSERVE, observed || has_targets),
            (flags::TARGETS, has_targets),
            (flags::START_TIMES, !trajectories.t0.is_empty()),
        ] {
            bits |= if on { flag } else { 0 };
        }
        let base = Params {
            samples: samples as u32,
            stride: plan.stride as u32,
            horizon: sizes.horizon as u32,
            flags: bits,
            batch_stride: batch_stride as u32,
            per_group: (samples / groups.max(1)).max(1) as u32,
            inputs_at: inputs_at as u32,
            start_times_at: start_times_at as u32,
            targets_at: targets_at as u32,
            predictions_at: (slots * n * plan.stride) as u32,
            weights: self.model.weights.per_member() as u32,
            partitions: plan::partitions(
                self.layout.block_count,
                plan.segment * self.layout.tableau.stages() * self.layout.substeps,
                plan.chunk,
                self.model.weights.per_member(),
            ) as u32,
            ..Params::default()
        };
        let rows = |rows: usize| 4 * rows * plan.stride;
        memory.reserve(&self.context, Slot::Trail, rows(slots * n + sizes.horizon * if keep == Keep::Sums { 0 } else { k }))?;
        memory.reserve(&self.context, Slot::Frame, rows(sizes.frame_before + plan.segment * sizes.frame))?;
        memory.reserve(&self.context, Slot::Results, 4 * batch_stride * (6 + n + p))?;
        memory.reserve(&self.context, Slot::Batch, 4 * batch_stride * (2 + p))?;
        memory.reserve(&self.context, Slot::Seeds, 16 * groups)?;
        if keep == Keep::Frames {
            let weights = 4 * self.model.weights.per_member();
            memory.reserve(&self.context, Slot::Partials, weights * base.partitions as usize)?;
            memory.reserve(&self.context, Slot::Gradient, weights)?;
            memory.reserve(&self.context, Slot::Norms, 4 * self.model.weights.per_member().div_ceil(256))?;
        }
        Ok(Prepared { sizes, plan, base, batch_stride })
    }

    /// Uploads trajectories and the table with the numbers of their time grid.
    pub(super) fn upload_trajectories(
        &self,
        memory: &mut Memory,
        trajectories: &Trajectories,
        grid: &TimeGrid,
    ) -> Result<(), DeviceError> {
        let bits = |x: &f64| (*x as f32).to_bits();
        let start = match &trajectories.start {
            Start::States(values) | Start::Observations(values) => values,
        };
        let inputs: &[f64] = if self.layout.sizes[2] > 0 { &trajectories.inputs } else { &[] };
        let targets: &[f64] = trajectories.targets.as_deref().unwrap_or(&[]);
        let data: Vec<u32> = start.iter().chain(inputs).chain(&trajectories.t0).chain(targets).map(bits).collect();
        let outputs = self.layout.sizes[3];
        let inverse: Vec<f64> = match &trajectories.residual_scale {
            Some(scale) => scale.iter().map(|s| 1.0 / s).collect(),
            None => vec![1.0; outputs],
        };
        let horizon = trajectories.steps;
        let starts = (0..=horizon).map(|k| grid.observation(k));
        let lengths = (0..horizon).map(|k| grid.step_length(k) * grid.substeps() as f64);
        let mut table = self.layout.table.clone();
        table.extend(inverse.into_iter().chain(starts).chain(lengths).map(|x| (x as f32).to_bits()));
        memory.write(&self.context, Slot::Data, bytemuck::cast_slice(&data))?;
        memory.write(&self.context, Slot::Table, bytemuck::cast_slice(&table))
    }

    /// Weights as the products read them.
    pub(super) fn packed_weights(&self, values: &[f64]) -> Vec<f32> {
        let mut packed = vec![0.0f32; self.layout.packed];
        for (value, places) in values.iter().zip(&self.layout.places) {
            for place in places.iter().filter(|p| **p != u32::MAX) {
                packed[*place as usize] = *value as f32;
            }
        }
        packed
    }

    fn upload_job(&self, memory: &mut Memory, job: &Job, prepared: &Prepared) -> Result<(), DeviceError> {
        self.upload_trajectories(memory, job.trajectories, &job.grid(&self.model)?)?;
        let packed = self.packed_weights(job.weights.member(job.member(0)));
        memory.write(&self.context, Slot::Weights, bytemuck::cast_slice(&packed))?;
        let (stride, samples) = (prepared.batch_stride, job.samples());
        let mut batch = vec![0u32; stride * 2 + job.theta.len()];
        batch[..samples].copy_from_slice(job.rows);
        for sample in 0..samples {
            batch[stride + sample] = (job.multiplicity(sample) as f32).to_bits();
        }
        for (to, from) in batch[2 * stride..].iter_mut().zip(job.theta) {
            *to = (*from as f32).to_bits();
        }
        self.context.queue.write_buffer(memory.get(Slot::Batch), 0, bytemuck::cast_slice(&batch));
        Ok(())
    }

    fn refuse_members(&self, job: &Job) -> Result<(), DeviceError> {
        let first = job.member(0);
        if (0..job.groups).all(|g| job.member(g) == first) {
            return Ok(());
        }
        Err(self.context.error("a batch with several members of a population", "run one member at a time, or --device cpu"))
    }

    /// Chunks: first sample and number of samples.
    pub(super) fn chunks(prepared: &Prepared) -> Vec<(usize, usize)> {
        let (samples, chunk) = (prepared.sizes.samples, prepared.plan.chunk);
        (0..samples).step_by(chunk).map(|first| (first, chunk.min(samples - first))).collect()
    }

    /// Records the forward pass of a chunk over `from..to`, in pieces of the pace.
    pub(super) fn record_forward(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        (first, count): (usize, usize),
        (from, to): (usize, usize),
        extra: u32,
        encode: bool,
    ) {
        let piece = self.pace.lock().map_or(1, |p| p.intervals(count, self.flops(), 1.0));
        let groups = count.div_ceil(self.shapes[0].samples) as u32;
        for start in (from..to).step_by(piece) {
            let intervals = piece.min(to - start);
            let params = Params {
                first_sample: first as u32,
                chunk: count as u32,
                first_interval: start as u32,
                intervals: intervals as u32,
                frame_interval: (start - from) as u32,
                flags: prepared.base.flags | extra | if encode && start == 0 { flags::ENCODE } else { 0 },
                ..prepared.base
            };
            recording.push(KernelName::Forward, params, [groups, 1], (intervals * count) as f64);
        }
    }

    /// Records the reverse pass of a chunk over a segment and the contraction of its weight gradients.
    #[allow(clippy::too_many_arguments, reason = "a segment of a chunk of a job")]
    pub(super) fn record_reverse(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        (first, count): (usize, usize),
        (from, to): (usize, usize),
        encode: bool,
        weights: bool,
        accumulate: bool,
    ) {
        let piece = self.pace.lock().map_or(1, |p| p.intervals(count, self.flops(), 3.0));
        let groups = count.div_ceil(self.shapes[1].samples) as u32;
        // Without observations in the objective there is nothing to walk back through.
        let base = Params { flags: reverse_flags(prepared.base.flags), ..prepared.base };
        let mut end = to;
        while end > from {
            let start = end.saturating_sub(piece).max(from);
            let params = Params {
                first_sample: first as u32,
                chunk: count as u32,
                first_interval: start as u32,
                intervals: (end - start) as u32,
                frame_interval: (start - from) as u32,
                flags: base.flags | flags::SAVE | if encode && start == 0 { flags::ENCODE } else { 0 },
                ..base
            };
            recording.push(KernelName::Adjoint, params, [groups, 1], (3 * (end - start) * count) as f64);
            end = start;
        }
        if weights && self.layout.block_count > 0 {
            let params = Params {
                first_sample: first as u32,
                chunk: count as u32,
                first_interval: from as u32,
                intervals: (to - from) as u32,
                flags: base.flags | if accumulate { flags::ACCUMULATE } else { 0 },
                ..base
            };
            let size = [self.layout.block_count as u32, prepared.base.partitions];
            recording.push(KernelName::Contract, params, size, 0.0);
        }
    }

    /// Records everything behind the seeds: what was not kept is computed again, segment by segment.
    pub(super) fn record_gradient(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        encode: bool,
        weights: bool,
    ) {
        let horizon = prepared.sizes.horizon;
        let single = prepared.plan.single(&prepared.sizes);
        let mut accumulate = false;
        for chunk in Self::chunks(prepared) {
            let segment = prepared.plan.segment;
            if !single && segment < horizon {
                self.record_forward(recording, prepared, chunk, (0, horizon), flags::REPLAY, encode);
            }
            for from in (0..horizon).step_by(segment).rev() {
                let range = (from, horizon.min(from + segment));
                if !single {
                    let extra = flags::REPLAY | flags::SAVE;
                    self.record_forward(recording, prepared, chunk, range, extra, encode);
                }
                self.record_reverse(recording, prepared, chunk, range, encode, weights, accumulate);
                accumulate = true;
            }
        }
        if weights {
            let workgroups = self.model.weights.per_member().div_ceil(256) as u32;
            recording.push(KernelName::Reduce, prepared.base, [workgroups, 1], 0.0);
        }
    }

    /// Submits a recording and waits for it. Dispatches go together up to `together` at a time.
    pub(super) fn submit(
        &self,
        memory: &mut Memory,
        recording: &Recording,
        together: usize,
    ) -> Result<(), DeviceError> {
        let start = Instant::now();
        let mut content = vec![0u8; recording.params.len() * PARAMS_STRIDE as usize];
        for (to, params) in content.chunks_exact_mut(PARAMS_STRIDE as usize).zip(&recording.params) {
            to[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(params));
        }
        memory.write(&self.context, Slot::Params, &content)?;
        let mut kernels: Vec<(KernelName, Arc<Kernel>, wgpu::BindGroup)> = Vec::new();
        for (name, ..) in &recording.dispatches {
            if !kernels.iter().any(|(known, ..)| known == name) {
                let kernel = self.kernel(*name)?;
                let group = bind(&self.context, &kernel, *name, memory);
                kernels.push((*name, kernel, group));
            }
        }
        let mut flying = VecDeque::new();
        for part in recording.dispatches.chunks(together.max(1)) {
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (name, params, size, _) in part {
                let (_, kernel, group) = kernels.iter().find(|(known, ..)| known == name).expect("it was bound above");
                kernel.dispatch(&mut pass, group, *params, *size);
            }
            drop(pass);
            flying.push_back(self.context.queue.submit([encoder.finish()]));
            // A few submissions in flight keep the adapter busy; more would only fill queues.
            if flying.len() > IN_FLIGHT {
                self.context.wait_for(flying.pop_front())?;
            }
        }
        self.context.wait_for(None)?;
        if let Ok(mut pace) = self.pace.lock() {
            pace.measured(start.elapsed().as_secs_f64(), recording.units());
        }
        Ok(())
    }

    /// Dispatches that may go together in one submission, so that it takes about the target's time.
    pub(super) fn together(&self, recording: &Recording) -> usize {
        let seconds = self.pace.lock().map_or(f64::INFINITY, |p| p.seconds(recording.units(), self.flops()));
        let share = TARGET_SECONDS / seconds.max(1e-9);
        ((recording.params.len() as f64 * share) as usize).max(1)
    }

    /// Sums and status of all samples.
    fn read_sums(&self, memory: &Memory, prepared: &Prepared) -> Result<(Vec<Sums>, Vec<Status>), DeviceError> {
        let (stride, samples) = (prepared.batch_stride as u64, prepared.sizes.samples);
        let words = self.context.download(&[(memory.get(Slot::Results), 0, 6 * stride)])?.remove(0);
        let stride = stride as usize;
        let value = |slot: usize, sample: usize| f32::from_bits(words[slot * stride + sample]) as f64;
        let stage_count =
            (prepared.sizes.horizon * self.layout.substeps * self.layout.tableau.stages()) as f64;
        let sums = (0..samples).map(|s| Sums {
            squared_error: value(1, s),
            present: value(2, s),
            stages: [value(3, s), value(4, s), value(5, s)],
            stage_count,
        });
        Ok((sums.collect(), words[..samples].iter().map(|w| status(*w)).collect()))
    }

    /// A forward pass; with `full` also states and predictions, per sample.
    pub(super) fn run_forward(&self, job: &Job, full: bool) -> Result<Forward, DeviceError> {
        job.check(&self.model)?;
        self.refuse_members(job)?;
        let keep = if full { Keep::Trail } else { Keep::Sums };
        let memory = &mut *self.memory();
        let prepared = self.prepare(memory, job.trajectories, job.samples(), job.groups, full, keep)?;
        self.upload_job(memory, job, &prepared)?;
        let encode = matches!(job.trajectories.start, Start::Observations(_));
        let horizon = prepared.sizes.horizon;
        let (mut states, mut predictions) = (Vec::new(), Vec::new());
        for chunk in Self::chunks(&prepared) {
            let mut recording = Recording::default();
            self.record_forward(&mut recording, &prepared, chunk, (0, horizon), 0, encode);
            self.submit(memory, &recording, 1)?;
            if full {
                self.read_trail(memory, &prepared, chunk.1, &mut states, &mut predictions)?;
            }
        }
        let (sums, status) = self.read_sums(memory, &prepared)?;
        Ok((sums, status, states, predictions))
    }

    /// Appends the states and predictions of a chunk, turned to one sample after the other.
    fn read_trail(
        &self,
        memory: &Memory,
        prepared: &Prepared,
        count: usize,
        states: &mut Vec<f64>,
        predictions: &mut Vec<f64>,
    ) -> Result<(), DeviceError> {
        let [n, _, _, k] = self.layout.sizes;
        let (horizon, stride) = (prepared.sizes.horizon, prepared.plan.stride);
        let trail = memory.get(Slot::Trail);
        let parts = self.context.download(&[
            (trail, 0, ((horizon + 1) * n * stride) as u64),
            (trail, prepared.base.predictions_at as u64, (horizon * k * stride) as u64),
        ])?;
        for (part, to) in parts.iter().zip([states, predictions]) {
            for sample in 0..count {
                to.extend(part.iter().skip(sample).step_by(stride).map(|w| f32::from_bits(*w) as f64));
            }
        }
        Ok(())
    }

    /// The objective and its derivatives.
    pub(super) fn run_gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        job.check(&self.model)?;
        self.refuse_members(job)?;
        let memory = &mut *self.memory();
        let prepared = self.prepare(memory, job.trajectories, job.samples(), job.groups, false, Keep::Frames)?;
        self.upload_job(memory, job, &prepared)?;
        memory.write(&self.context, Slot::Blocks, bytemuck::cast_slice(&self.layout.blocks))?;
        let encode = matches!(job.trajectories.start, Start::Observations(_));
        let single = prepared.plan.single(&prepared.sizes);
        let mut recording = Recording::default();
        for chunk in Self::chunks(&prepared) {
            let extra = if single { flags::SAVE } else { 0 };
            self.record_forward(&mut recording, &prepared, chunk, (0, prepared.sizes.horizon), extra, encode);
        }
        self.submit(memory, &recording, 1)?;
        let (sums, _) = self.read_sums(memory, &prepared)?;
        let (terms, seeds) = reduce(job, job.objective, &sums);
        let seeds: Vec<f32> = seeds
            .iter()
            .flat_map(|s| [s.squared_error, s.stages[0], s.stages[1], s.stages[2]])
            .map(|x| x as f32)
            .collect();
        self.context.queue.write_buffer(memory.get(Slot::Seeds), 0, bytemuck::cast_slice(&seeds));
        let mut recording = Recording::default();
        let weights = wanted.weights && self.model.weights.per_member() > 0;
        self.record_gradient(&mut recording, &prepared, encode, weights);
        self.submit(memory, &recording, 1)?;
        self.read_gradient(memory, job, &prepared, wanted, Evaluation { terms, sums, status: Vec::new() })
    }

    fn read_gradient(
        &self,
        memory: &Memory,
        job: &Job,
        prepared: &Prepared,
        wanted: Wanted,
        mut evaluation: Evaluation,
    ) -> Result<Gradient, DeviceError> {
        let [n, p, _, _] = self.layout.sizes;
        let (stride, samples) = (prepared.batch_stride, prepared.sizes.samples);
        let each = self.model.weights.per_member();
        let words = if wanted.weights { each as u64 } else { 0 };
        let mut parts = self.context.download(&[
            (memory.get(Slot::Results), 0, (stride * (6 + n + p)) as u64),
            (memory.get(Slot::Gradient), 0, words),
        ])?;
        let (gradient, results) = (parts.remove(1), parts.remove(0));
        evaluation.status = results[..samples].iter().map(|w| status(*w)).collect();
        let float = |w: &u32| f32::from_bits(*w) as f64;
        let rows = |first: usize, count: usize| -> Vec<f64> {
            let samples = if wanted.inputs { samples } else { 0 };
            (0..samples).flat_map(|s| (0..count).map(move |i| (s, i))).map(|(s, i)| float(&results[(first + i) * stride + s])).collect()
        };
        let mut weights = vec![0.0; if wanted.weights { job.weights.members * each } else { 0 }];
        let first = job.member(0) * each;
        for (to, from) in weights.iter_mut().skip(first).zip(&gradient) {
            *to = float(from);
        }
        Ok(Gradient { evaluation, weights, theta: rows(6 + n, p), start: rows(6, n) })
    }
}

/// Binds a kernel's buffers, in the order of its bindings.
fn bind(context: &Context, kernel: &Kernel, name: KernelName, memory: &Memory) -> wgpu::BindGroup {
    use Slot::{
        Batch, Blocks, Data, Frame, Gradient, Halted, Key, Moments, Norms, Order, Partials, Penalties, Places, Priors,
        Reports, Results, Seeds, Table, Trail, Weights,
    };
    let slots: &[Slot] = match name {
        KernelName::Forward | KernelName::Adjoint => &[Table, Weights, Data, Batch, Seeds, Results, Trail, Frame],
        KernelName::Contract => &[Blocks, Frame, Partials],
        KernelName::Reduce => &[Partials, Gradient, Norms],
        KernelName::Draw => &[Order, Priors, Key, Batch],
        KernelName::Functional => &[Penalties, Batch, Results, Seeds, Reports, Halted],
        KernelName::AdamW => &[Gradient, Norms, Places, Moments, Weights, Reports, Halted],
    };
    let buffers: Vec<&wgpu::Buffer> = slots.iter().map(|slot| memory.get(*slot)).collect();
    kernel.bind(context, memory.get(Slot::Params), &buffers)
}

/// Without targets, observe has nothing to carry back.
fn reverse_flags(forward: u32) -> u32 {
    if forward & flags::TARGETS == 0 { forward & !flags::OBSERVE } else { forward }
}

fn status(word: u32) -> Status {
    let code = match word >> 24 {
        0 => StatusCode::Ok,
        1 => StatusCode::NonFiniteState,
        _ => StatusCode::NonFiniteAdjoint,
    };
    Status { code, step: word & 0x00ff_ffff }
}
