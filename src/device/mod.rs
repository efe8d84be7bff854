//! Devices run the programs of a model over batches of trajectories.
//!
//! [`Device`] is what training and studies see: simulate, evaluate, gradient. `cpu` runs it on native threads in f32 or
//! f64; `gpu` talks to adapters. All numbers cross this boundary in f64; a device computes in its own precision.

mod batch;
pub mod cpu;
mod descent;
pub mod gpu;
mod pool;
mod recover;
pub mod reference;
mod result;

pub use batch::{Job, Start, Trajectories};
pub use descent::{Descent, DescentSetup, DescentState, StepCost, StepReport, Steps};
pub use recover::{Care, Recovering};
pub use result::{
    Breakdown, DeviceError, Evaluation, Gradient, MemoryPlan, Rollout, Status, StatusCode, Wanted, describe_failures,
};

use crate::model::Model;
use std::sync::Arc;

/// A device that holds a compiled model.
pub trait Device: Send + Sync {
    /// What runs, for logs and reports: `cpu f32, 2 threads`.
    fn description(&self) -> String;

    /// The driver of an adapter and its version.
    fn driver(&self) -> Option<&str> {
        None
    }

    /// The model it was opened with.
    fn model(&self) -> &Model;

    /// Runs the rollouts and returns states, predictions and the objective.
    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError>;

    /// Runs the rollouts and returns only the objective of each group and the sums of each sample.
    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError>;

    /// The objective and its derivatives, the exact reverse of the steps taken.
    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError>;

    /// What a gradient of a job will hold in memory, where the device plans it beforehand.
    fn memory(&self, _job: &Job) -> Option<MemoryPlan> {
        None
    }

    /// Training that stays on the device, if it can; otherwise the host takes the steps with [`Device::gradient`].
    fn descent<'a>(&self, _setup: DescentSetup<'a>) -> Option<Result<Box<dyn Descent + 'a>, DeviceError>> {
        None
    }

    /// The breakdowns that it has recovered from, in words.
    fn recoveries(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Precision of a device's arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision, the default.
    #[default]
    F32,
    /// Double precision, the oracle.
    F64,
}

/// Memory a device may use for checkpoints and activations unless told otherwise, in bytes.
pub const DEFAULT_BUDGET: usize = 512 << 20;

/// Which device is asked for, and how it shall work.
#[derive(Clone, Debug)]
pub struct Request {
    /// `auto`, `cpu`, `gpu`, or an adapter's index, name or backend.
    pub name: String,
    /// Arithmetic; adapters have f32.
    pub precision: Precision,
    /// Schedule of an adapter's kernels.
    pub schedule: Option<gpu::Schedule>,
    /// How it is chosen if absent.
    pub tuning: gpu::Tuning,
    /// Memory for checkpoints and activations, in bytes.
    pub budget: usize,
    /// Where everything that an adapter is asked to do is written down; other devices refuse.
    pub trace: Option<Arc<gpu::Trace>>,
}

impl Request {
    /// A device by name, with defaults for the rest.
    pub fn new(name: &str, precision: Precision) -> Request {
        let (name, tuning) = (name.into(), gpu::Tuning::default());
        Request { name, precision, schedule: None, tuning, budget: DEFAULT_BUDGET, trace: None }
    }
}

/// Opens a device with a model; an adapter that breaks down is opened anew, see [`Recovering`]. `auto` takes a hardware GPU
/// where there is one that can run the model in the precision asked for, else the CPU.
pub fn open(request: &Request, model: &Model) -> Result<Box<dyn Device>, DeviceError> {
    let cpu = || -> Box<dyn Device> {
        match request.precision {
            Precision::F32 => Box::new(cpu::Cpu::<f32>::new(model, request.budget)),
            Precision::F64 => Box::new(cpu::Cpu::<f64>::new(model, request.budget)),
        }
    };
    let unavailable = |message: &str, remedy: &str| DeviceError::Unavailable {
        device: request.name.clone(),
        message: message.into(),
        remedy: remedy.into(),
    };
    if request.trace.is_some() && matches!(request.name.as_str(), "cpu" | "auto") {
        return Err(unavailable(
            "a trace tells what an adapter was asked to do",
            "use --device gpu, or an adapter's name",
        ));
    }
    match (request.name.as_str(), request.precision) {
        ("cpu", _) | ("auto", Precision::F64) => match request.schedule {
            Some(_) => Err(unavailable("schedules are a matter of adapters", "remove --schedule, or use --device gpu")),
            None => Ok(cpu()),
        },
        ("auto", Precision::F32) if request.schedule.is_none() => {
            if !gpu::has_hardware() {
                return Ok(cpu());
            }
            match recovering("gpu", request, model) {
                Ok(gpu) => Ok(gpu),
                Err(error) => {
                    tracing::warn!("the CPU runs this, the GPU cannot: {error}");
                    Ok(cpu())
                }
            }
        }
        (_, Precision::F64) => {
            Err(unavailable("adapters compute in f32", "use --precision f32, or --device cpu for f64"))
        }
        (name, Precision::F32) => {
            let name = if name == "auto" { "gpu" } else { name };
            recovering(name, request, model)
        }
    }
}

/// An adapter that is opened anew when it breaks down.
fn recovering(name: &str, request: &Request, model: &Model) -> Result<Box<dyn Device>, DeviceError> {
    let budget = request.budget;
    let first = gpu::Gpu::open_tuned(name, model, request.schedule, budget, &request.tuning, request.trace.clone())?;
    // What is done again would not be in the trace, nor answered by it.
    if request.trace.is_some() {
        return Ok(Box::new(first));
    }
    let (adapter, chosen) = (first.adapter().to_string(), first.chosen());
    // An index tells apart what has the same name.
    let again = if name.parse::<usize>().is_ok() { name.to_string() } else { adapter.clone() };
    let own = model.clone();
    let open = move |care| {
        let gpu = gpu::Gpu::open_anew(care, &again, &own, budget, &chosen)?;
        match gpu.adapter() == adapter {
            true => Ok(Arc::new(gpu) as Arc<dyn Device>),
            false => Err(DeviceError::Unavailable {
                device: adapter.clone(),
                message: format!("it is gone; there is {}", gpu.adapter()),
                remedy: "give the same command again with the device that is there".into(),
            }),
        }
    };
    Ok(Box::new(Recovering::new(Arc::new(first), model, open)))
}
