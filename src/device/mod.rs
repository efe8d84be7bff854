//! Devices run the programs of a model over batches of trajectories.
//!
//! [`Device`] is what training and studies see: simulate, evaluate, gradient. `cpu` runs it on native threads in f32 or
//! f64; `gpu` talks to adapters. All numbers cross this boundary in f64; a device computes in its own precision.

mod batch;
pub mod cpu;
pub mod gpu;
pub mod reference;
mod result;

pub use batch::{Job, Start, Trajectories};
pub use result::{DeviceError, Evaluation, Gradient, Rollout, Status, StatusCode, Wanted, describe_failures};

use crate::model::Model;

/// A device that holds a compiled model.
pub trait Device: Send + Sync {
    /// What runs, for logs and reports: `cpu f32, 2 threads`.
    fn description(&self) -> String;

    /// The model it was opened with.
    fn model(&self) -> &Model;

    /// Runs the rollouts and returns states, predictions and the objective.
    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError>;

    /// Runs the rollouts and returns only the objective of each group and the sums of each sample.
    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError>;

    /// The objective and its derivatives, the exact reverse of the steps taken.
    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError>;
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
pub const DEFAULT_BUDGET: usize = 256 << 20;

/// Opens the device of a name (`auto`, `cpu`) with a model.
pub fn open(name: &str, precision: Precision, model: &Model, budget: usize) -> Result<Box<dyn Device>, DeviceError> {
    match name {
        "auto" | "cpu" => Ok(match precision {
            Precision::F32 => Box::new(cpu::Cpu::<f32>::new(model, budget)),
            Precision::F64 => Box::new(cpu::Cpu::<f64>::new(model, budget)),
        }),
        other => Err(DeviceError::Unavailable {
            device: other.to_string(),
            message: "this version runs rollouts on the CPU device only".into(),
            remedy: "use --device cpu; `greybox devices` lists the adapters that it sees".into(),
        }),
    }
}
