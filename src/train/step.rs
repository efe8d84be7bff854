//! Steps that the host takes: the gradient of all members in one job, then clipping and AdamW member by member.

use super::batch::{Batch, Crew, check_group};
use super::config::TrainConfig;
use super::error::TrainError;
use super::mode::Part;
use super::optimiser::clip;
use super::state::{Checkpoint, part_mut};
use super::training::Training;
use crate::device::{Gradient, Job, StepReport, Wanted};
use crate::program::Weights;
use crate::rng::Purpose;
use std::ops::Range;

/// What the steps of an epoch share.
pub(super) struct Pace {
    /// What is trained.
    pub(super) part: Part,
    /// Learning rate of the weights.
    pub(super) rate: f64,
    /// Settings for θ, which does not decay, and its learning rate.
    pub(super) theta: (TrainConfig, f64),
    /// Stands in for the weights while θ alone is trained.
    pub(super) zeros: Option<Weights>,
}

impl Pace {
    /// The pace of an epoch, counted from 0.
    pub(super) fn of(config: &TrainConfig, epoch: usize, weights: &Weights) -> Pace {
        let part = config.part(epoch);
        let zeros = Weights { members: weights.members, values: vec![0.0; weights.values.len()] };
        Pace {
            part,
            rate: config.rate_of(epoch),
            theta: (TrainConfig { weight_decay: 0.0, ..config.clone() }, config.theta_rate_of(epoch)),
            zeros: (!part.weights()).then_some(zeros),
        }
    }

    /// The weights that the networks have in this epoch.
    pub(super) fn weights<'a>(&'a self, state: &'a Checkpoint) -> &'a Weights {
        self.zeros.as_ref().unwrap_or(&state.weights)
    }
}

/// A member's step that is ready to be taken.
struct Move {
    report: StepReport,
    coordinates: Vec<f64>,
}

impl Training<'_> {
    /// All steps on the windows `range` of each member's order; reports go to `receive`. λ moves after the last one.
    pub(super) fn steps(
        &self,
        crew: &Crew,
        state: &mut Checkpoint,
        orders: &[Vec<u32>],
        range: Range<usize>,
        pace: &Pace,
        mut receive: impl FnMut(usize, &StepReport),
    ) -> Result<(), TrainError> {
        let config = self.config;
        let draw = state.optimiser.steps as u32;
        // Each window appears once per draw, draws of a window side by side.
        let rows = |m: usize| -> Vec<u32> {
            orders[m][range.clone()].iter().flat_map(|row| std::iter::repeat_n(*row, config.draws)).collect()
        };
        for inner in 1..=config.dual.map_or(1, |d| d.inner) {
            let who = state.training();
            if who.is_empty() {
                return Ok(());
            }
            let batch = crew.batch(state, &who, rows, Purpose::Theta, draw);
            for (m, result) in who.iter().zip(self.step(crew, state, &who, &batch, pace)?) {
                match result {
                    Err(error) => self.end(state, *m, error)?,
                    Ok(report) => {
                        receive(*m, &report);
                        if let (Some(dual), Some(lambda)) = (&config.dual, &mut state.members[*m].lambda)
                            && inner == dual.inner
                        {
                            *lambda += dual.rate * report.loss;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// One step of every member in `who`. A member whose step fails stays as it is.
    fn step(
        &self,
        crew: &Crew,
        state: &mut Checkpoint,
        who: &[usize],
        batch: &Batch,
        pace: &Pace,
    ) -> Result<Vec<Result<StepReport, TrainError>>, TrainError> {
        let wanted = Wanted { weights: pace.part.weights(), inputs: pace.part.theta() && !crew.parameters.is_empty() };
        let weights = pace.weights(state);
        let job = batch.job(self.train, weights, self.objective);
        let mut gradient = self.config.policy().gradient(self.device, &job, wanted)?;
        let moves: Vec<Result<Move, TrainError>> = who
            .iter()
            .enumerate()
            .map(|(group, m)| self.prepare(crew, state, &job, (group, *m), &mut gradient, wanted))
            .collect();
        if moves.iter().any(Result::is_ok) {
            state.optimiser.steps += u64::from(wanted.weights);
            state.theta_optimiser.steps += u64::from(wanted.inputs);
        }
        let count = crew.members.len();
        if wanted.weights {
            let mut marked = vec![false; count];
            who.iter().zip(&moves).for_each(|(m, ready)| marked[*m] = ready.is_ok());
            let both = (&mut state.weights.values[..], &gradient.weights[..]);
            state.optimiser.update_members(both, &marked, self.config, pace.rate);
        }
        let taken = who.iter().zip(moves).map(|(m, ready)| {
            let Move { report, coordinates } = ready?;
            if wanted.inputs {
                let own = part_mut(&mut state.theta, count, *m);
                let (config, rate) = &pace.theta;
                state.theta_optimiser.update(m * coordinates.len(), own, &coordinates, config, *rate);
                crew.parameters.project(own);
            }
            Ok(report)
        });
        Ok(taken.collect())
    }

    /// Checks and clips the gradient of a member.
    fn prepare(
        &self,
        crew: &Crew,
        state: &Checkpoint,
        job: &Job,
        (group, m): (usize, usize),
        gradient: &mut Gradient,
        wanted: Wanted,
    ) -> Result<Move, TrainError> {
        let (failed, failure) = check_group(crew, job, &gradient.evaluation, group, state.epoch)?;
        let samples = job.per_group();
        let mut coordinates = Vec::new();
        if wanted.inputs {
            let of_group = samples * crew.model.theta.len();
            let theta = &gradient.theta[group * of_group..(group + 1) * of_group];
            coordinates = crew.parameters.pull_back(state.coordinates(m), theta);
        }
        let of_theta = coordinates.iter().map(|c| c * c).sum::<f64>().sqrt();
        let own = part_mut(&mut gradient.weights, crew.members.len(), m);
        let of_weights = clip(own, self.config.clip_value, self.config.clip_norm);
        let terms = &gradient.evaluation.terms[group];
        if !(of_weights.is_finite() && of_theta.is_finite() && terms.objective.is_finite()) {
            return Err(TrainError::NonFinite(state.epoch + 1));
        }
        let (loss, objective, penalties) = (terms.loss.unwrap_or(0.0), terms.objective, terms.penalties.clone());
        let norm = if own.is_empty() { of_theta } else { of_weights };
        Ok(Move { report: StepReport { samples, loss, objective, norm, penalties, failed, failure }, coordinates })
    }
}
