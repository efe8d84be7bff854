//! `[train]`

use super::failures::{Failures, Policy};
use super::mode::{Coordinates, Dual, Mode, Part, Stage, stage};
use super::population::Population;
use super::prior::Draw;
use crate::device::{DescentSetup, Trajectories};
use crate::model::Objective;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[train]`: how the weights, and in some modes θ, are fitted. All defaults are the published settings of adaptive grey-box training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows per step.
    pub batch: usize,
    /// Draws of θ per window and step.
    pub draws: usize,
    /// Learning rate of the first epoch, and that which would follow the last one; exponential in between.
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
    /// Save a checkpoint every this many epochs,
    pub checkpoint_every: usize,
    /// and at the end of an epoch when so many seconds have passed since the last one.
    pub checkpoint_seconds: f64,
    /// Use the weights of the best validation loss rather than the last.
    pub keep_best: bool,
    /// Whether θ is drawn or trained, and on what.
    pub mode: Mode,
    /// Where the draws of θ come from.
    pub draw: Draw,
    /// How a trained θ stays in its box.
    pub theta: Coordinates,
    /// What becomes of trajectories that leave the finite numbers.
    pub failures: Failures,
    /// With `failures = "penalise"`, the squared residual that every entry of such a trajectory counts as.
    pub failure_loss: f64,
    /// The same for θ, in its coordinates; default: `rate`.
    pub theta_rate: Option<[f64; 2]>,
    /// Where trained parameters start, by name; default: a uniform draw of the box for each member.
    pub theta_start: BTreeMap<String, f64>,
    /// The loss as a constraint.
    pub dual: Option<Dual>,
    /// Stages of a run that trains θ; default: θ and weights together.
    pub stages: Vec<Stage>,
    /// Members trained at once.
    pub population: Population,
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
            checkpoint_seconds: 60.0,
            keep_best: false,
            mode: Mode::Adaptive,
            draw: Draw::Random,
            theta: Coordinates::Project,
            failures: Failures::Error,
            failure_loss: 1e3,
            theta_rate: None,
            theta_start: BTreeMap::new(),
            dual: None,
            stages: Vec::new(),
            population: Population::default(),
        }
    }
}

impl TrainConfig {
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

    /// How jobs treat trajectories that fail.
    pub fn policy(&self) -> Policy {
        Policy { failures: self.failures, loss: self.failure_loss }
    }

    /// Learning rate of an epoch: rate₀ · (rate₁ / rate₀)^(epoch / epochs).
    pub fn rate_of(&self, epoch: usize) -> f64 {
        self.along(self.rate, epoch)
    }

    /// Learning rate of θ in an epoch, by the same rule.
    pub fn theta_rate_of(&self, epoch: usize) -> f64 {
        self.along(self.theta_rate.unwrap_or(self.rate), epoch)
    }

    fn along(&self, [first, last]: [f64; 2], epoch: usize) -> f64 {
        first * (last / first).powf(epoch as f64 / self.epochs as f64)
    }

    /// Whether θ is trained and not drawn.
    pub fn trains_theta(&self) -> bool {
        self.mode != Mode::Adaptive
    }

    /// What an epoch, counted from 0, trains.
    pub fn part(&self, epoch: usize) -> Part {
        if self.trains_theta() { stage(&self.stages, epoch).0 } else { Part::Weights }
    }

    /// The epoch in which the last stage begins: 0 without stages.
    pub fn last_stage(&self) -> usize {
        stage(&self.stages, 0).1
    }

    /// The same settings for a transductive run: what concerns draws or fixed θ is left out.
    pub fn transductive(&self) -> TrainConfig {
        TrainConfig {
            mode: Mode::Transductive,
            draw: Draw::Random,
            draws: 1,
            population: Population { theta: BTreeMap::new(), ..self.population.clone() },
            ..self.clone()
        }
    }
}
