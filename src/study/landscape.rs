//! The landscape: loss, objective, penalties and their ingredients over any number of θ axes.
//!
//! It holds its results, 8 bytes per point and quantity, and nothing else that grows with the points: a sweep makes θ as it
//! goes and drops the sums of a chunk before it starts the next.

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

    /// One value for each name, from the sums and points of all trajectories.
    pub(super) fn values(&self, sums: &Sums, points: &[f64]) -> Vec<f64> {
        let of = |objective: &Objective| objective.evaluate(sums, points).0;
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

/// Computes a landscape around `base` (the values of the parameters that do not vary). Of `criteria`, those that are sums of
/// penalties are quantities as well.
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
    sweep(setting, (0..count).map(|position| theta_at(&axes, base, position)), |index, theta, sums| {
        failures[index] = sums.failures as f64;
        if let (Some((sample, step)), None) = (sums.first_failure, &first_failure) {
            first_failure = Some(Divergence { theta: theta.to_vec(), sample, step });
        }
        if sums.failures == 0 {
            for (quantity, value) in quantities.iter_mut().zip(shown.values(&sums.total(), &sums.points)) {
                quantity.1[index] = value;
            }
        }
        true
    })?;
    Ok(Landscape { axes, quantities, failures, first_failure })
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
        let kept: Vec<Vec<usize>> = self
            .axes
            .iter()
            .map(|axis| {
                let last = axis.values.len().saturating_sub(1);
                let count = axis.values.len().min(most.max(2));
                (0..count).map(|i| i * last / count.saturating_sub(1).max(1)).collect()
            })
            .collect();
        let mut positions = vec![0];
        for (axis, kept) in self.axes.iter().zip(&kept) {
            positions = positions.iter().flat_map(|p| kept.iter().map(move |i| p * axis.values.len() + i)).collect();
        }
        let pick = |values: &[f64], at: &[usize]| at.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        Landscape {
            axes: self
                .axes
                .iter()
                .zip(&kept)
                .map(|(a, at)| Axis { values: pick(&a.values, at), ..a.clone() })
                .collect(),
            quantities: self.quantities.iter().map(|(name, v)| (name.clone(), pick(v, &positions))).collect(),
            failures: pick(&self.failures, &positions),
            first_failure: self.first_failure.clone(),
        }
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
