//! What a device is asked to run: trajectories that stay, and jobs that pick from them.

use super::result::DeviceError;
use crate::model::{Model, Objective};
use crate::program::Weights;
use crate::solve::TimeGrid;

/// Where rollouts start.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// Given states, `[count, n]`; integrated ones (see [`Model::lift`]) where the model has several rollouts.
    States(Vec<f64>),
    /// Observed windows, `[count, frames, k]`, turned into states by the model's encode program; one frame unless the
    /// model says otherwise.
    Observations(Vec<f64>),
}

/// A set of trajectories of equal length. Arrays are row-major; n and k are numbers in a state and an observation, on a
/// grid `[channel, cell]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectories {
    /// Number of trajectories.
    pub count: usize,
    /// Intervals T.
    pub steps: usize,
    /// Initial states or observations.
    pub start: Start,
    /// Measured inputs `[count, T + 1, m]`; empty without inputs.
    pub inputs: Vec<f64>,
    /// Start times `[count]`; empty for all zero.
    pub t0: Vec<f64>,
    /// Shared times `[T + 1]` in place of k·dt.
    pub times: Option<Vec<f64>>,
    /// Observations `[count, T, k]`, NaN = missing.
    pub targets: Option<Vec<f64>>,
    /// Residuals are divided by these in the loss, one per output (channel); `None` for 1.
    pub residual_scale: Option<Vec<f64>>,
}

impl Trajectories {
    /// Trajectories of `steps` intervals that start from given states, `[count, n]`: without inputs or observations, at
    /// time 0. What else there is goes into the fields.
    pub fn from_states(count: usize, steps: usize, states: Vec<f64>) -> Trajectories {
        Trajectories {
            count,
            steps,
            start: Start::States(states),
            inputs: Vec::new(),
            t0: Vec::new(),
            times: None,
            targets: None,
            residual_scale: None,
        }
    }

    /// Every trajectory once, as the rows of a job.
    pub fn rows(&self) -> Vec<u32> {
        (0..self.count as u32).collect()
    }
}

/// A batch: samples drawn from trajectories with parameters of their own, divided into equal consecutive groups. Means
/// and objectives are taken per group.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The trajectories.
    pub trajectories: &'a Trajectories,
    /// Trajectory of each sample.
    pub rows: &'a [u32],
    /// Parameters `[samples, p]`.
    pub theta: &'a [f64],
    /// How often each sample counts in sums; `None` for once.
    pub multiplicity: Option<&'a [f64]>,
    /// Number of groups; divides the number of samples.
    pub groups: usize,
    /// Member of the population that each group uses; empty if there is one member.
    pub members: &'a [u32],
    /// Weights of all members.
    pub weights: &'a Weights,
    /// What is reduced, and differentiated.
    pub objective: &'a Objective,
    /// Factor of every penalty's weight in each group; empty for 1.
    pub penalty_scale: &'a [f64],
    /// Factor of the loss in each group; empty for 1.
    pub loss_scale: &'a [f64],
    /// True to use the given θ also where a network would make it of the observed window: a value for all windows.
    pub hold_theta: bool,
}

impl<'a> Job<'a> {
    /// One group of samples, each counted once, with the weights of a single member.
    pub fn new(
        trajectories: &'a Trajectories,
        rows: &'a [u32],
        theta: &'a [f64],
        weights: &'a Weights,
        objective: &'a Objective,
    ) -> Job<'a> {
        Job {
            trajectories,
            rows,
            theta,
            multiplicity: None,
            groups: 1,
            members: &[],
            weights,
            objective,
            penalty_scale: &[],
            loss_scale: &[],
            hold_theta: false,
        }
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.rows.len()
    }

    /// Samples per group.
    pub fn per_group(&self) -> usize {
        self.rows.len() / self.groups.max(1)
    }

    /// Member of a group.
    pub fn member(&self, group: usize) -> usize {
        self.members.get(group).map_or(0, |m| *m as usize)
    }

    /// How often a sample counts.
    pub fn multiplicity(&self, sample: usize) -> f64 {
        self.multiplicity.map_or(1.0, |m| m[sample])
    }

    /// Factors of the loss and of every penalty in a group; `None` where both are 1.
    pub fn scales(&self, group: usize) -> Option<[f64; 2]> {
        let of = |scale: &[f64]| scale.get(group).copied().unwrap_or(1.0);
        let scales = [of(self.loss_scale), of(self.penalty_scale)];
        (scales != [1.0; 2]).then_some(scales)
    }

    /// The time grid of the job.
    pub fn grid(&self, model: &Model) -> Result<TimeGrid, DeviceError> {
        let solver = &model.spec.solver;
        match &self.trajectories.times {
            None => Ok(TimeGrid::uniform(self.trajectories.steps, solver.dt, solver.substeps)),
            Some(times) => TimeGrid::from_times(times, solver.substeps).map_err(|k| {
                let found = times.get(k).copied().unwrap_or(f64::NAN);
                let message = format!("times[{k}] = {found} does not lie behind the time before it");
                DeviceError::shape("times", message, "give increasing times, those of the observations")
            }),
        }
    }

    /// Checks every length and every value that a rollout reads.
    pub fn check(&self, model: &Model) -> Result<(), DeviceError> {
        let t = self.trajectories;
        let (n, p, m, k) = (model.integrated_len(), model.theta.len(), model.inputs.len(), model.output_len());
        let expect = |name: &str, found: usize, expected: usize, shape: &str| {
            if found == expected {
                return Ok(());
            }
            let message = format!("{found} values where {shape} = {expected} are needed");
            Err(DeviceError::shape(name, message, "give the array the shape that the model and the batch ask for"))
        };
        if t.count == 0 || t.steps == 0 || self.rows.is_empty() {
            return Err(DeviceError::shape("batch", "no samples or no steps".into(), "give at least one of each"));
        }
        if let Some(row) = self.rows.iter().find(|row| **row as usize >= t.count) {
            let message = format!("row {row} of {} trajectories, which are counted from 0", t.count);
            return Err(DeviceError::shape("rows", message, "pick rows below the number of trajectories"));
        }
        match &t.start {
            Start::States(s) => {
                expect("s0", s.len(), t.count * n, "B x n")?;
                if model.has_encoders() {
                    let message = "initial states where the model has networks that encode the observed window";
                    return Err(DeviceError::shape("s0", message.into(), "give the observed window in place of s0"));
                }
            }
            Start::Observations(y) => {
                expect("observed window", y.len(), t.count * model.window_len(), "B x frames x k")?;
                if model.encode.is_none() {
                    return Err(DeviceError::shape(
                        "first observation",
                        format!("the state ({}) cannot be read off the observation", model.state.join(", ")),
                        "add fn initial(y: Output) -> State to the WGSL",
                    ));
                }
            }
        }
        if m > 0 {
            expect("u", t.inputs.len(), t.count * (t.steps + 1) * m, "B x (T + 1) x m")?;
        }
        if !t.t0.is_empty() {
            expect("t0", t.t0.len(), t.count, "B")?;
        }
        if let Some(times) = &t.times {
            expect("times", times.len(), t.steps + 1, "T + 1")?;
        }
        if let Some(y) = &t.targets {
            expect("y", y.len(), t.count * t.steps * k, "B x T x k")?;
            if let Some(i) = y.iter().position(|v| v.is_infinite()) {
                let message = format!("an infinite value at index {i}");
                return Err(DeviceError::shape("y", message, "correct it, or write NaN where the value is missing"));
            }
        }
        if let Some(scale) = &t.residual_scale {
            expect("residual scale", scale.len(), model.outputs.len(), "k")?;
        }
        expect("theta", self.theta.len(), self.samples() * p, "B x p")?;
        if self.groups == 0 || !self.samples().is_multiple_of(self.groups) {
            return Err(DeviceError::shape(
                "groups",
                format!("{} samples cannot be divided into {} equal groups", self.samples(), self.groups),
                "choose a number of groups that divides the samples",
            ));
        }
        if !self.members.is_empty() {
            expect("members", self.members.len(), self.groups, "groups")?;
        }
        if let Some(member) = (0..self.groups).map(|group| self.member(group)).find(|m| *m >= self.weights.members) {
            let message = format!("member {member} of a population of {}, counted from 0", self.weights.members);
            return Err(DeviceError::shape("members", message, "pick members below the number of those with weights"));
        }
        for (name, scale) in [("penalty scale", self.penalty_scale), ("loss scale", self.loss_scale)] {
            if !scale.is_empty() {
                expect(name, scale.len(), self.groups, "groups")?;
            }
            if let Some(found) = scale.iter().find(|s| !(s.is_finite() && **s >= 0.0)) {
                let message = format!("a factor of {found}");
                return Err(DeviceError::shape(name, message, "give finite factors of at least 0"));
            }
        }
        let start = match &t.start {
            Start::States(v) | Start::Observations(v) => v,
        };
        for (name, values) in [("s0", start.as_slice()), ("theta", self.theta), ("u", &t.inputs), ("t0", &t.t0)] {
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(DeviceError::shape(name, format!("a non-finite value at index {i}"), "correct it"));
            }
        }
        expect(
            "weights",
            self.weights.values.len(),
            self.weights.members * model.weights.per_member(),
            "members x weights",
        )
    }
}
