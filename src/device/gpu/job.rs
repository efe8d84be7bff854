//! Jobs on an adapter: what is uploaded, run and read back for [`Device`](crate::device::Device).

use super::context::Context;
use super::fused::Fused;
use super::memory::{Memory, Slot};
use super::params::flags;
use super::recording::Recording;
use super::rollout::{Keep, Prepared};
use super::seats::Seats;
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

    /// Seats of a job's samples: a workgroup of either kernel has those of one member.
    fn seats(&self, job: &Job) -> Result<Seats, DeviceError> {
        let seats = Seats::new(job, self.shapes[0].samples.max(self.shapes[1].samples));
        check_members(&self.context, &seats)?;
        Ok(seats)
    }

    fn upload_job(
        &self,
        memory: &mut Memory,
        job: &Job,
        seats: &Seats,
        prepared: &Prepared,
    ) -> Result<(), DeviceError> {
        self.upload_trajectories(memory, job.trajectories, &job.grid(&self.model)?)?;
        let members = seats.runs().iter().map(|run| job.weights.member(run.member));
        let packed: Vec<f32> = members.flat_map(|values| self.packed_weights(values)).collect();
        memory.write(&self.context, Slot::Weights, bytemuck::cast_slice(&packed))?;
        let (stride, p) = (prepared.batch_stride, self.layout.sizes[1]);
        let mut batch = vec![0u32; stride * (2 + p + usize::from(seats.several()))];
        for (seat, (sample, own)) in seats.samples().enumerate() {
            batch[seat] = job.rows[sample];
            batch[stride + seat] = if own { (job.multiplicity(sample) as f32).to_bits() } else { 0 };
            for i in 0..p {
                batch[2 * stride + seat * p + i] = (job.theta[sample * p + i] as f32).to_bits();
            }
        }
        if seats.several() {
            // Weights are read in vectors of four.
            for (to, position) in batch[(2 + p) * stride..].iter_mut().zip(seats.members()) {
                *to = (position * self.layout.packed / 4) as u32;
            }
        }
        self.context.write(memory.get(Slot::Batch), 0, bytemuck::cast_slice(&batch));
        Ok(())
    }

    /// Sums and status of all samples.
    fn read_sums(
        &self,
        memory: &Memory,
        seats: &Seats,
        prepared: &Prepared,
    ) -> Result<(Vec<Sums>, Vec<Status>), DeviceError> {
        let stride = prepared.batch_stride as u64;
        let words =
            self.context.download(&[(memory.get(Slot::Results), 0, self.layout.sum_rows() as u64 * stride)])?.remove(0);
        let stride = stride as usize;
        let value = |slot: usize, seat: usize| f32::from_bits(words[slot * stride + seat]) as f64;
        let stage_count = (prepared.sizes.horizon * self.layout.substeps * self.layout.tableau.stages()) as f64;
        let sums = seats.seats().map(|s| Sums {
            squared_error: value(1, s),
            present: value(2, s),
            observables: observables(self.layout.observables, |place| value(3 + place, s)),
            stage_count,
            entries: (prepared.sizes.horizon * self.model.output_len()) as f64,
        });
        Ok((sums.collect(), seats.seats().map(|seat| status(words[seat])).collect()))
    }

    /// A forward pass; with `full` also states and predictions, per sample.
    pub(super) fn run_forward(&self, job: &Job, full: bool) -> Result<Forward, DeviceError> {
        job.check(&self.model)?;
        let keep = if full { Keep::Trail } else { Keep::Sums };
        let memory = &mut *self.memory();
        let seats = self.seats(job)?;
        let prepared = self.prepare(memory, job.trajectories, &seats, full, keep)?;
        self.upload_job(memory, job, &seats, &prepared)?;
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
        let (sums, status) = self.read_sums(memory, &seats, &prepared)?;
        let [n, _, _, k] = self.layout.sizes;
        let states = seats.per_sample(states, (horizon + 1) * n);
        Ok((sums, status, states, seats.per_sample(predictions, horizon * k)))
    }

    /// Appends the states and predictions of a chunk, turned to one seat after the other.
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
            for seat in 0..count {
                to.extend(part.iter().skip(seat).step_by(stride).map(|w| f32::from_bits(*w) as f64));
            }
        }
        Ok(())
    }

    /// The objective and its derivatives.
    pub(super) fn run_gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        job.check(&self.model)?;
        let memory = &mut *self.memory();
        let seats = self.seats(job)?;
        let prepared = self.prepare(memory, job.trajectories, &seats, false, Keep::Frames)?;
        self.upload_job(memory, job, &seats, &prepared)?;
        let blocks = [self.layout.blocks.as_slice(), &prepared.piece_words].concat();
        memory.write(&self.context, Slot::Blocks, bytemuck::cast_slice(&blocks))?;
        let encode = matches!(job.trajectories.start, Start::Observations(_));
        let single = prepared.plan.single(&prepared.sizes);
        let mut recording = Recording::default();
        for chunk in Self::chunks(&prepared) {
            let extra = if single { flags::SAVE } else { 0 };
            self.record_forward(&mut recording, &prepared, chunk, (0, prepared.sizes.horizon), extra, encode);
        }
        self.submit(memory, &recording, 1)?;
        let (sums, _) = self.read_sums(memory, &seats, &prepared)?;
        let (terms, seeds) = reduce(job, job.objective, &sums, &[]);
        write_seeds(&self.context, memory, self.layout.seed_width(), &seats.seeds(&seeds));
        let mut recording = Recording::default();
        let weights = wanted.weights && self.model.weights.per_member() > 0;
        self.record_gradient(&mut recording, &prepared, encode, weights);
        self.submit(memory, &recording, 1)?;
        let evaluation = Evaluation { terms, sums, status: Vec::new(), points: Vec::new() };
        self.read_gradient(memory, job, (&seats, &prepared), wanted, evaluation)
    }

    fn read_gradient(
        &self,
        memory: &Memory,
        job: &Job,
        (seats, prepared): (&Seats, &Prepared),
        wanted: Wanted,
        mut evaluation: Evaluation,
    ) -> Result<Gradient, DeviceError> {
        let ([n, p, _, _], first) = (self.layout.sizes, self.layout.sum_rows());
        let stride = prepared.batch_stride;
        let each = self.model.weights.per_member();
        let words = if wanted.weights { (prepared.members * each) as u64 } else { 0 };
        let mut parts = self.context.download(&[
            (memory.get(Slot::Results), 0, (stride * (first + n + p)) as u64),
            (memory.get(Slot::Gradient), 0, words),
        ])?;
        let (gradient, results) = (parts.remove(1), parts.remove(0));
        evaluation.status = seats.seats().map(|seat| status(results[seat])).collect();
        let evaluation = evaluation.with_sums_checked(job);
        let float = |w: &u32| f32::from_bits(*w) as f64;
        let rows = |first: usize, count: usize| -> Vec<f64> {
            let samples = if wanted.inputs { job.samples() } else { 0 };
            seats
                .seats()
                .take(samples)
                .flat_map(|s| (0..count).map(move |i| (s, i)))
                .map(|(s, i)| float(&results[(first + i) * stride + s]))
                .collect()
        };
        let weights = if wanted.weights { member_gradients(job, seats, &gradient) } else { Vec::new() };
        Ok(Gradient { evaluation, weights, theta: rows(first + n, p), start: rows(first, n) })
    }
}

/// Sums of a sample's observables: so many of stages and of observations.
pub fn observables(counts: [usize; 2], value: impl Fn(usize) -> f64) -> [f64; MOST_OBSERVABLES] {
    std::array::from_fn(|place| if place < counts[0] + counts[1] { value(place) } else { 0.0 })
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

/// Refuses more members than a dispatch has layers of workgroups.
pub fn check_members(context: &Context, seats: &Seats) -> Result<(), DeviceError> {
    let (members, most) = (seats.runs().len(), context.limits.max_compute_workgroups_per_dimension as usize);
    if members <= most {
        return Ok(());
    }
    let message = format!("a job with {members} members; the limit max_compute_workgroups_per_dimension is {most}");
    Err(context.error(message, "run fewer members at a time, or use --device cpu"))
}

/// Weight gradients of all members of a job, from those that took part; the others have none.
pub fn member_gradients(job: &Job, seats: &Seats, words: &[u32]) -> Vec<f64> {
    let each = words.len() / seats.runs().len();
    let mut gradients = vec![0.0; job.weights.values.len()];
    for (run, words) in seats.runs().iter().zip(words.chunks_exact(each.max(1))) {
        for (to, word) in gradients[run.member * each..].iter_mut().zip(words) {
            *to = f32::from_bits(*word) as f64;
        }
    }
    gradients
}

/// Uploads the derivatives of the objective that the reverse pass starts from, `width` numbers for each of the seats' seeds.
pub fn write_seeds(context: &Context, memory: &Memory, width: usize, seeds: &[Seeds]) {
    let numbers = seeds.iter().flat_map(|s| std::iter::once(s.squared_error).chain(s.observables).take(width));
    let numbers: Vec<f32> = numbers.map(|x| x as f32).collect();
    context.write(memory.get(Slot::Seeds), 0, bytemuck::cast_slice(&numbers));
}
