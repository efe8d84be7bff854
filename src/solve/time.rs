//! Times of steps and stages, and the weights with which inputs enter a stage.

use crate::model::Interpolation;

/// The times of a rollout: T intervals, each cut into equal substeps.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeGrid {
    starts: Vec<f64>,
    lengths: Vec<f64>,
    substeps: usize,
}

/// Weights of u\[k\] and u\[k+1\] at a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputWeights {
    /// Weight of u\[k\].
    pub left: f64,
    /// Weight of u\[k+1\].
    pub right: f64,
}

impl TimeGrid {
    /// Equal intervals: time k·dt.
    pub fn uniform(steps: usize, dt: f64, substeps: usize) -> TimeGrid {
        TimeGrid { starts: (0..=steps).map(|k| k as f64 * dt).collect(), lengths: vec![dt; steps], substeps }
    }

    /// Given times, T + 1 of them, strictly increasing and finite; otherwise the position of the first offender.
    pub fn from_times(times: &[f64], substeps: usize) -> Result<TimeGrid, usize> {
        if let Some(bad) = times.iter().position(|t| !t.is_finite()) {
            return Err(bad);
        }
        if let Some(bad) = times.windows(2).position(|p| p[1] <= p[0]) {
            return Err(bad + 1);
        }
        let lengths = times.windows(2).map(|p| p[1] - p[0]).collect();
        Ok(TimeGrid { starts: times.to_vec(), lengths, substeps })
    }

    /// Number of intervals.
    pub fn intervals(&self) -> usize {
        self.lengths.len()
    }

    /// Number of steps, substeps counted.
    pub fn steps(&self) -> usize {
        self.lengths.len() * self.substeps
    }

    /// Steps per interval.
    pub fn substeps(&self) -> usize {
        self.substeps
    }

    /// Length of one step inside interval k.
    pub fn step_length(&self, interval: usize) -> f64 {
        self.lengths[interval] / self.substeps as f64
    }

    /// Time of a stage relative to t0, `c` being its place within substep `substep` of interval `interval`.
    pub fn stage(&self, interval: usize, substep: usize, c: f64) -> f64 {
        self.starts[interval] + (substep as f64 + c) * self.step_length(interval)
    }

    /// Time of observation k (k = 0 is the start), relative to t0.
    pub fn observation(&self, k: usize) -> f64 {
        self.starts[k]
    }

    /// Weights of the inputs at a stage.
    pub fn input_weights(&self, interpolation: Interpolation, substep: usize, c: f64) -> InputWeights {
        match interpolation {
            Interpolation::Hold => InputWeights { left: 1.0, right: 0.0 },
            Interpolation::Linear => {
                let right = (substep as f64 + c) / self.substeps as f64;
                InputWeights { left: 1.0 - right, right }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_times_must_increase() {
        assert_eq!(TimeGrid::from_times(&[0.0, 1.0, 1.0], 1), Err(2));
        assert_eq!(TimeGrid::from_times(&[0.0, f64::NAN], 1), Err(1));
        let grid = TimeGrid::from_times(&[1.0, 2.0, 4.0], 2).unwrap();
        assert_eq!((grid.steps(), grid.step_length(1), grid.stage(1, 1, 0.5)), (4, 1.0, 3.5));
    }

    #[test]
    fn linear_inputs_run_from_left_to_right() {
        let grid = TimeGrid::uniform(3, 0.1, 2);
        assert_eq!(grid.input_weights(Interpolation::Linear, 1, 0.5), InputWeights { left: 0.25, right: 0.75 });
        assert_eq!(grid.input_weights(Interpolation::Hold, 1, 0.5), InputWeights { left: 1.0, right: 0.0 });
    }
}
