//! Training steps of a benchmark: by the device alone, or by the host with its gradients.

use super::measure::{Effort, Times};
use super::work::Work;
use crate::cli::Failure;
use crate::device::{DescentState, Device, Precision, StepCost, Wanted};
use crate::model::Objective;
use crate::program::Weights;
use crate::train::{AdamW, TrainConfig, clip};

/// Steps that are submitted together: the host reads once per epoch.
const TOGETHER: usize = 8;

/// Steps that the device takes by itself: the time of each, by eights, the peak memory of the process, and what one costs.
pub fn resident(
    device: &dyn Device,
    work: &Work,
    weights: &Weights,
    objective: &Objective,
    effort: Effort,
) -> Result<Option<(Times, Option<usize>, StepCost)>, Failure> {
    let config = TrainConfig { batch: work.rows.len(), ..TrainConfig::default() };
    let setup = config.descent(&work.trajectories, objective);
    let Some(descent) = device.descent(setup) else { return Ok(None) };
    let mut descent = descent?;
    let zeros = vec![0.0; weights.values.len()];
    let state = DescentState { weights: weights.values.clone(), first: zeros.clone(), second: zeros, steps: 0 };
    descent.load(&state)?;
    let order = work.rows.repeat(TOGETHER);
    let measured = effort.measure(true, || Ok(descent.epoch(&order, config.rate[0])?))?;
    Ok(Some((measured.times.per(TOGETHER), measured.peak_bytes, descent.cost()?)))
}

/// Steps that the host takes with the device's gradients: the time of each and the peak memory of the process.
pub fn hosted(
    device: &dyn Device,
    work: &Work,
    weights: &Weights,
    objective: &Objective,
    precision: Precision,
    effort: Effort,
) -> Result<(Times, Option<usize>), Failure> {
    let config = TrainConfig::default();
    let mut weights = weights.clone();
    let mut optimiser = AdamW::new(weights.values.len(), precision == Precision::F32);
    let measured = effort.measure(true, || {
        let mut result = device.gradient(&work.job(&weights, objective), Wanted { weights: true, inputs: false })?;
        clip(&mut result.weights, config.clip_value, config.clip_norm);
        optimiser.step(&mut weights.values, &result.weights, &config, config.rate[0]);
        Ok(())
    })?;
    Ok((measured.times, measured.peak_bytes))
}
