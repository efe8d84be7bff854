//! θ that a network makes of every observed window: its mean over the windows.

use super::coordinates::Coordinates;
use super::estimate::{Estimate, resample, spread};
use super::estimate_config::EstimateConfig;
use super::sweep::Sweep;
use crate::device::{DeviceError, Job};
use crate::rng::{Purpose, Stream};

/// Name in the place of a criterion.
const ENCODED: &str = "encoded";

/// The mean of the encoded parameters over all trajectories of a sweep, with quantiles of a bootstrap over its blocks; parameters
/// that are given keep the middle of their box. `None` if no network makes a parameter.
pub fn encoded_estimate(setting: &Sweep, config: &EstimateConfig, seed: u64) -> Result<Option<Estimate>, DeviceError> {
    let model = setting.device.model();
    let made: Vec<usize> = (0..model.theta.len()).filter(|i| model.encodes_theta(*i)).collect();
    if made.is_empty() {
        return Ok(None);
    }
    let coordinates = Coordinates::of(model);
    let middle: Vec<f64> = coordinates.specs.iter().map(|s| s.at(0.5)).collect();
    let (count, rows) = (setting.trajectories.count, setting.trajectories.rows());
    let given: Vec<f64> = middle.iter().copied().cycle().take(count * middle.len()).collect();
    let job = Job::new(setting.trajectories, &rows, &given, setting.weights, &model.objective);
    let rollout = setting.device.simulate(&job)?;
    let width = model.parameters();
    // Number of windows per block, and their sums of each made parameter.
    let mut windows = vec![0.0; setting.blocks];
    let mut sums = vec![vec![0.0; setting.blocks]; made.len()];
    for (window, block) in setting.block.iter().enumerate() {
        windows[*block as usize] += 1.0;
        for (sums, i) in sums.iter_mut().zip(&made) {
            sums[*block as usize] += rollout.parameters[window * width + i];
        }
    }
    let mean = |counts: &[f64], place: usize| {
        let weighted = |of: &[f64]| -> f64 { counts.iter().zip(of).map(|(count, value)| count * value).sum() };
        weighted(&sums[place]) / weighted(&windows)
    };
    let at = |counts: &[f64]| {
        let mut theta = middle.clone();
        for (place, i) in made.iter().enumerate() {
            theta[*i] = mean(counts, place);
        }
        theta
    };
    let stream = Stream::new(seed, Purpose::Bootstrap);
    let replicates: Vec<Vec<f64>> =
        (0..config.bootstrap as u32).map(|replicate| at(&resample(&stream, setting.blocks, replicate))).collect();
    let (interval, deviation) = spread(&coordinates, &replicates);
    let theta = at(&vec![1.0; setting.blocks]);
    Ok(Some(Estimate {
        criterion: ENCODED.into(),
        theta,
        value: rollout.evaluation.terms[0].objective,
        interval,
        deviation,
        method: format!("mean over {count} windows of what the network makes of each"),
    }))
}
