//! The `[data.simulate]` table: a data set made by integrating a known truth, in place of a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::DataError;

/// How to simulate a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulateConfig {
    /// The true system: a WGSL file relative to the study.
    pub truth: PathBuf,
    /// True parameters: member of the truth's θ -> a number, or `[low, high]` for a uniform draw per episode.
    #[serde(default)]
    pub theta: BTreeMap<String, Draw>,
    /// First states: state member -> a number, `[low, high]`, or `{ normal = [mean, standard deviation] }`, drawn per
    /// episode. On a grid every cell is drawn independently of the others, and `{ smooth = [low, high] }` gives a field
    /// without steps.
    #[serde(default)]
    pub initial: BTreeMap<String, Draw>,
    /// Inputs of a static truth: member of the truth's input -> a draw, one per row. A truth with time has `fn control`.
    #[serde(default)]
    pub inputs: BTreeMap<String, Draw>,
    /// Number of episodes; of a static truth, of rows.
    pub episodes: usize,
    /// Frames per episode after the first; a static truth has none.
    #[serde(default)]
    pub steps: usize,
    /// Time between frames; not of a static truth.
    #[serde(default)]
    pub dt: f64,
    /// Integration steps between frames; default 1.
    #[serde(default = "one")]
    pub substeps: usize,
    /// Integration method by name, such as `rk4`; default: the study's.
    pub method: Option<String>,
    /// Standard deviation of normal noise added to the observations: one number, or one per output; default none.
    pub noise: Option<Noise>,
    /// Seed of every draw; default 0.
    #[serde(default)]
    pub seed: u64,
}

/// A number, or how to draw one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, [low, high], { normal = [mean, standard deviation] }, or { smooth = [low, high] }"
)]
pub enum Draw {
    /// Always this number.
    Constant(f64),
    /// Uniform between `[low, high]`.
    Uniform([f64; 2]),
    /// A distribution by name.
    Named(Distribution),
}

/// A distribution given by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Normal with `[mean, standard deviation]`.
    Normal([f64; 2]),
    /// Of fields: a random sum of the longest waves that fit onto the grid periodically, stretched so that its least cell
    /// is `low` and its largest `high`.
    Smooth([f64; 2]),
}

/// Standard deviation of observation noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a standard deviation or a table { output = standard deviation }")]
pub enum Noise {
    /// The same for every output.
    Same(f64),
    /// By output; outputs left out have none.
    PerOutput(BTreeMap<String, f64>),
}

impl SimulateConfig {
    /// Whether rows without time are simulated: their inputs are drawn.
    pub fn is_static(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Checks what can be checked without the model.
    pub fn validate(&self) -> Result<(), DataError> {
        let refuse = |key: &str, problem: String, remedy: &str| {
            Err(DataError::config(format!("simulate.{key}"), problem, remedy))
        };
        for (key, value) in [("episodes", self.episodes), ("substeps", self.substeps)] {
            if value == 0 {
                return refuse(key, "is 0".into(), "give at least 1");
            }
        }
        // Only the rows of a static truth have drawn inputs.
        match self.is_static() {
            true if self.steps > 0 || self.dt != 0.0 || !self.initial.is_empty() => {
                let key = if self.steps > 0 {
                    "steps"
                } else if self.dt != 0.0 {
                    "dt"
                } else {
                    "initial"
                };
                let problem = "inputs are drawn for the rows of a static truth, which has no time".to_string();
                return refuse(key, problem, "remove it, or remove inputs and give the truth a fn control");
            }
            false if self.steps == 0 => return refuse("steps", "is 0".into(), "give at least 1"),
            false if !(self.dt.is_finite() && self.dt > 0.0) => {
                return refuse("dt", format!("is {}", self.dt), "give a time above 0");
            }
            _ => {}
        }
        for (table, draws) in [("theta", &self.theta), ("initial", &self.initial), ("inputs", &self.inputs)] {
            for (name, draw) in draws {
                if let Some(problem) = draw.problem() {
                    return refuse(
                        &format!("{table}.{name}"),
                        problem,
                        "see the forms number, [low, high], normal, smooth",
                    );
                }
            }
        }
        let deviations: Vec<f64> = match &self.noise {
            None => Vec::new(),
            Some(Noise::Same(value)) => vec![*value],
            Some(Noise::PerOutput(values)) => values.values().copied().collect(),
        };
        for (table, draws) in [("theta", &self.theta), ("inputs", &self.inputs)] {
            if let Some(name) = draws.iter().find(|(_, d)| matches!(d, Draw::Named(Distribution::Smooth(_)))) {
                let remedy = "parameters and inputs are numbers: use [low, high]";
                return refuse(&format!("{table}.{}", name.0), "is smooth".into(), remedy);
            }
        }
        match deviations.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
            Some(value) => refuse("noise", format!("{value} is no standard deviation"), "give numbers of 0 or more"),
            None => Ok(()),
        }
    }
}

impl Draw {
    fn problem(&self) -> Option<String> {
        let numbers = match self {
            Self::Constant(value) => [*value; 2],
            Self::Uniform(bounds) => *bounds,
            Self::Named(Distribution::Normal(numbers) | Distribution::Smooth(numbers)) => *numbers,
        };
        match (self, numbers) {
            (_, [a, b]) if !(a.is_finite() && b.is_finite()) => Some("is not finite".into()),
            (Self::Uniform(_) | Self::Named(Distribution::Smooth(_)), [low, high]) if low > high => {
                Some(format!("low {low} is above high {high}"))
            }
            (Self::Named(Distribution::Normal(_)), [_, deviation]) if deviation < 0.0 => {
                Some(format!("the standard deviation {deviation} is below 0"))
            }
            _ => None,
        }
    }
}

fn one() -> usize {
    1
}
