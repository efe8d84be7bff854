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

/// How a job treats failures.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    pub(super) failures: Failures,
    /// Squared residual of every entry of a trajectory that failed, under [`Failures::Penalise`].
    pub(super) loss: f64,
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
    pub(super) fn gradient(self, device: &dyn Device, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
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
    pub(super) fn evaluate(self, device: &dyn Device, job: &Job) -> Result<Evaluation, DeviceError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Trajectories, cpu::Cpu};
    use crate::model::{Model, initialise};
    use crate::program::Weights;
    use crate::study::Study;
    use std::path::Path;

    const TOML: &str = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [5]\n[solver]\nmethod = \"rk4\"\n\
                        dt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n";

    /// Below 0.1 k spoils the state, above 1.9 the derivative of a sample at rest.
    const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State {
    let steep = select(1.0, 1e38, theta.k > 1.9);
    let most = s.v * steep * steep * steep * steep * steep;
    return State(most * steep * steep * steep * steep, -s.x * sqrt(theta.k - 0.1));
}
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }
fn rhs(s: State, f: State, g: array<f32, 1>) -> State { return State(f.x, f.v + g[0] * s.x); }";

    const COUNT: usize = 12;
    const BOTH: Wanted = Wanted { weights: true, inputs: true };

    fn model() -> Model {
        let study = Study::parse(Path::new("t.toml"), TOML.into(), false).unwrap();
        Model::compile(study.spec, "t.wgsl", WGSL).unwrap()
    }

    /// Two groups of six; in the first one sample 2 fails by its state and sample 4 by its derivative.
    fn setting(model: &Model) -> (Trajectories, Vec<f64>, Weights) {
        let mut states: Vec<f64> = (0..2 * COUNT).map(|i| (1.7 * i as f64).sin()).collect();
        states[8..10].fill(0.0);
        let mut trajectories = Trajectories::from_states(COUNT, 3, states);
        let target = |i: usize| if i % 7 == 3 { f64::NAN } else { (0.9 * i as f64).cos() };
        trajectories.targets = Some((0..COUNT * 3 * 2).map(target).collect());
        let mut theta: Vec<f64> = (0..COUNT).map(|i| 0.5 + 0.1 * i as f64).collect();
        (theta[2], theta[4]) = (0.05, 1.95);
        (trajectories, theta, initialise(&model.weights, &model.networks, 1, 3))
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let pairs = found.iter().zip(expected);
        pairs.for_each(|(f, e)| assert!((f - e).abs() <= 1e-12 * (1.0 + e.abs()), "{f}, expected {e}"));
    }

    #[test]
    fn what_fails_is_left_out_exactly() {
        let model = model();
        let cpu = Cpu::<f64>::new(&model, 1 << 20);
        let (trajectories, theta, weights) = setting(&model);
        let of = |rows: &[u32]| {
            let theta: Vec<f64> = rows.iter().map(|row| theta[*row as usize]).collect();
            let job = Job::new(&trajectories, rows, &theta, &weights, &model.objective);
            cpu.gradient(&job, BOTH).unwrap()
        };
        let (first, second) = (of(&[0, 1, 3, 5]), of(&[6, 7, 8, 9, 10, 11]));
        let rows = trajectories.rows();
        let job = Job { groups: 2, ..Job::new(&trajectories, &rows, &theta, &weights, &model.objective) };
        assert!(cpu.gradient(&job, BOTH).unwrap().weights.iter().all(|w| w.is_nan()), "what it is for");

        let exclude = Policy { failures: Failures::Exclude, loss: 9.0 };
        let found = exclude.gradient(&cpu, &job, BOTH).unwrap();
        let codes =
            found.evaluation.status.iter().map(|s| s.code).enumerate().filter(|(_, code)| *code != StatusCode::Ok);
        let expected = [(2, StatusCode::NonFiniteState), (4, StatusCode::NonFiniteAdjoint)];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
        let both: Vec<f64> = first.weights.iter().zip(&second.weights).map(|(a, b)| a + b).collect();
        close(&found.weights, &both);
        close(&[found.theta[0], found.theta[2], found.theta[4]], &[first.theta[0], 0.0, 0.0]);
        for (found, expected) in found.evaluation.terms.iter().zip([&first, &second]) {
            close(&[found.objective, found.loss.unwrap()], &{
                let terms = &expected.evaluation.terms[0];
                [terms.objective, terms.loss.unwrap()]
            });
        }

        // Every entry that is present counts, those of failures as 9.
        let penalise = Policy { failures: Failures::Penalise, ..exclude };
        let found = penalise.gradient(&cpu, &job, BOTH).unwrap().evaluation.terms.remove(0);
        let entries = |rows: &[usize]| rows.iter().map(|row| present(&job, *row) as f64).sum::<f64>();
        let (good, bad) = (entries(&[0, 1, 3, 5]), entries(&[2, 4]));
        let terms = &first.evaluation.terms[0];
        let loss = (good * terms.loss.unwrap() + bad * 9.0) / (good + bad);
        close(&[found.loss.unwrap(), found.objective], &[loss, loss + 0.1 * terms.penalties[0]]);
    }

    #[test]
    fn a_validation_leaves_out_what_fails_forward() {
        let model = model();
        let cpu = Cpu::<f64>::new(&model, 1 << 20);
        let (trajectories, theta, weights) = setting(&model);
        let rows = trajectories.rows();
        let job = Job { groups: 2, ..Job::new(&trajectories, &rows, &theta, &weights, &model.objective) };
        let exclude = Policy { failures: Failures::Exclude, loss: 9.0 };
        let found = exclude.evaluate(&cpu, &job).unwrap();
        assert_eq!(found.failures(), 1);
        let good = [0u32, 1, 3, 4, 5];
        let own: Vec<f64> = good.iter().map(|row| theta[*row as usize]).collect();
        let expected = cpu.evaluate(&Job::new(&trajectories, &good, &own, &weights, &model.objective)).unwrap();
        close(&[found.terms[0].objective], &[expected.terms[0].objective]);
        let penalised = Policy { failures: Failures::Penalise, ..exclude }.evaluate(&cpu, &job).unwrap();
        assert!(penalised.terms[0].loss > found.terms[0].loss && penalised.terms[1] == found.terms[1]);
    }
}
