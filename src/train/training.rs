//! The training loop.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::config::TrainConfig;
use super::optimiser::{AdamW, clip};
use super::prior::draw_theta;
use crate::device::{
    Descent, DescentState, Device, DeviceError, Evaluation, Job, StepReport, Trajectories, Wanted, describe_failures,
};
use crate::model::{Objective, initialise};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Metrics of one epoch; one JSON line each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean training loss, without penalties.
    pub loss: f64,
    /// Mean of each penalty, without weights.
    pub penalties: Vec<f64>,
    /// Mean objective.
    pub objective: f64,
    /// Validation loss with θ drawn from its prior; absent without validation data.
    pub validation: Option<f64>,
    /// Learning rate.
    pub rate: f64,
    /// Mean norm of the gradient before the clip by norm.
    pub gradient_norm: f64,
    /// Trajectories per second.
    pub trajectories_per_s: f64,
}

/// Why training stopped with an error.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The device refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Trajectories left the finite numbers.
    #[error(
        "training diverged in epoch {epoch}: {count} of {samples} trajectories of a batch are not finite\n  {details}\nhelp: use smaller steps (solver.substeps), a lower train.rate, narrower bounds of theta, or an activation that saturates"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Failed trajectories.
        count: usize,
        /// Trajectories in the batch.
        samples: usize,
        /// Which, where, at which θ.
        details: String,
    },
    /// The gradient is not finite although all trajectories are.
    #[error(
        "training diverged in epoch {0}: the objective or its gradient is not finite\nhelp: look for functions at the edge of their domain (sqrt, log, pow, division) in the WGSL"
    )]
    NonFinite(usize),
}

/// What training yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Last weights.
    pub last: Weights,
    /// Weights of the best validation loss; the last ones without validation data.
    pub best: Weights,
    /// Metrics of all epochs.
    pub history: Vec<EpochMetrics>,
    /// True if it was interrupted; the checkpoint continues it.
    pub interrupted: bool,
}

/// A training run.
pub struct Training<'a> {
    /// The device with the model.
    pub device: &'a dyn Device,
    /// Settings.
    pub config: &'a TrainConfig,
    /// What is minimised.
    pub objective: &'a Objective,
    /// Training windows.
    pub train: &'a Trajectories,
    /// Validation windows.
    pub validation: Option<&'a Trajectories>,
    /// Keep weights and moments in f32.
    pub single: bool,
    /// Where the checkpoint is kept, and the fingerprint of the study.
    pub checkpoint: Option<(&'a Path, &'a str)>,
}

impl Training<'_> {
    /// Runs to the end, or until `proceed` returns false; it sees every finished epoch.
    pub fn run(&self, mut proceed: impl FnMut(&EpochMetrics) -> bool) -> Result<Trained, TrainError> {
        let model = self.device.model();
        let table = &model.weights;
        let mut state = self.resume()?.unwrap_or_else(|| {
            let weights = initialise(table, &model.networks, 1, self.config.seed).values;
            Checkpoint {
                study: self.checkpoint.map_or(String::new(), |(_, s)| s.to_string()),
                epoch: 0,
                best: weights.clone(),
                optimiser: AdamW::new(weights.len(), self.single),
                weights,
                history: Vec::new(),
            }
        });
        let best_of =
            |history: &[EpochMetrics]| history.iter().filter_map(|m| m.validation).fold(f64::INFINITY, f64::min);
        let mut interrupted = false;
        let mut resident = self.resident(&state)?;
        while state.epoch < self.config.epochs && !interrupted && !self.out_of_patience(&state.history) {
            let before = best_of(&state.history);
            let metrics = self.epoch(&mut state, resident.as_deref_mut())?;
            if metrics.validation.is_none_or(|v| v < before) {
                state.best.clone_from(&state.weights);
            }
            interrupted = !proceed(&metrics);
            state.history.push(metrics);
            state.epoch += 1;
            let ended = state.epoch == self.config.epochs || self.out_of_patience(&state.history);
            let due = ended || interrupted || state.epoch.is_multiple_of(self.config.checkpoint_every);
            if let (Some((path, _)), true) = (self.checkpoint, due) {
                state.save(path)?;
            }
        }
        interrupted &= state.epoch < self.config.epochs;
        Ok(Trained {
            last: Weights { members: 1, values: state.weights },
            best: Weights { members: 1, values: state.best },
            history: state.history,
            interrupted,
        })
    }

    /// The checkpoint, if there is one of this very study.
    fn resume(&self) -> Result<Option<Checkpoint>, TrainError> {
        let Some((path, study)) = self.checkpoint else { return Ok(None) };
        let found = Checkpoint::load(path)?;
        Ok(found.filter(|c| c.study == study && c.weights.len() == self.device.model().weights.per_member()))
    }

    fn out_of_patience(&self, history: &[EpochMetrics]) -> bool {
        let best = history
            .iter()
            .enumerate()
            .filter_map(|(i, m)| m.validation.map(|v| (i, v)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((index, _)) => self.config.patience > 0 && history.len() - 1 - index >= self.config.patience,
            None => false,
        }
    }

    /// Training on the device, where it can do that by itself.
    fn resident(&self, state: &Checkpoint) -> Result<Option<Box<dyn Descent + '_>>, TrainError> {
        let setup = self.config.descent(self.train, self.objective);
        let Some(descent) = self.device.descent(setup) else { return Ok(None) };
        let mut descent = descent?;
        let optimiser = &state.optimiser;
        descent.load(&DescentState {
            weights: state.weights.clone(),
            first: optimiser.first.clone(),
            second: optimiser.second.clone(),
            steps: optimiser.steps,
        })?;
        Ok(Some(descent))
    }

    fn epoch(
        &self,
        state: &mut Checkpoint,
        resident: Option<&mut (dyn Descent + '_)>,
    ) -> Result<EpochMetrics, TrainError> {
        let config = self.config;
        let start = std::time::Instant::now();
        let rate = config.rate_of(state.epoch);
        let order = Stream::new(config.seed, Purpose::Batches).permutation(self.train.count, state.epoch as u32);
        let mut totals = Totals { penalties: vec![0.0; self.objective.penalties.len()], ..Totals::default() };
        match resident {
            Some(descent) => self.steps_on_device(state, descent, &order, rate, &mut totals)?,
            None => {
                for batch in order.chunks(config.batch) {
                    totals.add(&self.step(state, batch, rate)?);
                }
            }
        }
        let validation = self.validate(state)?;
        let n = totals.samples.max(1) as f64;
        Ok(EpochMetrics {
            epoch: state.epoch + 1,
            loss: totals.loss / n,
            penalties: totals.penalties.iter().map(|p| p / n).collect(),
            objective: totals.objective / n,
            validation,
            rate,
            gradient_norm: totals.norm / n,
            trajectories_per_s: n / start.elapsed().as_secs_f64(),
        })
    }

    /// One step taken by the host. An error leaves the state as it was.
    fn step(&self, state: &mut Checkpoint, batch: &[u32], rate: f64) -> Result<StepReport, TrainError> {
        let config = self.config;
        // Each window appears once per draw, draws of a window side by side.
        let rows: Vec<u32> = batch.iter().flat_map(|row| std::iter::repeat_n(*row, config.draws)).collect();
        let draws = Stream::new(config.seed, Purpose::Theta);
        let theta = draw_theta(self.device.model(), &draws, 0, rows.len(), state.optimiser.steps as u32);
        let weights = Weights { members: 1, values: std::mem::take(&mut state.weights) };
        let job = Job::new(self.train, &rows, &theta, &weights, self.objective);
        let result = self.device.gradient(&job, Wanted { weights: true, inputs: false });
        let checked = result.map_err(TrainError::from).and_then(|mut gradient| {
            self.check(&job, &gradient.evaluation, state.epoch)?;
            let norm = clip(&mut gradient.weights, config.clip_value, config.clip_norm);
            let finite = norm.is_finite() && gradient.evaluation.terms[0].objective.is_finite();
            if finite { Ok((gradient, norm)) } else { Err(TrainError::NonFinite(state.epoch + 1)) }
        });
        let samples = rows.len();
        state.weights = weights.values;
        let (mut gradient, norm) = checked?;
        state.optimiser.step(&mut state.weights, &gradient.weights, config, rate);
        let terms = gradient.evaluation.terms.remove(0);
        let (loss, objective) = (terms.loss.unwrap_or(0.0), terms.objective);
        Ok(StepReport { samples, loss, objective, norm, penalties: terms.penalties })
    }

    /// The steps of an epoch, taken by the device.
    fn steps_on_device(
        &self,
        state: &mut Checkpoint,
        descent: &mut dyn Descent,
        order: &[u32],
        rate: f64,
        totals: &mut Totals,
    ) -> Result<(), TrainError> {
        let steps = descent.epoch(order, rate)?;
        steps.reports.iter().for_each(|report| totals.add(report));
        let reached = descent.state()?;
        state.weights = reached.weights;
        state.optimiser.first = reached.first;
        state.optimiser.second = reached.second;
        state.optimiser.steps = reached.steps;
        if !steps.halted {
            return Ok(());
        }
        // The step that failed changed nothing; taken again by the host it tells which trajectories, where, at which θ.
        let batch = order.chunks(self.config.batch).nth(steps.reports.len()).unwrap_or(&[]);
        self.step(state, batch, rate)?;
        Err(TrainError::NonFinite(state.epoch + 1))
    }

    /// Loss on the validation windows with one draw of θ each; the draws are the same in every epoch.
    fn validate(&self, state: &Checkpoint) -> Result<Option<f64>, TrainError> {
        let Some(windows) = self.validation.filter(|v| v.count > 0) else { return Ok(None) };
        let rows: Vec<u32> = (0..windows.count as u32).collect();
        let stream = Stream::new(self.config.seed, Purpose::Validation);
        let theta = draw_theta(self.device.model(), &stream, 0, rows.len(), 0);
        let weights = Weights { members: 1, values: state.weights.clone() };
        let job = Job::new(windows, &rows, &theta, &weights, self.objective);
        let evaluation = self.device.evaluate(&job)?;
        self.check(&job, &evaluation, state.epoch)?;
        Ok(evaluation.terms[0].loss)
    }

    fn check(&self, job: &Job, evaluation: &Evaluation, epoch: usize) -> Result<(), TrainError> {
        match evaluation.failures() {
            0 => Ok(()),
            count => Err(TrainError::Diverged {
                epoch: epoch + 1,
                count,
                samples: job.samples(),
                details: describe_failures(self.device.model(), job, &evaluation.status, 5).join("\n  "),
            }),
        }
    }
}

/// Sums over the batches of an epoch, each weighted by its samples.
#[derive(Default)]
struct Totals {
    samples: usize,
    loss: f64,
    penalties: Vec<f64>,
    objective: f64,
    norm: f64,
}

impl Totals {
    fn add(&mut self, report: &StepReport) {
        let n = report.samples as f64;
        self.samples += report.samples;
        self.loss += n * report.loss;
        self.objective += n * report.objective;
        self.norm += n * report.norm;
        for (sum, penalty) in self.penalties.iter_mut().zip(&report.penalties) {
            *sum += n * penalty;
        }
    }
}
