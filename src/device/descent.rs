//! Training steps that a device takes by itself: batches, draws of θ, gradients and the optimiser stay on it.

use super::batch::Trajectories;
use super::result::DeviceError;
use crate::model::Objective;
use serde::Serialize;

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug)]
pub struct DescentSetup<'a> {
    /// Training windows.
    pub trajectories: &'a Trajectories,
    /// What is minimised.
    pub objective: &'a Objective,
    /// Windows per step.
    pub batch: usize,
    /// Draws of θ per window and step.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// AdamW's decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// AdamW's ε.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Every component of the gradient is cut to ± this first; 0 to leave it.
    pub clip_value: f64,
    /// Then the whole gradient to this norm; 0 to leave it.
    pub clip_norm: f64,
}

/// Weights and moments of AdamW.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescentState {
    /// Weights of one member.
    pub weights: Vec<f64>,
    /// Running mean of the gradient.
    pub first: Vec<f64>,
    /// Running mean of its square.
    pub second: Vec<f64>,
    /// Steps taken.
    pub steps: u64,
}

/// What a step yields.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Samples of its batch.
    pub samples: usize,
    /// Loss; 0 without observations.
    pub loss: f64,
    /// Objective.
    pub objective: f64,
    /// Norm of the gradient before the clip by norm.
    pub norm: f64,
    /// Penalties in order, without their weights.
    pub penalties: Vec<f64>,
    /// Samples that left the finite numbers and were left out.
    pub failed: usize,
    /// The first of them, in words.
    pub failure: Option<String>,
}

/// Several steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    /// Reports of the steps that went well.
    pub reports: Vec<StepReport>,
    /// True if the step behind the last report was not finite; it changed nothing.
    pub halted: bool,
}

/// What one step costs a device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepCost {
    /// Kernels started.
    pub dispatches: usize,
    /// Bytes that storage buffers give and take; weights count once per kernel that reads them.
    pub bytes: usize,
    /// Floating-point operations of the networks' products, forward and reverse.
    pub flops: f64,
    /// Steps that may pass between two reads by the host.
    pub steps_per_readback: usize,
}

/// Training on a device.
pub trait Descent {
    /// Sets weights, moments and the step counter.
    fn load(&mut self, state: &DescentState) -> Result<(), DeviceError>;

    /// Takes one step per batch of `order`, the windows in the order of an epoch, with learning rate `rate`.
    fn epoch(&mut self, order: &[u32], rate: f64) -> Result<Steps, DeviceError>;

    /// What a step over a full batch costs.
    fn cost(&mut self) -> Result<StepCost, DeviceError>;

    /// Reads weights and moments back.
    fn state(&mut self) -> Result<DescentState, DeviceError>;
}
