//! Windows: the short pieces of episodes that one training sample integrates over.

use std::ops::Range;

use super::config::{WindowConfig, WindowTime};
use super::episode::Episode;
use super::error::DataError;
use crate::model::limits::{MOST_VALUES, too_large};
use crate::model::{EncodeSpec, Seen};

/// Fewer episodes than these are cut into stretches for a bootstrap.
const FEW_EPISODES: usize = 5;

/// A range of steps of one episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index of the episode.
    pub episode: usize,
    /// Its steps.
    pub steps: Range<usize>,
}

/// `count` windows. Window *j* of a part holds the frames `j·stride .. j·stride + history`, then `horizon` more: 100 steps,
/// a history of 1 and a horizon of 10 give 90 windows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windows {
    /// Observed frames; the last one is the initial observation.
    pub history: usize,
    /// Frames to predict.
    pub horizon: usize,
    /// Numbers observed per frame, k: outputs × grid cells.
    pub outputs: usize,
    /// Inputs per frame, m.
    pub inputs: usize,
    /// Numbers in the state of the model, for windows without a past.
    pub states: usize,
    /// What encoders see of a window.
    pub encode: EncodeSpec,
    /// Number of windows, N.
    pub count: usize,
    /// The episode of each window.
    pub episode: Vec<u32>,
    /// The step of the episode at which each window's history begins.
    pub start: Vec<u32>,
    /// Observations of the history `[N, history, k]`, all present.
    pub past: Vec<f64>,
    /// Observations to predict `[N, horizon, k]`; NaN where missing.
    pub future: Vec<f64>,
    /// Inputs from the last history frame on `[N, horizon + 1, m]`.
    pub u: Vec<f64>,
    /// Time of the last history frame `[N]`. Without a time column it counts steps from the recording's first; see
    /// [`Dataset::set_dt`](super::dataset::Dataset::set_dt).
    pub t0: Vec<f64>,
    /// Windows dropped because an output was above `max`.
    pub above_max: usize,
    /// Parts too short for a single window.
    pub short_parts: usize,
}

impl Windows {
    /// Cuts parts of episodes into windows and drops those with an output above `max`.
    pub fn cut(
        episodes: &[Episode],
        parts: &[Part],
        config: &WindowConfig,
        max: Option<f64>,
    ) -> Result<Self, DataError> {
        let mut windows = Self {
            history: config.history,
            horizon: config.horizon,
            outputs: episodes.first().map_or(0, Episode::output_width),
            inputs: episodes.first().map_or(0, |episode| episode.input_count),
            ..Self::default()
        };
        let frames = config.history.saturating_add(config.horizon);
        let fitting = |part: &Part| part.steps.len().checked_sub(frames).map_or(0, |rest| rest / config.stride + 1);
        let count = parts.iter().map(fitting).fold(0, usize::saturating_add);
        let numbers = windows.outputs + windows.inputs + 1;
        let sizes = [(count, "windows"), (frames + 1, "frames"), (numbers, "numbers in a frame")];
        if let Some((problem, _)) = too_large(&sizes, MOST_VALUES) {
            let remedy = "use a larger window.stride or a smaller horizon, or fewer steps";
            return Err(DataError::config("window", problem, remedy));
        }
        for part in parts {
            let episode = &episodes[part.episode];
            if part.steps.len() < frames {
                windows.short_parts += 1;
                continue;
            }
            for start in (part.steps.start..=part.steps.end - frames).step_by(config.stride) {
                windows.push(part.episode, episode, start, max)?;
            }
        }
        if config.time == WindowTime::Relative {
            windows.t0.fill(0.0);
        }
        Ok(windows)
    }

    /// What a bootstrap draws as one: the episode of each window; of fewer than five episodes stretches of them, each as long
    /// as a window, because a resampling of one or two recordings says nothing about chance.
    pub fn blocks(&self) -> Vec<u32> {
        let mut episodes = self.episode.clone();
        episodes.sort_unstable();
        episodes.dedup();
        if episodes.len() >= FEW_EPISODES {
            return self.episode.clone();
        }
        let stretch = |w: usize| (self.episode[w], self.start[w] / self.frames().max(1) as u32);
        let mut known: Vec<(u32, u32)> = (0..self.count).map(stretch).collect();
        known.sort_unstable();
        known.dedup();
        (0..self.count).map(|w| known.binary_search(&stretch(w)).unwrap_or(0) as u32).collect()
    }

    /// Some of the windows, by their positions. What was dropped is not counted again.
    pub fn select(&self, chosen: &[u32]) -> Windows {
        fn rows<T: Clone>(values: &[T], count: usize, chosen: &[u32]) -> Vec<T> {
            let width = values.len() / count.max(1);
            chosen.iter().flat_map(|w| values[*w as usize * width..][..width].to_vec()).collect()
        }
        let of = |values: &[f64]| rows(values, self.count, chosen);
        Windows {
            count: chosen.len(),
            episode: rows(&self.episode, self.count, chosen),
            start: rows(&self.start, self.count, chosen),
            past: of(&self.past),
            future: of(&self.future),
            u: of(&self.u),
            t0: of(&self.t0),
            above_max: 0,
            short_parts: 0,
            ..*self
        }
    }

    /// Several sets of windows of one data set as one.
    pub fn joined(parts: &[&Windows]) -> Windows {
        let mut all = parts.first().map_or_else(Windows::default, |first| (*first).clone());
        for part in parts.iter().skip(1) {
            all.count += part.count;
            all.above_max += part.above_max;
            all.short_parts += part.short_parts;
            all.episode.extend(&part.episode);
            all.start.extend(&part.start);
            for (to, from) in [
                (&mut all.past, &part.past),
                (&mut all.future, &part.future),
                (&mut all.u, &part.u),
                (&mut all.t0, &part.t0),
            ] {
                to.extend(from);
            }
        }
        all
    }

    /// Frames from the first of the history to the last predicted.
    pub fn frames(&self) -> usize {
        self.history + self.horizon
    }

    /// The last observed frame of a window, k numbers; none of windows without a past.
    pub fn initial(&self, window: usize) -> &[f64] {
        let (h, k) = (self.history, self.outputs);
        if h == 0 { &[] } else { &self.past[(window * h + h - 1) * k..(window * h + h) * k] }
    }

    /// Observations that encoders see, `[N, frames, k]`; without encoders the initial ones. The first missing one is an
    /// error.
    pub fn seen(&self) -> Result<Vec<f64>, DataError> {
        let (h, k, frames) = (self.history, self.outputs, self.encode.frames);
        let wrong = |problem: String, remedy: String| Err(DataError::config("window", problem, remedy));
        let mut seen = Vec::with_capacity(self.count * frames * k);
        if self.encode.sees == Seen::Past && frames > h {
            let problem = format!("encoders see {frames} frames up to the initial one, the history has {h}");
            return wrong(problem, format!("set history = {frames}, or encode.frames = {h}"));
        }
        if self.encode.sees == Seen::Whole && frames != self.horizon + 1 {
            let problem =
                format!("encoders see {frames} frames, the initial one and those predicted are {}", self.horizon + 1);
            return wrong(problem, format!("set encode.frames = {}", self.horizon + 1));
        }
        for w in 0..self.count {
            let past = &self.past[w * h * k..(w + 1) * h * k];
            match self.encode.sees {
                Seen::Past => seen.extend_from_slice(&past[(h - frames) * k..]),
                Seen::Whole => {
                    seen.extend_from_slice(&past[(h - 1) * k..]);
                    seen.extend_from_slice(&self.future[w * self.horizon * k..(w + 1) * self.horizon * k]);
                }
            }
        }
        match seen.iter().position(|v| v.is_nan()) {
            None => Ok(seen),
            Some(i) => wrong(
                format!("window {} has a missing value that an encoder would see", i / (frames * k)),
                "set drop_missing = true (with time and resample), or encode.sees = \"past\"".into(),
            ),
        }
    }

    fn push(&mut self, index: usize, episode: &Episode, start: usize, max: Option<f64>) -> Result<(), DataError> {
        let width = self.outputs;
        let values = &episode.outputs[start * width..(start + self.frames()) * width];
        if max.is_some_and(|max| values.iter().any(|value| *value > max)) {
            self.above_max += 1;
            return Ok(());
        }
        // Rows of a static model have no past; their inputs stand at both ends of the interval that ends in them.
        let (past, future) = values.split_at(self.history * width);
        if let Some(position) = past.iter().position(|value| value.is_nan()) {
            let step = start + position / width;
            return Err(DataError::values(
                &episode.name,
                format!(
                    "the window that starts at step {start} has a missing value in its initial observation (output {} of \
                     step {step}, all from 0)",
                    position % width / episode.cells
                ),
                "set drop_missing = true (with time and resample where rows inside an episode are missing)",
            ));
        }
        let initial = (start + self.history).saturating_sub(1);
        let too_many = |_| DataError::values(&episode.name, "more than 2^32 episodes or steps", "divide the data set");
        self.episode.push(u32::try_from(index).map_err(too_many)?);
        self.start.push(u32::try_from(start).map_err(too_many)?);
        self.past.extend_from_slice(past);
        self.future.extend_from_slice(future);
        let first = if self.history == 0 { start } else { initial };
        self.u.extend_from_slice(&episode.inputs[first * self.inputs..(first + 1) * self.inputs]);
        let last = start + self.frames();
        self.u.extend_from_slice(&episode.inputs[(last - self.horizon) * self.inputs..last * self.inputs]);
        self.t0.push(match &episode.time {
            Some(time) if self.history == 0 => time[start] - episode.spacing()?.unwrap_or(1.0),
            Some(time) => time[initial],
            None => (episode.first_step + start + self.history) as f64 - 1.0,
        });
        self.count += 1;
        Ok(())
    }
}
