//! Parameters trained with the weights: one number per member and parameter, in coordinates that suit an optimiser.

use super::config::TrainConfig;
use super::mode::Coordinates;
use super::population::Member;
use crate::model::{Model, ThetaSpec};
use crate::rng::{Purpose, Stream};

/// Where trained parameters start in coordinates of a sigmoid, as a distance from the ends of the box.
const EDGE: f64 = 1e-3;

/// The trained parameters of a run, and the coordinates in which they are stepped.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Index in θ and properties of each trained parameter.
    free: Vec<(usize, ThetaSpec)>,
    /// Values of those that are known; 0 for the trained ones.
    known: Vec<f64>,
    coordinates: Coordinates,
    single: bool,
}

impl Parameters {
    /// Every parameter that is neither fixed, nor held by the population, nor made by a network, if the mode trains θ; else none.
    pub fn new(model: &Model, config: &TrainConfig, single: bool) -> Parameters {
        let specs = (0..model.theta.len()).map(|i| model.theta_spec(i));
        let trained = |i: usize, spec: &ThetaSpec| {
            let held = config.population.theta.contains_key(&model.theta[i]) || model.encodes_theta(i);
            config.trains_theta() && spec.fixed.is_none() && !held
        };
        // What a network makes of the window needs some value all the same.
        let known =
            |(i, s): (usize, ThetaSpec)| s.fixed.unwrap_or(if model.encodes_theta(i) { s.at(0.5) } else { 0.0 });
        Parameters {
            known: specs.clone().enumerate().map(|s| known(s) as f32 as f64).collect(),
            free: specs.enumerate().filter(|(i, spec)| trained(*i, spec)).collect(),
            coordinates: config.theta,
            single,
        }
    }

    /// Number of trained parameters q.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// True if nothing but the weights is trained.
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// Coordinates `[q]` where a member starts: those of `theta_start`, else a uniform draw of the box.
    pub fn start(&self, model: &Model, config: &TrainConfig, seed: u64) -> Vec<f64> {
        let stream = Stream::new(seed, Purpose::Starts);
        let start = |(i, spec): &(usize, ThetaSpec)| {
            let given = config.theta_start.get(&model.theta[*i]).copied();
            if !has_box(spec) {
                return self.round(given.unwrap_or(0.0));
            }
            // Steps of searches count from 0; the last one is free.
            let unit = given.map_or_else(|| stream.uniform(*i as u32, u32::MAX), |value| spec.unit(value));
            self.round(match self.coordinates {
                Coordinates::Project => unit,
                Coordinates::Transform => {
                    let inside = unit.clamp(EDGE, 1.0 - EDGE);
                    (inside / (1.0 - inside)).ln()
                }
            })
        };
        self.free.iter().map(start).collect()
    }

    fn round(&self, x: f64) -> f64 {
        if self.single { x as f32 as f64 } else { x }
    }

    /// θ `[p]` of a member at its coordinates `[q]`, rounded to what a device in f32 can hold.
    pub fn values(&self, member: &Member, coordinates: &[f64]) -> Vec<f64> {
        let mut theta = self.known.clone();
        for ((i, spec), x) in self.free.iter().zip(coordinates) {
            theta[*i] = self.value(spec, *x) as f32 as f64;
        }
        for (i, value) in &member.held {
            theta[*i] = *value;
        }
        theta
    }

    fn value(&self, spec: &ThetaSpec, x: f64) -> f64 {
        match self.coordinates {
            _ if !has_box(spec) => x,
            Coordinates::Project => spec.at(x),
            Coordinates::Transform => spec.at(sigmoid(x)),
        }
    }

    /// Derivatives with respect to the coordinates `[q]` from those with respect to θ of each sample, `[samples, p]`.
    pub fn pull_back(&self, coordinates: &[f64], gradient: &[f64]) -> Vec<f64> {
        let p = self.known.len();
        let slope = |((i, spec), x): (&(usize, ThetaSpec), &f64)| {
            let sum: f64 = gradient.chunks_exact(p).map(|sample| sample[*i]).sum();
            let inner = match self.coordinates {
                _ if !has_box(spec) => return sum,
                Coordinates::Project => 1.0,
                Coordinates::Transform => sigmoid(*x) * (1.0 - sigmoid(*x)),
            };
            sum * spec.slope(self.value(spec, *x)) * inner
        };
        self.free.iter().zip(coordinates).map(slope).collect()
    }

    /// Cuts coordinates `[q]` to their boxes after a step.
    pub fn project(&self, coordinates: &mut [f64]) {
        if self.coordinates == Coordinates::Project {
            for ((_, spec), x) in self.free.iter().zip(coordinates) {
                if has_box(spec) {
                    *x = x.clamp(0.0, 1.0);
                }
            }
        }
    }
}

/// Whether a parameter has bounds.
pub(super) fn has_box(spec: &ThetaSpec) -> bool {
    spec.range().iter().all(|end| end.is_finite())
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
