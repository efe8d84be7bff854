//! The GPU device: programs as WGSL compute kernels on any Vulkan, Metal, DX12 or GL adapter.
//!
//! `choice` says by which schedule a model runs, `tuning` finds the fastest, `chosen` keeps it; `layout`, `table` and `plan`
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
mod job;
mod kernel;
mod layer;
mod layout;
mod link;
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
pub use peak::{PeakKind, PeakMeter};
pub use self_test::{SelfTest, self_test};
pub use source::{Schedule, Source};
pub use trace::Trace;
pub use tuning::Tuning;

use super::result::{DeviceError, Evaluation, Gradient, Rollout, Wanted, reduce};
use super::{Care, Descent, DescentSetup, Device, Job, MemoryPlan};
use crate::model::{Model, Observable};
use choice::{Choice, FusedLayout, LaidOut, lay_out_wanted};
use context::Context;
use kernel::Kernel;
use layer::Layers;
use layout::Layout;
use memory::Memory;
use source::Shape;
use std::sync::{Arc, Mutex, OnceLock};

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

/// A model in the lane or the tile schedule on an adapter.
struct Fused {
    model: Model,
    context: Context,
    layout: Layout,
    schedule: Schedule,
    shapes: [Shape; 2],
    budget: usize,
    /// Most intervals of a dispatch of the forward and the adjoint kernel.
    longest: [usize; 2],
    kernels: [OnceLock<Arc<Kernel>>; 7],
    memory: Mutex<Memory>,
    pace: Mutex<recording::Pace>,
}

/// The kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KernelName {
    Forward,
    Adjoint,
    Contract,
    Reduce,
    Draw,
    Functional,
    AdamW,
}

impl KernelName {
    const ALL: [KernelName; 7] = [
        KernelName::Forward,
        KernelName::Adjoint,
        KernelName::Contract,
        KernelName::Reduce,
        KernelName::Draw,
        KernelName::Functional,
        KernelName::AdamW,
    ];
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

impl Fused {
    fn new(model: &Model, context: Context, laid_out: FusedLayout, budget: usize) -> Result<Fused, DeviceError> {
        let FusedLayout { layout, schedule, shapes } = laid_out;
        let mut longest = [usize::MAX; 2];
        for (part, shape) in shapes.into_iter().enumerate() {
            let per_interval = layout.iterations(part, schedule, shape);
            longest[part] = plan::longest(per_interval, context.iterations).map_err(|message| {
                let remedy = "use --schedule tile or layer, fewer solver.substeps, another adapter, or --device cpu";
                context.error(message, remedy)
            })?;
        }
        Ok(Fused {
            model: model.clone(),
            context,
            layout,
            schedule,
            shapes,
            budget,
            longest,
            kernels: Default::default(),
            memory: Mutex::default(),
            pace: Mutex::default(),
        })
    }

    fn kernel(&self, name: KernelName) -> Result<Arc<Kernel>, DeviceError> {
        let slot = &self.kernels[name as usize];
        if let Some(kernel) = slot.get() {
            return Ok(kernel.clone());
        }
        let text = source(&self.model, &self.layout, self.schedule, self.shapes, name)
            .map_err(|message| self.context.error(message, "simplify the WGSL of the model, or use --device cpu"))?;
        let kernel = Arc::new(Kernel::new(&self.context, &text)?);
        Ok(slot.get_or_init(|| kernel).clone())
    }
}

/// The remedy for what kernels cannot do.
const CPU_ONLY: &str = "use --device cpu, or other penalties";

/// What kernels cannot do.
fn unsupported(model: &Model) -> Option<&'static str> {
    model.objective.needs_points().then_some("penalties that are functions of pairs of points")
}

fn source(
    model: &Model,
    layout: &Layout,
    schedule: Schedule,
    shapes: [Shape; 2],
    name: KernelName,
) -> Result<Source, String> {
    match name {
        KernelName::Forward => source::rollout(model, layout, schedule, shapes[0], 0),
        KernelName::Adjoint => source::rollout(model, layout, schedule, shapes[1], 1),
        KernelName::Contract => Ok(source::contract(layout)),
        KernelName::Reduce => Ok(source::gradient()),
        KernelName::Draw => Ok(source::draw(layout)),
        KernelName::Functional => Ok(source::functional(layout)),
        KernelName::AdamW => Ok(source::adamw()),
    }
}

/// All kernels of a model, made without an adapter: for reading, for translation, for other compilers.
pub struct Kernels {
    /// The schedule chosen.
    pub schedule: Schedule,
    /// Texts.
    pub sources: Vec<Source>,
    /// What was planned, in a line.
    pub summary: String,
}

/// The kernels of a model for WebGPU's default limits.
pub fn kernels(model: &Model, schedule: Option<Schedule>) -> Result<Kernels, String> {
    if let Some(what) = unsupported(model) {
        return Err(format!("{what} run on the CPU only; {CPU_ONLY}"));
    }
    let memory = context::default_limits().max_compute_workgroup_storage_size as usize;
    let laid_out = lay_out_wanted(model, schedule.map(Choice::from), memory);
    match laid_out.map_err(|(message, remedy)| format!("{message}; {remedy}"))?.0 {
        LaidOut::Layer => {
            let (sources, summary) = layer::kernels(model)?;
            Ok(Kernels { schedule: Schedule::Layer, sources, summary })
        }
        LaidOut::Fused(fused) => {
            let FusedLayout { layout, schedule, shapes } = *fused;
            let all = KernelName::ALL.map(|name| source(model, &layout, schedule, shapes, name));
            let sources = all.into_iter().collect::<Result<Vec<Source>, String>>()?;
            Ok(Kernels { schedule, sources, summary: summary(&layout, schedule, shapes) })
        }
    }
}

fn summary(layout: &Layout, schedule: Schedule, shapes: [Shape; 2]) -> String {
    let [forward, reverse] = shapes.map(|s| s.samples);
    let bytes = |part: usize| 4 * layout.work_rows()[part] * shapes[part].samples;
    format!(
        "schedule {}, {forward} and {reverse} trajectories per workgroup, {} and {} bytes of workgroup memory (forward, \
         reverse), {} bytes of activations per trajectory and interval",
        schedule.name(),
        bytes(0),
        bytes(1),
        4 * layout.frame_rows().0
    )
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
