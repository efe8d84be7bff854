//! The retrained landscape φ*(θ): a network trained for each θ of a grid, which the adaptive landscape, one network for
//! every θ, approximates.

use super::landscape::{Axis, Points};
use super::sums_grid::SumsGrid;
use crate::device::{Device, DeviceError, Job, StatusCode, Trajectories};
use crate::model::{Model, Objective, Sums};
use crate::program::Weights;
use crate::train::{Draw, Member, Mode, Population, TrainConfig};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[landscape.retrain]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainConfig {
    /// Points per axis, at least 2; default 11.
    pub points: Option<Points>,
    /// Networks trained at each point; their sums are added up.
    pub seeds: usize,
    /// In place of `train.epochs`.
    pub epochs: Option<usize>,
    /// In place of `train.batch`.
    pub batch: Option<usize>,
    /// In place of `train.rate`.
    pub rate: Option<[f64; 2]>,
}

impl Default for RetrainConfig {
    fn default() -> Self {
        RetrainConfig { points: None, seeds: 1, epochs: None, batch: None, rate: None }
    }
}

impl RetrainConfig {
    /// Points per axis unless the study says more.
    pub const POINTS: usize = 11;

    /// The training of all networks at once, with the settings of the study's.
    pub fn training(&self, train: &TrainConfig, axes: &[Axis]) -> TrainConfig {
        let theta = axes.iter().map(|axis| (axis.name.clone(), axis.values.len())).collect();
        TrainConfig {
            epochs: self.epochs.unwrap_or(train.epochs),
            batch: self.batch.unwrap_or(train.batch),
            rate: self.rate.unwrap_or(train.rate),
            population: Population { seeds: self.seeds, weights: Vec::new(), theta },
            // θ is given, so that nothing about how it is drawn or trained applies.
            mode: Mode::Adaptive,
            draw: Draw::Random,
            draws: 1,
            theta_start: BTreeMap::new(),
            theta_rate: None,
            stages: Vec::new(),
            dual: None,
            patience: 0,
            keep_best: false,
            ..train.clone()
        }
    }
}

/// Samples of a job at most.
const SAMPLES: usize = 1 << 16;

/// Sums over all trajectories at each point of the grid, by the networks trained there. Points where all of them failed have
/// none. `weights` holds those of `members`, which hold the parameters of the axes; others have their value in `base`.
pub fn retrained(
    device: &dyn Device,
    trajectories: &Trajectories,
    (weights, members): (&Weights, &[Member]),
    axes: Vec<Axis>,
    base: &[f64],
) -> Result<SumsGrid, DeviceError> {
    let (n, objective) = (trajectories.count, Objective { loss_weight: 1.0, ..Objective::default() });
    let count = axes.iter().map(|a| a.values.len()).product();
    let mut sums: Vec<Option<Sums>> = vec![None; count];
    let places: Vec<(u32, &Member)> = members.iter().enumerate().map(|(m, member)| (m as u32, member)).collect();
    for part in places.chunks((SAMPLES / n.max(1)).max(1)) {
        let who: Vec<u32> = part.iter().map(|(m, _)| *m).collect();
        let rows: Vec<u32> = part.iter().flat_map(|_| 0..n as u32).collect();
        let theta: Vec<f64> = part.iter().flat_map(|(_, member)| theta_of(member, base).repeat(n)).collect();
        let job =
            Job { groups: part.len(), members: &who, ..Job::new(trajectories, &rows, &theta, weights, &objective) };
        let evaluation = device.evaluate(&job)?;
        for (g, (_, member)) in part.iter().enumerate() {
            let own = g * n..(g + 1) * n;
            if evaluation.status[own.clone()].iter().all(|s| s.code == StatusCode::Ok) {
                let total = sums[position(&axes, &theta_of(member, base))].get_or_insert_default();
                evaluation.sums[own].iter().for_each(|sample| total.add(sample, 1.0));
            }
        }
    }
    Ok(SumsGrid { axes, sums })
}

fn theta_of(member: &Member, base: &[f64]) -> Vec<f64> {
    let mut theta = base.to_vec();
    member.held.iter().for_each(|(i, value)| theta[*i] = *value);
    theta
}

/// The point of the grid nearest to θ: members hold numbers that were rounded to f32.
fn position(axes: &[Axis], theta: &[f64]) -> usize {
    axes.iter().fold(0, |position, axis| {
        let distance = |i: &usize| (axis.values[*i] - theta[axis.index]).abs();
        let near = (0..axis.values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        position * axis.values.len() + near.unwrap_or(0)
    })
}

/// The same axes with other numbers of points.
pub fn across(model: &Model, axes: &[Axis], points: impl Fn(usize, &Axis) -> usize) -> Vec<Axis> {
    axes.iter().enumerate().map(|(place, axis)| Axis::across(model, axis.index, points(place, axis))).collect()
}
