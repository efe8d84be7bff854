//! The state of a training run: what a checkpoint holds.

use super::config::TrainConfig;
use super::metrics::{EpochMetrics, MemberMetrics};
use super::optimiser::AdamW;
use super::parameters::Parameters;
use super::population::Member;
use crate::device::DescentState;
use crate::model::{Model, initialise};
use crate::program::Weights;
use serde::{Deserialize, Serialize};

/// Most steps of an optimiser: whole numbers beyond are not exact in f64.
const MOST_OPTIMISER_STEPS: u64 = 1 << 53;

/// All that continuing a training run needs. Random numbers are functions of (seed, step), so counters suffice.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What tells the run that it belongs to from others; see [`Checkpoint::load_of`].
    pub study: String,
    /// Epochs done.
    pub epoch: usize,
    /// Last weights.
    pub weights: Weights,
    /// Weights of the best validation loss so far.
    pub best: Weights,
    /// Optimiser state of the weights, `[members, per_member]`.
    pub optimiser: AdamW,
    /// Coordinates of trained parameters, `[members, q]`.
    pub theta: Vec<f64>,
    /// Those of the best validation loss so far.
    pub best_theta: Vec<f64>,
    /// Optimiser state of these.
    pub theta_optimiser: AdamW,
    /// What else each member has.
    pub members: Vec<MemberState>,
    /// Metrics of the epochs done.
    pub history: Vec<EpochMetrics>,
}

/// State of a member beside its weights and θ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberState {
    /// λ of constrained training.
    pub lambda: Option<f64>,
    /// Epoch, from 1, and value of the least validation loss so far.
    pub best: Option<(usize, f64)>,
    /// Why it trains no longer.
    pub ended: Option<Ended>,
}

/// Why a member trains no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// No better validation loss for `patience` epochs.
    Patience,
    /// It diverged: how, in words. Its weights are those before.
    Diverged(String),
}

impl MemberState {
    /// How it diverged, if it did.
    pub fn diverged(&self) -> Option<&str> {
        match &self.ended {
            Some(Ended::Diverged(reason)) => Some(reason),
            _ => None,
        }
    }
}

impl Checkpoint {
    /// The state before the first epoch.
    pub(super) fn begin(
        study: String,
        model: &Model,
        config: &TrainConfig,
        members: &[Member],
        parameters: &Parameters,
        single: bool,
    ) -> Checkpoint {
        let values = members.iter().flat_map(|m| initialise(&model.weights, &model.networks, 1, m.seed).values);
        let weights = Weights { members: members.len(), values: values.collect() };
        let theta: Vec<f64> = members.iter().flat_map(|m| parameters.start(model, config, m.seed)).collect();
        let member = MemberState { lambda: config.dual.map(|d| d.start), ..MemberState::default() };
        Checkpoint {
            study,
            epoch: 0,
            best: weights.clone(),
            optimiser: AdamW::new(weights.values.len(), single),
            weights,
            best_theta: theta.clone(),
            theta_optimiser: AdamW::new(theta.len(), single),
            theta,
            members: vec![member; members.len()],
            history: Vec::new(),
        }
    }

    /// What of it contradicts the rest.
    pub(super) fn disagreement(&self) -> Option<String> {
        let alike = |name: &str, count: usize, of: &str, other: usize| {
            (count != other).then(|| format!("{name} has {count} entries, {of} {other}"))
        };
        let (weights, theta) = (self.weights.values.len(), self.theta.len());
        let members = self.members.len();
        if members == 0 || !weights.is_multiple_of(members) || !theta.is_multiple_of(members) {
            return Some(format!("{weights} weights and {theta} parameters of {members} members"));
        }
        if let Some((best, _)) = self.members.iter().filter_map(|m| m.best).find(|(best, _)| *best > self.epoch) {
            return Some(format!("the best epoch is {best}, the last {}", self.epoch));
        }
        let steps = self.optimiser.steps.max(self.theta_optimiser.steps);
        if steps > MOST_OPTIMISER_STEPS {
            return Some(format!("{steps} steps"));
        }
        alike("best", self.best.values.len(), "weights", weights)
            .or_else(|| alike("first_moment", self.optimiser.first.len(), "weights", weights))
            .or_else(|| alike("second_moment", self.optimiser.second.len(), "weights", weights))
            .or_else(|| alike("best_theta", self.best_theta.len(), "theta", theta))
            .or_else(|| alike("theta_first_moment", self.theta_optimiser.first.len(), "theta", theta))
            .or_else(|| alike("theta_second_moment", self.theta_optimiser.second.len(), "theta", theta))
            .or_else(|| alike("history", self.history.len(), "epoch", self.epoch))
    }

    /// The same without its history, which only grows.
    pub(super) fn without_history(&mut self) -> Checkpoint {
        let history = std::mem::take(&mut self.history);
        let copy = self.clone();
        self.history = history;
        copy
    }

    /// What a device needs to take the steps of the only member by itself.
    pub(super) fn descent(&self) -> DescentState {
        DescentState {
            weights: self.weights.values.clone(),
            first: self.optimiser.first.clone(),
            second: self.optimiser.second.clone(),
            steps: self.optimiser.steps,
        }
    }

    /// Whether epochs are left for members that still train.
    pub fn goes_on(&self, config: &TrainConfig) -> bool {
        self.epoch < config.epochs && !self.training().is_empty()
    }

    /// Members that still train.
    pub(super) fn training(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|m| self.members[*m].ended.is_none()).collect()
    }

    /// Coordinates of a member's trained parameters.
    pub(super) fn coordinates(&self, member: usize) -> &[f64] {
        part(&self.theta, self.members.len(), member)
    }

    /// Takes the present θ of a member as its best, with its present weights, or with zeros.
    pub(super) fn keep(&mut self, member: usize, zeros: bool) {
        let count = self.members.len();
        let best = part_mut(&mut self.best.values, count, member);
        match zeros {
            true => best.fill(0.0),
            false => best.copy_from_slice(self.weights.member(member)),
        }
        part_mut(&mut self.best_theta, count, member).copy_from_slice(part(&self.theta, count, member));
    }

    /// What the run has reached.
    pub fn trained(self, model: &Model, config: &TrainConfig) -> Trained {
        let parameters = Parameters::new(model, config, self.optimiser.single);
        let members = config.population.members(config.seed, model);
        let values = |coordinates: &[f64]| -> Vec<f64> {
            let of = |(m, member)| parameters.values(member, part(coordinates, members.len(), m));
            if parameters.is_empty() { Vec::new() } else { members.iter().enumerate().flat_map(of).collect() }
        };
        Trained {
            theta: values(&self.theta),
            best_theta: values(&self.best_theta),
            last: self.weights,
            best: self.best,
            members: self.members,
            history: self.history,
            interrupted: false,
        }
    }
}

/// A member's part of an array `[members, …]`.
pub(super) fn part(all: &[f64], members: usize, member: usize) -> &[f64] {
    let each = all.len() / members.max(1);
    &all[member * each..(member + 1) * each]
}

/// The same, to be changed.
pub(super) fn part_mut(all: &mut [f64], members: usize, member: usize) -> &mut [f64] {
    let each = all.len() / members.max(1);
    &mut all[member * each..(member + 1) * each]
}

/// What training yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Last weights of all members.
    pub last: Weights,
    /// Weights of the best validation loss; the last ones without validation data.
    pub best: Weights,
    /// Last θ of all members, `[members, p]`; empty where θ is drawn.
    pub theta: Vec<f64>,
    /// θ of the best validation loss.
    pub best_theta: Vec<f64>,
    /// How each member ended.
    pub members: Vec<MemberState>,
    /// Metrics of all epochs.
    pub history: Vec<EpochMetrics>,
    /// True if it was interrupted; the checkpoint continues it.
    pub interrupted: bool,
}

impl Trained {
    /// The first member that did not diverge, 0 if all did.
    pub fn first(&self) -> usize {
        self.members.iter().position(|m| m.diverged().is_none()).unwrap_or(0)
    }

    /// The last metrics of a member that trained: where members are not recorded, those of the epoch.
    pub fn metrics(&self, member: usize) -> Option<MemberMetrics> {
        self.history.iter().rev().find_map(|m| match m.members.get(member) {
            Some(own) => own.loss.map(|_| own.clone()),
            None => Some(MemberMetrics {
                loss: Some(m.loss),
                objective: Some(m.objective),
                validation: m.validation,
                lambda: m.lambda,
                theta: Vec::new(),
            }),
        })
    }
}
