//! Recordings of dispatches, and how they are submitted: bound, grouped, paced.

use super::context::{Context, PARAMS_STRIDE};
use super::fused::{Fused, KernelName};
use super::kernel::Kernel;
use super::memory::{Memory, Slot};
use super::params::Params;
use crate::device::DeviceError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

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
    fn intervals(&self, samples: usize, flops: f64, weight: f64, target: f64) -> usize {
        let unit = self.seconds(1.0, flops) * weight;
        let fitting = target / (unit * samples as f64).max(1e-12);
        (fitting as usize).max(1)
    }

    /// Expected time of some work. A slow adapter is assumed until it was measured: 20 Gflop/s.
    pub fn seconds(&self, units: f64, flops: f64) -> f64 {
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

/// Submissions in flight: a few keep the adapter busy; more would only fill queues.
#[derive(Default)]
pub struct Flight {
    submissions: VecDeque<wgpu::SubmissionIndex>,
}

impl Flight {
    /// Takes note of a submission; waits for the oldest where there are enough.
    pub fn push(&mut self, context: &Context, submission: wgpu::SubmissionIndex) -> Result<(), DeviceError> {
        self.submissions.push_back(submission);
        match self.submissions.len() > IN_FLIGHT {
            true => context.wait_for(self.submissions.pop_front()),
            false => Ok(()),
        }
    }
}

/// Dispatches to submit together or piece by piece.
#[derive(Default)]
pub struct Recording {
    /// Parameters of all dispatches.
    pub params: Vec<Params>,
    dispatches: Vec<(KernelName, usize, [u32; 3], f64)>,
}

impl Recording {
    /// Adds a dispatch; `units` is its work for the pace.
    pub fn push(&mut self, kernel: KernelName, params: Params, size: [u32; 3], units: f64) {
        self.dispatches.push((kernel, self.params.len(), size, units));
        self.params.push(params);
    }

    /// Work of all dispatches.
    fn units(&self) -> f64 {
        self.dispatches.iter().map(|d| d.3).sum()
    }
}

impl Fused {
    fn flops(&self) -> f64 {
        let stages = (self.layout.tableau.stages() * self.layout.substeps) as f64;
        stages * (2.0 * self.model.multiply_adds() as f64 + 200.0)
    }

    /// Intervals of one dispatch of the forward (0) or the adjoint (1) kernel over `count` samples.
    pub(super) fn piece(&self, count: usize, part: usize) -> usize {
        // An adjoint is taken for three forward passes.
        let weight = [1.0, 3.0][part];
        let paced =
            self.pace.lock().map_or(1, |p| p.intervals(count, self.flops(), weight, self.context.target_seconds()));
        paced.min(self.longest[part])
    }

    /// Submits a recording and waits for it. Dispatches go together up to `together` at a time.
    pub(super) fn submit(
        &self,
        memory: &mut Memory,
        recording: &Recording,
        together: usize,
    ) -> Result<(), DeviceError> {
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
        // Compiling is not part of the adapter's pace.
        let start = Instant::now();
        let mut flight = Flight::default();
        for part in recording.dispatches.chunks(together.max(1)) {
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (name, params, size, _) in part {
                let (_, kernel, group) = kernels.iter().find(|(known, ..)| known == name).expect("it was bound above");
                kernel.dispatch(&mut pass, group, *params, *size);
            }
            drop(pass);
            flight.push(&self.context, self.context.submit(encoder)?)?;
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
        let share = self.context.target_seconds() / seconds.max(1e-9);
        ((recording.params.len() as f64 * share) as usize).max(1)
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
    kernel.bind(context, memory, slots)
}
