//! How far forecasts are from what was observed: by output, by step, all together.

use super::prepare::trajectories;
use crate::data::Windows;
use crate::device::{Device, DeviceError, Job, StatusCode};
use crate::program::Weights;
use serde::Serialize;

/// Numbers of predictions held at a time.
const BUDGET: usize = 1 << 24;

/// Root mean square errors over windows, missing observations left out. Those of an output are in the units of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ForecastError {
    /// Over outputs, steps and windows, in the units of the loss: after `scale`, residuals divided as `normalise` says.
    pub overall: f64,
    /// One per output.
    pub outputs: Vec<f64>,
    /// By step, from 1 to the horizon, one list per output.
    pub steps: Vec<Vec<f64>>,
    /// Windows whose forecast left the finite numbers, and which are left out.
    pub failures: usize,
}

/// What residuals are measured in.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    /// What the residual of each output is divided by in the loss.
    pub residual_scale: Vec<f64>,
    /// From the units of the model to those of the data, one factor per output.
    pub to_data: Vec<f64>,
}

/// Sums of squares per output and step.
struct Squares<'a> {
    windows: &'a Windows,
    units: &'a Units,
    squares: Vec<f64>,
    counts: Vec<f64>,
    failures: usize,
}

impl<'a> Squares<'a> {
    fn new(windows: &'a Windows, units: &'a Units) -> Squares<'a> {
        let size = units.to_data.len() * windows.horizon;
        Squares { windows, units, squares: vec![0.0; size], counts: vec![0.0; size], failures: 0 }
    }

    /// Adds the predictions `[horizon, outputs × cells]` of a window.
    fn add(&mut self, window: usize, predicted: impl Fn(usize) -> f64) {
        let (horizon, width) = (self.windows.horizon, self.windows.outputs);
        let cells = width / self.units.to_data.len().max(1);
        let observed = &self.windows.future[window * horizon * width..(window + 1) * horizon * width];
        for (i, y) in observed.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let place = i % width / cells * horizon + i / width;
            self.squares[place] += (predicted(i) - y).powi(2);
            self.counts[place] += 1.0;
        }
    }

    fn finish(self) -> ForecastError {
        let horizon = self.windows.horizon;
        let root = |squares: &[f64], counts: &[f64], factor: f64| {
            (squares.iter().sum::<f64>() / counts.iter().sum::<f64>()).sqrt() * factor
        };
        let of =
            |o: usize| (&self.squares[o * horizon..(o + 1) * horizon], &self.counts[o * horizon..(o + 1) * horizon]);
        let outputs = || self.units.to_data.iter().map(|f| f.abs()).enumerate();
        let divided: f64 =
            outputs().map(|(o, _)| of(o).0.iter().sum::<f64>() / self.units.residual_scale[o].powi(2)).sum();
        ForecastError {
            overall: (divided / self.counts.iter().sum::<f64>()).sqrt(),
            outputs: outputs().map(|(o, factor)| root(of(o).0, of(o).1, factor)).collect(),
            steps: outputs()
                .map(|(o, factor)| {
                    let (squares, counts) = of(o);
                    (0..horizon).map(|j| root(&squares[j..=j], &counts[j..=j], factor)).collect()
                })
                .collect(),
            failures: self.failures,
        }
    }
}

/// The error of rollouts at θ `[p]` with the weights of a single member.
pub fn forecast_error(
    device: &dyn Device,
    weights: &Weights,
    theta: &[f64],
    windows: &Windows,
    units: &Units,
) -> Result<ForecastError, DeviceError> {
    let all = trajectories(windows, &units.residual_scale);
    let (model, steps, k) = (device.model(), all.steps, windows.outputs);
    let most = (BUDGET / ((steps + 1) * (model.integrated_len() + k)).max(1)).max(1);
    let mut squares = Squares::new(windows, units);
    for part in all.rows().chunks(most) {
        let theta = theta.repeat(part.len());
        let rollout = device.simulate(&Job::new(&all, part, &theta, weights, &model.objective))?;
        for (i, row) in part.iter().enumerate() {
            if rollout.evaluation.status[i].code != StatusCode::Ok {
                squares.failures += 1;
                continue;
            }
            squares.add(*row as usize, |place| rollout.predictions[i * steps * k + place]);
        }
    }
    Ok(squares.finish())
}

/// The error of forecasting the last observation for all steps; `None` without a past.
pub fn persistence_error(windows: &Windows, units: &Units) -> Option<ForecastError> {
    if windows.history == 0 {
        return None;
    }
    let mut squares = Squares::new(windows, units);
    for window in 0..windows.count {
        let last = windows.initial(window);
        squares.add(window, |place| last[place % windows.outputs]);
    }
    Some(squares.finish())
}
