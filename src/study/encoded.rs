//! θ that a network makes of every observed window: its mean over the windows.

use super::estimate::{Estimate, EstimateConfig, resample, spread};
use super::sweep::Sweep;
use crate::device::{DeviceError, Job};
use crate::model::ThetaSpec;
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
    let specs: Vec<ThetaSpec> = (0..model.theta.len()).map(|i| model.theta_spec(i)).collect();
    let mut theta: Vec<f64> = specs.iter().map(|s| s.at(0.5)).collect();
    let (count, rows) = (setting.trajectories.count, setting.trajectories.rows());
    let given: Vec<f64> = theta.iter().copied().cycle().take(count * theta.len()).collect();
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
    let stream = Stream::new(seed, Purpose::Bootstrap);
    let counts: Vec<Vec<f64>> =
        (0..config.bootstrap as u32).map(|replicate| resample(&stream, setting.blocks, replicate)).collect();
    let mut replicates = Vec::with_capacity(made.len());
    for (place, i) in made.iter().enumerate() {
        theta[*i] = mean(&vec![1.0; setting.blocks], place);
        let mut means: Vec<f64> = counts.iter().map(|c| mean(c, place)).collect();
        means.sort_by(f64::total_cmp);
        replicates.push(means);
    }
    let (interval, deviation) = spread(&specs, &made, &replicates);
    Ok(Some(Estimate {
        criterion: ENCODED.into(),
        theta,
        value: rollout.evaluation.terms[0].objective,
        interval,
        deviation,
        method: format!("mean over {count} windows of what the network makes of each"),
    }))
}
