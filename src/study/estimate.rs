//! Estimating θ with the weights frozen: an exhaustive grid, or gradients from many starts in box coordinates; an interval
//! by bootstrap over blocks of trajectories.

use super::coordinates::Coordinates;
use super::descend::descend;
use super::estimate_config::{EstimateConfig, EstimateMethod};
use super::lbfgs::lbfgs;
use super::sweep::{Criterion, PointSums, Sweep, sweep};
use crate::device::DeviceError;
use crate::model::ThetaSpec;
use crate::program::Weights;
use crate::rng::{Purpose, Stream};

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

/// Minimises every criterion over the free parameters, fixed ones keeping their value.
pub fn estimate(
    setting: &Sweep,
    criteria: &[Criterion],
    config: &EstimateConfig,
    seed: u64,
) -> Result<Vec<Estimate>, DeviceError> {
    let coordinates = Coordinates::of(setting.device.model());
    match coordinates.len() {
        0 => Ok(Vec::new()),
        free if config.uses_grid(free) => grid(setting, criteria, config, seed, &coordinates),
        _ => criteria.iter().map(|c| follow(setting, c, config, seed, &coordinates)).collect(),
    }
}

/// The estimates of every member of a population of weights, members in order.
pub fn estimate_members(
    setting: &Sweep,
    criteria: &[Criterion],
    config: &EstimateConfig,
    seed: u64,
) -> Result<Vec<Vec<Estimate>>, DeviceError> {
    let per_member = setting.weights.values.len() / setting.weights.members.max(1);
    let of = |member: usize| {
        let values = setting.weights.values[member * per_member..(member + 1) * per_member].to_vec();
        let weights = Weights { members: 1, values };
        estimate(&Sweep { weights: &weights, ..*setting }, criteria, config, seed)
    };
    (0..setting.weights.members).map(of).collect()
}

/// The value of a criterion at a point; infinite where a trajectory failed or it is not a number.
pub(super) fn value_of(point: &PointSums, criterion: &Criterion, multiplicity: impl Fn(usize) -> f64) -> f64 {
    if point.failures > 0 {
        return f64::INFINITY;
    }
    let value = point.terms(&criterion.objective, multiplicity).objective;
    if value.is_nan() { f64::INFINITY } else { value }
}

/// The least value seen of a sequence of points and where; the first point while none is finite.
struct Least {
    theta: Vec<f64>,
    value: f64,
}

impl Least {
    fn see(&mut self, theta: &[f64], value: f64) {
        if value < self.value {
            (self.theta, self.value) = (theta.to_vec(), value);
        }
    }
}

/// Every point of a grid; the bootstrap takes the least of the same points with resampled blocks.
fn grid(
    setting: &Sweep,
    criteria: &[Criterion],
    config: &EstimateConfig,
    seed: u64,
    coordinates: &Coordinates,
) -> Result<Vec<Estimate>, DeviceError> {
    let (points, free) = (config.points.max(2), coordinates.len());
    let count = points.pow(free as u32);
    let place = |mut index: usize| {
        let mut unit = vec![0.0; free];
        for u in unit.iter_mut().rev() {
            *u = (index % points) as f64 / (points - 1) as f64;
            index /= points;
        }
        coordinates.theta(&unit)
    };
    let stream = Stream::new(seed, Purpose::Bootstrap);
    let resamples: Vec<Vec<f64>> = (0..config.bootstrap as u32).map(|r| resample(&stream, setting.blocks, r)).collect();
    let first = || Least { theta: place(0), value: f64::INFINITY };
    let begin = |criterion: &Criterion| {
        let count = if criterion.objective.counts_pairs() { 0 } else { resamples.len() };
        (first(), (0..count).map(|_| first()).collect())
    };
    let mut found: Vec<(Least, Vec<Least>)> = criteria.iter().map(begin).collect();
    sweep(setting, (0..count).map(place), |_, theta, sums| {
        for (criterion, (best, replicates)) in criteria.iter().zip(&mut found) {
            best.see(theta, value_of(&sums, criterion, |_| 1.0));
            for (counts, replicate) in resamples.iter().zip(replicates) {
                replicate.see(theta, value_of(&sums, criterion, |block| counts[block]));
            }
        }
        true
    })?;
    let axes = if free == 1 { String::new() } else { format!(" along each of {free} axes") };
    let estimates = criteria.iter().zip(found).map(|(criterion, (best, replicates))| {
        let thetas: Vec<Vec<f64>> = replicates.into_iter().map(|r| r.theta).collect();
        let (interval, deviation) = spread(coordinates, &thetas);
        let method = format!("grid of {points} points{axes}");
        let name = criterion.name.clone();
        Estimate { criterion: name, theta: best.theta, value: best.value, interval, deviation, method }
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

/// Quantiles and deviation of the free parameters over replicates of θ.
pub(super) fn spread(coordinates: &Coordinates, replicates: &[Vec<f64>]) -> (Option<Vec<(f64, f64)>>, Vec<f64>) {
    let specs = &coordinates.specs;
    let mut intervals: Vec<(f64, f64)> = specs.iter().map(|s| (s.range()[0], s.range()[1])).collect();
    let mut deviation = vec![0.0; specs.len()];
    let n = replicates.len();
    if n < 2 {
        return (None, deviation);
    }
    for i in &coordinates.free {
        let mut sorted: Vec<f64> = replicates.iter().map(|theta| theta[*i]).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |q: f64| sorted[((n - 1) as f64 * q).round() as usize];
        intervals[*i] = (quantile(0.025), quantile(0.975));
        let mean = sorted.iter().sum::<f64>() / n as f64;
        deviation[*i] = (sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt();
    }
    (Some(intervals), deviation)
}

/// Gradients from all starts; the bootstrap repeats them from the best point with resampled blocks.
fn follow(
    setting: &Sweep,
    criterion: &Criterion,
    config: &EstimateConfig,
    seed: u64,
    coordinates: &Coordinates,
) -> Result<Estimate, DeviceError> {
    let (free, starts) = (coordinates.len(), config.starts.max(1));
    let from = |points: Vec<Vec<f64>>, counts: &[Vec<f64>]| match config.method {
        EstimateMethod::Lbfgs => {
            let one = |(start, counts): (&Vec<f64>, &Vec<f64>)| {
                lbfgs(setting, criterion, config.steps, coordinates, start, counts)
            };
            points.iter().zip(counts).map(one).collect()
        }
        _ => descend(setting, criterion, config.steps, coordinates, points, counts),
    };
    let stream = Stream::new(seed, Purpose::Starts);
    let places: Vec<Vec<f64>> = (0..starts as u32)
        .map(|s| (0..free as u32).map(|i| if s == 0 { 0.5 } else { stream.uniform(i, s) }).collect())
        .collect();
    let found = from(places, &vec![vec![1.0; setting.blocks]; starts])?;
    let best = found.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((vec![0.5; free], f64::INFINITY));
    let bootstrap = Stream::new(seed, Purpose::Bootstrap);
    let replicates = if criterion.objective.counts_pairs() { 0 } else { config.bootstrap.min(32) as u32 };
    let counts: Vec<Vec<f64>> = (0..replicates).map(|r| resample(&bootstrap, setting.blocks, r)).collect();
    let mut replicates = Vec::with_capacity(counts.len());
    for part in counts.chunks(8) {
        let again = from(vec![best.0.clone(); part.len()], part)?;
        replicates.extend(again.iter().map(|(unit, _)| coordinates.theta(unit)));
    }
    let (interval, deviation) = spread(coordinates, &replicates);
    let method = match config.method {
        EstimateMethod::Lbfgs => format!("L-BFGS from {starts} starts, at most {} iterations", config.steps),
        _ => format!("projected Adam from {starts} starts, {} steps", config.steps),
    };
    let (name, theta) = (criterion.name.clone(), coordinates.theta(&best.0));
    Ok(Estimate { criterion: name, theta, value: best.1, interval, deviation, method })
}
