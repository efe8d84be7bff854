//! Training that stays on the adapter: each step draws its batch, runs forward and back, and moves the weights, without the
//! host. The host sends the order of an epoch and reads the steps' reports at its end.

use super::fused::{Fused, KernelName};
use super::memory::{Memory, Slot};
use super::params::{Params, flags};
use super::recording::Recording;
use super::rollout::{Keep, Prepared};
use super::seats::Seats;
use crate::device::{Descent, DescentSetup, DescentState, DeviceError, Job, Start, StepCost, StepReport, Steps};
use crate::model::{Prior, Scale};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use std::sync::Arc;

/// Steps recorded at a time.
const STEPS: usize = 256;

/// Training resident on an adapter, in buffers of its own.
pub struct ResidentDescent<'a> {
    gpu: Arc<Fused>,
    setup: DescentSetup<'a>,
    memory: Memory,
    steps: u64,
}

impl<'a> ResidentDescent<'a> {
    /// Uploads what stays: windows, priors, penalties, places of weights.
    pub fn new(gpu: Arc<Fused>, setup: DescentSetup<'a>) -> Result<Self, DeviceError> {
        let context = &gpu.context;
        let mut memory = Memory::default();
        let p = gpu.layout.sizes[1];
        let zeros = vec![0.0; p];
        let weights = Weights::zeros(&gpu.model.weights, 1);
        let job = Job::new(setup.trajectories, &[0], &zeros, &weights, setup.objective);
        job.check(&gpu.model)?;
        gpu.upload_trajectories(&mut memory, setup.trajectories, &job.grid(&gpu.model)?)?;
        let priors: Vec<[f32; 8]> = (0..p).map(|i| prior(&gpu, i)).collect();
        memory.write(context, Slot::Priors, bytemuck::cast_slice(&priors))?;
        let key = Stream::new(setup.seed, Purpose::Theta).key();
        memory.write(context, Slot::Key, bytemuck::cast_slice(&key))?;
        let penalties: Vec<[f32; 4]> = setup
            .objective
            .penalties
            .iter()
            .map(|penalty| {
                let (base, logarithm) = penalty.code().unwrap_or_default();
                [base as f32, if logarithm { 1.0 } else { 0.0 }, penalty.weight as f32, 0.0]
            })
            .collect();
        memory.write(context, Slot::Penalties, bytemuck::cast_slice(&penalties))?;
        memory.write(context, Slot::Places, bytemuck::cast_slice(&gpu.layout.places))?;
        memory.write(context, Slot::Blocks, bytemuck::cast_slice(&gpu.layout.blocks))?;
        let samples = setup.batch.min(setup.trajectories.count) * setup.draws;
        gpu.prepare(&mut memory, setup.trajectories, &Seats::single(samples, 1, 0), false, Keep::Frames)?;
        Ok(ResidentDescent { gpu, setup, memory, steps: 0 })
    }

    /// Records one step: draw, forward, functional, reverse, contraction, reduction, optimiser.
    fn record(&self, recording: &mut Recording, prepared: &Prepared, rate: f64, order_at: usize, report: usize) {
        let setup = &self.setup;
        let step = self.steps + report as u64 + 1;
        let correction = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
        let own = Prepared {
            base: Params {
                step: (step - 1) as u32,
                order_at: order_at as u32,
                draws: setup.draws as u32,
                report: report as u32,
                rate: rate as f32,
                decay: setup.weight_decay as f32,
                correction1: correction(setup.betas[0]),
                correction2: correction(setup.betas[1]),
                beta1: setup.betas[0] as f32,
                beta2: setup.betas[1] as f32,
                epsilon: setup.epsilon as f32,
                clip_value: setup.clip_value as f32,
                clip_norm: setup.clip_norm as f32,
                loss_weight: setup.objective.loss_weight as f32,
                penalties: setup.objective.penalties.len() as u32,
                ..prepared.base
            },
            ..prepared.clone()
        };
        let (gpu, samples, horizon) = (&self.gpu, prepared.sizes.samples, prepared.sizes.horizon);
        let encode = matches!(setup.trajectories.start, Start::Observations(_));
        recording.push(KernelName::Draw, own.base, [samples.div_ceil(64) as u32, 1, 1], 0.0);
        let extra = if own.plan.single(&own.sizes) { flags::SAVE } else { 0 };
        for chunk in Fused::chunks(&own) {
            gpu.record_forward(recording, &own, chunk, (0, horizon), extra, encode);
        }
        recording.push(KernelName::Functional, own.base, [1, 1, 1], 0.0);
        gpu.record_gradient(recording, &own, encode, true);
        recording.push(KernelName::AdamW, own.base, [gpu.model.weights.per_member().div_ceil(256) as u32, 1, 1], 0.0);
    }

    /// Takes up to [`STEPS`] steps and returns their reports.
    fn steps(&mut self, batches: &[(usize, usize)], rate: f64) -> Result<Steps, DeviceError> {
        let mut recording = Recording::default();
        for (report, (order_at, windows)) in batches.iter().enumerate() {
            let samples = windows * self.setup.draws;
            let trajectories = self.setup.trajectories;
            let seats = Seats::single(samples, 1, 0);
            let prepared = self.gpu.prepare(&mut self.memory, trajectories, &seats, false, Keep::Frames)?;
            self.record(&mut recording, &prepared, rate, *order_at, report);
        }
        let together = self.gpu.together(&recording);
        self.gpu.submit(&mut self.memory, &recording, together)?;
        let width = 3 + self.setup.objective.penalties.len();
        let words = self.gpu.context.download(&[
            (self.memory.get(Slot::Halted), 0, 2),
            (self.memory.get(Slot::Reports), 0, (batches.len() * width) as u64),
        ])?;
        let halted = words[0][0] != 0;
        let good = if halted { words[0][1] as usize } else { batches.len() };
        let value = |w: u32| f32::from_bits(w) as f64;
        let reports = words[1].chunks_exact(width).zip(batches).take(good).map(|(report, (_, windows))| StepReport {
            samples: windows * self.setup.draws,
            loss: value(report[0]),
            objective: value(report[1]),
            norm: value(report[2]),
            penalties: report[3..].iter().map(|w| value(*w)).collect(),
            failed: 0,
            failure: None,
        });
        self.steps += good as u64;
        Ok(Steps { reports: reports.collect(), halted })
    }
}

impl Descent for ResidentDescent<'_> {
    fn load(&mut self, state: &DescentState) -> Result<(), DeviceError> {
        let context = &self.gpu.context;
        let moments: Vec<f32> =
            [&state.weights, &state.first, &state.second].into_iter().flatten().map(|x| *x as f32).collect();
        self.memory.write(context, Slot::Moments, bytemuck::cast_slice(&moments))?;
        let packed = self.gpu.packed_weights(&state.weights);
        self.memory.write(context, Slot::Weights, bytemuck::cast_slice(&packed))?;
        self.memory.write(context, Slot::Halted, bytemuck::cast_slice(&[0u32; 2]))?;
        self.steps = state.steps;
        Ok(())
    }

    fn epoch(&mut self, order: &[u32], rate: f64) -> Result<Steps, DeviceError> {
        let batch = self.setup.batch;
        let batches: Vec<(usize, usize)> =
            (0..order.len()).step_by(batch).map(|at| (at, batch.min(order.len() - at))).collect();
        self.memory.write(&self.gpu.context, Slot::Order, bytemuck::cast_slice(order))?;
        let width = 3 + self.setup.objective.penalties.len();
        self.memory.reserve(&self.gpu.context, Slot::Reports, 4 * width * STEPS.min(batches.len()))?;
        let mut all = Steps { reports: Vec::new(), halted: false };
        for part in batches.chunks(STEPS) {
            let steps = self.steps(part, rate)?;
            all.reports.extend(steps.reports);
            all.halted = steps.halted;
            if all.halted {
                break;
            }
        }
        Ok(all)
    }

    fn cost(&mut self) -> Result<StepCost, DeviceError> {
        let setup = self.setup;
        let samples = setup.batch.min(setup.trajectories.count) * setup.draws;
        let seats = Seats::single(samples, 1, 0);
        let prepared = self.gpu.prepare(&mut self.memory, setup.trajectories, &seats, false, Keep::Frames)?;
        let mut recording = Recording::default();
        self.record(&mut recording, &prepared, 0.0, 0, 0);
        let (gpu, horizon) = (&self.gpu, prepared.sizes.horizon);
        let [n, p, m, k] = gpu.layout.sizes;
        let calls = horizon * gpu.layout.substeps * gpu.layout.tableau.stages();
        let weights = gpu.model.weights.per_member();
        // Activations: written once, read by the adjoint and, block by block, by the contraction.
        let frames = (prepared.sizes.frame_before + horizon * prepared.sizes.frame) * samples;
        let contracted: usize = gpu.layout.contracted_rows() * calls * samples;
        let windows = samples * (n.max(k) + horizon * (m + 2 * k) + 2 * (n + horizon * (n + k)) + 12 + 3 * p);
        let partial = weights * (2 * prepared.base.partitions as usize + 12);
        Ok(StepCost {
            dispatches: recording.params.len(),
            bytes: 4 * (2 * frames + contracted + windows + partial),
            flops: 3.0 * 2.0 * (calls * samples * gpu.model.multiply_adds()) as f64,
            steps_per_readback: STEPS,
        })
    }

    fn state(&mut self) -> Result<DescentState, DeviceError> {
        let each = self.gpu.model.weights.per_member() as u64;
        let words = self.gpu.context.download(&[(self.memory.get(Slot::Moments), 0, 3 * each)])?.remove(0);
        let mut parts = words.chunks_exact(each.max(1) as usize);
        let mut next =
            || -> Vec<f64> { parts.next().unwrap_or(&[]).iter().map(|w| f32::from_bits(*w) as f64).collect() };
        Ok(DescentState { weights: next(), first: next(), second: next(), steps: self.steps })
    }
}

/// A prior as `draw.wgsl` reads it: kind, range; mean, deviation.
fn prior(gpu: &Fused, index: usize) -> [f32; 8] {
    let spec = gpu.model.theta_spec(index);
    let [low, high] = spec.range();
    let (kind, shape) = match (spec.fixed, spec.prior, spec.scale) {
        (Some(_), _, _) => (0.0, [0.0; 2]),
        (None, Some(Prior::Normal(shape)), _) => (3.0, shape),
        (None, _, Scale::Linear) => (1.0, [0.0; 2]),
        (None, _, Scale::Log) => (2.0, [0.0; 2]),
    };
    [kind, low, high, 0.0, shape[0], shape[1], 0.0, 0.0].map(|x| x as f32)
}
