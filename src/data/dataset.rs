//! The data set of a study: windows to train on, validate with and test on.

use std::path::Path;

use super::config::{DataConfig, Normalise, SplitBy};
use super::episode::{Episode, common_spacing};
use super::error::DataError;
use super::split::Parts;
use super::window::{Part, Windows};

/// All a study knows about its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Windows the weights are fitted to.
    pub train: Windows,
    /// Windows that choose among settings; may be empty.
    pub validation: Windows,
    /// Windows looked at last; may be empty.
    pub test: Windows,
    /// What the residual of each output is divided by in the loss, measured on the training windows.
    pub residual_scale: Vec<f64>,
    /// The episodes the windows were cut from.
    pub episodes: Vec<Episode>,
    /// Time between frames by the time column; `None` without one.
    pub spacing: Option<f64>,
}

impl Dataset {
    /// Splits episodes and cuts them into windows. `base` is the folder of the study, where a split file is sought.
    pub fn assemble(config: &DataConfig, base: &Path, episodes: Vec<Episode>) -> Result<Self, DataError> {
        config.validate(true)?;
        if episodes.iter().all(|episode| episode.len == 0) {
            return Err(DataError::values(
                "data",
                "there are no episodes with steps",
                "look at path and steps in [data]",
            ));
        }
        let spacing = common_spacing(&episodes)?;
        let parts = Parts::of(&config.split, base, &episodes)?;
        let cut = |name: &str, parts: &[Part]| -> Result<Windows, DataError> {
            let windows = Windows::cut(&episodes, parts, &config.window, config.max)?;
            check(name, parts, &windows, config)?;
            Ok(windows)
        };
        let mut train = cut("training", &parts.train)?;
        if train.count == 0 {
            return Err(DataError::split("there are no training windows", "give training a share above 0"));
        }
        let (mut validation, mut test) = (cut("validation", &parts.validation)?, cut("test", &parts.test)?);
        if config.split.by == Some(SplitBy::Windows) {
            let [first, second, third] = config.split.of_windows(train.count)?;
            (validation, test) = (train.select(&second), train.select(&third));
            train = Windows { above_max: train.above_max, short_parts: train.short_parts, ..train.select(&first) };
        }
        let residual_scale = residual_scale(config.normalise, &train, &episodes)?;
        Ok(Self { train, validation, test, residual_scale, episodes, spacing })
    }

    /// Turns start times counted in steps into times, where the data has no time column. Call it once, with the
    /// model's `dt`.
    pub fn set_dt(&mut self, dt: f64) {
        if self.spacing.is_some() || self.episodes.iter().any(|episode| episode.time.is_some()) {
            return;
        }
        for windows in [&mut self.train, &mut self.validation, &mut self.test] {
            windows.t0.iter_mut().for_each(|t0| *t0 *= dt);
        }
    }
}

/// Refuses a part of the split that was asked for but holds nothing to learn from.
fn check(name: &str, parts: &[Part], windows: &Windows, config: &DataConfig) -> Result<(), DataError> {
    if parts.is_empty() {
        return Ok(());
    }
    let place = format!("{name} data");
    if windows.count == 0 && windows.above_max == 0 {
        let longest = parts.iter().map(|part| part.steps.len()).max().unwrap_or(0);
        let problem = format!(
            "no window of {} + {} frames fits: the longest part has {longest} steps",
            windows.history, windows.horizon
        );
        let remedy = "shorten window.horizon or window.history, or change [data] steps or split";
        return Err(DataError::values(place, problem, remedy));
    }
    if windows.count == 0 {
        let max = config.max.unwrap_or(f64::INFINITY);
        let problem = format!("all {} windows hold an output above max = {max}", windows.above_max);
        return Err(DataError::values(place, problem, "raise [data] max, or look at scale"));
    }
    if windows.future.iter().all(|value| value.is_nan()) {
        let problem = "nothing is observed in any window after its initial observation";
        return Err(DataError::values(place, problem, "look at the columns in [data] outputs"));
    }
    Ok(())
}

/// One number per output. A step in several windows counts once.
fn residual_scale(normalise: Normalise, train: &Windows, episodes: &[Episode]) -> Result<Vec<f64>, DataError> {
    let count = episodes[0].output_count;
    if normalise == Normalise::None {
        return Ok(vec![1.0; count]);
    }
    let mut used: Vec<Vec<bool>> = episodes.iter().map(|episode| vec![false; episode.len]).collect();
    for (&episode, &start) in train.episode.iter().zip(&train.start) {
        let start = start as usize;
        used[episode as usize][start..start + train.frames()].fill(true);
    }
    let scale = |output: usize| -> Result<f64, DataError> {
        let of_episode = |(episode, used): (&Episode, &Vec<bool>)| -> Vec<f64> {
            let cells = output * episode.cells..(output + 1) * episode.cells;
            let steps = (0..episode.len).filter(|&step| used[step]);
            steps.flat_map(|step| episode.output_row(step)[cells.clone()].to_vec()).collect()
        };
        let values: Vec<f64> =
            episodes.iter().zip(&used).flat_map(of_episode).filter(|value| !value.is_nan()).collect();
        let scale = match normalise {
            Normalise::None => 1.0,
            Normalise::Std => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
            }
            Normalise::Range => {
                values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
            }
        };
        // Rounding gives equal numbers a scale as well.
        let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        if scale.is_finite() && scale > 1e-12 * largest {
            return Ok(scale);
        }
        let problem = format!("output {output} (from 0) does not vary, so its residual cannot be normalised");
        Err(DataError::values("training data", problem, "set normalise = \"none\", or look at [data] outputs"))
    };
    (0..count).map(scale).collect()
}
