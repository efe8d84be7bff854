//! Jobs on an adapter: what is uploaded, run and read back for [`Device`](crate::device::Device).

use super::Fused;
use super::context::Context;
use super::memory::{Memory, Slot};
use super::params::flags;
use super::recording::Recording;
use super::rollout::{Keep, Prepared};
use crate::device::result::reduce;
use crate::device::{DeviceError, Evaluation, Gradient, Job, Start, Status, StatusCode, Wanted};
use crate::model::{MOST_OBSERVABLES, Seeds, Sums};
use std::sync::MutexGuard;

/// Sums, status, states and predictions.
pub type Forward = (Vec<Sums>, Vec<Status>, Vec<f64>, Vec<f64>);

impl Fused {
    /// The buffers of jobs, for one job at a time.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic holds the memory")
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

    /// Sums and status of all samples.
    fn read_sums(&self, memory: &Memory, prepared: &Prepared) -> Result<(Vec<Sums>, Vec<Status>), DeviceError> {
        let (stride, samples) = (prepared.batch_stride as u64, prepared.sizes.samples);
        let words = self.context.download(&[(memory.get(Slot::Results), 0, 6 * stride)])?.remove(0);
        let stride = stride as usize;
        let value = |slot: usize, sample: usize| f32::from_bits(words[slot * stride + sample]) as f64;
        let stage_count = (prepared.sizes.horizon * self.layout.substeps * self.layout.tableau.stages()) as f64;
        let sums = (0..samples).map(|s| Sums {
            squared_error: value(1, s),
            present: value(2, s),
            observables: observables([value(3, s), value(4, s), value(5, s)]),
            stage_count,
            entries: (prepared.sizes.horizon * self.model.output_len()) as f64,
        });
        Ok((sums.collect(), words[..samples].iter().map(|w| status(*w)).collect()))
    }

    /// A forward pass; with `full` also states and predictions, per sample.
    pub(super) fn run_forward(&self, job: &Job, full: bool) -> Result<Forward, DeviceError> {
        job.check(&self.model)?;
        refuse_members(&self.context, job)?;
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
        refuse_members(&self.context, job)?;
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
        let (terms, seeds) = reduce(job, job.objective, &sums, &[]);
        write_seeds(&self.context, memory, &seeds);
        let mut recording = Recording::default();
        let weights = wanted.weights && self.model.weights.per_member() > 0;
        self.record_gradient(&mut recording, &prepared, encode, weights);
        self.submit(memory, &recording, 1)?;
        self.read_gradient(
            memory,
            job,
            &prepared,
            wanted,
            Evaluation { terms, sums, status: Vec::new(), points: Vec::new() },
        )
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
            (0..samples)
                .flat_map(|s| (0..count).map(move |i| (s, i)))
                .map(|(s, i)| float(&results[(first + i) * stride + s]))
                .collect()
        };
        let mut weights = vec![0.0; if wanted.weights { job.weights.members * each } else { 0 }];
        let first = job.member(0) * each;
        for (to, from) in weights.iter_mut().skip(first).zip(&gradient) {
            *to = float(from);
        }
        Ok(Gradient { evaluation, weights, theta: rows(6 + n, p), start: rows(6, n) })
    }
}

/// The base observables as the first of all.
pub fn observables(base: [f64; 3]) -> [f64; MOST_OBSERVABLES] {
    std::array::from_fn(|i| base.get(i).copied().unwrap_or(0.0))
}

/// A status as kernels write it.
pub fn status(word: u32) -> Status {
    let code = match word >> 24 {
        0 => StatusCode::Ok,
        1 => StatusCode::NonFiniteState,
        _ => StatusCode::NonFiniteAdjoint,
    };
    Status { code, step: word & 0x00ff_ffff }
}

/// Refuses a batch with several members.
pub fn refuse_members(context: &Context, job: &Job) -> Result<(), DeviceError> {
    let first = job.member(0);
    if (0..job.groups).all(|g| job.member(g) == first) {
        return Ok(());
    }
    Err(context.error("a batch with several members of a population", "run one member at a time, or --device cpu"))
}

/// Uploads the derivatives of the objective that the reverse pass starts from, four numbers per group.
pub fn write_seeds(context: &Context, memory: &Memory, seeds: &[Seeds]) {
    let numbers = seeds.iter().flat_map(|s| [s.squared_error, s.observables[0], s.observables[1], s.observables[2]]);
    let numbers: Vec<f32> = numbers.map(|x| x as f32).collect();
    context.queue.write_buffer(memory.get(Slot::Seeds), 0, bytemuck::cast_slice(&numbers));
}
