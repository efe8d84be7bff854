//! Profiles: a criterion over one parameter, minimised over all others, and the interval that it leaves.
//!
//! A loss L with Gaussian residuals of unknown variance is within the likelihood-ratio interval where
//! N ln(L / L_min) ≤ χ²₁(0.95) = 3.84. N counts independent entries: an observation that lies in several windows counts
//! once. Even so residuals of one episode may depend on each other; then the interval is too narrow and the bootstrap over
//! episodes, which stands beside it, is to be believed.
//!
//! A penalty is no likelihood. Its limit comes from the spread σ of its rise R(θ) − R(θ̂) between resamples of blocks. For a
//! parabola with curvature H whose slope has the sampling deviation s, the rise at a distance δ is Hδ²/2 with σ = sδ, and
//! 95 % of minima lie within δ = 1.96 s/H, where the rise is 0.98 σ. A modulus |m| rises to |m|, with σ = 1.168 times the
//! deviation of m behind its kink, and 95 % of zeros of m lie where it is 1.96 deviations: 1.68 σ.

use super::coordinates::Coordinates;
use super::curvature::Curvature;
use super::estimate::{resample, value_of};
use super::estimate_config::EstimateConfig;
use super::nuisance::minimise_others;
use super::sweep::{Criterion, PointSums, Sweep, sweep};
use crate::device::DeviceError;
use crate::rng::{Purpose, Stream};
use nalgebra::{DMatrix, DVector};
use serde::Serialize;

/// χ²₁(0.95)
const CHI_SQUARED: f64 = 3.841_458_820_694_124;
/// Times that points take over what their neighbours found.
const ROUNDS: usize = 3;
/// Rises below this share of the largest are rounding, and what a minimisation leaves.
const ROUNDING: f64 = 1e-6;
/// Resamples of blocks that give the spread of a rise.
const RESAMPLES: u32 = 200;
/// Distances of further points around the minimum, in expected half-widths of the interval.
const AROUND: [f64; 6] = [-1.5, -1.0, -0.5, 0.5, 1.0, 1.5];

/// What a profile's interval is taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// Likelihood ratio with so many independent entries.
    Likelihood(f64),
    /// Spread between resamples of blocks with a seed.
    Blocks(u64),
}

/// A point of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfilePoint {
    /// θ, the other parameters where the criterion is least.
    pub theta: Vec<f64>,
    /// The criterion; infinite (`null` in files) where a trajectory fails.
    pub value: f64,
    /// The value up to which this point is inside the 95 % interval; NaN where there is no telling.
    pub limit: f64,
}

/// A criterion over one parameter, minimised over the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Index of the parameter in θ.
    pub parameter: usize,
    /// By increasing value of the parameter; the minimum is among them.
    pub points: Vec<ProfilePoint>,
    /// The 95 % interval around the minimum; an end that the limit does not reach is that of the box. `None` where there is
    /// no telling: a penalty of fewer than two blocks.
    pub interval: Option<(f64, f64)>,
    /// Whether the lower and the upper end are those of the box.
    pub open: [bool; 2],
    /// True if the criterion falls below the limit again outside of the interval.
    pub again: bool,
    /// The part of the box that the interval covers, 0 to 1.
    pub share: f64,
}

/// Profiles of a criterion over every free parameter around its minimum `centre` with the curvature `shape` and, where they
/// are known, the deviations of the parameters in box widths. Costs per criterion free × (profile_points + 7) points, each
/// `profile_steps` gradients and 12 evaluations (with one parameter 1 evaluation) of all trajectories.
pub(super) fn profiles(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    centre: &[f64],
    (shape, deviations): (&Curvature, Option<&[f64]>),
    limit: Limit,
    config: &EstimateConfig,
) -> Result<Vec<Profile>, DeviceError> {
    let n = coordinates.len();
    let rows: Vec<Vec<f64>> =
        (0..n).map(|j| abscissae(centre[j], deviations.map(|d| d[j]), config.profile_points.max(5))).collect();
    let mut points: Vec<(usize, Vec<f64>)> = Vec::new();
    for (j, row) in rows.iter().enumerate() {
        points.extend(row.iter().map(|u| (j, held(centre, j, *u))));
    }
    if n > 1 {
        let least = values(setting, criterion, coordinates, &[centre.to_vec()])?[0];
        let along = |point: &(usize, Vec<f64>)| along_valley(shape, centre, point);
        choose(setting, criterion, coordinates, &mut points, |points, i| vec![along(&points[i])])?;
        for _ in 0..ROUNDS {
            let (from, steps) = (points.clone(), config.profile_steps.div_ceil(ROUNDS));
            let units = minimise_others(setting, criterion, coordinates, from, (shape, least), steps)?;
            points.iter_mut().zip(units).for_each(|(point, unit)| point.1 = unit);
            // What a neighbour found may be a better start.
            choose(setting, criterion, coordinates, &mut points, |points, i| {
                let (j, unit) = &points[i];
                let near = [i.checked_sub(1), (i + 1 < points.len()).then_some(i + 1)];
                let same = near.into_iter().flatten().filter(|k| points[*k].0 == *j);
                same.map(|k| held(&points[k].1, *j, unit[*j])).collect()
            })?;
        }
    }
    let units: Vec<Vec<f64>> = points.iter().map(|(_, unit)| unit.clone()).collect();
    let sums = all_sums(setting, coordinates, &units)?;
    let found: Vec<f64> = sums.iter().map(|s| value_of(s, criterion, |_| 1.0)).collect();
    let lowest = (0..found.len()).min_by(|a, b| found[*a].total_cmp(&found[*b])).unwrap_or(0);
    let highest = found.iter().copied().filter(|v| v.is_finite()).fold(found[lowest], f64::max);
    let floor = found[lowest] + ROUNDING * ((highest - found[lowest]) + found[lowest].abs());
    let mut limits = limits(setting, criterion, shape, &sums, (lowest, &found), limit);
    limits.iter_mut().filter(|l| !l.is_nan()).for_each(|l| *l = l.max(floor));
    let mut first = 0;
    let of_row = |(j, row): (usize, &Vec<f64>)| {
        let range = first..first + row.len();
        first = range.end;
        let point = |k: usize| ProfilePoint { theta: coordinates.theta(&units[k]), value: found[k], limit: limits[k] };
        let rises: Vec<f64> = range.clone().map(|k| rise(found[k], found[lowest], limits[k], limit)).collect();
        interval(coordinates, j, row, &rises, range.map(point).collect())
    };
    Ok(rows.iter().enumerate().map(of_row).collect())
}

/// A point with coordinate `j` set.
fn held(unit: &[f64], j: usize, value: f64) -> Vec<f64> {
    let mut unit = unit.to_vec();
    unit[j] = value;
    unit
}

/// Box coordinates of a profile's points: evenly over the box, the minimum, and some around it where the interval is
/// expected to end.
fn abscissae(centre: f64, deviation: Option<f64>, points: usize) -> Vec<f64> {
    let mut row: Vec<f64> = (0..points).map(|i| i as f64 / (points - 1) as f64).collect();
    if let Some(half) = deviation.map(|d| 1.96 * d).filter(|half| *half > 1e-6 && *half < 0.25) {
        row.extend(AROUND.iter().map(|a| centre + a * half).filter(|u| (0.0..=1.0).contains(u)));
    }
    row.retain(|u| (u - centre).abs() > 1e-6);
    row.push(centre);
    row.sort_by(f64::total_cmp);
    row.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    row
}

/// The point with its other coordinates moved along the valley of the parabola at the minimum.
fn along_valley(shape: &Curvature, centre: &[f64], (j, point): &(usize, Vec<f64>)) -> Vec<f64> {
    let others: Vec<usize> = (0..centre.len()).filter(|i| i != j).collect();
    let column = DVector::from_iterator(others.len(), others.iter().map(|i| shape.matrix[*i][*j]));
    let inverse: DMatrix<f64> = shape.restricted(&others).pseudo_inverse();
    let moved = inverse * column * (centre[*j] - point[*j]);
    let mut unit = point.clone();
    for (i, step) in others.iter().zip(moved.iter()) {
        unit[*i] = (centre[*i] + step).clamp(0.0, 1.0);
    }
    unit
}

/// Replaces every point by the best of itself and the candidates for it.
fn choose(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    points: &mut [(usize, Vec<f64>)],
    candidates: impl Fn(&[(usize, Vec<f64>)], usize) -> Vec<Vec<f64>>,
) -> Result<(), DeviceError> {
    let offers: Vec<Vec<Vec<f64>>> = (0..points.len())
        .map(|i| std::iter::once(points[i].1.clone()).chain(candidates(points, i)).collect())
        .collect();
    let flat: Vec<Vec<f64>> = offers.iter().flatten().cloned().collect();
    let mut found = values(setting, criterion, coordinates, &flat)?.into_iter();
    for (point, offer) in points.iter_mut().zip(offers) {
        let best = offer.into_iter().zip(&mut found).min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((unit, _)) = best {
            point.1 = unit;
        }
    }
    Ok(())
}

fn all_sums(setting: &Sweep, coordinates: &Coordinates, units: &[Vec<f64>]) -> Result<Vec<PointSums>, DeviceError> {
    let mut all = Vec::with_capacity(units.len());
    sweep(setting, units.iter().map(|unit| coordinates.theta(unit)), |_, _, sums| {
        all.push(sums);
        true
    })?;
    Ok(all)
}

fn values(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    units: &[Vec<f64>],
) -> Result<Vec<f64>, DeviceError> {
    Ok(all_sums(setting, coordinates, units)?.iter().map(|s| value_of(s, criterion, |_| 1.0)).collect())
}

/// The value up to which each point is inside.
fn limits(
    setting: &Sweep,
    criterion: &Criterion,
    shape: &Curvature,
    sums: &[PointSums],
    (lowest, found): (usize, &[f64]),
    limit: Limit,
) -> Vec<f64> {
    match limit {
        Limit::Likelihood(entries) => vec![found[lowest] * (CHI_SQUARED / entries.max(1.0)).exp(); sums.len()],
        Limit::Blocks(_) if setting.blocks < 2 || criterion.objective.counts_pairs() => vec![f64::NAN; sums.len()],
        Limit::Blocks(seed) => {
            let stream = Stream::new(seed, Purpose::Bootstrap);
            let counts: Vec<Vec<f64>> = (0..RESAMPLES).map(|r| resample(&stream, setting.blocks, r)).collect();
            let of = |point: &PointSums| -> Vec<f64> {
                counts.iter().map(|counts| value_of(point, criterion, |block| counts[block])).collect()
            };
            let base = of(&sums[lowest]);
            let factor = if shape.kinked { 1.68 } else { 0.98 };
            let one = |point: &PointSums| {
                let rises: Vec<f64> = of(point).iter().zip(&base).map(|(a, b)| a - b).collect();
                let mean = rises.iter().sum::<f64>() / rises.len() as f64;
                let variance = rises.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (rises.len() - 1) as f64;
                found[lowest] + factor * variance.sqrt()
            };
            sums.iter().map(one).collect()
        }
    }
}

/// How far up to its limit a point is: 1 on it, in a measure that grows evenly with the distance from the minimum.
fn rise(value: f64, least: f64, limit: f64, kind: Limit) -> f64 {
    let (rise, allowed) = (value - least, limit - least);
    if rise <= 0.0 {
        return 0.0;
    }
    // Where trajectories fail the limit is no number either, but the point is outside.
    if !value.is_finite() {
        return f64::INFINITY;
    }
    match kind {
        Limit::Likelihood(_) => (rise / allowed).sqrt(),
        Limit::Blocks(_) => rise / allowed,
    }
}

/// The interval around the lowest point of a row, between points by interpolation.
fn interval(coordinates: &Coordinates, j: usize, row: &[f64], rises: &[f64], points: Vec<ProfilePoint>) -> Profile {
    let parameter = coordinates.free[j];
    let known = points.iter().all(|p| !p.limit.is_nan() || !p.value.is_finite());
    let bottom = (0..row.len()).min_by(|a, b| rises[*a].total_cmp(&rises[*b])).unwrap_or(0);
    // From the bottom outwards to the first point outside; the crossing lies before it.
    let end = |outwards: &mut dyn Iterator<Item = usize>| -> (f64, bool, usize) {
        let mut last = bottom;
        for k in outwards {
            if rises[k] > 1.0 {
                let share = if rises[k].is_finite() { (1.0 - rises[last]) / (rises[k] - rises[last]) } else { 0.0 };
                return (row[last] + share * (row[k] - row[last]), false, last);
            }
            last = k;
        }
        (row[last], true, last)
    };
    let (low, open_low, from) = end(&mut (0..bottom).rev());
    let (high, open_high, to) = end(&mut (bottom + 1..row.len()));
    let again = known && (0..row.len()).any(|k| (k < from || k > to) && rises[k] <= 1.0);
    let spec = &coordinates.specs[parameter];
    Profile {
        parameter,
        points,
        interval: known.then(|| (spec.at(low), spec.at(high))),
        open: [open_low, open_high],
        again,
        share: high - low,
    }
}
