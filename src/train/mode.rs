//! Modes of training: which of θ and the weights are fitted, in which coordinates, and against which constraint.

use serde::Deserialize;

/// `train.mode`: what happens to θ while the weights are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// θ is drawn from its prior for every sample and step; estimates follow, with the weights frozen.
    #[default]
    Adaptive,
    /// θ is trained jointly with the weights.
    Inductive,
    /// Weights and θ are fitted to L(training windows) + λ R(training and test windows), without the test targets.
    Transductive,
}

/// `train.theta`: how a trained parameter stays in its box. A parameter without bounds moves freely either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coordinates {
    /// Steps in box coordinates, 0 to 1 along the parameter's scale, cut to the box after each step.
    #[default]
    Project,
    /// Steps of a free number, whose sigmoid is the box coordinate.
    Transform,
}

/// `train.dual`: the loss as a constraint. Minimises λ L + R over weights and θ, and maximises over λ by λ ← λ + τ L,
/// L ≥ 0 being the loss of the batch in its last step. Y. Yin et al., "Augmenting Physical Models with Deep Networks for
/// Complex Dynamics Forecasting" (APHYNITY), ICLR 2021, algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dual {
    /// τ.
    pub rate: f64,
    /// λ at the start.
    #[serde(default = "one")]
    pub start: f64,
    /// Optimiser steps on the same batch, with the same draws, between two changes of λ.
    #[serde(default = "once")]
    pub inner: usize,
}

fn one() -> f64 {
    1.0
}

fn once() -> usize {
    1
}

/// What a stage trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// θ, with all weights zero, so that the networks answer 0.
    Theta,
    /// The weights, with θ held.
    Weights,
    /// Both.
    Both,
}

impl Part {
    /// Whether θ moves.
    pub fn theta(self) -> bool {
        self != Part::Weights
    }

    /// Whether the weights move.
    pub fn weights(self) -> bool {
        self != Part::Theta
    }
}

/// An entry of `train.stages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What it trains.
    pub train: Part,
    /// Epochs that it lasts; the last stage may leave them out and lasts to the end.
    pub epochs: Option<usize>,
}

/// The part that `stages` train in an epoch, counted from 0, and the epoch in which the last stage begins.
pub(super) fn stage(stages: &[Stage], epoch: usize) -> (Part, usize) {
    let (mut part, mut begin) = (Part::Both, 0);
    for stage in stages {
        if epoch >= begin {
            part = stage.train;
        }
        begin += stage.epochs.unwrap_or(0);
    }
    let last = stages.last().and_then(|s| s.epochs).unwrap_or(0);
    (part, begin - last)
}

/// What is wrong with the stages of a run of `epochs` epochs, and the remedy.
pub(super) fn stage_problem(stages: &[Stage], epochs: usize) -> Option<(String, String)> {
    let (last, before) = stages.split_last()?;
    let open = "leave out the epochs of the last stage alone, which then lasts to the end";
    if before.iter().any(|s| s.epochs.is_none()) {
        return Some(("train.stages: a stage before the last one has no epochs".into(), "give its epochs".into()));
    }
    if stages.iter().any(|s| s.epochs == Some(0)) {
        return Some(("train.stages: a stage has 0 epochs".into(), "use 1 or more, or remove the stage".into()));
    }
    let given = stages.iter().filter_map(|s| s.epochs).fold(0usize, usize::saturating_add);
    if given > epochs || (last.epochs.is_none() && given == epochs) || (last.epochs.is_some() && given < epochs) {
        let message = format!("train.stages last {given} epochs, train.epochs is {epochs}");
        return Some((message, format!("make both agree, or {open}")));
    }
    if last.train == Part::Theta {
        let remedy = "add a stage { train = \"weights\" } or { train = \"both\" }";
        return Some(("train.stages end with theta, which leaves the networks untrained".into(), remedy.into()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other_and_the_last_one_lasts() {
        let stages = [(Part::Theta, Some(2)), (Part::Weights, Some(1)), (Part::Both, None)]
            .map(|(train, epochs)| Stage { train, epochs });
        let parts: Vec<Part> = (0..5).map(|epoch| stage(&stages, epoch).0).collect();
        assert_eq!(parts, [Part::Theta, Part::Theta, Part::Weights, Part::Both, Part::Both]);
        assert!((0..5).all(|epoch| stage(&stages, epoch).1 == 3));
        assert_eq!(stage(&[], 7), (Part::Both, 0));
        let closed = stages.map(|s| Stage { epochs: Some(s.epochs.unwrap_or(4)), ..s });
        assert_eq!((stage(&closed, 6), stage_problem(&closed, 7)), ((Part::Both, 3), None));
        assert_eq!(stage_problem(&stages, 4), None);
    }
}
