//! One job for all members that train: each a group with its own windows, θ, λ and weights of penalties.

use super::config::TrainConfig;
use super::error::TrainError;
use super::failures::Failures;
use super::parameters::Parameters;
use super::population::Member;
use super::state::Checkpoint;
use crate::device::{Evaluation, Job, Status, StatusCode, Trajectories, describe_failures};
use crate::model::{Model, Objective};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};

/// What stays the same from step to step.
pub(super) struct Crew<'a> {
    /// The model.
    pub(super) model: &'a Model,
    /// Settings.
    pub(super) config: &'a TrainConfig,
    /// All members.
    pub(super) members: Vec<Member>,
    /// The trained parameters.
    pub(super) parameters: Parameters,
}

/// A job's arrays, one group per member that takes part.
pub(super) struct Batch {
    rows: Vec<u32>,
    theta: Vec<f64>,
    groups: usize,
    members: Vec<u32>,
    penalty_scale: Vec<f64>,
    loss_scale: Vec<f64>,
}

impl Crew<'_> {
    /// The groups of the members `who`, with the same number of samples `rows` each. `purpose` and `step` address the draws.
    pub(super) fn batch(
        &self,
        state: &Checkpoint,
        who: &[usize],
        rows: impl Fn(usize) -> Vec<u32>,
        purpose: Purpose,
        step: u32,
    ) -> Batch {
        let several = self.members.len() > 1;
        let scaled = who.iter().any(|m| self.members[*m].factor != 1.0);
        let mut batch = Batch {
            rows: Vec::new(),
            theta: Vec::new(),
            groups: who.len(),
            members: if several { who.iter().map(|m| *m as u32).collect() } else { Vec::new() },
            penalty_scale: if scaled { who.iter().map(|m| self.members[*m].factor).collect() } else { Vec::new() },
            loss_scale: who.iter().filter_map(|m| state.members[*m].lambda).collect(),
        };
        for m in who {
            let rows = rows(*m);
            batch.theta.extend(self.theta(state, *m, rows.len(), purpose, step));
            batch.rows.extend(rows);
        }
        batch
    }

    /// θ of so many samples of a member: trained, or drawn.
    fn theta(&self, state: &Checkpoint, m: usize, samples: usize, purpose: Purpose, step: u32) -> Vec<f64> {
        let member = &self.members[m];
        if !self.parameters.is_empty() {
            return self.parameters.values(member, state.coordinates(m)).repeat(samples);
        }
        let stream = Stream::new(member.seed, purpose);
        let mut theta = self.config.draw.theta(self.model, &stream, 0, samples, step);
        for sample in theta.chunks_exact_mut(self.model.theta.len().max(1)) {
            member.held.iter().for_each(|(i, value)| sample[*i] = *value);
        }
        theta
    }
}

impl Batch {
    /// The job on these trajectories.
    pub(super) fn job<'a>(
        &'a self,
        trajectories: &'a Trajectories,
        weights: &'a Weights,
        objective: &'a Objective,
    ) -> Job<'a> {
        Job {
            groups: self.groups,
            members: &self.members,
            penalty_scale: &self.penalty_scale,
            loss_scale: &self.loss_scale,
            ..Job::new(trajectories, &self.rows, &self.theta, weights, objective)
        }
    }
}

/// Number of trajectories that are left out, and the first of them in words.
pub(super) type LeftOut = (usize, Option<String>);

/// The trajectories of a group that left the finite numbers: how many, and the first of them in words. An error that names
/// them where they are not to be left out, or where none is left. `epoch` counts from 0.
pub(super) fn check_group(
    crew: &Crew,
    job: &Job,
    evaluation: &Evaluation,
    group: usize,
    epoch: usize,
) -> Result<LeftOut, TrainError> {
    let (n, p) = (job.per_group(), crew.model.theta.len());
    let samples = group * n..(group + 1) * n;
    let mut status: Vec<Status> = evaluation.status[samples.clone()].to_vec();
    // One state may spoil the derivatives of all, through an objective that is not linear in its means.
    if status.iter().any(|s| matches!(s.code, StatusCode::NonFiniteState | StatusCode::NonFiniteSum)) {
        status.iter_mut().filter(|s| s.code == StatusCode::NonFiniteAdjoint).for_each(|s| *s = Status::default());
    }
    let count = status.iter().filter(|s| s.code != StatusCode::Ok).count();
    if count == 0 {
        return Ok((0, None));
    }
    let theta = &job.theta[samples.start * p..samples.end * p];
    let own =
        Job { groups: 1, members: &[], penalty_scale: &[], loss_scale: &[], rows: &job.rows[samples], theta, ..*job };
    if crew.config.failures != Failures::Error && count < n {
        return Ok((count, describe_failures(crew.model, &own, &status, 1).into_iter().next()));
    }
    let details = describe_failures(crew.model, &own, &status, 5).join("\n  ");
    Err(TrainError::Diverged { epoch: epoch + 1, count, samples: n, details })
}
