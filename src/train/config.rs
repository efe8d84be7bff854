//! `[train]`

use crate::device::{DescentSetup, Trajectories};
use crate::model::Objective;
use serde::Deserialize;

/// `[train]`: how the weights are fitted. All defaults are the published settings of adaptive grey-box training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows per step.
    pub batch: usize,
    /// Draws of θ per window and step.
    pub draws: usize,
    /// Learning rate of the first and the last epoch; exponential in between.
    pub rate: [f64; 2],
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// AdamW's decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// AdamW's ε.
    pub epsilon: f64,
    /// Every component of the gradient is cut to ± this first; 0 to leave it.
    pub clip_value: f64,
    /// Then the whole gradient to this norm; 0 to leave it.
    pub clip_norm: f64,
    /// Seed of weights, θ and batches.
    pub seed: u64,
    /// Stop after this many epochs without a better validation loss; 0 to run all epochs.
    pub patience: usize,
    /// Save a checkpoint every this many epochs.
    pub checkpoint_every: usize,
    /// Use the weights of the best validation loss rather than the last.
    pub keep_best: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            epochs: 100,
            batch: 50,
            draws: 1,
            rate: [1e-3, 1e-5],
            weight_decay: 1e-2,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            clip_value: 1.0,
            clip_norm: 10.0,
            seed: 0,
            patience: 0,
            checkpoint_every: 10,
            keep_best: false,
        }
    }
}

impl TrainConfig {
    /// What is wrong with a setting, and the remedy.
    pub fn problem(&self) -> Option<(String, String)> {
        let positive = |key: &str, value: f64| {
            (!(value.is_finite() && value > 0.0))
                .then(|| (format!("train.{key} = {value} is not a positive number"), "use a positive number".into()))
        };
        let whole =
            |key: &str, value: usize| (value == 0).then(|| (format!("train.{key} is 0"), "use 1 or more".to_string()));
        let not_negative = |key: &str, value: f64| {
            (!(value.is_finite() && value >= 0.0))
                .then(|| (format!("train.{key} = {value} is not a number of at least 0"), "use 0 or more".into()))
        };
        whole("epochs", self.epochs)
            .or_else(|| whole("batch", self.batch))
            .or_else(|| whole("draws", self.draws))
            .or_else(|| whole("checkpoint_every", self.checkpoint_every))
            .or_else(|| positive("rate[0]", self.rate[0]))
            .or_else(|| positive("rate[1]", self.rate[1]))
            .or_else(|| positive("epsilon", self.epsilon))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("clip_value", self.clip_value))
            .or_else(|| not_negative("clip_norm", self.clip_norm))
            .or_else(|| {
                self.betas.iter().any(|b| !(0.0..1.0).contains(b)).then(|| {
                    (format!("train.betas = {:?} are not in [0, 1)", self.betas), "use for example [0.9, 0.999]".into())
                })
            })
    }

    /// What a device needs to take the steps by itself.
    pub fn descent<'a>(&self, trajectories: &'a Trajectories, objective: &'a Objective) -> DescentSetup<'a> {
        DescentSetup {
            trajectories,
            objective,
            batch: self.batch,
            draws: self.draws,
            seed: self.seed,
            betas: self.betas,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            clip_value: self.clip_value,
            clip_norm: self.clip_norm,
        }
    }

    /// Learning rate of an epoch: rate₀ · (rate₁ / rate₀)^(epoch / epochs).
    pub fn rate_of(&self, epoch: usize) -> f64 {
        self.rate[0] * (self.rate[1] / self.rate[0]).powf(epoch as f64 / self.epochs as f64)
    }
}
