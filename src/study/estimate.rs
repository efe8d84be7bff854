//! Estimating θ with the weights frozen: an exhaustive grid in one dimension, else gradients from many starts in
//! box-normalised coordinates; an interval by bootstrap over blocks of trajectories.

use super::sweep::{Criterion, PointSums, Sweep, sweep};
use crate::device::{DeviceError, Job, Wanted};
use crate::model::ThetaSpec;
use crate::rng::{Purpose, Stream};
use serde::Deserialize;

/// `[estimate]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimateConfig {
    /// Names of penalties to minimise, each an estimate of its own; `penalties` for R alone, their weighted sum, `loss` for
    /// L alone, `objective` for L + λR. Default: each penalty.
    pub criteria: Vec<String>,
    /// Grid points in one dimension.
    pub points: usize,
    /// Starts in more dimensions.
    pub starts: usize,
    /// Gradient steps per start.
    pub steps: usize,
    /// Bootstrap replicates; 0 for no interval.
    pub bootstrap: usize,
    /// Most trajectories used in more than one dimension, evenly chosen.
    pub trajectories: usize,
    /// Also fit weights and θ from scratch with the penalties of the test windows, as `train.mode = "transductive"` does.
    pub transductive: bool,
}

impl Default for EstimateConfig {
    fn default() -> Self {
        EstimateConfig {
            criteria: Vec::new(),
            points: 400,
            starts: 8,
            steps: 60,
            bootstrap: 200,
            trajectories: 300,
            transductive: false,
        }
    }
}

/// An estimate of θ.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The criterion minimised.
    pub criterion: String,
    /// θ̂, fixed parameters included.
    pub theta: Vec<f64>,
    /// Value of the criterion there.
    pub value: f64,
    /// 2.5 and 97.5 % quantiles of the bootstrap, per parameter.
    pub interval: Option<Vec<(f64, f64)>>,
    /// Standard deviation of the bootstrap, per parameter.
    pub deviation: Vec<f64>,
    /// How it was found.
    pub method: String,
}

impl Estimate {
    /// The part of the box of parameter `index` that the interval covers, 0 to 1; `None` without an interval.
    pub fn share_of_box(&self, spec: &ThetaSpec, index: usize) -> Option<f64> {
        let (low, high) = self.interval.as_ref()?[index];
        Some(spec.unit(high) - spec.unit(low))
    }
}

/// Minimises every criterion over the free parameters.
pub fn estimate(
    setting: &Sweep,
    criteria: &[Criterion],
    config: &EstimateConfig,
    seed: u64,
) -> Result<Vec<Estimate>, DeviceError> {
    let model = setting.device.model();
    let specs: Vec<ThetaSpec> = (0..model.theta.len()).map(|i| model.theta_spec(i)).collect();
    let free: Vec<usize> = (0..specs.len()).filter(|i| specs[*i].range()[0] < specs[*i].range()[1]).collect();
    match free[..] {
        [] => Ok(Vec::new()),
        [one] => grid(setting, criteria, config, seed, &specs, one),
        _ => criteria.iter().map(|c| descend(setting, c, config, seed, &specs, &free)).collect(),
    }
}

/// The value of a criterion at a point; infinite where a trajectory failed or it is not a number.
fn value_of(point: &PointSums, criterion: &Criterion, multiplicity: impl Fn(usize) -> f64) -> f64 {
    if point.failures > 0 {
        return f64::INFINITY;
    }
    let value = point.terms(&criterion.objective, multiplicity).objective;
    if value.is_nan() { f64::INFINITY } else { value }
}

fn grid(
    setting: &Sweep,
    criteria: &[Criterion],
    config: &EstimateConfig,
    seed: u64,
    specs: &[ThetaSpec],
    free: usize,
) -> Result<Vec<Estimate>, DeviceError> {
    let points = config.points.max(2);
    let base: Vec<f64> = specs.iter().map(|s| s.at(0.5)).collect();
    let thetas = (0..points).map(|i| {
        let mut theta = base.clone();
        theta[free] = specs[free].at(i as f64 / (points - 1) as f64);
        theta
    });
    let mut all: Vec<(f64, PointSums)> = Vec::with_capacity(points);
    sweep(setting, thetas, |_, theta, sums| {
        all.push((theta[free], sums));
        true
    })?;
    let argmin = |criterion: &Criterion, multiplicity: &dyn Fn(usize) -> f64| -> (f64, f64) {
        let values = all.iter().map(|(theta, point)| (*theta, value_of(point, criterion, multiplicity)));
        values.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((f64::NAN, f64::INFINITY))
    };
    let stream = Stream::new(seed, Purpose::Bootstrap);
    let estimates = criteria.iter().map(|criterion| {
        let (best, value) = argmin(criterion, &|_| 1.0);
        let mut theta = base.clone();
        theta[free] = best;
        let mut replicates: Vec<f64> = (0..config.bootstrap as u32)
            .map(|replicate| {
                let counts = resample(&stream, setting.blocks, replicate);
                argmin(criterion, &|block| counts[block]).0
            })
            .collect();
        replicates.sort_by(f64::total_cmp);
        let (interval, deviation) = spread(specs, &[free], &[replicates]);
        let method = format!("grid of {points} points");
        Estimate { criterion: criterion.name.clone(), theta, value, interval, deviation, method }
    });
    Ok(estimates.collect())
}

/// How often each block is drawn in a bootstrap replicate.
pub(super) fn resample(stream: &Stream, blocks: usize, replicate: u32) -> Vec<f64> {
    let mut counts = vec![0.0; blocks];
    for i in 0..blocks as u32 {
        counts[stream.below(blocks as u32, i, replicate) as usize] += 1.0;
    }
    counts
}

/// Quantiles and deviation of sorted replicates of the free parameters.
pub(super) fn spread(
    specs: &[ThetaSpec],
    free: &[usize],
    replicates: &[Vec<f64>],
) -> (Option<Vec<(f64, f64)>>, Vec<f64>) {
    let mut intervals: Vec<(f64, f64)> = specs.iter().map(|s| (s.range()[0], s.range()[1])).collect();
    let mut deviation = vec![0.0; specs.len()];
    for (i, sorted) in free.iter().zip(replicates) {
        let n = sorted.len();
        if n < 2 {
            return (None, deviation);
        }
        let quantile = |q: f64| sorted[((n - 1) as f64 * q).round() as usize];
        intervals[*i] = (quantile(0.025), quantile(0.975));
        let mean = sorted.iter().sum::<f64>() / n as f64;
        deviation[*i] = (sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt();
    }
    (Some(intervals), deviation)
}

/// Projected Adam in box coordinates from all starts at once; the bootstrap repeats it from the best point with resampled
/// blocks. Each start is a group of one job, so its gradient is its own.
fn descend(
    setting: &Sweep,
    criterion: &Criterion,
    config: &EstimateConfig,
    seed: u64,
    specs: &[ThetaSpec],
    free: &[usize],
) -> Result<Estimate, DeviceError> {
    let stream = Stream::new(seed, Purpose::Starts);
    let starts: Vec<Vec<f64>> = (0..config.starts.max(1) as u32)
        .map(|s| (0..free.len() as u32).map(|i| if s == 0 { 0.5 } else { stream.uniform(i, s) }).collect())
        .collect();
    let ones = vec![vec![1.0; setting.blocks]; starts.len()];
    let found = minimise(setting, criterion, config.steps, specs, free, starts, &ones)?;
    let best = found.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((vec![0.5; free.len()], f64::INFINITY));
    let bootstrap = Stream::new(seed, Purpose::Bootstrap);
    let counts: Vec<Vec<f64>> =
        (0..config.bootstrap.min(32) as u32).map(|r| resample(&bootstrap, setting.blocks, r)).collect();
    let mut replicates = vec![Vec::new(); free.len()];
    for part in counts.chunks(8) {
        let from = vec![best.0.clone(); part.len()];
        for (unit, _) in minimise(setting, criterion, config.steps, specs, free, from, part)? {
            for ((list, u), i) in replicates.iter_mut().zip(unit).zip(free) {
                list.push(specs[*i].at(u));
            }
        }
    }
    for list in &mut replicates {
        list.sort_by(f64::total_cmp);
    }
    let (interval, deviation) = spread(specs, free, &replicates);
    let mut theta: Vec<f64> = specs.iter().map(|s| s.at(0.5)).collect();
    for (i, u) in free.iter().zip(&best.0) {
        theta[*i] = specs[*i].at(*u);
    }
    let method = format!("projected Adam from {} starts, {} steps", config.starts.max(1), config.steps);
    Ok(Estimate { criterion: criterion.name.clone(), theta, value: best.1, interval, deviation, method })
}

/// Best box coordinates and values seen from every start.
fn minimise(
    setting: &Sweep,
    criterion: &Criterion,
    steps: usize,
    specs: &[ThetaSpec],
    free: &[usize],
    mut unit: Vec<Vec<f64>>,
    multiplicity: &[Vec<f64>],
) -> Result<Vec<(Vec<f64>, f64)>, DeviceError> {
    let (n, p, groups) = (setting.trajectories.count, specs.len(), unit.len());
    let rows: Vec<u32> = (0..groups).flat_map(|_| 0..n as u32).collect();
    let counts: Vec<f64> = multiplicity.iter().flat_map(|m| setting.block.iter().map(|b| m[*b as usize])).collect();
    let mut best: Vec<(Vec<f64>, f64)> = unit.iter().map(|u| (u.clone(), f64::INFINITY)).collect();
    let mut moments = vec![[0.0f64; 2]; groups * free.len()];
    for step in 0..steps {
        let thetas: Vec<Vec<f64>> = unit
            .iter()
            .map(|u| {
                let mut theta: Vec<f64> = specs.iter().map(|s| s.at(0.5)).collect();
                for (i, u) in free.iter().zip(u) {
                    theta[*i] = specs[*i].at(*u);
                }
                theta
            })
            .collect();
        let theta: Vec<f64> = thetas.iter().flat_map(|t| t.iter().copied().cycle().take(n * p)).collect();
        let job = Job {
            multiplicity: Some(&counts),
            groups,
            hold_theta: true,
            ..Job::new(setting.trajectories, &rows, &theta, setting.weights, &criterion.objective)
        };
        let gradient = setting.device.gradient(&job, Wanted { weights: false, inputs: true })?;
        // From a tenth of the box down to a thousandth.
        let rate = 0.1 * (0.01f64).powf(step as f64 / steps as f64);
        for g in 0..groups {
            let value = gradient.evaluation.terms[g].objective;
            if value < best[g].1 {
                best[g] = (unit[g].clone(), value);
            }
            for (j, i) in free.iter().enumerate() {
                let sum: f64 = (g * n..(g + 1) * n).map(|s| gradient.theta[s * p + i]).sum();
                let slope = sum * specs[*i].slope(thetas[g][*i]);
                let slope = if slope.is_finite() { slope } else { 0.0 };
                let [m, v] = &mut moments[g * free.len() + j];
                *m = 0.8 * *m + 0.2 * slope;
                *v = 0.95 * *v + 0.05 * slope * slope;
                let (c1, c2) = (1.0 - 0.8f64.powi(step as i32 + 1), 1.0 - 0.95f64.powi(step as i32 + 1));
                unit[g][j] = (unit[g][j] - rate * (*m / c1) / ((*v / c2).sqrt() + 1e-12)).clamp(0.0, 1.0);
            }
        }
    }
    Ok(best)
}
