//! Sums of observables as polynomials in θ, and the search for the least value of what is made of them.

use crate::model::{MOST_OBSERVABLES, Sums};

/// The least value over the unit square (or interval): a grid, then finer ones around the best point.
pub fn search(dimensions: usize, points: usize, rounds: usize, value: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let (mut centre, mut half) = (vec![0.5; dimensions], 0.5);
    let mut best = (f64::INFINITY, centre.clone());
    for _ in 0..rounds {
        for index in 0..points.pow(dimensions as u32) {
            let place = |d: usize| (index / points.pow(d as u32) % points) as f64 / (points - 1) as f64;
            let unit: Vec<f64> =
                (0..dimensions).map(|d| (centre[d] + half * (2.0 * place(d) - 1.0)).clamp(0.0, 1.0)).collect();
            let found = value(&unit);
            if found < best.0 {
                best = (found, unit);
            }
        }
        centre.clone_from(&best.1);
        half *= 2.0 / (points - 1) as f64;
    }
    best.1
}

/// The sums as polynomials of degree two in box coordinates: exact where physics is affine in θ, which most is.
pub struct Surface {
    dimensions: usize,
    /// Constant, then slope and curvature per coordinate, then the mixed term of two, for each observable.
    coefficients: Vec<[f64; MOST_OBSERVABLES]>,
    stage_count: f64,
    /// Whether the polynomials predict the sums elsewhere.
    pub exact: bool,
}

impl Surface {
    /// Fits sums on the box of one or two parameters.
    pub fn fit(dimensions: usize, sums: &dyn Fn(&[f64]) -> Sums) -> Surface {
        let at = |changes: &[(usize, f64)]| {
            let mut unit = vec![0.5; dimensions];
            changes.iter().for_each(|(d, change)| unit[*d] += change);
            sums(&unit)
        };
        let middle = at(&[]);
        let mut coefficients = vec![middle.observables];
        for d in 0..dimensions {
            let (up, down) = (at(&[(d, 0.5)]).observables, at(&[(d, -0.5)]).observables);
            coefficients.push(std::array::from_fn(|q| up[q] - down[q]));
            coefficients.push(std::array::from_fn(|q| 2.0 * (up[q] + down[q] - 2.0 * middle.observables[q])));
        }
        let mut surface = Surface { dimensions, coefficients, stage_count: middle.stage_count, exact: true };
        if dimensions == 2 {
            let corner = at(&[(0, 0.5), (1, 0.5)]).observables;
            let without = surface.sums(&[1.0, 1.0]).observables;
            surface.coefficients.push(std::array::from_fn(|q| 4.0 * (corner[q] - without[q])));
        }
        for place in [[0.1, 0.8], [0.7, 0.35]] {
            let unit = &place[..dimensions];
            let (found, expected) = (surface.sums(unit).observables, sums(unit).observables);
            let scale = expected[0] + expected[2];
            surface.exact &=
                found.iter().zip(expected).all(|(a, b)| b.is_nan() || (a - b).abs() <= 1e-9 * scale.max(b.abs()));
        }
        surface
    }

    /// The sums at box coordinates.
    pub fn sums(&self, unit: &[f64]) -> Sums {
        let x: Vec<f64> = unit.iter().map(|u| u - 0.5).collect();
        let powers = x.iter().flat_map(|x| [*x, x * x]);
        let mixed = if self.dimensions == 2 { x[0] * x[1] } else { 0.0 };
        let basis: Vec<f64> = std::iter::once(1.0).chain(powers).chain([mixed]).collect();
        let mut sums = Sums { stage_count: self.stage_count, ..Sums::default() };
        for (coefficient, factor) in self.coefficients.iter().zip(basis) {
            sums.observables.iter_mut().zip(coefficient).for_each(|(sum, c)| *sum += c * factor);
        }
        sums
    }
}
