//! The `[data]` table of a study: where the data is, what its columns mean, and how it is cut for training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::simulate_config::SimulateConfig;
use crate::model::limits::{MOST_STEPS, too_many};

/// Everything `[data]` says. Either `path` or `simulate` is needed.
///
/// The order of the steps is: select columns, `scale` and `offset`, `drop_missing`, `resample`, `steps`, windows, `max`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// An `.npz` or `.csv` file, or a folder of them, relative to the study. `--data PATH` overrides it.
    pub path: Option<PathBuf>,
    /// What is observed. Default: the columns of the same names as the model's outputs.
    pub outputs: Option<Columns>,
    /// The measured inputs, likewise.
    pub inputs: Option<Columns>,
    /// The column of times. They must be equally spaced unless `resample` is given. Default: no times; the windows then
    /// start at multiples of the model's `dt`.
    pub time: Option<String>,
    /// Where one episode ends and the next begins. Default: every file is an episode, and arrays
    /// `[episodes, steps, columns]` hold one per leading index.
    pub episodes: Option<EpisodeRule>,
    /// The files of a folder to use, in this order. Default: all, in natural order (`C2` before `C10`).
    pub files: Option<Vec<String>>,
    /// The files of a folder to leave out.
    pub exclude: Vec<String>,
    /// The part `[first, end)` of every episode that is used, counted after `drop_missing` and `resample`.
    pub steps: Option<[usize; 2]>,
    /// Factors by member (or the time column's name): unit conversion.
    pub scale: BTreeMap<String, f64>,
    /// Numbers added after `scale`.
    pub offset: BTreeMap<String, f64>,
    /// Whether rows with a missing value are dropped. Otherwise a missing output is an observation that does not count.
    /// Rows inside an episode can be dropped only with `time` and `resample`, which keep the gap.
    pub drop_missing: bool,
    /// Interpolates every episode linearly to times that are the multiples of this spacing.
    pub resample: Option<f64>,
    /// Drops the windows in which an output is above this value (after `scale` and `offset`).
    pub max: Option<f64>,
    /// What the residual of each output is divided by in the loss, measured on the training windows.
    pub normalise: Normalise,
    /// How episodes are cut into windows.
    pub window: WindowConfig,
    /// Which episodes or times train, validate and test.
    pub split: SplitConfig,
    /// What separates the cells of a text table. Default: found among comma, semicolon and tab.
    pub delimiter: Option<char>,
    /// Simulates the data set in place of reading one.
    pub simulate: Option<SimulateConfig>,
}

/// Which columns are the members of an output or input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected an array's name or a table { member = \"array[index]\" }")]
pub enum Columns {
    /// One array whose last axis holds the members in order. Of a model on a grid the cells follow:
    /// `[episodes, steps, members, rows, columns]`, or without the episodes.
    Whole(String),
    /// Member -> `"column"` or `"array[index]"`. Members left out are columns of their own name. Of a model on a grid each
    /// is an array `[episodes, steps, rows, columns]`, or without the episodes.
    Members(BTreeMap<String, String>),
}

/// Where episodes begin in a file that holds several one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeRule {
    /// A column that is 1 (or true) in the first row of every episode and 0 elsewhere.
    Starts(String),
    /// Every episode has this many rows.
    Length(usize),
    /// A column that holds a number of its own for every episode.
    Column(String),
}

/// What the residuals of an output are divided by in the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// One.
    #[default]
    None,
    /// The standard deviation of the output.
    Std,
    /// The largest value of the output less its least.
    Range,
}

/// How episodes are cut into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowConfig {
    /// Frames before the prediction begins; the last one is the initial observation. Default 1; 0 for the rows of a static
    /// model only.
    pub history: usize,
    /// Frames predicted. Default 10.
    pub horizon: usize,
    /// Frames between the starts of neighbouring windows. Default 1.
    pub stride: usize,
    /// What the model's time counts from. Default: the recording.
    pub time: WindowTime,
}

/// What the model's time counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowTime {
    /// The recording: the time column, or steps from its first row.
    #[default]
    Absolute,
    /// The initial observation of the window, where time is 0.
    Relative,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { history: 1, horizon: 10, stride: 1, time: WindowTime::Absolute }
    }
}

/// Which episodes or times train, validate and test: by ratios, or by a list in a JSON file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitConfig {
    /// What is shared out. Default: of a static model rows; else episodes where there are three or more, otherwise time.
    pub by: Option<SplitBy>,
    /// Shares of training, validation and test; default 0.6, 0.2, 0.2. What is left of 1 is not used.
    pub ratios: Option<[f64; 3]>,
    /// Seed of the shuffle of episodes or windows; default 0.
    pub seed: Option<u64>,
    /// A JSON file relative to the study, or with `--data` to the data: `{"train": [0, 2], "validation": [1], "test": [3]}`,
    /// with indices of episodes from 0, or several of these by key.
    pub file: Option<PathBuf>,
    /// Which one of the file.
    pub key: Option<String>,
}

/// What a split shares out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Whole episodes, shuffled.
    Episode,
    /// Rows of a static model, shuffled: what follows each other in a file is not related. Its default; `episode` keeps the
    /// rows of a file together.
    Row,
    /// The first part of every episode trains, the next validates, the last tests. No window crosses a boundary.
    Time,
    /// Windows, shuffled. Neighbours overlap, so that test windows hold frames of training windows: errors on them are no
    /// errors of forecasts. Published studies split so, and are repeated so.
    Windows,
}

impl SplitConfig {
    /// The shares of training, validation and test where none are given.
    pub const DEFAULT_RATIOS: [f64; 3] = [0.6, 0.2, 0.2];

    fn validate(&self) -> Result<(), DataError> {
        let ratios = self.ratios.unwrap_or(Self::DEFAULT_RATIOS);
        let total: f64 = ratios.iter().sum();
        if ratios.iter().any(|ratio| !(0.0..=1.0).contains(ratio)) || ratios[0] == 0.0 || total > 1.0 + 1e-9 {
            let problem = format!("{ratios:?} (sum {total:.3}) are not shares of a whole with some training data");
            return Err(DataError::config("split.ratios", problem, "give three numbers from 0 to 1 with sum <= 1"));
        }
        if self.file.is_some() && (self.by.is_some() || self.ratios.is_some() || self.seed.is_some()) {
            let remedy = "keep either file and key, or by, ratios and seed";
            return Err(DataError::config("split", "a file and ratios are both given", remedy));
        }
        if self.key.is_some() && self.file.is_none() {
            return Err(DataError::config("split.key", "there is no file to find it in", "give split.file"));
        }
        if self.by == Some(SplitBy::Time) && self.seed.is_some() {
            let problem = "a split by time is not shuffled";
            return Err(DataError::config("split.seed", problem, "leave it out, or set by = \"episode\""));
        }
        Ok(())
    }
}

impl DataConfig {
    /// Checks what can be checked without the data. `overridden`: whether `--data` was given.
    pub fn validate(&self, overridden: bool) -> Result<(), DataError> {
        match (&self.path, &self.simulate) {
            (None, None) if !overridden => {
                let remedy = "give path = \"FILE or FOLDER\" or a table [data.simulate], or call with --data PATH";
                return Err(DataError::config("path", "there is no data", remedy));
            }
            (Some(_), Some(_)) => {
                let problem = "both a file and a simulation are given";
                return Err(DataError::config("path", problem, "keep one of path and [data.simulate]"));
            }
            (_, Some(simulate)) => simulate.validate()?,
            _ => {}
        }
        for (key, value) in [("window.horizon", self.window.horizon), ("window.stride", self.window.stride)] {
            if value == 0 {
                return Err(DataError::config(key, "is 0", "give at least 1"));
            }
        }
        let counts =
            [("history", self.window.history), ("horizon", self.window.horizon), ("stride", self.window.stride)];
        for (key, value) in counts {
            if let Some((problem, remedy)) = too_many(value, MOST_STEPS) {
                return Err(DataError::config(format!("window.{key}"), problem, remedy));
            }
        }
        if let Some([first, end]) = self.steps
            && first >= end
        {
            let problem = format!("[{first}, {end}] holds no step");
            return Err(DataError::config("steps", problem, "give [first, end] with first < end"));
        }
        if self.episodes == Some(EpisodeRule::Length(0)) {
            return Err(DataError::config("episodes.length", "is 0", "give the number of rows of an episode"));
        }
        if let Some(spacing) = self.resample {
            if !(spacing.is_finite() && spacing > 0.0) {
                return Err(DataError::config("resample", format!("is {spacing}"), "give a spacing of time above 0"));
            }
            if self.time.is_none() {
                let problem = "there are no times to interpolate between";
                return Err(DataError::config("resample", problem, "name the time column: time = \"COLUMN\""));
            }
        }
        for (table, numbers) in [("scale", &self.scale), ("offset", &self.offset)] {
            if let Some((name, value)) = numbers.iter().find(|(_, value)| !value.is_finite()) {
                return Err(DataError::config(format!("{table}.{name}"), format!("is {value}"), "give a number"));
            }
        }
        if self.max.is_some_and(f64::is_nan) {
            return Err(DataError::config("max", "is NaN", "give a number"));
        }
        self.split.validate()
    }
}
