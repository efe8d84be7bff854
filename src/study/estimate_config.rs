//! `[estimate]`: what is minimised over θ, how, and how much is found out about the minimum.

use crate::data::{Dataset, Windows};
use crate::model::limits::too_many;
use serde::Deserialize;

/// How the minimum is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EstimateMethod {
    /// A grid in one dimension, gradients in more.
    #[default]
    Auto,
    /// Every point of a grid, `points` along each axis.
    Grid,
    /// Projected Adam from `starts` points of the box, `steps` steps each.
    Gradient,
    /// L-BFGS from `starts` points of the box, at most `steps` iterations each.
    Lbfgs,
}

/// A share of the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// What the weights are fitted to.
    Train,
    /// What chooses among settings.
    Validation,
    /// What is looked at last.
    Test,
}

/// `[estimate]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimateConfig {
    /// Names of penalties to minimise, each an estimate of its own; `penalties` for R alone, their weighted sum, `loss` for
    /// L alone, `objective` for L + λR, and `A + B` for several penalties in proportion to their weights, or equally where
    /// none has a weight. Default: each penalty.
    pub criteria: Vec<String>,
    /// The windows that estimates, landscape and perfect correction use, joined. Default: the test windows, or validation
    /// or training windows where there are none.
    pub windows: Vec<Share>,
    /// How the minimum is looked for.
    pub method: EstimateMethod,
    /// Grid points along each axis.
    pub points: usize,
    /// Starts of `gradient` and `lbfgs`.
    pub starts: usize,
    /// Steps per start.
    pub steps: usize,
    /// Bootstrap replicates, of which gradients use 32 at most; 0 for no interval.
    pub bootstrap: usize,
    /// Most trajectories used in more than one dimension, evenly chosen.
    pub trajectories: usize,
    /// Also fit weights and θ from scratch with the penalties of the test windows, as `train.mode = "transductive"` does.
    pub transductive: bool,
    /// Whether to compute profiles and curvatures, the report's part on identifiability. Default: unless a sample is a
    /// large field, of more than [`LARGE_FIELD`] cells.
    pub profile: Option<bool>,
    /// Values of a parameter at which the others are minimised, spaced evenly over its box.
    pub profile_points: usize,
    /// Most gradient steps of each such minimisation.
    pub profile_steps: usize,
}

/// Cells of a field from which on profiles are computed only where they are asked for.
pub const LARGE_FIELD: usize = 128;

/// Most points of a grid, along one axis or all together, and most of everything else that is counted here.
const MOST_POINTS: usize = 100_000;

impl Default for EstimateConfig {
    fn default() -> Self {
        EstimateConfig {
            criteria: Vec::new(),
            windows: Vec::new(),
            method: EstimateMethod::Auto,
            points: 400,
            starts: 8,
            steps: 60,
            bootstrap: 200,
            trajectories: 300,
            transductive: false,
            profile: None,
            profile_points: 21,
            profile_steps: 24,
        }
    }
}

impl EstimateConfig {
    /// The windows that an estimate uses.
    pub fn chosen(&self, data: &Dataset) -> Windows {
        let share = |share: &Share| match share {
            Share::Train => &data.train,
            Share::Validation => &data.validation,
            Share::Test => &data.test,
        };
        let parts: Vec<&Windows> = self.windows.iter().map(share).filter(|w| w.count > 0).collect();
        match parts.is_empty() {
            true => [&data.test, &data.validation].into_iter().find(|w| w.count > 0).unwrap_or(&data.train).clone(),
            false => Windows::joined(&parts),
        }
    }

    /// Whether a grid is used for so many free parameters.
    pub fn uses_grid(&self, free: usize) -> bool {
        match self.method {
            EstimateMethod::Auto => free == 1,
            method => method == EstimateMethod::Grid,
        }
    }

    /// Whether profiles are computed for samples of so many cells.
    pub fn wants_profile(&self, cells: usize) -> bool {
        self.profile.unwrap_or(cells <= LARGE_FIELD)
    }

    /// What is wrong with a setting for so many free parameters, and the remedy.
    pub fn problem(&self, free: usize) -> Option<(String, String)> {
        let least = |key: &str, value: usize, least: usize| {
            (value < least).then(|| (format!("estimate.{key} = {value}"), format!("use {least} or more")))
        };
        let most = |key: &str, value: usize| {
            too_many(value, MOST_POINTS).map(|(message, remedy)| (format!("estimate.{key}: {message}"), remedy))
        };
        let count = (self.points as f64).powi(free as i32);
        let too_fine = || {
            (self.uses_grid(free) && count > MOST_POINTS as f64).then(|| {
                let message =
                    format!("estimate.points: {} along each of {free} axes are {count:.0} points", self.points);
                let most = (MOST_POINTS as f64).powf(1.0 / free as f64).floor().max(2.0);
                let other = "estimate.method = \"gradient\" or \"lbfgs\"";
                (message, format!("use estimate.points = {most} or fewer, or {other}"))
            })
        };
        let twice = (1..self.windows.len()).any(|i| self.windows[..i].contains(&self.windows[i])).then(|| {
            (
                "estimate.windows names a share twice".to_string(),
                "name each of train, validation, test once".to_string(),
            )
        });
        twice
            .or_else(|| least("points", self.points, 2))
            .or_else(|| least("starts", self.starts, 1))
            .or_else(|| least("steps", self.steps, 1))
            .or_else(|| least("trajectories", self.trajectories, 1))
            .or_else(|| least("profile_points", self.profile_points, 5))
            .or_else(|| least("profile_steps", self.profile_steps, 1))
            .or_else(too_fine)
            .or_else(|| most("points", self.points))
            .or_else(|| most("starts", self.starts))
            .or_else(|| most("steps", self.steps))
            .or_else(|| most("bootstrap", self.bootstrap))
            .or_else(|| most("profile_points", self.profile_points))
            .or_else(|| most("profile_steps", self.profile_steps))
    }
}
