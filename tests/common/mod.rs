//! What the integration tests share.
#![allow(dead_code, reason = "each test file uses a part")]

use greybox::device::{Job, Start, Trajectories};
use greybox::model::Model;
use greybox::program::Weights;
use greybox::rng::{Purpose, Stream};
use greybox::study::Study;
use std::path::Path;

/// How far found values may lie from expected ones: `relative` times the largest expected entry, plus `absolute`.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

/// The one comparison of arrays. A NaN on either side fails, infinities must be equal, and an expectation of all zeros
/// must be met exactly unless an absolute tolerance is given.
pub fn compare(name: &str, found: &[f64], expected: &[f64], tolerance: Tolerance) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{name}: {} values, expected {}", found.len(), expected.len()));
    }
    let largest = expected.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    let allowed = tolerance.relative * largest + tolerance.absolute;
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let good = match (f.is_nan() || e.is_nan(), f.is_infinite() || e.is_infinite()) {
            (true, _) => false,
            (_, true) => f == e,
            _ => (f - e).abs() <= allowed,
        };
        if !good {
            return Err(format!("{name}[{i}]: {f:e}, expected {e:e}, allowed {allowed:e}"));
        }
    }
    Ok(())
}

/// Panics with the message of [`compare`].
#[track_caller]
pub fn assert_close(name: &str, found: &[f64], expected: &[f64], tolerance: Tolerance) {
    if let Err(message) = compare(name, found, expected, tolerance) {
        panic!("{message}");
    }
}

/// A model from TOML and WGSL text.
pub fn model(toml: &str, wgsl: &str) -> Model {
    let study = Study::parse(Path::new("test.toml"), toml.to_string(), false).unwrap_or_else(|e| panic!("{e}"));
    Model::compile(study.spec, "test.wgsl", wgsl).unwrap_or_else(|e| panic!("{e}"))
}

/// Random inputs for a model.
pub struct Case {
    pub trajectories: Trajectories,
    pub rows: Vec<u32>,
    pub theta: Vec<f64>,
    pub weights: Weights,
}

impl Case {
    /// `count` trajectories of `steps` intervals; values in ±`scale`, θ inside its box, a fifth of the data missing.
    pub fn random(model: &Model, count: usize, steps: usize, seed: u64, scale: f64) -> Case {
        let stream = Stream::new(seed, Purpose::Simulation);
        let draw = |index: usize, step: u32| scale * (2.0 * stream.uniform(index as u32, step) - 1.0);
        let (n, p, m, k) = (model.state.len(), model.theta.len(), model.inputs.len(), model.outputs.len());
        let y = (0..count * steps * k).map(|i| if i % 5 == 3 { f64::NAN } else { draw(i, 2) }).collect();
        let theta = (0..count * p).map(|i| model.theta_spec(i % p).at(stream.uniform(i as u32, 3))).collect();
        let mut weights = Weights::zeros(&model.weights, 1);
        for (i, w) in weights.values.iter_mut().enumerate() {
            *w = 1.2 * (stream.uniform(i as u32, 4) - 0.5);
        }
        Case {
            trajectories: Trajectories {
                count,
                steps,
                start: Start::States((0..count * n).map(|i| draw(i, 0)).collect()),
                inputs: (0..count * (steps + 1) * m).map(|i| draw(i, 1)).collect(),
                t0: (0..count).map(|i| 0.3 * i as f64).collect(),
                times: None,
                targets: Some(y),
                residual_scale: None,
            },
            rows: (0..count as u32).collect(),
            theta,
            weights,
        }
    }

    /// A job over all trajectories.
    pub fn job<'a>(&'a self, model: &'a Model) -> Job<'a> {
        Job {
            trajectories: &self.trajectories,
            rows: &self.rows,
            theta: &self.theta,
            multiplicity: None,
            groups: 1,
            members: &[],
            weights: &self.weights,
            objective: &model.objective,
        }
    }
}
