//! Identifiability: for every criterion its minima, how sharp they are, what they leave open, and how far they lie from what
//! is known.

use super::agreement::Agreement;
use super::bias::{Bias, biases};
use super::coordinates::Coordinates;
use super::curvature::{Covariance, Curvature, curvatures, gauss_newton};
use super::directions::Direction;
use super::estimate::Estimate;
use super::estimate_config::EstimateConfig;
use super::landscape::Landscape;
use super::minima::{FurtherMinimum, further_minima};
use super::profile::{Limit, Profile, profiles};
use super::sweep::{Criterion, Sweep};
use crate::device::DeviceError;
use serde::Serialize;

/// Curvature along a direction as a share of the largest, below which it counts as flat.
const FLAT: f64 = 1e-3;
/// The same where the criterion has a kink: the direction of the kink turns a little within the differences taken.
const FLAT_KINK: f64 = 0.05;
/// A parameter whose profile leaves less of the box than this is known, whatever a parabola says.
const KNOWN: f64 = 0.25;
/// A coordinate nearer than this to the end of its box lies at it.
const EDGE: f64 = 0.005;

/// What else is known about the estimates of a study.
pub struct Known<'a> {
    /// Estimates, one per criterion.
    pub estimates: &'a [Estimate],
    /// Where a perfect correction would lead each criterion.
    pub oracles: &'a [Option<Vec<f64>>],
    /// A landscape with further minima.
    pub landscape: Option<&'a Landscape>,
    /// Independent observed entries: those of overlapping windows once.
    pub entries: f64,
}

/// What a study identifies, and by what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identifiability {
    /// Names of the free parameters.
    pub parameters: Vec<String>,
    /// Their indices in θ.
    pub free: Vec<usize>,
    /// Independent observed entries.
    pub entries: f64,
    /// One per criterion.
    pub criteria: Vec<Identified>,
    /// Whether the members of a population agree; empty for one member.
    pub members: Vec<Agreement>,
}

/// What one criterion says about θ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identified {
    /// The criterion.
    pub criterion: String,
    /// True for the prediction error alone, whose intervals are those of the likelihood.
    pub is_loss: bool,
    /// θ where it is least, the estimate.
    pub theta: Vec<f64>,
    /// Its value there.
    pub value: f64,
    /// Curvature at the minimum.
    pub curvature: Curvature,
    /// Gauss–Newton matrix there, of the prediction error.
    pub gauss_newton: Option<Curvature>,
    /// Covariance of the minimum, 0 for parameters at an edge; `None` where there is no telling.
    pub covariance: Option<Covariance>,
    /// 95 % interval of each free parameter from the covariance, ± 1.96 deviations along its scale, cut to the box.
    pub parabolic: Option<Vec<(f64, f64)>>,
    /// 95 % interval of each free parameter by bootstrap.
    pub bootstrap: Option<Vec<(f64, f64)>>,
    /// A profile for each free parameter.
    pub profiles: Vec<Profile>,
    /// Parameters that the criterion presses against an end of their box, as indices in θ.
    pub edges: Vec<usize>,
    /// Eigenvectors of the curvature over the other parameters, the sharpest first.
    pub directions: Vec<Direction>,
    /// Further minima on the landscape, the deepest first.
    pub minima: Vec<FurtherMinimum>,
    /// Distance from truth and oracle.
    pub biases: Vec<Bias>,
}

impl Identified {
    /// The directions that it leaves open.
    pub fn flat(&self) -> impl Iterator<Item = &Direction> {
        self.directions.iter().filter(|d| d.flat)
    }
}

/// What each criterion identifies. Costs are bounded by those of [`Profile`]s, 4 · free + 1 gradients for each minimum and
/// 32 at the estimate, and 2 · free simulations of the prediction error.
pub fn identify(
    setting: &Sweep,
    criteria: &[Criterion],
    known: &Known,
    config: &EstimateConfig,
    seed: u64,
) -> Result<Identifiability, DeviceError> {
    let model = setting.device.model();
    let coordinates = Coordinates::of(model);
    let examine = |(i, estimate): (usize, &Estimate)| {
        let oracle = known.oracles.get(i).and_then(Option::as_ref);
        one(setting, &criteria[i], &coordinates, estimate, oracle, known, (config, seed))
    };
    let pairs = known.estimates.iter().take(criteria.len()).enumerate();
    let criteria = pairs.map(examine).collect::<Result<Vec<Identified>, DeviceError>>()?;
    Ok(Identifiability {
        parameters: coordinates.free.iter().map(|i| model.theta[*i].clone()).collect(),
        free: coordinates.free,
        entries: known.entries,
        criteria,
        members: Vec::new(),
    })
}

fn one(
    setting: &Sweep,
    criterion: &Criterion,
    coordinates: &Coordinates,
    estimate: &Estimate,
    oracle: Option<&Vec<f64>>,
    known: &Known,
    (config, seed): (&EstimateConfig, u64),
) -> Result<Identified, DeviceError> {
    let objective = &criterion.objective;
    let is_loss = objective.loss_weight > 0.0 && objective.penalties.iter().all(|p| p.weight == 0.0);
    let centre: Vec<f64> = coordinates.unit(&estimate.theta).iter().map(|u| u.clamp(0.0, 1.0)).collect();
    let curvature = curvatures(setting, criterion, coordinates, std::slice::from_ref(&centre))?.remove(0);
    let place = (coordinates, estimate.theta.as_slice());
    let others = further_minima(criterion, place, known.landscape, is_loss, curvature.kinked);
    let places: Vec<Vec<f64>> = others.iter().map(|m| coordinates.unit(&m.0)).collect();
    let shapes = curvatures(setting, criterion, coordinates, &places)?;
    let gauss_newton = if is_loss { gauss_newton(setting, coordinates, &centre)? } else { None };
    let shape = gauss_newton.as_ref().unwrap_or(&curvature);

    // What is pressed against an edge is held by it; the rest is judged by the curvature.
    let edges = pressed(&centre, &curvature);
    let inner: Vec<usize> = (0..coordinates.len()).filter(|j| !edges.contains(j)).collect();
    let part = shape.restricted(&inner);
    let covariance = match (&gauss_newton, inner.is_empty()) {
        (_, true) => None,
        (Some(_), _) => Some(Covariance::of_loss(&part, estimate.value, known.entries)),
        (None, _) => Covariance::of_blocks(setting, criterion, coordinates, (&centre, &inner), &part, seed)?,
    };
    let covariance = covariance.map(|c| c.widened(&inner, coordinates.len()));
    let deviations = covariance.as_ref().map(Covariance::deviations);
    let limit = if is_loss { Limit::Likelihood(known.entries) } else { Limit::Blocks(seed) };
    let profiles = profiles(setting, criterion, coordinates, &centre, (shape, deviations.as_deref()), limit, config)?;

    let model = setting.device.model();
    let directions: Vec<Direction> = part
        .eigenvalues
        .iter()
        .zip(&part.directions)
        .map(|(value, inner_components)| {
            let mut components = vec![0.0; coordinates.len()];
            inner.iter().zip(inner_components).for_each(|(j, c)| components[*j] = *c);
            let share = value / part.eigenvalues[0].abs().max(f64::MIN_POSITIVE);
            let deviation = covariance.as_ref().map(|c| c.along(&components));
            let direction = Direction::new(coordinates, &model.theta, &centre, components, share, deviation);
            let flat = is_flat(&direction, &profiles, part.kinked, is_loss);
            Direction { flat, ..direction }
        })
        .collect();
    let parabolic = deviations.as_ref().map(|deviations| {
        let ends = |(j, d): (usize, &f64)| {
            let at = |u: f64| coordinates.specs[coordinates.free[j]].at(u.clamp(0.0, 1.0));
            (at(centre[j] - 1.96 * d), at(centre[j] + 1.96 * d))
        };
        deviations.iter().enumerate().map(ends).collect()
    });
    let free = &coordinates.free;
    let edges: Vec<usize> = edges.iter().map(|j| free[*j]).collect();
    Ok(Identified {
        criterion: criterion.name.clone(),
        is_loss,
        theta: estimate.theta.clone(),
        value: estimate.value,
        biases: biases(coordinates, estimate, oracle, (&profiles, &edges)),
        gauss_newton,
        covariance,
        parabolic,
        bootstrap: estimate.interval.as_ref().map(|ends| free.iter().map(|i| ends[*i]).collect()),
        profiles,
        edges,
        directions,
        minima: others
            .into_iter()
            .zip(shapes)
            .map(|((theta, value, depth, basin), curvature)| FurtherMinimum { theta, value, depth, basin, curvature })
            .collect(),
        curvature,
    })
}

/// Coordinates at an end of their box with the criterion falling towards it, more than a flat criterion would.
fn pressed(centre: &[f64], curvature: &Curvature) -> Vec<usize> {
    let largest = curvature.eigenvalues.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let outwards = |j: &usize| match centre[*j] {
        u if u < EDGE => curvature.slope[*j],
        u if u > 1.0 - EDGE => -curvature.slope[*j],
        _ => 0.0,
    };
    // The rise over a tenth of the box against that of a parabola which would count as flat.
    (0..centre.len()).filter(|j| 0.1 * outwards(j) > FLAT * largest * 0.005).collect()
}

/// Whether a criterion leaves a direction open: its confidence region is longer than the box, or its curvature is next to
/// nothing beside that of others and no known region is short. Profiles, which do not trust a parabola, have the last word.
fn is_flat(direction: &Direction, profiles: &[Profile], kinked: bool, is_loss: bool) -> bool {
    let length = direction.deviation.map(|d| 2.0 * 1.96 * d / direction.chord.max(f64::MIN_POSITIVE));
    let small = direction.share < if kinked { FLAT_KINK } else { FLAT };
    let open = match length {
        // Without curvature the gradients of blocks vanish too, and with them what they tell about the region.
        Some(length) => length > 1.0 || (small && (length > KNOWN || !is_loss)),
        None => small,
    };
    let chief = (0..direction.components.len())
        .max_by(|a, b| direction.components[*a].abs().total_cmp(&direction.components[*b].abs()));
    let profile = chief.and_then(|j| profiles.get(j)).filter(|p| p.interval.is_some());
    match profile {
        // A single parameter has no other to trade off with: its profile says it all.
        Some(profile) if profiles.len() == 1 => profile.open == [true, true],
        Some(profile) => open && profile.share >= KNOWN,
        None => open,
    }
}
