//! The training loop.

use super::batch::{Crew, LeftOut, check_group};
use super::checkpoint_error::CheckpointError;
use super::config::TrainConfig;
use super::error::TrainError;
use super::failures::Failures;
use super::metrics::{EpochMetrics, MemberMetrics, Totals, mean};
use super::parameters::Parameters;
use super::prior::Draw;
use super::state::{Checkpoint, Ended, Trained};
use super::step::Pace;
use crate::device::{Descent, Device, DeviceError, Trajectories};
use crate::model::Objective;
use crate::rng::{Purpose, Stream};
use std::path::Path;
use std::time::Instant;

/// A training run.
pub struct Training<'a> {
    /// The device with the model.
    pub device: &'a dyn Device,
    /// Settings.
    pub config: &'a TrainConfig,
    /// What is minimised.
    pub objective: &'a Objective,
    /// Training windows; those of a transductive run are [`super::joined`].
    pub train: &'a Trajectories,
    /// Validation windows.
    pub validation: Option<&'a Trajectories>,
    /// Keep weights and moments in f32.
    pub single: bool,
    /// Where the checkpoint is kept, and what tells this run from others; see [`Checkpoint::load_of`].
    pub checkpoint: Option<(&'a Path, &'a str)>,
}

impl Training<'_> {
    /// Runs from the checkpoint, if there is one, to the end, or until `proceed` returns false; it sees every finished epoch.
    pub fn run(&self, proceed: impl FnMut(&EpochMetrics) -> bool) -> Result<Trained, TrainError> {
        self.run_from(self.resume()?, proceed)
    }

    /// The same from a state that [`Training::resume`] gave; from the beginning without one.
    pub fn run_from(
        &self,
        state: Option<Checkpoint>,
        mut proceed: impl FnMut(&EpochMetrics) -> bool,
    ) -> Result<Trained, TrainError> {
        self.check()?;
        let (model, config) = (self.device.model(), self.config);
        let crew = Crew {
            model,
            config,
            members: config.population.members(config.seed, model),
            parameters: Parameters::new(model, config, self.single),
        };
        let study = self.checkpoint.map_or(String::new(), |(_, s)| s.to_string());
        let begin = || Checkpoint::begin(study, model, config, &crew.members, &crew.parameters, self.single);
        let mut state = state.unwrap_or_else(begin);
        state.optimiser.single = self.single;
        state.theta_optimiser.single = self.single;
        let mut interrupted = false;
        let mut resident = self.resident(&crew, &state)?;
        let mut saved = Instant::now();
        while state.goes_on(config) && !interrupted {
            let before = state.without_history();
            let recoveries = self.device.recoveries().len();
            let mut metrics = match self.epoch(&crew, &mut state, resident.as_deref_mut()) {
                Err(TrainError::Device(error @ (DeviceError::Broken { .. } | DeviceError::Failed { .. }))) => {
                    return Err(self.stop(Checkpoint { history: state.history, ..before }, error));
                }
                done => done?,
            };
            metrics.recoveries = self.device.recoveries().into_iter().skip(recoveries).collect();
            if let (Some(first), true) = (&metrics.failure, state.history.iter().all(|m| m.failure.is_none())) {
                let count = metrics.failed + metrics.validation_failed;
                tracing::warn!("epoch {}: {count} trajectories are left out, the first one: {first}", metrics.epoch);
            }
            interrupted = !proceed(&metrics);
            state.history.push(metrics);
            state.epoch += 1;
            let late = saved.elapsed().as_secs_f64() >= config.checkpoint_seconds;
            let due =
                late || !state.goes_on(config) || interrupted || state.epoch.is_multiple_of(config.checkpoint_every);
            if let (Some((path, _)), true) = (self.checkpoint, due) {
                state.save(path)?;
                saved = Instant::now();
            }
        }
        interrupted &= state.epoch < config.epochs;
        Ok(Trained { interrupted, ..state.trained(model, config) })
    }

    /// Ends a run whose device broke down, with the state before the epoch in the checkpoint.
    fn stop(&self, before: Checkpoint, error: DeviceError) -> TrainError {
        let (epoch, done) = (before.epoch + 1, before.epoch);
        let kept = match self.checkpoint {
            None => "nothing is kept: this training has no checkpoint".into(),
            Some((path, _)) => match before.save(path) {
                Ok(()) => {
                    format!(
                        "{} holds the state after epoch {done}; the same command (without --restart) goes on from it",
                        path.display()
                    )
                }
                Err(reason) => return reason.into(),
            },
        };
        TrainError::Broken { epoch, error, kept }
    }

    /// Refuses settings that do not fit together or the model.
    fn check(&self) -> Result<(), TrainError> {
        let conflict = || self.config.conflict(self.device.model(), self.objective);
        let problem = self.config.problem().or_else(conflict);
        problem.map_or(Ok(()), |(message, remedy)| Err(TrainError::Setting { message, remedy }))
    }

    /// The state in the checkpoint, if there is one; an error if that is of another run.
    pub fn resume(&self) -> Result<Option<Checkpoint>, TrainError> {
        self.check()?;
        let Some((path, study)) = self.checkpoint else { return Ok(None) };
        let found = Checkpoint::take(path, study)?;
        let (model, config) = (self.device.model(), self.config);
        let (members, each) = (config.population.members(config.seed, model).len(), model.weights.per_member());
        let counts = [members, members * each, members * Parameters::new(model, config, self.single).len()];
        if found.as_ref().is_some_and(|c| [c.members.len(), c.weights.values.len(), c.theta.len()] != counts) {
            let differ = "the sizes of its arrays".into();
            return Err(CheckpointError::OtherRun { path: path.into(), differ }.into());
        }
        Ok(found)
    }

    /// Training on the device, where it can do that by itself: the weights of one member, θ drawn at random.
    fn resident(&self, crew: &Crew, state: &Checkpoint) -> Result<Option<Box<dyn Descent + '_>>, TrainError> {
        let config = self.config;
        let plain = crew.members.len() == 1 && crew.members[0].factor == 1.0 && crew.members[0].held.is_empty();
        if !plain || config.trains_theta() || config.draw != Draw::Random || config.dual.is_some() {
            return Ok(None);
        }
        let setup = config.descent(self.train, self.objective);
        let Some(descent) = self.device.descent(setup) else { return Ok(None) };
        let mut descent = descent?;
        descent.load(&state.descent())?;
        Ok(Some(descent))
    }

    fn epoch(
        &self,
        crew: &Crew,
        state: &mut Checkpoint,
        resident: Option<&mut (dyn Descent + '_)>,
    ) -> Result<EpochMetrics, TrainError> {
        let config = self.config;
        let start = Instant::now();
        let pace = Pace::of(config, state.epoch, &state.weights);
        let mut totals = vec![Totals::new(self.objective.penalties.len()); crew.members.len()];
        let orders: Vec<Vec<u32>> = (crew.members.iter())
            .map(|m| Stream::new(m.seed, Purpose::Batches).permutation(self.train.count, state.epoch as u32))
            .collect();
        match resident {
            Some(descent) => self.steps_on_device(crew, state, descent, &orders, &pace, &mut totals[0])?,
            None => {
                for first in (0..self.train.count).step_by(config.batch) {
                    let range = first..(first + config.batch).min(self.train.count);
                    self.steps(crew, state, &orders, range, &pace, |m, report| totals[m].add(report))?;
                }
            }
        }
        let (validation, unseen) = self.validate(crew, state, &pace)?;
        let who = state.training();
        self.look_back(state, &who, &validation, &pace);
        let trained: Vec<&Totals> = who.iter().map(|m| &totals[*m]).collect();
        let samples: usize = totals.iter().map(|t| t.samples).sum();
        let member = |m: usize| {
            let means = who.contains(&m).then(|| totals[m].means());
            MemberMetrics {
                loss: means.map(|[loss, _]| loss),
                objective: means.map(|[_, objective]| objective),
                validation: validation[m].filter(|_| means.is_some()),
                lambda: state.members[m].lambda,
                theta: match crew.parameters.is_empty() {
                    true => Vec::new(),
                    false => crew.parameters.values(&crew.members[m], state.coordinates(m)),
                },
            }
        };
        let recorded = crew.members.len() > 1 || config.dual.is_some() || !crew.parameters.is_empty();
        let over = EpochMetrics::over(state.epoch + 1, pace.rate, &trained);
        Ok(EpochMetrics {
            validation_failed: unseen.0,
            failure: over.failure.clone().or(unseen.1),
            validation: mean(who.iter().map(|m| validation[*m])),
            lambda: mean(who.iter().map(|m| state.members[*m].lambda)),
            members: if recorded { (0..crew.members.len()).map(member).collect() } else { Vec::new() },
            trajectories_per_s: samples.max(1) as f64 / start.elapsed().as_secs_f64(),
            ..over
        })
    }

    /// Keeps the weights and θ of members with a better validation loss, and ends those without one for too long. Only the
    /// last stage counts: what comes before is not meant as a result.
    fn look_back(&self, state: &mut Checkpoint, who: &[usize], validation: &[Option<f64>], pace: &Pace) {
        let (epoch, config) = (state.epoch + 1, self.config);
        let counts = state.epoch >= config.last_stage();
        for m in who {
            let best = state.members[*m].best;
            let better = validation[*m].is_none_or(|v| v < best.map_or(f64::INFINITY, |(_, least)| least));
            if better || !counts {
                state.keep(*m, pace.zeros.is_some());
            }
            if counts && better {
                state.members[*m].best = validation[*m].map(|v| (epoch, v));
            }
            let late = best.filter(|_| !better).is_some_and(|(last, _)| epoch - last >= config.patience);
            if config.patience > 0 && counts && late {
                state.members[*m].ended = Some(Ended::Patience);
            }
        }
    }

    /// Ends a member that diverged; the others go on. An error if it was the only one, or the last.
    pub(super) fn end(&self, state: &mut Checkpoint, m: usize, error: TrainError) -> Result<(), TrainError> {
        let count = state.members.len();
        if count == 1 {
            return Err(error);
        }
        let reason = error.to_string();
        tracing::warn!("member {m} of {count}: {reason}");
        state.members[m].ended = Some(Ended::Diverged(reason.clone()));
        match state.members.iter().all(|other| other.diverged().is_some()) {
            true => Err(TrainError::AllDiverged { count, member: m, reason }),
            false => Ok(()),
        }
    }

    /// The steps of an epoch, taken by the device.
    fn steps_on_device(
        &self,
        crew: &Crew,
        state: &mut Checkpoint,
        descent: &mut dyn Descent,
        orders: &[Vec<u32>],
        pace: &Pace,
        totals: &mut Totals,
    ) -> Result<(), TrainError> {
        let steps = descent.epoch(&orders[0], pace.rate)?;
        steps.reports.iter().for_each(|report| totals.add(report));
        let reached = descent.state()?;
        state.weights.values = reached.weights;
        state.optimiser.first = reached.first;
        state.optimiser.second = reached.second;
        state.optimiser.steps = reached.steps;
        if !steps.halted {
            return Ok(());
        }
        // The step that failed changed nothing; taken again by the host it tells which trajectories, where, at which θ. If
        // they are to be left out, more of them are likely, and the host takes the rest of the epoch too.
        let (count, batch) = (self.train.count, self.config.batch);
        for first in (steps.reports.len() * batch..count).step_by(batch) {
            let range = first..(first + batch).min(count);
            self.steps(crew, state, orders, range, pace, |_, report| totals.add(report))?;
            if self.config.failures == Failures::Error {
                return Err(TrainError::NonFinite(state.epoch + 1));
            }
        }
        Ok(descent.load(&state.descent())?)
    }

    /// Loss on the validation windows of each member that trains, with its θ or with one draw of θ for each window, the
    /// same in every epoch; the trajectories that are left out.
    fn validate(
        &self,
        crew: &Crew,
        state: &mut Checkpoint,
        pace: &Pace,
    ) -> Result<(Vec<Option<f64>>, LeftOut), TrainError> {
        let (mut losses, mut left_out) = (vec![None; crew.members.len()], (0, None));
        let who = state.training();
        let Some(windows) = self.validation.filter(|v| v.count > 0 && !who.is_empty()) else {
            return Ok((losses, left_out));
        };
        let batch = crew.batch(state, &who, |_| windows.rows(), Purpose::Validation, 0);
        let job = batch.job(windows, pace.weights(state), self.objective);
        let evaluation = self.config.policy().evaluate(self.device, &job)?;
        let checked: Vec<Result<LeftOut, TrainError>> =
            (0..who.len()).map(|group| check_group(crew, &job, &evaluation, group, state.epoch)).collect();
        for ((m, terms), checked) in who.iter().zip(&evaluation.terms).zip(checked) {
            match checked {
                Ok((count, first)) => {
                    losses[*m] = terms.loss;
                    left_out = (left_out.0 + count, left_out.1.or(first.map(|f| format!("validation {f}"))));
                }
                Err(error) => self.end(state, *m, error)?,
            }
        }
        Ok((losses, left_out))
    }
}
