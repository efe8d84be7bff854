//! What an epoch yields, for one member and for all.

use crate::device::StepReport;
use serde::{Deserialize, Deserializer, Serialize};

/// Metrics of one epoch; one JSON line each. With several members means over those that trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean training loss, without penalties; like all means NaN where no member trained to the end of the epoch.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Mean of each penalty, without weights.
    #[serde(deserialize_with = "numbers")]
    pub penalties: Vec<f64>,
    /// Mean objective.
    #[serde(deserialize_with = "number")]
    pub objective: f64,
    /// Validation loss, with θ drawn from its prior or as trained; absent without validation data.
    pub validation: Option<f64>,
    /// Learning rate.
    pub rate: f64,
    /// Mean norm of the gradient before the clip by norm: of the weights' gradient, or of that of θ where it alone is
    /// trained.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Trajectories that left the finite numbers and were left out of the steps, counted once per step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: usize,
    /// The same on the validation windows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_failed: usize,
    /// The first of all of them: which, in which step, at which θ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Breakdowns of the device that the epoch has survived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<String>,
    /// Trajectories per second.
    pub trajectories_per_s: f64,
    /// λ of constrained training at the end of the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Each member, where there are several or one has more than weights: a trained θ, a λ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberMetrics>,
}

/// Metrics of one member; nothing but its θ and λ once it has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberMetrics {
    /// Mean training loss.
    pub loss: Option<f64>,
    /// Mean objective, with its own λ and weights of penalties.
    pub objective: Option<f64>,
    /// Validation loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// λ at the end of the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// θ at the end of the epoch, `[p]`; empty where it is drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theta: Vec<f64>,
}

/// Sums over the batches of an epoch, each weighted by its samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) samples: usize,
    loss: f64,
    penalties: Vec<f64>,
    objective: f64,
    norm: f64,
    pub(super) failed: usize,
    pub(super) failure: Option<String>,
}

impl Totals {
    /// Nothing summed yet.
    pub(super) fn new(penalties: usize) -> Totals {
        Totals { penalties: vec![0.0; penalties], ..Totals::default() }
    }

    /// Adds a step.
    pub(super) fn add(&mut self, report: &StepReport) {
        let n = report.samples as f64;
        self.samples += report.samples;
        self.loss += n * report.loss;
        self.objective += n * report.objective;
        self.norm += n * report.norm;
        self.failed += report.failed;
        if self.failure.is_none() {
            self.failure.clone_from(&report.failure);
        }
        for (sum, penalty) in self.penalties.iter_mut().zip(&report.penalties) {
            *sum += n * penalty;
        }
    }

    /// Means of loss and objective.
    pub(super) fn means(&self) -> [f64; 2] {
        [self.loss, self.objective].map(|sum| sum / self.samples.max(1) as f64)
    }
}

impl EpochMetrics {
    /// Means over members, each of which trained for the whole epoch. The caller adds what is no mean over steps.
    pub(super) fn over(epoch: usize, rate: f64, trained: &[&Totals]) -> EpochMetrics {
        let mean = |of: &dyn Fn(&Totals) -> f64| {
            trained.iter().map(|t| of(t) / t.samples.max(1) as f64).sum::<f64>() / trained.len() as f64
        };
        let penalties = trained.first().map_or(0, |t| t.penalties.len());
        EpochMetrics {
            epoch,
            loss: mean(&|t| t.loss),
            penalties: (0..penalties).map(|i| mean(&|t| t.penalties[i])).collect(),
            objective: mean(&|t| t.objective),
            validation: None,
            rate,
            gradient_norm: mean(&|t| t.norm),
            failed: trained.iter().map(|t| t.failed).sum(),
            validation_failed: 0,
            failure: trained.iter().find_map(|t| t.failure.clone()),
            recoveries: Vec::new(),
            trajectories_per_s: 0.0,
            lambda: None,
            members: Vec::new(),
        }
    }
}

/// A number that JSON may not know: those that are not finite are written as `null`.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let all: Vec<Option<f64>> = Vec::deserialize(from)?;
    Ok(all.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Mean of what is there.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let found: Vec<f64> = values.flatten().collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}
