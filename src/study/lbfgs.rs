//! L-BFGS in the box, by the argmin crate.
//!
//! The box is kept by the transform u = (1 − cos z)/2 of each box coordinate: smooth, and unlike a logistic curve it reaches
//! the edges, where a minimum that lies there stays a minimum. z is free, and starts inside 0 … π.

use super::coordinates::Coordinates;
use super::sweep::{Criterion, Sweep};
use crate::device::DeviceError;
use argmin::core::{CostFunction, Error, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use std::cell::RefCell;

/// Pairs of steps and slopes that the solver remembers.
const MEMORY: usize = 7;
/// Length of the first step in z, of the π that the box is wide.
const FIRST_STEP: f64 = 0.3;
/// Evaluations per iteration that line searches may take on the average.
const EVALUATIONS: usize = 4;

/// What was seen on the way.
struct Seen {
    best: (Vec<f64>, f64),
    worst: f64,
    evaluations: usize,
    /// The solver asks for value and slope of a point apart.
    last: Option<(Vec<f64>, f64, Vec<f64>)>,
    failure: Option<DeviceError>,
}

/// A criterion over z, divided by `scale`.
struct Transformed<'a> {
    setting: &'a Sweep<'a>,
    criterion: &'a Criterion,
    coordinates: &'a Coordinates,
    multiplicity: &'a [f64],
    most: usize,
    scale: f64,
    seen: &'a RefCell<Seen>,
}

impl Transformed<'_> {
    fn at(&self, z: &[f64]) -> Result<(f64, Vec<f64>), Error> {
        if let Some((known, value, gradient)) = &self.seen.borrow().last
            && known == z
        {
            return Ok((*value, gradient.clone()));
        }
        let mut seen = self.seen.borrow_mut();
        if seen.evaluations >= self.most {
            return Err(Error::msg("as many evaluations as were allowed"));
        }
        seen.evaluations += 1;
        let unit: Vec<f64> = z.iter().map(|z| 0.5 * (1.0 - z.cos())).collect();
        let counts = [self.multiplicity.to_vec()];
        let found = self.coordinates.slopes(self.setting, self.criterion, std::slice::from_ref(&unit), Some(&counts));
        let slope = match found.map(|mut s| s.remove(0)) {
            Ok(slope) => slope,
            Err(error) => {
                seen.failure = Some(error);
                return Err(Error::msg("the device failed"));
            }
        };
        // The line search interpolates, which infinities do not survive: where trajectories fail there is a wall.
        let (value, wall) = match slope.value.is_finite() {
            true => (slope.value, 1.0),
            false => (seen.worst + 10.0 * (seen.worst - seen.best.1).abs().max(self.scale), 0.0),
        };
        if slope.value.is_finite() {
            seen.worst = if seen.worst.is_finite() { seen.worst.max(value) } else { value };
        }
        if slope.value < seen.best.1 {
            seen.best = (unit, value);
        }
        let gradient: Vec<f64> =
            slope.gradient.iter().zip(z).map(|(g, z)| wall * 0.5 * z.sin() * g / self.scale).collect();
        let value = value / self.scale;
        if !value.is_finite() {
            return Err(Error::msg("no trajectory stays finite here"));
        }
        seen.last = Some((z.to_vec(), value, gradient.clone()));
        Ok((value, gradient))
    }
}

impl CostFunction for Transformed<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, z: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(z)?.0)
    }
}

impl Gradient for Transformed<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, z: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(z)?.1)
    }
}

/// Best box coordinates and value seen from one start in at most `steps` iterations, blocks counted by `multiplicity`.
pub(super) fn lbfgs(
    setting: &Sweep,
    criterion: &Criterion,
    steps: usize,
    coordinates: &Coordinates,
    start: &[f64],
    multiplicity: &[f64],
) -> Result<(Vec<f64>, f64), DeviceError> {
    // At the edges themselves the transform has no slope.
    let z: Vec<f64> = start.iter().map(|u| (1.0 - 2.0 * u.clamp(1e-3, 1.0 - 1e-3)).acos()).collect();
    let seen = RefCell::new(Seen {
        best: (start.to_vec(), f64::INFINITY),
        worst: f64::NEG_INFINITY,
        evaluations: 0,
        last: None,
        failure: None,
    });
    let most = EVALUATIONS * steps + 1;
    let mut problem = Transformed { setting, criterion, coordinates, multiplicity, most, scale: 1.0, seen: &seen };
    if let Ok((value, gradient)) = problem.at(&z) {
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if norm > 0.0 {
            problem.scale = norm / FIRST_STEP;
            let gradient = gradient.iter().map(|g| g / problem.scale).collect();
            seen.borrow_mut().last = Some((z.clone(), value / problem.scale, gradient));
            let search = MoreThuenteLineSearch::new();
            // A thousandth of the box costs about the square of it; what f32 can tell apart is more than these.
            let solver =
                LBFGS::new(search, MEMORY).with_tolerance_grad(1e-7).and_then(|s| s.with_tolerance_cost(1e-12));
            if let Ok(solver) = solver {
                // A line search that ends for want of evaluations or precision is no failure: the best point is kept.
                let _ = Executor::new(problem, solver)
                    .configure(|state| state.param(z).max_iters(steps as u64))
                    .timer(false)
                    .run();
            }
        }
    }
    let seen = seen.into_inner();
    match seen.failure {
        Some(error) => Err(error),
        None => Ok(seen.best),
    }
}
