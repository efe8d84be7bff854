//! Trajectories that leave the finite numbers: what they do to a step, and to a validation loss.

use crate::device::{Device, DeviceError, Evaluation, Gradient, Job, Status, StatusCode, Wanted};
use serde::Deserialize;

/// `train.failures`: what becomes of a trajectory that leaves the finite numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failures {
    /// Training stops and names it: which, at which θ, in which step.
    #[default]
    Error,
    /// It is left out of loss, penalties and gradient, and counted.
    Exclude,
    /// It is left out, but every present entry of its observations counts in the loss as a squared residual of
    /// `train.failure_loss`: a constant, whose gradient is zero.
    Penalise,
}

/// How jobs treat failures.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What becomes of them.
    pub failures: Failures,
    /// Squared residual of every entry of a trajectory that failed, under [`Failures::Penalise`].
    pub loss: f64,
}

/// A job in which samples that failed are replaced by others of their group, which count 0 times there. So nothing of a
/// trajectory that failed is left to touch the sums, and the others keep their places, and with them their bits.
struct Replaced {
    rows: Vec<u32>,
    theta: Vec<f64>,
    multiplicity: Vec<f64>,
    loss_scale: Vec<f64>,
}

impl Policy {
    /// The gradient of a job without the samples that failed. The status of every sample tells which these are; a group
    /// all of whose samples failed is left as it is.
    pub fn gradient(self, device: &dyn Device, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        let mut gradient = device.gradient(job, wanted)?;
        if self.failures == Failures::Error {
            return Ok(gradient);
        }
        let mut status = vec![Status::default(); job.samples()];
        while note(job, &mut status, &gradient.evaluation.status) {
            let replaced = self.replaced(job, &status);
            let again = Job {
                rows: &replaced.rows,
                theta: &replaced.theta,
                multiplicity: Some(&replaced.multiplicity),
                loss_scale: &replaced.loss_scale,
                ..*job
            };
            gradient = device.gradient(&again, wanted)?;
        }
        let failed = status.iter().any(|s| s.code != StatusCode::Ok);
        gradient.evaluation.status = status;
        if failed {
            self.count(job, &mut gradient.evaluation, true);
        }
        Ok(gradient)
    }

    /// The objective of a job without the samples that failed.
    pub fn evaluate(self, device: &dyn Device, job: &Job) -> Result<Evaluation, DeviceError> {
        let mut evaluation = device.evaluate(job)?;
        if self.failures != Failures::Error && evaluation.failures() > 0 {
            evaluation.leave_out_failures(job);
            self.count(job, &mut evaluation, false);
        }
        Ok(evaluation)
    }

    fn replaced(self, job: &Job, status: &[Status]) -> Replaced {
        let (n, p) = (job.per_group(), job.theta.len() / job.samples());
        let mut replaced = Replaced {
            rows: job.rows.to_vec(),
            theta: job.theta.to_vec(),
            multiplicity: (0..job.samples()).map(|sample| job.multiplicity(sample)).collect(),
            loss_scale: (0..job.groups).map(|group| self.share(job, status, group) * loss_scale(job, group)).collect(),
        };
        for group in 0..job.groups {
            let samples = group * n..(group + 1) * n;
            let Some(good) = samples.clone().find(|s| status[*s].code == StatusCode::Ok) else { continue };
            for failed in samples.filter(|s| status[*s].code != StatusCode::Ok) {
                replaced.rows[failed] = job.rows[good];
                replaced.theta.copy_within(good * p..(good + 1) * p, failed * p);
                replaced.multiplicity[failed] = 0.0;
            }
        }
        replaced
    }

    /// The part of a group's loss that is the mean of the samples that did not fail; the rest is the constant of the others.
    fn share(self, job: &Job, status: &[Status], group: usize) -> f64 {
        if self.failures != Failures::Penalise {
            return 1.0;
        }
        let n = job.per_group();
        let entries = |good: bool| -> f64 {
            let samples = (group * n..(group + 1) * n).filter(|s| good == (status[*s].code == StatusCode::Ok));
            samples.map(|s| job.multiplicity(s) * present(job, s) as f64).sum()
        };
        let [good, failed] = [entries(true), entries(false)];
        if failed > 0.0 { good / (good + failed) } else { 1.0 }
    }

    /// Adds the constant of the samples that failed to loss and objective; `scaled` if the objective has the share already.
    fn count(self, job: &Job, evaluation: &mut Evaluation, scaled: bool) {
        for group in 0..job.groups {
            let share = self.share(job, &evaluation.status, group);
            let terms = &mut evaluation.terms[group];
            let Some(mean) = terms.loss.filter(|_| share < 1.0) else { continue };
            let rest = (1.0 - share) * self.loss;
            let counted = if scaled { 0.0 } else { (share - 1.0) * mean };
            terms.loss = Some(share * mean + rest);
            terms.objective += loss_scale(job, group) * job.objective.loss_weight * (counted + rest);
        }
    }
}

fn loss_scale(job: &Job, group: usize) -> f64 {
    job.loss_scale.get(group).copied().unwrap_or(1.0)
}

/// Present entries of a sample's observations.
fn present(job: &Job, sample: usize) -> usize {
    let Some(targets) = &job.trajectories.targets else { return 0 };
    let each = targets.len() / job.trajectories.count.max(1);
    targets[job.rows[sample] as usize * each..][..each].iter().filter(|y| !y.is_nan()).count()
}

/// Takes note of samples that failed; false if there are no new ones. A state that is not finite may spoil the derivatives
/// of all other samples of its group, through an objective that is not linear in its means: where there are such states,
/// derivatives wait for the next pass.
fn note(job: &Job, known: &mut [Status], found: &[Status]) -> bool {
    let mut more = false;
    let n = job.per_group();
    for (known, found) in known.chunks_exact_mut(n).zip(found.chunks_exact(n)) {
        let fresh = |i: usize, code| known[i].code == StatusCode::Ok && found[i].code == code;
        let codes = [StatusCode::NonFiniteState, StatusCode::NonFiniteSum, StatusCode::NonFiniteAdjoint];
        let Some(code) = codes.into_iter().find(|code| (0..n).any(|i| fresh(i, *code))) else { continue };
        let new: Vec<usize> = (0..n).filter(|i| fresh(*i, code)).collect();
        new.into_iter().for_each(|i| known[i] = found[i]);
        // Where none is left there is nothing to replace them by.
        more |= known.iter().any(|s| s.code == StatusCode::Ok);
    }
    more
}
