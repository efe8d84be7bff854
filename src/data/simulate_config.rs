//! The `[data.simulate]` table: a data set made by integrating a known truth, in place of a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::DataError;
use crate::model::limits::{MOST_STEPS, MOST_SUBSTEPS, MOST_VALUES, too_large, too_many};

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
    /// without steps. `{ pulse = [narrow, wide] }` and `{ ring = [inner, outer] }` see [`Distribution`].
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
    /// Likewise of the inputs, for measured inputs: the model sees them with noise, the truth without; default none.
    pub input_noise: Option<Noise>,
    /// Seed of every draw; default 0.
    #[serde(default)]
    pub seed: u64,
}

/// A number, or how to draw one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, [low, high], or one of { normal = [mean, standard deviation] }, { smooth = [low, high] }, { ring = [inner, outer] }, { pulse = [narrow, wide] }"
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
    /// Of first states without a grid: all members that have it are one vector, a point of the cube from -1 to 1 stretched
    /// to a length between `inner` and `outer`.
    Ring([f64; 2]),
    /// Of fields: exp(-r²/w) around a cell, w being uniform between `narrow` and `wide`, in units of length squared, and the
    /// cell between 5/16 and 5/8 of each axis.
    Pulse([f64; 2]),
}

/// Standard deviation of measurement noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a standard deviation or a table { name = standard deviation }")]
pub enum Noise {
    /// The same for every one.
    Same(f64),
    /// By name; those left out have none.
    ByName(BTreeMap<String, f64>),
}

impl SimulateConfig {
    /// Whether rows without time are simulated: their inputs are drawn.
    pub fn is_static(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Refuses a data set too large to be held: `numbers` is what the truth has in a frame, states, outputs and inputs.
    pub fn check_size(&self, numbers: usize) -> Result<(), DataError> {
        let sizes = [(self.episodes, "episodes"), (self.steps + 1, "frames"), (numbers.max(1), "numbers in a frame")];
        match too_large(&sizes, MOST_VALUES) {
            Some((problem, remedy)) => Err(DataError::config("simulate.episodes", problem, remedy)),
            None => Ok(()),
        }
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
        let counts = [("steps", self.steps, MOST_STEPS), ("substeps", self.substeps, MOST_SUBSTEPS)];
        for (key, value, most) in counts {
            if let Some((problem, remedy)) = too_many(value, most) {
                return refuse(key, problem, &remedy);
            }
        }
        self.check_size(1)?;
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
                        "see the forms number, [low, high], normal, smooth, ring, pulse",
                    );
                }
            }
        }
        let of_states = |draw: &Draw| match draw {
            Draw::Named(Distribution::Smooth(_)) => Some("smooth"),
            Draw::Named(Distribution::Ring(_)) => Some("a ring"),
            Draw::Named(Distribution::Pulse(_)) => Some("a pulse"),
            _ => None,
        };
        for (table, draws) in [("theta", &self.theta), ("inputs", &self.inputs)] {
            if let Some((name, shape)) = draws.iter().find_map(|(name, draw)| Some((name, of_states(draw)?))) {
                let remedy = "parameters and inputs are numbers: use [low, high]";
                return refuse(&format!("{table}.{name}"), format!("is {shape}"), remedy);
            }
        }
        for (key, noise) in [("noise", &self.noise), ("input_noise", &self.input_noise)] {
            let deviations: Vec<f64> = match noise {
                None => Vec::new(),
                Some(Noise::Same(value)) => vec![*value],
                Some(Noise::ByName(values)) => values.values().copied().collect(),
            };
            if let Some(value) = deviations.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
                return refuse(key, format!("{value} is no standard deviation"), "give numbers of 0 or more");
            }
        }
        Ok(())
    }
}

impl Draw {
    pub(crate) fn problem(&self) -> Option<String> {
        let numbers = match self {
            Self::Constant(value) => [*value; 2],
            Self::Uniform(bounds) => *bounds,
            Self::Named(
                Distribution::Normal(numbers)
                | Distribution::Smooth(numbers)
                | Distribution::Ring(numbers)
                | Distribution::Pulse(numbers),
            ) => *numbers,
        };
        match (self, numbers) {
            (_, [a, b]) if !(a.is_finite() && b.is_finite()) => Some("is not finite".into()),
            (Self::Named(Distribution::Normal(_)), [_, deviation]) if deviation < 0.0 => {
                Some(format!("the standard deviation {deviation} is below 0"))
            }
            (Self::Constant(_) | Self::Named(Distribution::Normal(_)), _) => None,
            (_, [low, high]) if low > high => Some(format!("low {low} is above high {high}")),
            (Self::Named(Distribution::Ring(_)), [inner, _]) if inner < 0.0 => {
                Some(format!("the inner radius {inner} is below 0"))
            }
            (Self::Named(Distribution::Pulse(_)), [narrow, _]) if narrow <= 0.0 => {
                Some(format!("the width {narrow} is not above 0"))
            }
            _ => None,
        }
    }
}

fn one() -> usize {
    1
}
