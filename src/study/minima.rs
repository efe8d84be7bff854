//! Minima of a criterion in other basins of the landscape than the estimate's.

use super::basins::{Basins, Minimum};
use super::coordinates::Coordinates;
use super::curvature::Curvature;
use super::landscape::Landscape;
use super::sweep::Criterion;
use serde::Serialize;

/// Further minima count from this depth on, as a share of the rise from the least value to the median of the landscape.
pub(super) const DEPTH: f64 = 0.05;
/// The same where the criterion has a kink: the points of a grid miss a sharp valley by different distances.
const DEPTH_KINK: f64 = 0.2;
/// Most further minima reported.
const MINIMA: usize = 3;

/// A minimum of the landscape in another basin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FurtherMinimum {
    /// θ on the landscape's grid.
    pub theta: Vec<f64>,
    /// The criterion there, as the landscape has it (the prediction error as RMSE).
    pub value: f64,
    /// Rise from it to the lowest way out, as a share of the rise from the least to the median value.
    pub depth: f64,
    /// Share of the landscape's points that descend to it.
    pub basin: f64,
    /// Curvature there.
    pub curvature: Curvature,
}

/// Rise from the least to the median of the finite values.
pub(super) fn rise(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.first().map_or(f64::MIN_POSITIVE, |least| (sorted[sorted.len() / 2] - least).max(f64::MIN_POSITIVE))
}

/// Minima of the landscape in other basins than the estimate's: θ, value, depth, share of the points.
pub(super) fn further_minima(
    criterion: &Criterion,
    (coordinates, base): (&Coordinates, &[f64]),
    landscape: Option<&Landscape>,
    is_loss: bool,
    kinked: bool,
) -> Vec<(Vec<f64>, f64, f64, f64)> {
    let Some(landscape) = landscape else { return Vec::new() };
    let name = match criterion.name.as_str() {
        _ if is_loss => "rmse".to_string(),
        name if landscape.quantity(name).is_some() => name.to_string(),
        name => format!("penalty/{name}"),
    };
    let Some(values) = landscape.quantity(&name) else { return Vec::new() };
    let range = rise(values);
    let sizes: Vec<usize> = landscape.axes.iter().map(|a| a.values.len()).collect();
    let basins = Basins::new(&sizes, values).at_least(if kinked { DEPTH_KINK } else { DEPTH } * range);
    // The point of the grid next to the estimate.
    let position = landscape.axes.iter().fold(0, |position, axis| {
        let spec = &coordinates.specs[axis.index];
        let target = spec.unit(base[axis.index]);
        let distance = |i: &usize| (spec.unit(axis.values[*i]) - target).abs();
        let near = (0..axis.values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
        position * axis.values.len() + near
    });
    let own = basins.of.get(position).copied().unwrap_or(Basins::NOWHERE);
    let further = basins.minima.iter().enumerate().filter(|(i, _)| *i as u32 != own);
    let describe = |(_, minimum): (usize, &Minimum)| {
        let mut theta = base.to_vec();
        for (axis, value) in landscape.axes.iter().zip(landscape.at(minimum.position)) {
            theta[axis.index] = value;
        }
        let depth = (minimum.depth() / range).min(1.0);
        (theta, minimum.value, depth, minimum.size as f64 / values.len() as f64)
    };
    further.map(describe).take(MINIMA).collect()
}
