//! The GPU device: programs as WGSL compute kernels on any Vulkan, Metal, DX12 or GL adapter.
//!
//! `layout`, `table` and `plan` decide rows, tables and sizes without an adapter; `source` fills the drivers of `shaders/kernels`;
//! `context`, `kernel`, `memory` and `cache` talk to wgpu, `trace` writes down what they say; `self_test` measures an adapter
//! before it is trusted, `arithmetic` says by what; `rollout` plans a batch and records its passes, `recording` submits
//! them; `job` answers the device's calls, `descent` keeps training on the adapter.

mod adapters;
mod arithmetic;
mod cache;
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
mod table;
mod trace;

pub use adapters::{Adapter, adapters, has_hardware};
pub use arithmetic::{ACCURATE, Arithmetic, Builtin};
pub use peak::{PeakKind, PeakMeter};
pub use self_test::{SelfTest, self_test};
pub use source::{Schedule, Source};
pub use trace::Trace;

use super::result::{DeviceError, Evaluation, Gradient, Rollout, Wanted, reduce};
use super::{Descent, DescentSetup, Device, Job, MemoryPlan};
use crate::model::{Model, Observable};
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
    /// Builtins that are coarse here, whose place functions of the library take.
    replaced: Vec<String>,
}

/// How the model runs: whole segments fused in one kernel, or operation by operation.
enum Engine {
    Fused(Box<Fused>),
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

/// Hidden layers up to this width run in the lane schedule unless told otherwise.
const LANE_WIDTH: usize = 16;

impl Gpu {
    /// Opens an adapter by name with a model: `gpu` for the best, its index in `greybox devices`, or a part of its name or
    /// backend. `budget` limits activations, in bytes.
    pub fn open(name: &str, model: &Model, schedule: Option<Schedule>, budget: usize) -> Result<Gpu, DeviceError> {
        Gpu::open_traced(name, model, schedule, budget, None)
    }

    /// Opens an adapter as [`Gpu::open`] does; what it is asked to do is written down in the trace, and no builtin is kept
    /// that the library has a function for.
    pub fn open_traced(
        name: &str,
        model: &Model,
        schedule: Option<Schedule>,
        budget: usize,
        trace: Option<Arc<Trace>>,
    ) -> Result<Gpu, DeviceError> {
        let adapter = adapters::choose(name)?;
        let found = self_test::examine(&adapter)?;
        // Who repeats a trace has builtins of other accuracy.
        let (kept, replaced) =
            if trace.is_some() { (Vec::new(), found.all()) } else { (found.kept(), found.replaced()) };
        let context = Context::open(&adapter)?.with(kept, trace);
        let engine = Engine::new(model, context, schedule, budget)?;
        self_test::examine_gradient(&adapter, engine.schedule())?;
        Ok(Gpu { engine, replaced })
    }

    /// True if threads of the processor do the adapter's work.
    pub fn is_software(&self) -> bool {
        self.engine.context().software
    }

    /// Ends the connection to the adapter, as a driver's reset would: every later job fails. For tests of that.
    pub fn lose(&self) {
        self.engine.context().device.destroy();
    }

    fn run_forward(&self, job: &Job, full: bool) -> Result<job::Forward, DeviceError> {
        match &self.engine {
            Engine::Fused(fused) => fused.run_forward(job, full),
            Engine::Layers(layers) => layers.run_forward(job, full),
        }
    }
}

impl Engine {
    fn new(model: &Model, context: Context, schedule: Option<Schedule>, budget: usize) -> Result<Engine, DeviceError> {
        if let Some(what) = unsupported(model) {
            return Err(context.error(format!("{what} run on the CPU only"), CPU_ONLY));
        }
        let limit = context.limits.max_compute_workgroup_storage_size as usize;
        match choose(model, schedule, limit).map_err(|(message, remedy)| context.error(message, remedy))? {
            Choice::Layer => Ok(Engine::Layers(Box::new(Layers::new(model, context, budget)?))),
            Choice::Fused(chosen) => Ok(Engine::Fused(Box::new(Fused::new(model, context, *chosen, budget)?))),
        }
    }

    fn context(&self) -> &Context {
        match self {
            Engine::Fused(fused) => &fused.context,
            Engine::Layers(layers) => &layers.context,
        }
    }

    fn schedule(&self) -> Schedule {
        match self {
            Engine::Fused(fused) => fused.schedule,
            Engine::Layers(_) => Schedule::Layer,
        }
    }
}

impl Fused {
    fn new(model: &Model, context: Context, chosen: FusedChoice, budget: usize) -> Result<Fused, DeviceError> {
        let FusedChoice { layout, schedule, shapes } = chosen;
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

/// The schedule of a model, with what was laid out to choose it.
enum Choice {
    Fused(Box<FusedChoice>),
    Layer,
}

/// A fused schedule and the workgroups of the forward and the adjoint kernel.
struct FusedChoice {
    layout: Layout,
    schedule: Schedule,
    shapes: [Shape; 2],
}

/// Chooses: layer for grids, else by the widest layer lane or tile, and layer where a workgroup's memory is too small for
/// them. An error is a message and a remedy.
fn choose(model: &Model, wanted: Option<Schedule>, memory: usize) -> Result<Choice, (String, &'static str)> {
    match (&model.grid, wanted) {
        (_, Some(Schedule::Layer)) | (Some(_), None) => return Ok(Choice::Layer),
        (Some(_), Some(other)) => {
            let message = format!("the {} schedule runs models without grids", other.name());
            return Err((message, "remove --schedule, or use --schedule layer"));
        }
        (None, _) => {}
    }
    let widest = model.networks.iter().flat_map(|n| n.sizes.iter().copied()).max().unwrap_or(0);
    let schedule = wanted.unwrap_or(if widest <= LANE_WIDTH { Schedule::Lane } else { Schedule::Tile });
    let layout = Layout::new(model);
    let [forward, reverse] = layout.work_rows().map(|rows| plan::shape(schedule, rows, memory));
    match (forward, reverse) {
        (Ok(forward), Ok(reverse)) => {
            Ok(Choice::Fused(Box::new(FusedChoice { layout, schedule, shapes: [forward, reverse] })))
        }
        (Err(message), _) | (_, Err(message)) => match wanted {
            None => Ok(Choice::Layer),
            Some(_) => Err((message, "use --schedule layer, fewer states or narrower layers, or --device cpu")),
        },
    }
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
    match choose(model, schedule, memory).map_err(|(message, remedy)| format!("{message}; {remedy}"))? {
        Choice::Layer => {
            let (sources, summary) = layer::kernels(model)?;
            Ok(Kernels { schedule: Schedule::Layer, sources, summary })
        }
        Choice::Fused(chosen) => {
            let FusedChoice { layout, schedule, shapes } = *chosen;
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
        format!("gpu f32, {}{software}{safe}, schedule {}", self.engine.context().name, self.engine.schedule().name())
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
        Ok(Rollout {
            states,
            parameters,
            predictions,
            evaluation: Evaluation { terms, sums, status, points: Vec::new() },
        })
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        let (sums, status, _, _) = self.run_forward(job, false)?;
        let (terms, _) = reduce(job, job.objective, &sums, &[]);
        Ok(Evaluation { terms, sums, status, points: Vec::new() })
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

    fn descent<'a>(&'a self, setup: DescentSetup<'a>) -> Option<Result<Box<dyn Descent + 'a>, DeviceError>> {
        // The kernel of the functional knows the base observables only.
        let base = self.model().objective.observables.len() == Observable::BASE.len();
        if !base || setup.objective.penalties.iter().any(|p| p.code().is_none()) {
            return None;
        }
        match &self.engine {
            Engine::Fused(fused) => {
                Some(descent::ResidentDescent::new(fused, setup).map(|d| Box::new(d) as Box<dyn Descent + 'a>))
            }
            // The host takes the steps.
            Engine::Layers(_) => None,
        }
    }
}
