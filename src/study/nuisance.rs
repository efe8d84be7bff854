//! Minimising a criterion over all free parameters but one, at many points of the box side by side.
//!
//! Each point walks by itself: projected BFGS with backtracking, the others of its coordinates kept in the box. All points
//! that still walk are groups of one job per step.

use super::coordinates::{Coordinates, Slope};
use super::curvature::Curvature;
use super::sweep::{Criterion, Sweep};
use crate::device::DeviceError;
use nalgebra::{DMatrix, DVector};

/// Longest step of a coordinate, in parts of the box.
const LONGEST: f64 = 0.2;
/// A walk ends when its steps become shorter than this part of the box.
const SHORTEST: f64 = 1e-5;
/// Decrease that a step must bring, as a share of what the slope promises.
const DECREASE: f64 = 1e-4;

/// One point on its way.
struct Walker {
    unit: Vec<f64>,
    held: usize,
    here: Slope,
    inverse: DMatrix<f64>,
    share: f64,
    done: bool,
}

impl Walker {
    fn others(&self) -> Vec<usize> {
        (0..self.unit.len()).filter(|i| *i != self.held).collect()
    }

    /// The next point to try; `None` where none is left. `least` is the value that a criterion with a kink descends to: its
    /// slope does not tell how far away the kink is, but the height above it does (B. T. Polyak 1969).
    fn trial(&self, kinked: bool, least: f64) -> Option<Vec<f64>> {
        let others = self.others();
        let slope = |i: usize| self.here.gradient[i];
        // Walls that the slope leans against hold their coordinate.
        let moves = |i: usize| !((self.unit[i] <= 0.0 && slope(i) > 0.0) || (self.unit[i] >= 1.0 && slope(i) < 0.0));
        let moving: Vec<usize> = (0..others.len()).filter(|k| moves(others[*k])).collect();
        let squared: f64 = moving.iter().map(|k| slope(others[*k]).powi(2)).sum();
        if self.done || squared == 0.0 {
            return None;
        }
        let steepest = |length: f64| moving.iter().map(|k| -length * slope(others[*k])).collect::<Vec<f64>>();
        let mut step = if kinked {
            steepest((self.here.value - least).max(0.0) / squared)
        } else {
            let row = |k: &usize| -moving.iter().map(|l| self.inverse[(*k, *l)] * slope(others[*l])).sum::<f64>();
            moving.iter().map(row).collect()
        };
        let descent: f64 = moving.iter().zip(&step).map(|(k, s)| slope(others[*k]) * s).sum();
        if !kinked && descent >= 0.0 {
            step = steepest(0.1 / squared.sqrt());
        }
        let longest = step.iter().fold(0.0f64, |m, s| m.max((self.share * s).abs()));
        let factor = self.share * (LONGEST / longest.max(LONGEST));
        let mut unit = self.unit.clone();
        for (k, s) in moving.iter().zip(&step) {
            unit[others[*k]] = (unit[others[*k]] + factor * s).clamp(0.0, 1.0);
        }
        let moved = unit.iter().zip(&self.unit).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        (moved >= SHORTEST).then_some(unit)
    }

    /// Takes the step if it descends enough, and learns from it.
    fn judge(&mut self, unit: Vec<f64>, there: Slope) {
        let others = self.others();
        let s = DVector::from_iterator(others.len(), others.iter().map(|i| unit[*i] - self.unit[*i]));
        let promised: f64 = others.iter().zip(s.iter()).map(|(i, s)| self.here.gradient[*i] * s).sum();
        let lower = there.value.is_finite() && there.value <= self.here.value + DECREASE * promised;
        // Also a step too far tells how the slope changes, so that the next one is shorter for it.
        let change = others.iter().map(|i| there.gradient[*i] - self.here.gradient[*i]);
        let y = DVector::from_iterator(others.len(), change);
        let product = s.dot(&y);
        let convex = there.value.is_finite() && product > 1e-8 * s.norm() * y.norm();
        if convex {
            let identity = DMatrix::identity(others.len(), others.len());
            let left = &identity - &s * y.transpose() / product;
            self.inverse = &left * &self.inverse * left.transpose() + &s * s.transpose() / product;
        }
        self.share = match (lower, convex) {
            (true, true) => 1.0,
            (true, false) => (3.0 * self.share).min(30.0),
            (false, true) => 0.7 * self.share,
            (false, false) => 0.3 * self.share,
        };
        self.done = self.share < 1e-4;
        if lower {
            (self.unit, self.here) = (unit, there);
        }
    }
}

/// Points with one coordinate held each (its index, the point), moved to less of the criterion in at most `steps` gradients
/// each. `shape` is the curvature at the overall minimum, where the criterion is `least`.
pub(super) fn minimise_others(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    points: Vec<(usize, Vec<f64>)>,
    (shape, least): (&Curvature, f64),
    steps: usize,
) -> Result<Vec<Vec<f64>>, DeviceError> {
    let n = coordinates.len();
    // Where the minimum has no curvature, a step must not be as long as its inverse says.
    let inverses: Vec<DMatrix<f64>> = (0..n)
        .map(|held| {
            let others: Vec<usize> = (0..n).filter(|i| *i != held).collect();
            let part = shape.restricted(&others);
            let largest = part.eigenvalues.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
            let mut inverse = DMatrix::zeros(n - 1, n - 1);
            for (value, direction) in part.eigenvalues.iter().zip(&part.directions) {
                let v = DVector::from_column_slice(direction);
                inverse += &v * v.transpose() / value.max(1e-3 * largest);
            }
            inverse
        })
        .collect();
    let units: Vec<Vec<f64>> = points.iter().map(|(_, unit)| unit.clone()).collect();
    let slopes = coordinates.slopes(setting, criterion, &units, None)?;
    let mut walkers: Vec<Walker> = points
        .into_iter()
        .zip(slopes)
        .map(|((held, unit), here)| {
            let done = !here.value.is_finite();
            Walker { unit, held, here, inverse: inverses[held].clone(), share: 1.0, done }
        })
        .collect();
    for _ in 1..steps {
        let trials: Vec<(usize, Vec<f64>)> = walkers
            .iter()
            .enumerate()
            .filter_map(|(i, walker)| Some((i, walker.trial(shape.kinked, least)?)))
            .collect();
        if trials.is_empty() {
            break;
        }
        let units: Vec<Vec<f64>> = trials.iter().map(|(_, unit)| unit.clone()).collect();
        let slopes = coordinates.slopes(setting, criterion, &units, None)?;
        for ((i, unit), there) in trials.into_iter().zip(slopes) {
            walkers[i].judge(unit, there);
        }
    }
    Ok(walkers.into_iter().map(|walker| walker.unit).collect())
}
