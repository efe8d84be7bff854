//! Rollouts on an adapter: sizes and plan of a batch, uploads, and the recording of forward and reverse passes.

use super::fused::{Fused, KernelName};
use super::memory::{Memory, Slot};
use super::params::{Params, flags};
use super::plan::{self, Allowed, Plan, Sizes};
use super::recording::Recording;
use super::seats::{Pieces, Seats};
use crate::device::{DeviceError, Start, Trajectories};
use crate::solve::TimeGrid;

/// A job on the device: sizes, plan, and the parameters that all its dispatches share.
#[derive(Clone)]
pub struct Prepared {
    /// Sizes that decided the plan.
    pub sizes: Sizes,
    /// Chunks and segments.
    pub plan: Plan,
    /// Parameters shared by all dispatches.
    pub base: Params,
    /// Distance of rows in batch and results.
    pub batch_stride: usize,
    /// Members of each chunk, and the words of their tables behind the blocks.
    pub pieces: Vec<Pieces>,
    /// What stands behind the blocks.
    pub piece_words: Vec<u32>,
    /// Members that take part.
    pub members: usize,
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

impl Fused {
    /// Sizes and plan of a batch.
    pub(super) fn prepare(
        &self,
        memory: &mut Memory,
        trajectories: &Trajectories,
        seats: &Seats,
        observed: bool,
        keep: Keep,
    ) -> Result<Prepared, DeviceError> {
        let [n, p, m, k] = self.layout.sizes;
        let (frame, frame_before) = self.layout.frame_rows();
        let samples = seats.len();
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
            busy: plan::BUSY[usize::from(self.context.software)],
            parts: self.context.care.parts(),
        };
        let plan = plan::plan(&sizes, &allowed).map_err(|message| {
            self.context.error(message, "use shorter windows, fewer substeps or a smaller network, or --device cpu")
        })?;
        let batch_stride = samples.next_multiple_of(plan::ALIGN);
        let count = trajectories.count;
        let start = match &trajectories.start {
            Start::States(_) => n,
            Start::Observations(_) => self.layout.window,
        };
        let inputs_at = count * start;
        let start_times_at = inputs_at + trajectories.inputs.len() * usize::from(m > 0);
        let targets_at = start_times_at + trajectories.t0.len();
        let slots = if keep == Keep::Sums { 1 } else { sizes.horizon + 1 };
        let (weights, members) = (self.model.weights.per_member(), seats.runs().len());
        let mut bits = 0;
        let has_targets = trajectories.targets.is_some();
        for (flag, on) in [
            (flags::KEEP, keep != Keep::Sums),
            (flags::OBSERVE, observed || has_targets || self.layout.sees_targets),
            (flags::TARGETS, has_targets),
            (flags::START_TIMES, !trajectories.t0.is_empty()),
            (flags::MEMBERS, seats.several()),
        ] {
            bits |= if on { flag } else { 0 };
        }
        let base = Params {
            samples: samples as u32,
            stride: plan.stride as u32,
            horizon: sizes.horizon as u32,
            flags: bits,
            batch_stride: batch_stride as u32,
            per_group: seats.per_seed() as u32,
            inputs_at: inputs_at as u32,
            start_times_at: start_times_at as u32,
            targets_at: targets_at as u32,
            predictions_at: (slots * n * plan.stride) as u32,
            weights: weights as u32,
            partitions: plan::partitions(
                self.layout.block_count,
                plan.segment * self.layout.tableau.stages() * self.layout.substeps,
                plan.chunk.min(seats.longest()),
                weights * members,
                self.context.iterations,
            ) as u32,
            ..Params::default()
        };
        let rows = |rows: usize| 4 * rows * plan.stride;
        memory.reserve(
            &self.context,
            Slot::Trail,
            rows(slots * n + sizes.horizon * if keep == Keep::Sums { 0 } else { k }),
        )?;
        memory.reserve(&self.context, Slot::Frame, rows(sizes.frame_before + plan.segment * sizes.frame))?;
        memory.reserve(&self.context, Slot::Results, 4 * batch_stride * self.layout.result_rows())?;
        memory.reserve(&self.context, Slot::Batch, 4 * batch_stride * (2 + p + usize::from(seats.several())))?;
        memory.reserve(&self.context, Slot::Seeds, 4 * self.layout.seed_width() * seats.seed_count())?;
        if keep == Keep::Frames {
            memory.reserve(&self.context, Slot::Partials, 4 * members * weights * base.partitions as usize)?;
            memory.reserve(&self.context, Slot::Gradient, 4 * members * weights)?;
            memory.reserve(&self.context, Slot::Norms, 4 * members * weights.div_ceil(256))?;
        }
        let (piece_words, pieces) = seats.pieces(&chunks(samples, &plan), self.layout.blocks.len());
        Ok(Prepared { sizes, plan, base, batch_stride, pieces, piece_words, members })
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

    /// Chunks: first seat and number of seats.
    pub(super) fn chunks(prepared: &Prepared) -> Vec<(usize, usize)> {
        chunks(prepared.sizes.samples, &prepared.plan)
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
        let piece = self.piece(count, 0);
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
            recording.push(KernelName::Forward, params, [groups, 1, 1], (intervals * count) as f64);
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
        let piece = self.piece(count, 1);
        let groups = count.div_ceil(self.shapes[1].samples) as u32;
        // Without observations in the objective there is nothing to walk back through.
        let base = Params { flags: self.reverse_flags(prepared.base.flags), ..prepared.base };
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
            recording.push(KernelName::Adjoint, params, [groups, 1, 1], (3 * (end - start) * count) as f64);
            end = start;
        }
        if weights && self.layout.block_count > 0 {
            let pieces = prepared.pieces[first / prepared.plan.chunk];
            let params = Params {
                pieces_at: pieces.at as u32,
                first_sample: first as u32,
                chunk: count as u32,
                first_interval: from as u32,
                intervals: (to - from) as u32,
                flags: base.flags
                    | if accumulate { flags::ACCUMULATE } else { 0 }
                    | if encode && from == 0 { flags::ENCODE } else { 0 },
                ..base
            };
            let size = [self.layout.block_count as u32, prepared.base.partitions, pieces.count.max(1) as u32];
            recording.push(KernelName::Contract, params, size, 0.0);
        }
    }

    /// Without targets, observe has nothing to carry back unless it yields observables.
    fn reverse_flags(&self, forward: u32) -> u32 {
        let idle = forward & flags::TARGETS == 0 && !self.layout.sees_targets;
        if idle { forward & !flags::OBSERVE } else { forward }
    }

    /// Records everything behind the seeds: what was not kept is computed again, segment by segment.
    pub(super) fn record_gradient(&self, recording: &mut Recording, prepared: &Prepared, encode: bool, weights: bool) {
        let horizon = prepared.sizes.horizon;
        let single = prepared.plan.single(&prepared.sizes);
        let mut accumulate = false;
        for chunk in Self::chunks(prepared) {
            // With several members the table of a chunk says which of them had samples in earlier ones.
            accumulate &= prepared.members == 1;
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
            recording.push(KernelName::Reduce, prepared.base, [workgroups, 1, prepared.members as u32], 0.0);
        }
    }
}

fn chunks(samples: usize, plan: &Plan) -> Vec<(usize, usize)> {
    (0..samples).step_by(plan.chunk).map(|first| (first, plan.chunk.min(samples - first))).collect()
}
