//! The GPU device: programs as WGSL compute kernels on any Vulkan, Metal, DX12 or GL adapter.
//!
//! `choice` says by which schedule a model runs, `tuning` finds the fastest, `chosen` keeps it; `fused` is the lane and the
//! tile schedule, `layer` the one operation by operation, `listing` shows the kernels of all; `layout`, `table` and `plan`
//! decide rows, tables and sizes without an adapter; `source` fills the drivers of `shaders/kernels`; `context`, `transfer`,
//! `stamps`, `kernel`, `memory` and `cache` talk to wgpu, `trace` writes down what they say; `self_test` measures an adapter
//! before it is trusted, `arithmetic` says by what; `rollout` plans a batch and records its passes, `recording` submits
//! them; `job` answers the device's calls, `descent` keeps training on the adapter.

mod adapters;
mod arithmetic;
mod cache;
mod choice;
mod chosen;
mod context;
mod descent;
mod fused;
mod job;
mod kernel;
mod layer;
mod layout;
mod link;
mod listing;
mod memory;
mod params;
mod peak;
mod plan;
mod recording;
mod rollout;
mod seats;
mod self_test;
mod source;
mod stamps;
mod table;
mod trace;
mod transfer;
mod tuning;

pub use adapters::{Adapter, adapters, has_hardware};
pub use arithmetic::{ACCURATE, Arithmetic, Builtin};
pub use chosen::Chosen;
pub use listing::{Kernels, kernels};
pub use peak::{PeakKind, PeakMeter};
pub use self_test::{SelfTest, self_test};
pub use source::{Schedule, Source};
pub use trace::Trace;
pub use tuning::Tuning;

use super::result::{DeviceError, Evaluation, Gradient, Rollout, Wanted, reduce};
use super::{Care, Descent, DescentSetup, Device, Job, MemoryPlan};
use crate::model::{Model, Observable};
use choice::{Choice, LaidOut, lay_out_wanted};
use context::Context;
use fused::Fused;
use layer::Layers;
use std::sync::Arc;

/// The GPU device with a model, in f32.
pub struct Gpu {
    engine: Engine,
    chosen: Chosen,
    /// Builtins that are coarse here, whose place functions of the library take.
    replaced: Vec<String>,
}

/// How the model runs: whole segments fused in one kernel, or operation by operation.
enum Engine {
    Fused(Arc<Fused>),
    Layers(Box<Layers>),
}

impl Gpu {
    /// Opens an adapter by name with a model: `gpu` for the best, its index in `greybox devices`, or a part of its name or
    /// backend. `budget` limits activations, in bytes. Without a schedule the widths of the networks choose.
    pub fn open(name: &str, model: &Model, schedule: Option<Schedule>, budget: usize) -> Result<Gpu, DeviceError> {
        Gpu::open_tuned(name, model, schedule, budget, &Tuning::default(), None)
    }

    /// The same, where without a schedule measurements may choose. What the adapter is asked to do is written down in the
    /// trace, if there is one; then no builtin is kept that the library has a function for.
    pub fn open_tuned(
        name: &str,
        model: &Model,
        schedule: Option<Schedule>,
        budget: usize,
        tuning: &Tuning,
        trace: Option<Arc<Trace>>,
    ) -> Result<Gpu, DeviceError> {
        let adapter = adapters::choose(name)?;
        let on = |choice| Gpu::on(&adapter, Care::Usual, model, choice, budget, trace.clone());
        tuning.open(model, schedule, &adapter.get_info(), &on)
    }

    /// Opens an adapter anew after a breakdown, as it was chosen before, with more care.
    pub fn open_anew(
        care: Care,
        name: &str,
        model: &Model,
        budget: usize,
        chosen: &Chosen,
    ) -> Result<Gpu, DeviceError> {
        let gpu = Gpu::on(&adapters::choose(name)?, care, model, Some(chosen.choice), budget, None)?;
        Ok(gpu.because(chosen.reason.clone()))
    }

    /// Opens an adapter for a choice, or for that by the widths.
    fn on(
        adapter: &wgpu::Adapter,
        care: Care,
        model: &Model,
        wanted: Option<Choice>,
        budget: usize,
        trace: Option<Arc<Trace>>,
    ) -> Result<Gpu, DeviceError> {
        let found = self_test::examine(adapter)?;
        // Who repeats a trace has builtins of other accuracy.
        let (kept, replaced) =
            if trace.is_some() { (Vec::new(), found.all()) } else { (found.kept(), found.replaced()) };
        let context = Context::open(adapter, care)?.with(kept, trace);
        let gpu = Gpu { replaced, ..Gpu::with(context, model, wanted, budget)? };
        self_test::examine_gradient(adapter, gpu.chosen.choice.schedule)?;
        Ok(gpu)
    }

    /// The device in an opened adapter.
    fn with(context: Context, model: &Model, wanted: Option<Choice>, budget: usize) -> Result<Gpu, DeviceError> {
        if let Some(what) = unsupported(model) {
            return Err(context.error(format!("{what} run on the CPU only"), CPU_ONLY));
        }
        let limit = context.limits.max_compute_workgroup_storage_size as usize;
        let (laid_out, choice, reason) =
            lay_out_wanted(model, wanted, limit).map_err(|(message, remedy)| context.error(message, remedy))?;
        let engine = match laid_out {
            LaidOut::Layer => Engine::Layers(Box::new(Layers::new(model, context, budget)?)),
            LaidOut::Fused(fused) => Engine::Fused(Arc::new(Fused::new(model, context, *fused, budget)?)),
        };
        Ok(Gpu { engine, replaced: Vec::new(), chosen: Chosen { choice, reason: reason.into() } })
    }

    /// The same with another reason of the choice.
    fn because(self, reason: impl Into<String>) -> Gpu {
        Gpu { chosen: Chosen { reason: reason.into(), ..self.chosen }, ..self }
    }

    /// What was chosen, and why.
    pub fn chosen(&self) -> Chosen {
        self.chosen.clone()
    }

    fn context(&self) -> &Context {
        match &self.engine {
            Engine::Fused(fused) => &fused.context,
            Engine::Layers(layers) => &layers.context,
        }
    }

    /// Name and backend of the adapter.
    pub fn adapter(&self) -> &str {
        &self.context().name
    }

    /// True if threads of the processor do the adapter's work.
    pub fn is_software(&self) -> bool {
        self.context().software
    }

    /// Ends the connection to the adapter, as a driver's reset would: every later job fails. For tests of that.
    pub fn lose(&self) {
        self.context().device.destroy();
    }

    fn run_forward(&self, job: &Job, full: bool) -> Result<job::Forward, DeviceError> {
        match &self.engine {
            Engine::Fused(fused) => fused.run_forward(job, full),
            Engine::Layers(layers) => layers.run_forward(job, full),
        }
    }
}

/// The remedy for what kernels cannot do.
const CPU_ONLY: &str = "use --device cpu, or other penalties";

/// What kernels cannot do.
fn unsupported(model: &Model) -> Option<&'static str> {
    model.objective.needs_points().then_some("penalties that are functions of pairs of points")
}

impl Device for Gpu {
    fn description(&self) -> String {
        let software = if self.is_software() { ", a software adapter" } else { "" };
        let safe = match self.replaced.is_empty() {
            true => String::new(),
            false => format!(", safe {}", self.replaced.join(", ")),
        };
        let Chosen { choice, reason } = &self.chosen;
        format!("gpu f32, {}{software}{safe}, schedule {choice} ({reason})", self.context().name)
    }

    fn driver(&self) -> Option<&str> {
        Some(&self.context().driver)
    }

    fn model(&self) -> &Model {
        match &self.engine {
            Engine::Fused(fused) => &fused.model,
            Engine::Layers(layers) => &layers.model,
        }
    }

    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        let (sums, status, states, predictions) = self.run_forward(job, true)?;
        let (terms, _) = reduce(job, job.objective, &sums, &[]);
        let parameters = Vec::new();
        let evaluation = Evaluation { terms, sums, status, points: Vec::new() };
        let evaluation = evaluation.with_sums_checked(job);
        Ok(Rollout { states, parameters, predictions, evaluation })
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        let (sums, status, _, _) = self.run_forward(job, false)?;
        let (terms, _) = reduce(job, job.objective, &sums, &[]);
        let evaluation = Evaluation { terms, sums, status, points: Vec::new() };
        Ok(evaluation.with_sums_checked(job))
    }

    fn memory(&self, job: &Job) -> Option<MemoryPlan> {
        match &self.engine {
            Engine::Fused(_) => None,
            Engine::Layers(layers) => layers.memory_of(job),
        }
    }

    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        match &self.engine {
            Engine::Fused(fused) => fused.run_gradient(job, wanted),
            Engine::Layers(layers) => layers.run_gradient(job, wanted),
        }
    }

    fn descent<'a>(&self, setup: DescentSetup<'a>) -> Option<Result<Box<dyn Descent + 'a>, DeviceError>> {
        // The kernel of the functional knows the base observables only.
        let base = self.model().objective.observables.len() == Observable::BASE.len();
        if !base || setup.objective.penalties.iter().any(|p| p.code().is_none()) {
            return None;
        }
        match &self.engine {
            Engine::Fused(fused) => {
                Some(descent::ResidentDescent::new(fused.clone(), setup).map(|d| Box::new(d) as Box<dyn Descent + 'a>))
            }
            // The host takes the steps.
            Engine::Layers(_) => None,
        }
    }
}
