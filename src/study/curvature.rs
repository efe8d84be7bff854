//! The shape of a criterion around a minimum: curvature from differences of exact gradients, Gauss–Newton from differences
//! of predictions, and how far each direction is known.

use super::coordinates::{Coordinates, Slope};
use super::estimate::resample;
use super::sweep::{Criterion, Sweep};
use crate::device::{DeviceError, Job};
use crate::model::Objective;
use crate::rng::{Purpose, Stream};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::Serialize;

/// Distance of the points whose gradients are subtracted, in parts of the box.
const STEP: f64 = 0.01;
/// Distance of the points whose predictions are subtracted.
const PREDICTION_STEP: f64 = 0.005;
/// Eigenvalues below this share of the largest are rounding.
const RANK: f64 = 1e-9;
/// Resamples of blocks whose gradients give the spread of a minimum.
const RESAMPLES: u32 = 32;

/// A symmetric matrix over the free parameters in box coordinates, with its eigenvectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curvature {
    /// Second derivatives of the criterion, `[free, free]`, in units of the criterion per box width squared.
    pub matrix: Vec<Vec<f64>>,
    /// Eigenvalues, the largest first.
    pub eigenvalues: Vec<f64>,
    /// Their eigenvectors, each of length 1 in box coordinates.
    pub directions: Vec<Vec<f64>>,
    /// True if the criterion has a kink at its minimum, as |E⟨f, g⟩| has: the numbers then only tell directions apart that
    /// cross the kink from those that stay in it.
    pub kinked: bool,
    /// Derivatives at the centre, in box coordinates.
    pub slope: Vec<f64>,
}

impl Curvature {
    /// The matrix with its eigenvectors.
    fn new(matrix: &DMatrix<f64>, kinked: bool, slope: Vec<f64>) -> Curvature {
        // Of nothing, and of what is no number, there are no eigenvectors.
        if matrix.is_empty() || matrix.iter().any(|v| !v.is_finite()) {
            let n = slope.len();
            let unit = |i: usize| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
            return Curvature {
                matrix: vec![vec![0.0; n]; n],
                eigenvalues: vec![0.0; n],
                directions: (0..n).map(unit).collect(),
                kinked,
                slope,
            };
        }
        let eigen = SymmetricEigen::new(matrix.clone());
        let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        Curvature {
            matrix: rows_of(matrix),
            eigenvalues: order.iter().map(|i| eigen.eigenvalues[*i]).collect(),
            directions: order.iter().map(|i| eigen.eigenvectors.column(*i).iter().copied().collect()).collect(),
            kinked,
            slope,
        }
    }

    /// The same over some of the free parameters, the others being held.
    pub(super) fn restricted(&self, kept: &[usize]) -> Curvature {
        let matrix = DMatrix::from_fn(kept.len(), kept.len(), |i, j| self.matrix[kept[i]][kept[j]]);
        Curvature::new(&matrix, self.kinked, kept.iter().map(|i| self.slope[*i]).collect())
    }

    /// Inverse without the directions that the matrix says nothing about.
    pub(super) fn pseudo_inverse(&self) -> DMatrix<f64> {
        let n = self.slope.len();
        let floor = RANK.sqrt() * self.eigenvalues.first().copied().unwrap_or(0.0);
        let mut inverse = DMatrix::zeros(n, n);
        for (value, direction) in self.eigenvalues.iter().zip(&self.directions).filter(|(v, _)| **v > floor) {
            let v = DVector::from_column_slice(direction);
            inverse += &v * v.transpose() / *value;
        }
        inverse
    }

    /// Inverse in which directions without curvature are all but free.
    fn inverse(&self) -> DMatrix<f64> {
        let n = self.slope.len();
        let floor = (RANK * self.eigenvalues.first().copied().unwrap_or(0.0)).max(f64::MIN_POSITIVE);
        let mut inverse = DMatrix::zeros(n, n);
        for (value, direction) in self.eigenvalues.iter().zip(&self.directions) {
            let v = DVector::from_column_slice(direction);
            inverse += &v * v.transpose() / value.max(floor);
        }
        inverse
    }
}

pub(super) fn rows_of(matrix: &DMatrix<f64>) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

/// Curvatures of a criterion around points of the box, all in one job: central differences of exact gradients, moved into
/// the box where a point lies at its edge. Where the gradient jumps instead of growing with the distance, so that a second
/// derivative does not exist, the root of the mean outer product of the gradients takes its place: it is the same matrix
/// where the criterion is a parabola, and has the normal of the kink as its only direction where it is a modulus.
pub(super) fn curvatures(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    centres: &[Vec<f64>],
) -> Result<Vec<Curvature>, DeviceError> {
    let n = coordinates.len();
    let mut points = Vec::new();
    for centre in centres {
        let inner: Vec<f64> = centre.iter().map(|u| u.clamp(2.0 * STEP, 1.0 - 2.0 * STEP)).collect();
        points.push(centre.clone());
        for reach in [STEP, 2.0 * STEP] {
            for j in 0..n {
                for sign in [1.0, -1.0] {
                    let mut moved = inner.clone();
                    moved[j] += sign * reach;
                    points.push(moved);
                }
            }
        }
    }
    let slopes = coordinates.slopes(setting, criterion, &points, None)?;
    let one = |part: &[Slope]| -> Curvature {
        let column = |reach: usize, j: usize| {
            let at = 1 + 2 * n * reach + 2 * j;
            let difference = part[at].gradient.iter().zip(&part[at + 1].gradient).map(|(a, b)| a - b);
            DVector::from_iterator(n, difference)
        };
        let near = DMatrix::from_columns(&(0..n).map(|j| column(0, j)).collect::<Vec<_>>());
        let far = DMatrix::from_columns(&(0..n).map(|j| column(1, j)).collect::<Vec<_>>());
        // Differences double with the distance where the criterion is smooth, and stay where it has a kink.
        let kinked = near.norm() > 0.0 && far.norm() < 1.4 * near.norm();
        let matrix = if kinked {
            let mut outer = DMatrix::zeros(n, n);
            for slope in &part[1..1 + 2 * n] {
                let g = DVector::from_column_slice(&slope.gradient);
                outer += &g * g.transpose() / (2.0 * STEP * STEP);
            }
            root(outer)
        } else {
            let difference = near / (2.0 * STEP);
            (&difference + difference.transpose()) * 0.5
        };
        Curvature::new(&matrix, kinked, part[0].gradient.clone())
    };
    Ok(slopes.chunks(1 + 4 * n).map(one).collect())
}

/// The symmetric root of a positive semidefinite matrix.
fn root(matrix: DMatrix<f64>) -> DMatrix<f64> {
    let eigen = SymmetricEigen::new(matrix);
    let values = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&values) * eigen.eigenvectors.transpose()
}

/// Gauss–Newton matrix of the loss, 2/N JᵀJ with the Jacobian J of the N present residuals in box coordinates, by central
/// differences of predictions. It has the loss's curvature where residuals are small, and no negative eigenvalue. `None`
/// without observations or where a trajectory fails.
pub(super) fn gauss_newton(
    setting: &Sweep,
    coordinates: &Coordinates,
    centre: &[f64],
) -> Result<Option<Curvature>, DeviceError> {
    let (model, trajectories) = (setting.device.model(), setting.trajectories);
    let Some(targets) = &trajectories.targets else { return Ok(None) };
    let (n, cells) = (coordinates.len(), model.cells());
    let (outputs, rows) = (model.outputs.len(), trajectories.rows());
    let scale = |entry: usize| trajectories.residual_scale.as_ref().map_or(1.0, |scale| scale[entry / cells % outputs]);
    let objective = Objective { loss_weight: 1.0, ..Objective::default() };
    let predictions = |unit: &[f64]| -> Result<Option<Vec<f64>>, DeviceError> {
        let theta = coordinates.theta(unit).repeat(trajectories.count);
        let rollout = setting.device.simulate(&Job {
            hold_theta: true,
            ..Job::new(trajectories, &rows, &theta, setting.weights, &objective)
        })?;
        Ok((rollout.evaluation.failures() == 0).then_some(rollout.predictions))
    };
    let mut columns = Vec::with_capacity(n);
    for j in 0..n {
        let moved = |sign: f64| {
            let mut unit = centre.to_vec();
            unit[j] = unit[j].clamp(PREDICTION_STEP, 1.0 - PREDICTION_STEP) + sign * PREDICTION_STEP;
            predictions(&unit)
        };
        let (Some(up), Some(down)) = (moved(1.0)?, moved(-1.0)?) else { return Ok(None) };
        let entries = up.iter().zip(&down).zip(targets).enumerate().filter(|(_, (_, y))| !y.is_nan());
        let slope = entries.map(|(i, ((up, down), _))| (up - down) / (2.0 * PREDICTION_STEP) / scale(i));
        columns.push(DVector::from_iterator(targets.iter().filter(|y| !y.is_nan()).count(), slope));
    }
    let present = columns.first().map_or(0, DVector::len);
    if present == 0 {
        return Ok(None);
    }
    let matrix = DMatrix::from_fn(n, n, |i, j| 2.0 / present as f64 * columns[i].dot(&columns[j]));
    Ok(Some(Curvature::new(&matrix, false, vec![0.0; n])))
}

/// How far a minimum is known: its covariance in box coordinates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Covariance {
    /// `[free, free]`, in box widths squared; very large along directions without curvature.
    pub matrix: Vec<Vec<f64>>,
}

impl Covariance {
    /// Of a loss: 2 L/N times the inverse of the Gauss–Newton matrix of L, N being the number of independent entries and
    /// their variance being estimated by the least loss.
    pub(super) fn of_loss(curvature: &Curvature, least: f64, entries: f64) -> Covariance {
        Covariance { matrix: rows_of(&(curvature.inverse() * (2.0 * least / entries.max(1.0)))) }
    }

    /// Of any smooth criterion: H⁻¹ V H⁻¹ with the variance V of its gradient between resamples of blocks (the "sandwich",
    /// P. J. Huber 1967). `None` with fewer than two blocks, at kinks, and where the curvature is not that of a minimum. The curvature is that over the
    /// coordinates `kept`.
    pub(super) fn of_blocks(
        setting: &Sweep,
        criterion: &Criterion,
        coordinates: &Coordinates,
        (centre, kept): (&[f64], &[usize]),
        curvature: &Curvature,
        seed: u64,
    ) -> Result<Option<Covariance>, DeviceError> {
        let convex = curvature.eigenvalues.first().is_some_and(|largest| *largest > 0.0)
            && curvature.eigenvalues.iter().all(|v| *v >= -1e-3 * curvature.eigenvalues[0]);
        if setting.blocks < 2 || curvature.kinked || !convex {
            return Ok(None);
        }
        let stream = Stream::new(seed, Purpose::Bootstrap);
        let counts: Vec<Vec<f64>> = (0..RESAMPLES).map(|r| resample(&stream, setting.blocks, r)).collect();
        let slopes = coordinates.slopes(setting, criterion, &vec![centre.to_vec(); counts.len()], Some(&counts))?;
        let n = kept.len();
        let of = |s: &Slope| DVector::from_iterator(n, kept.iter().map(|j| s.gradient[*j]));
        let gradients: Vec<DVector<f64>> = slopes.iter().map(of).collect();
        let mean = gradients.iter().fold(DVector::zeros(n), |sum: DVector<f64>, g| sum + g) / RESAMPLES as f64;
        let mut variance = DMatrix::zeros(n, n);
        for gradient in &gradients {
            let off = gradient - &mean;
            variance += &off * off.transpose() / (RESAMPLES - 1) as f64;
        }
        let inverse = curvature.inverse();
        Ok(Some(Covariance { matrix: rows_of(&(&inverse * variance * &inverse)) }))
    }

    /// The same among all `n` free parameters, without spread of those that are not among `kept`.
    pub(super) fn widened(&self, kept: &[usize], n: usize) -> Covariance {
        let place = |i: usize| kept.iter().position(|k| *k == i);
        let entry = |i, j| place(i).zip(place(j)).map_or(0.0, |(i, j)| self.matrix[i][j]);
        Covariance { matrix: (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect() }
    }

    /// Standard deviation of each free parameter, in box widths.
    pub fn deviations(&self) -> Vec<f64> {
        (0..self.matrix.len()).map(|i| self.matrix[i][i].max(0.0).sqrt()).collect()
    }

    /// Standard deviation along a direction of length 1.
    pub fn along(&self, direction: &[f64]) -> f64 {
        let product = |row: &Vec<f64>| row.iter().zip(direction).map(|(a, b)| a * b).sum::<f64>();
        self.matrix.iter().zip(direction).map(|(row, d)| d * product(row)).sum::<f64>().max(0.0).sqrt()
    }
}
