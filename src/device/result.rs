//! What a device answers.

use super::batch::Job;
use crate::model::{Model, Objective, ObjectiveTerms, Seeds, Sums};

/// Why a device could not run a job. A diverging trajectory is not an error here: it has a [`Status`].
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device, or it cannot run this model.
    #[error("device `{device}`: {message}\nhelp: {remedy}")]
    Unavailable {
        /// Name asked for.
        device: String,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The device failed while it worked, or a job is too large for it.
    #[error("device {device}: {message}\nhelp: {remedy}")]
    Failed {
        /// Which one.
        device: String,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The device broke down while it worked. Opened anew it may go on: see [`Recovering`](super::Recovering).
    #[error("device {device}: {breakdown}: {message}\nhelp: {remedy}")]
    Broken {
        /// Which one.
        device: String,
        /// How.
        breakdown: Breakdown,
        /// What it said.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// An array does not fit the model.
    #[error("{array}: {message}\nhelp: {remedy}")]
    Shape {
        /// Name of the array.
        array: String,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}

/// How a device breaks down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// The driver gave it up.
    Lost,
    /// It has no memory for a buffer.
    OutOfMemory,
    /// It refused an operation.
    Refused,
    /// Work that was submitted was not done.
    Undone,
    /// Work did not end in its time.
    Hung,
}

impl std::fmt::Display for Breakdown {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Breakdown::Lost => "it was lost",
            Breakdown::OutOfMemory => "it is out of memory",
            Breakdown::Refused => "it refused an operation",
            Breakdown::Undone => "work that was submitted was not done",
            Breakdown::Hung => "it did not come to an end",
        })
    }
}

impl DeviceError {
    /// How the device broke down, if that is the error.
    pub fn breakdown(&self) -> Option<Breakdown> {
        match self {
            DeviceError::Broken { breakdown, .. } => Some(*breakdown),
            _ => None,
        }
    }

    pub(crate) fn shape(array: &str, message: String, remedy: impl Into<String>) -> DeviceError {
        DeviceError::Shape { array: array.to_string(), message, remedy: remedy.into() }
    }
}

/// Memory of a gradient, planned from sizes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What the reverse pass keeps, in words.
    pub keeps: String,
    /// Bytes of states, activations and checkpoints at their peak.
    pub bytes: usize,
}

/// How a trajectory ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum StatusCode {
    /// All numbers finite.
    #[default]
    Ok = 0,
    /// The state left the finite numbers.
    NonFiniteState = 1,
    /// The states are finite but a derivative is not.
    NonFiniteAdjoint = 2,
    /// The states are finite but the loss or an observable of a penalty is not.
    NonFiniteSum = 3,
}

/// Status of one trajectory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What happened.
    pub code: StatusCode,
    /// First bad interval (its end is the first bad state); of sums the last one.
    pub step: u32,
}

/// The objective of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Objective of each group.
    pub terms: Vec<ObjectiveTerms>,
    /// Sums of each sample, before its multiplicity.
    pub sums: Vec<Sums>,
    /// Points of each group, `[points, width]`; empty unless a penalty is made of pairs.
    pub points: Vec<Vec<f64>>,
    /// Status of each sample.
    pub status: Vec<Status>,
}

impl Evaluation {
    /// Notes the samples whose states are finite and whose sums are not, where the job's objective counts these.
    pub(super) fn with_sums_checked(mut self, job: &Job) -> Evaluation {
        let last = job.trajectories.steps.saturating_sub(1) as u32;
        for (status, sums) in self.status.iter_mut().zip(&self.sums) {
            if status.code == StatusCode::Ok && job.objective.is_spoilt_by(sums) {
                *status = Status { code: StatusCode::NonFiniteSum, step: last };
            }
        }
        self
    }

    /// Takes failed samples out of the objective of a job without pairs of points: their sums become 0.
    pub fn leave_out_failures(&mut self, job: &Job) {
        for (sums, status) in self.sums.iter_mut().zip(&self.status) {
            if status.code != StatusCode::Ok {
                *sums = Sums::default();
            }
        }
        self.terms = reduce(job, job.objective, &self.sums, &self.points).0;
    }

    /// Number of trajectories that did not end well.
    pub fn failures(&self) -> usize {
        self.status.iter().filter(|s| s.code != StatusCode::Ok).count()
    }
}

/// Full rollouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// States `[samples, T + 1, n]`.
    pub states: Vec<f64>,
    /// θ and latents as they were used, `[samples, p + latents]`; empty unless networks made some of them.
    pub parameters: Vec<f64>,
    /// Predictions `[samples, T, k]` at times 1..T.
    pub predictions: Vec<f64>,
    /// The objective.
    pub evaluation: Evaluation,
}

/// Which derivatives are wanted; those not wanted come back empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// With respect to the weights.
    pub weights: bool,
    /// With respect to θ and the initial state.
    pub inputs: bool,
}

/// The objective and the derivatives of the sum of all groups' objectives.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// The objective.
    pub evaluation: Evaluation,
    /// `[members, per_member]` in the order of the weight table.
    pub weights: Vec<f64>,
    /// `[samples, p]`
    pub theta: Vec<f64>,
    /// With respect to the initial state, `[samples, n]`.
    pub start: Vec<f64>,
}

/// Objective terms and seeds of every group from the sums of its samples, added in the order of the samples, with the
/// group's factors of loss and penalties. `points` holds those of every group, or nothing.
pub(super) fn reduce(
    job: &Job,
    objective: &Objective,
    sums: &[Sums],
    points: &[Vec<f64>],
) -> (Vec<ObjectiveTerms>, Vec<Seeds>) {
    let per_group = job.per_group();
    (0..job.groups)
        .map(|group| {
            let mut total = Sums::default();
            for (sample, sums) in sums.iter().enumerate().skip(group * per_group).take(per_group) {
                total.add(sums, job.multiplicity(sample));
            }
            let points = points.get(group).map_or(&[][..], |p| p);
            match job.scales(group) {
                None => objective.evaluate(&total, points),
                Some([loss, penalty]) => objective
                    .reweighted(loss * objective.loss_weight, |_, p| penalty * p.weight)
                    .evaluate(&total, points),
            }
        })
        .unzip()
}

/// One line per failed trajectory, at most `most`: its index, the step, θ.
pub fn describe_failures(model: &Model, job: &Job, status: &[Status], most: usize) -> Vec<String> {
    let p = model.theta.len();
    let failed: Vec<usize> = (0..status.len()).filter(|i| status[*i].code != StatusCode::Ok).collect();
    let mut lines: Vec<String> = failed
        .iter()
        .take(most)
        .map(|&i| {
            let what = match status[i].code {
                StatusCode::NonFiniteAdjoint => "its derivative is not finite",
                StatusCode::NonFiniteSum => "its loss or a penalty is not finite, though its states are",
                _ => "its state is not finite",
            };
            let theta: Vec<String> = model
                .theta
                .iter()
                .zip(&job.theta[i * p..(i + 1) * p])
                .map(|(name, value)| format!("{name} = {value:.6}"))
                .collect();
            let theta = if theta.is_empty() { String::new() } else { format!(", {}", theta.join(", ")) };
            format!("sample {i} (trajectory {}) at step {}{theta}: {what}", job.rows[i], status[i].step)
        })
        .collect();
    if failed.len() > most {
        lines.push(format!("… and {} more", failed.len() - most));
    }
    lines
}
