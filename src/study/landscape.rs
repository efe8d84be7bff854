//! The landscape: loss, objective, penalties and their ingredients over any number of θ axes.
//!
//! [`landscape`] holds its results, 8 bytes per point and quantity, and nothing else that grows with the points: a sweep makes
//! θ as it goes and drops the sums of a chunk before it starts the next. Landscapes of studies are computed into files
//! (`landscape_store`), of which a [`Landscape`] is as much as fits into memory.

use super::basins::Basins;
use super::retrain::RetrainConfig;
use super::sweep::{Criterion, Sweep, sweep};
use crate::device::DeviceError;
use crate::model::{Model, Objective, Observable, Sums};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[landscape]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LandscapeConfig {
    /// Parameters to vary, any number; default: the free ones, of more than four the first four.
    pub axes: Vec<String>,
    /// Points per axis, at least 2; default 101 over one axis, 21 over two, 11 over three, 7 over more.
    pub points: Option<Points>,
    /// Most trajectories used, evenly chosen from the data; default: those that the estimate uses, so that its minima and
    /// those of the landscape are the same.
    pub trajectories: Option<usize>,
    /// Most points computed between two writes to the files, which is what is lost when a process is killed; default: what
    /// takes some seconds on a processor, at most 32 768.
    pub chunk: Option<usize>,
    /// The same landscape with a network trained for each θ; none unless it is asked for.
    pub retrain: Option<RetrainConfig>,
}

/// How many points the axes of a landscape have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a whole number, a list of one per axis, or a table of parameters with theirs")]
pub enum Points {
    /// The same for every axis.
    Every(usize),
    /// One for each axis, in their order.
    Each(Vec<usize>),
    /// By the name of the parameter; axes that are not named have the default.
    Named(BTreeMap<String, usize>),
}

/// One axis: a parameter and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Index in θ.
    pub index: usize,
    /// Name.
    pub name: String,
    /// Values, increasing.
    pub values: Vec<f64>,
}

impl Axis {
    /// The box of a parameter in `points` values, spaced along its scale.
    pub fn across(model: &Model, index: usize, points: usize) -> Axis {
        let (spec, last) = (model.theta_spec(index), points.max(2) - 1);
        let values = (0..=last).map(|i| spec.at(i as f64 / last as f64)).collect();
        Axis { index, name: model.theta[index].clone(), values }
    }

    /// The axis with some of its values.
    pub(super) fn picked(&self, kept: &[usize]) -> Axis {
        Axis { values: kept.iter().map(|i| self.values[*i]).collect(), ..self.clone() }
    }
}

/// At most `most` of `count` places, at least 2, evenly chosen and the ends included.
pub(super) fn evenly(count: usize, most: usize) -> Vec<usize> {
    let (kept, last) = (count.min(most.max(2)), count.saturating_sub(1));
    (0..kept).map(|i| i * last / kept.saturating_sub(1).max(1)).collect()
}

/// Positions on the grid of some axes of all combinations of places that are kept of each.
pub(super) fn positions(axes: &[Axis], kept: &[Vec<usize>]) -> Vec<usize> {
    axes.iter().zip(kept).fold(vec![0], |positions, (axis, kept)| {
        positions.iter().flat_map(|p| kept.iter().map(move |i| p * axis.values.len() + i)).collect()
    })
}

/// Quantities on a grid; the last axis varies fastest. Points where a trajectory failed hold NaN and are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// The parameters that vary.
    pub axes: Vec<Axis>,
    /// Name and values of each quantity: rmse, objective, R where it is more than one penalty, penalties, means of the
    /// ingredients.
    pub quantities: Vec<(String, Vec<f64>)>,
    /// Failed trajectories per point.
    pub failures: Vec<f64>,
    /// The first trajectory that failed.
    pub first_failure: Option<Divergence>,
    /// The landscape that this is a part of, where it is not the whole.
    pub whole: Option<Whole>,
}

/// A landscape with more points than are held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its points.
    pub points: usize,
    /// Those where a trajectory failed.
    pub failed: usize,
}

/// A trajectory that left the finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// θ, all parameters.
    pub theta: Vec<f64>,
    /// Its place among the trajectories of the landscape.
    pub sample: usize,
    /// The interval at whose end the state was no longer finite.
    pub step: u32,
}

/// Name of the weighted sum of the penalties, R, as a quantity and as a criterion.
pub const PENALTIES: &str = "penalties";

/// What a landscape shows of each point.
pub(super) struct Quantities<'a> {
    objective: &'a Objective,
    /// R, where it is more than one penalty.
    together: Option<Objective>,
    /// Criteria that are sums of some penalties.
    sums: Vec<&'a Criterion>,
}

impl<'a> Quantities<'a> {
    /// The quantities of an objective, and those of `criteria` that are none of them by another name.
    pub(super) fn new(objective: &'a Objective, criteria: &'a [Criterion]) -> Quantities<'a> {
        let several = |o: &Objective| o.penalties.iter().filter(|p| p.weight > 0.0).count() > 1;
        let together = objective.penalties_alone().filter(several);
        Quantities { objective, together, sums: criteria.iter().filter(|c| c.name.contains('+')).collect() }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let first =
            ["rmse", "objective"].into_iter().chain(self.together.as_ref().map(|_| PENALTIES)).map(String::from);
        let sums = self.sums.iter().map(|c| c.name.clone());
        let penalties = self.objective.penalties.iter().map(|p| format!("penalty/{}", p.name));
        let ingredients = Observable::BASE.iter().map(|o| format!("mean/{}", o.name()));
        first.chain(sums).chain(penalties).chain(ingredients).collect()
    }

    /// One value for each name, from the sums of all trajectories and what their pairs measure.
    pub(super) fn values(&self, sums: &Sums, pairs: &[f64]) -> Vec<f64> {
        let of = |objective: &Objective| objective.terms(sums, pairs);
        let terms = of(self.objective);
        let first = [terms.loss.map_or(f64::NAN, f64::sqrt), terms.objective];
        let together = self.together.as_ref().map(|o| of(o).objective);
        let sums = self.sums.iter().map(|c| of(&c.objective).objective);
        first.into_iter().chain(together).chain(sums).chain(terms.penalties).chain(terms.means).collect()
    }
}

/// θ at a position of the grid of some axes, the last of which varies fastest; other parameters keep their value in `base`.
pub(super) fn theta_at(axes: &[Axis], base: &[f64], position: usize) -> Vec<f64> {
    let (mut theta, mut rest) = (base.to_vec(), position);
    for axis in axes.iter().rev() {
        theta[axis.index] = axis.values[rest % axis.values.len()];
        rest /= axis.values.len();
    }
    theta
}

/// Names of what a landscape shows of each point.
pub fn quantity_names(objective: &Objective, criteria: &[Criterion]) -> Vec<String> {
    Quantities::new(objective, criteria).names()
}

/// What a sweep found at a point.
pub(super) struct Point<'a> {
    /// θ, all parameters.
    pub theta: &'a [f64],
    /// A value for each quantity; `None` where a trajectory failed.
    pub values: Option<Vec<f64>>,
    /// Failed trajectories, and the number and the step of the first.
    pub failures: usize,
    pub first_failure: Option<(usize, u32)>,
}

/// Evaluates positions of the grid of some axes around `base`, and hands on what was found at each, by its place among them.
pub(super) fn measure(
    setting: &Sweep,
    shown: &Quantities,
    (axes, base): (&[Axis], &[f64]),
    positions: impl Iterator<Item = usize>,
    mut receive: impl FnMut(usize, Point),
) -> Result<(), DeviceError> {
    sweep(setting, positions.map(|position| theta_at(axes, base, position)), |place, theta, sums| {
        let values = (sums.failures == 0).then(|| shown.values(&sums.total(), &sums.pairs));
        receive(place, Point { theta, values, failures: sums.failures, first_failure: sums.first_failure });
        true
    })
}

/// Computes a landscape around `base` (the values of the parameters that do not vary), in memory. Of `criteria`, those that
/// are sums of penalties are quantities as well.
pub fn landscape(
    setting: &Sweep,
    objective: &Objective,
    criteria: &[Criterion],
    axes: Vec<Axis>,
    base: &[f64],
) -> Result<Landscape, DeviceError> {
    let count: usize = axes.iter().map(|a| a.values.len()).product();
    let shown = Quantities::new(objective, criteria);
    let mut quantities: Vec<(String, Vec<f64>)> =
        shown.names().into_iter().map(|n| (n, vec![f64::NAN; count])).collect();
    let mut failures = vec![0.0; count];
    let mut first_failure = None;
    measure(setting, &shown, (&axes, base), 0..count, |position, point| {
        failures[position] = point.failures as f64;
        if let (Some((sample, step)), None) = (point.first_failure, &first_failure) {
            first_failure = Some(Divergence { theta: point.theta.to_vec(), sample, step });
        }
        for (quantity, value) in quantities.iter_mut().zip(point.values.into_iter().flatten()) {
            quantity.1[position] = value;
        }
    })?;
    Ok(Landscape { axes, quantities, failures, first_failure, whole: None })
}

impl Landscape {
    /// A quantity by name.
    pub fn quantity(&self, name: &str) -> Option<&[f64]> {
        self.quantities.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// The values of the axes at a position, in the order of the axes.
    pub fn at(&self, mut position: usize) -> Vec<f64> {
        let mut values: Vec<f64> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis.values[position % axis.values.len()]);
            position /= axis.values.len();
        }
        values.reverse();
        values
    }

    /// The same landscape with at most `most` values per axis, evenly chosen and the ends included: what a figure can show.
    pub fn thinned(&self, most: usize) -> Landscape {
        let kept: Vec<Vec<usize>> = self.axes.iter().map(|axis| evenly(axis.values.len(), most)).collect();
        let positions = positions(&self.axes, &kept);
        let pick = |values: &[f64]| positions.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        Landscape {
            axes: self.axes.iter().zip(&kept).map(|(axis, kept)| axis.picked(kept)).collect(),
            quantities: self.quantities.iter().map(|(name, values)| (name.clone(), pick(values))).collect(),
            failures: pick(&self.failures),
            first_failure: self.first_failure.clone(),
            whole: self.whole,
        }
    }

    /// Points of the whole landscape, and how many of them a trajectory failed at.
    pub fn counts(&self) -> Whole {
        let failed = || self.failures.iter().filter(|failures| **failures > 0.0).count();
        self.whole.unwrap_or_else(|| Whole { points: self.failures.len(), failed: failed() })
    }

    /// All local minima of a quantity with their basins.
    pub fn minima(&self, name: &str) -> Option<Basins> {
        let sizes: Vec<usize> = self.axes.iter().map(|axis| axis.values.len()).collect();
        self.quantity(name).map(|values| Basins::new(&sizes, values))
    }

    /// Position of the least finite value of a quantity.
    pub fn minimum(&self, name: &str) -> Option<usize> {
        let values = self.quantity(name)?;
        (0..values.len()).filter(|i| values[*i].is_finite()).min_by(|a, b| values[*a].total_cmp(&values[*b]))
    }
}
