//! Jobs in the layer schedule: what is run and read back for [`Device`](crate::device::Device).

use super::Layers;
use super::forward::Stretch;
use super::link::Place;
use super::prepare::{Keep, Prepared};
use super::recording::Recording;
use crate::device::gpu::job::{Forward, member_gradients, observables, status, write_seeds};
use crate::device::gpu::memory::{Memory, Slot};
use crate::device::result::reduce;
use crate::device::{DeviceError, Evaluation, Gradient, Job, MemoryPlan, Status, Wanted};
use crate::model::Sums;
use std::sync::MutexGuard;

impl Layers {
    /// The buffers of jobs, for one job at a time.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic holds the memory")
    }

    /// What a gradient of a job holds in the arena.
    pub(in crate::device::gpu) fn memory_of(&self, job: &Job) -> Option<MemoryPlan> {
        let (sizes, plan) = self.plan(job, Keep::Frames).ok()?;
        let keeps = match plan.single(&sizes) {
            true => "all stages of all trajectories".to_string(),
            false => format!("stages of {} trajectories and {} intervals at a time", plan.chunk, plan.segment),
        };
        Some(MemoryPlan { keeps, bytes: 4 * plan.chunk * sizes.arena(plan.segment) })
    }

    /// A forward pass; with `full` also states and predictions, per sample.
    pub(in crate::device::gpu) fn run_forward(&self, job: &Job, full: bool) -> Result<Forward, DeviceError> {
        job.check(&self.model)?;
        let memory = &mut *self.memory();
        let prepared = self.prepare(memory, job, if full { Keep::Trail } else { Keep::Sums })?;
        let mut recording = Recording::new(self, memory);
        self.record_constants(&mut recording, prepared.base)?;
        let layout = &self.layout;
        let (mut states, mut predictions) = (Vec::new(), Vec::new());
        for chunk in prepared.chunks() {
            let base = prepared.chunk(chunk);
            self.record_start(&mut recording, &prepared, base, true)?;
            let mut trail = Trail::new(chunk.1, prepared.plan.chunk, layout.cells);
            for (from, to) in prepared.segments() {
                let stretch = Stretch { range: (from, to), frames: false, count: true };
                self.record_forward(&mut recording, &prepared, base, stretch)?;
                if full {
                    recording.finish()?;
                    // The first state stands before those at the ends of intervals, and is read once.
                    let first = usize::from(from > 0);
                    let slots = (prepared.states_at + first * layout.states(), to - from + 1 - first);
                    trail.states.extend(self.read(memory, &prepared, slots.0, slots.1 * layout.states())?);
                    let numbers = (to - from) * layout.outputs();
                    trail.predictions.extend(self.read(memory, &prepared, prepared.predictions_at, numbers)?);
                }
            }
            states.extend(trail.per_sample(&trail.states));
            predictions.extend(trail.per_sample(&trail.predictions));
        }
        recording.finish()?;
        let (sums, status) = self.read_sums(memory, &prepared)?;
        let (seats, horizon) = (&prepared.seats, prepared.sizes.horizon);
        let states = seats.per_sample(states, (horizon + 1) * layout.states());
        Ok((sums, status, states, seats.per_sample(predictions, horizon * layout.outputs())))
    }

    /// The objective and its derivatives.
    pub(in crate::device::gpu) fn run_gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        job.check(&self.model)?;
        let memory = &mut *self.memory();
        let prepared = self.prepare(memory, job, Keep::Frames)?;
        let single = prepared.plan.single(&prepared.sizes);
        let mut recording = Recording::new(self, memory);
        self.record_constants(&mut recording, prepared.base)?;
        let horizon = (0, prepared.sizes.horizon);
        for chunk in prepared.chunks() {
            let base = prepared.chunk(chunk);
            self.record_start(&mut recording, &prepared, base, true)?;
            let stretch = Stretch { range: horizon, frames: single, count: true };
            self.record_forward(&mut recording, &prepared, base, stretch)?;
        }
        recording.finish()?;
        let (sums, _) = self.read_sums(memory, &prepared)?;
        let (terms, seeds) = reduce(job, job.objective, &sums, &[]);
        write_seeds(&self.context, memory, self.layout.seed_width(), &prepared.seats.seeds(&seeds));
        let weights = wanted.weights && self.model.weights.per_member() > 0;
        if weights {
            self.clear_partials(&mut recording)?;
        }
        let (mut theta, mut start) = (Vec::new(), Vec::new());
        let chunks = prepared.chunks();
        for chunk in &chunks {
            let base = prepared.chunk(*chunk);
            if chunks.len() > 1 {
                // The arena holds the states of one chunk only.
                self.record_start(&mut recording, &prepared, base, false)?;
                if prepared.plan.segment < prepared.sizes.horizon {
                    let stretch = Stretch { range: horizon, frames: false, count: false };
                    self.record_forward(&mut recording, &prepared, base, stretch)?;
                }
            }
            self.record_reverse(&mut recording, &prepared, base, single, weights)?;
            if wanted.inputs {
                recording.finish()?;
                for (to, (place, numbers, cells)) in [&mut start, &mut theta].into_iter().zip(self.derivatives()) {
                    let values = self.read(memory, &prepared, place.offset, numbers)?;
                    let trail = Trail::new(chunk.1, prepared.plan.chunk, cells);
                    to.extend(trail.per_sample(&values));
                }
            }
        }
        if weights {
            self.record_reduction(&mut recording, &prepared)?;
        }
        recording.finish()?;
        let (_, status) = self.read_sums(memory, &prepared)?;
        let each = self.model.weights.per_member();
        let seats = &prepared.seats;
        let mut gradient = Vec::new();
        if weights {
            let words = (seats.runs().len() * each) as u64;
            let words = self.context.download(&[(memory.get(Slot::Gradient), 0, words)])?.remove(0);
            gradient = member_gradients(job, seats, &words);
        }
        let theta = seats.per_sample(theta, self.layout.sizes[1]);
        let start = seats.per_sample(start, self.layout.states());
        let evaluation = Evaluation { terms, sums, status, points: Vec::new() };
        let evaluation = evaluation.with_sums_checked(job);
        Ok(Gradient { evaluation, weights: gradient, theta, start })
    }

    /// Where the derivatives by the initial state and by θ stand: place, numbers, cells.
    fn derivatives(&self) -> [(Place, usize, usize); 2] {
        let layout = &self.layout;
        let [state, theta] = layout.cotangents;
        [(state, layout.states(), layout.cells), (theta, layout.sizes[1], 1)]
    }

    /// Reads scalars of the fixed space for all samples of the chunk.
    fn read(
        &self,
        memory: &Memory,
        prepared: &Prepared,
        first: usize,
        numbers: usize,
    ) -> Result<Vec<u32>, DeviceError> {
        let stride = prepared.plan.chunk as u64;
        let range = (memory.get(Slot::Frame), first as u64 * stride, numbers as u64 * stride);
        Ok(self.context.download(&[range])?.remove(0))
    }

    /// Sums and status of all samples.
    fn read_sums(&self, memory: &Memory, prepared: &Prepared) -> Result<(Vec<Sums>, Vec<Status>), DeviceError> {
        let stride = prepared.batch_stride;
        let rows = self.layout.sum_rows() as u64;
        let words = self.context.download(&[(memory.get(Slot::Results), 0, rows * stride as u64)])?.remove(0);
        let value = |slot: usize, sample: usize| f32::from_bits(words[slot * stride + sample]) as f64;
        let stage_count = (prepared.sizes.horizon * self.layout.calls()) as f64;
        let sums = prepared.seats.seats().map(|s| Sums {
            squared_error: value(1, s),
            present: words[2 * stride + s] as f64,
            observables: observables(self.layout.observables, |place| value(3 + place, s)),
            stage_count,
            entries: (prepared.sizes.horizon * self.model.output_len()) as f64,
        });
        Ok((sums.collect(), prepared.seats.seats().map(|seat| status(words[seat])).collect()))
    }
}

/// Arrays of a chunk as the arena holds them: components, each with the cells of one sample after the other.
struct Trail {
    states: Vec<u32>,
    predictions: Vec<u32>,
    samples: usize,
    stride: usize,
    cells: usize,
}

impl Trail {
    fn new(samples: usize, stride: usize, cells: usize) -> Trail {
        Trail { states: Vec::new(), predictions: Vec::new(), samples, stride, cells }
    }

    /// Turned to one sample after the other.
    fn per_sample(&self, words: &[u32]) -> Vec<f64> {
        let component = self.stride * self.cells;
        (0..self.samples)
            .flat_map(|sample| words.chunks_exact(component).map(move |row| &row[sample * self.cells..][..self.cells]))
            .flatten()
            .map(|w| f32::from_bits(*w) as f64)
            .collect()
    }
}
