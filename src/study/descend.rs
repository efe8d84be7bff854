//! Projected Adam in box coordinates, from many starts at once.

use super::coordinates::Coordinates;
use super::sweep::{Criterion, Sweep};
use crate::device::DeviceError;

/// Best box coordinates and values seen from every start in `steps` steps. Each start is a group of one job, so that its
/// gradient is its own, with its own `multiplicity` of the blocks.
pub(super) fn descend(
    setting: &Sweep,
    criterion: &Criterion,
    steps: usize,
    coordinates: &Coordinates,
    mut unit: Vec<Vec<f64>>,
    multiplicity: &[Vec<f64>],
) -> Result<Vec<(Vec<f64>, f64)>, DeviceError> {
    let mut best: Vec<(Vec<f64>, f64)> = unit.iter().map(|u| (u.clone(), f64::INFINITY)).collect();
    let mut moments = vec![[0.0f64; 2]; unit.len() * coordinates.len()];
    for step in 0..steps {
        let slopes = coordinates.slopes(setting, criterion, &unit, Some(multiplicity))?;
        // From a tenth of the box down to a thousandth.
        let rate = 0.1 * (0.01f64).powf(step as f64 / steps as f64);
        for (g, slope) in slopes.iter().enumerate() {
            if slope.value < best[g].1 {
                best[g] = (unit[g].clone(), slope.value);
            }
            for (j, slope) in slope.gradient.iter().enumerate() {
                let [m, v] = &mut moments[g * coordinates.len() + j];
                *m = 0.8 * *m + 0.2 * slope;
                *v = 0.95 * *v + 0.05 * slope * slope;
                let (c1, c2) = (1.0 - 0.8f64.powi(step as i32 + 1), 1.0 - 0.95f64.powi(step as i32 + 1));
                unit[g][j] = (unit[g][j] - rate * (*m / c1) / ((*v / c2).sqrt() + 1e-12)).clamp(0.0, 1.0);
            }
        }
    }
    Ok(best)
}
