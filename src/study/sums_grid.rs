//! Sums of observables on a grid of θ, and on a finer one: they are smooth in θ where penalties have kinks, so that minima of
//! penalties are found by interpolating the sums and not the penalties ("reduce first, transform after").

use super::basins::Basins;
use super::landscape::{Axis, Landscape, Quantities, theta_at};
use super::minima::{DEPTH, rise};
use super::oracle::Oracle;
use super::spline::Spline;
use super::sweep::{Criterion, Sweep, sweep};
use crate::device::DeviceError;
use crate::model::{MOST_OBSERVABLES, Objective, Sums};

/// Sums over all trajectories at each point of a grid, the last axis varying fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct SumsGrid {
    /// The parameters that vary.
    pub axes: Vec<Axis>,
    /// None where a trajectory failed.
    pub sums: Vec<Option<Sums>>,
}

/// A local minimum: the values of the axes, and its depth as a share of the rise from the least to the median value.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalMinimum {
    /// In the order of the axes.
    pub at: Vec<f64>,
    /// The value of the criterion.
    pub value: f64,
    /// How far it is below the lowest way out; 1 at most.
    pub depth: f64,
}

impl SumsGrid {
    /// By one network for every θ. Parameters that do not vary have their value in `base`.
    pub fn adaptive(setting: &Sweep, axes: Vec<Axis>, base: &[f64]) -> Result<SumsGrid, DeviceError> {
        let count = axes.iter().map(|a| a.values.len()).product();
        let mut sums = vec![None; count];
        sweep(setting, (0..count).map(|position| theta_at(&axes, base, position)), |index, _, found| {
            sums[index] = (found.failures == 0).then(|| found.total());
            true
        })?;
        Ok(SumsGrid { axes, sums })
    }

    /// By a perfect correction.
    pub fn perfect(oracle: &Oracle, axes: Vec<Axis>, base: &[f64]) -> SumsGrid {
        let count = axes.iter().map(|a| a.values.len()).product();
        let sums = (0..count).map(|position| Some(oracle.sums(&theta_at(&axes, base, position)))).collect();
        SumsGrid { axes, sums }
    }

    /// Interpolated to other values of the same axes, inside of those that are there, by natural cubic splines along one
    /// axis after the other. Where a point is missing, so are those on the lines through it.
    pub fn finer(&self, axes: &[Axis]) -> SumsGrid {
        let mut rows: Vec<[f64; WIDTH]> =
            self.sums.iter().map(|s| s.as_ref().map_or([f64::NAN; WIDTH], flat)).collect();
        let mut sizes: Vec<usize> = self.axes.iter().map(|a| a.values.len()).collect();
        for (place, (from, to)) in self.axes.iter().zip(axes).enumerate() {
            let (before, behind): (usize, usize) =
                (sizes[..place].iter().product(), sizes[place + 1..].iter().product());
            let places: Vec<f64> = to.values.iter().map(|value| between(&from.values, *value)).collect();
            let mut next = vec![[f64::NAN; WIDTH]; before * places.len() * behind];
            for (b, r) in (0..before).flat_map(|b| (0..behind).map(move |r| (b, r))) {
                for entry in 0..WIDTH {
                    let line = (0..sizes[place]).map(|i| rows[(b * sizes[place] + i) * behind + r][entry]).collect();
                    let spline = Spline::natural(line);
                    for (i, x) in places.iter().enumerate() {
                        next[(b * places.len() + i) * behind + r][entry] = spline.value(*x);
                    }
                }
            }
            (rows, sizes[place]) = (next, places.len());
        }
        // Sums that are not made of a penalty's observables may be missing; those of its loss or its stages never are.
        let sums = rows.iter().map(|row| row[WIDTH - 1].is_finite().then(|| sums(row))).collect();
        SumsGrid { axes: axes.to_vec(), sums }
    }

    /// The quantities of a landscape; penalties that are functions of pairs are NaN.
    pub fn landscape(&self, objective: &Objective, criteria: &[Criterion]) -> Landscape {
        let shown = Quantities::new(objective, criteria);
        let mut quantities: Vec<(String, Vec<f64>)> =
            shown.names().into_iter().map(|name| (name, vec![f64::NAN; self.sums.len()])).collect();
        for (index, sums) in self.sums.iter().enumerate() {
            let Some(sums) = sums else { continue };
            for (quantity, value) in quantities.iter_mut().zip(shown.values(sums, &[])) {
                quantity.1[index] = value;
            }
        }
        let failures = self.sums.iter().map(|s| f64::from(u8::from(s.is_none()))).collect();
        Landscape { axes: self.axes.clone(), quantities, failures, first_failure: None, whole: None }
    }

    /// The local minima of a criterion, the deepest first, without ripples shallower than a twentieth of the rise from the least
    /// to the median value.
    pub fn minima(&self, criterion: &Criterion) -> Vec<LocalMinimum> {
        let value =
            |s: &Option<Sums>| s.as_ref().map_or(f64::NAN, |sums| criterion.objective.evaluate(sums, &[]).0.objective);
        let values: Vec<f64> = self.sums.iter().map(value).collect();
        let sizes: Vec<usize> = self.axes.iter().map(|a| a.values.len()).collect();
        let rise = rise(&values);
        let basins = Basins::new(&sizes, &values).at_least(DEPTH * rise);
        let found = basins.minima.iter().map(|minimum| {
            let theta = theta_at(
                &self.axes,
                &vec![0.0; self.axes.iter().map(|a| a.index + 1).max().unwrap_or(0)],
                minimum.position,
            );
            let at = self.axes.iter().map(|axis| theta[axis.index]).collect();
            LocalMinimum { at, value: minimum.value, depth: (minimum.depth() / rise).min(1.0) }
        });
        found.collect()
    }
}

/// Numbers in sums: observables and four more, the last being the number of stages.
const WIDTH: usize = MOST_OBSERVABLES + 4;

fn flat(sums: &Sums) -> [f64; WIDTH] {
    let mut row = [0.0; WIDTH];
    row[..MOST_OBSERVABLES].copy_from_slice(&sums.observables);
    row[MOST_OBSERVABLES..].copy_from_slice(&[sums.squared_error, sums.present, sums.entries, sums.stage_count]);
    row
}

fn sums(row: &[f64; WIDTH]) -> Sums {
    let mut observables = [0.0; MOST_OBSERVABLES];
    observables.copy_from_slice(&row[..MOST_OBSERVABLES]);
    let [squared_error, present, entries, stage_count] = std::array::from_fn(|i| row[MOST_OBSERVABLES + i]);
    Sums { squared_error, present, entries, stage_count, observables }
}

/// Where a value lies among increasing ones, in spacings from the first.
fn between(values: &[f64], value: f64) -> f64 {
    let next = values.partition_point(|v| *v < value).clamp(1, values.len().saturating_sub(1).max(1));
    let Some(right) = values.get(next) else { return 0.0 };
    let left = values[next - 1];
    (next - 1) as f64 + ((value - left) / (right - left)).clamp(0.0, 1.0)
}
