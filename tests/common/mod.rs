//! What the integration tests share.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod grids;
pub mod run;
pub mod three_ways;

use greybox::device::{Device, Job, Start, Trajectories, cpu::Cpu};
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

/// WGSL of everything that a model may be composed of: inputs, branches, helpers, networks a and b in rhs, see in observe.
pub const COMPOSED: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32 }
struct Input { force: f32, heat: f32 }
struct Output { x: f32, power: f32, learned: f32 }
fn spring(s: State, k: f32, c: f32) -> State { return State(s.v, -k * s.x - c * s.v); }
fn physics(s: State, u: Input, theta: Theta) -> State {
    var r = spring(s, theta.k, theta.c);
    r.v += u.force;
    if (s.x > 0.1) { r.v -= sqrt(s.x); } else { r.v += 0.2 * s.x * s.x; }
    return r;
}
fn features_a(s: State, u: Input, f: State) -> array<f32, 4> { return array<f32, 4>(s.x, u.heat, stopgrad(f.v), f.x); }
fn features_b(s: State, theta: Theta, t: f32) -> vec2f { return vec2f(s.v * theta.c, cos(t)); }
fn features_see(s: State) -> array<f32, 1> { return array<f32, 1>(s.x); }
fn rhs(s: State, u: Input, theta: Theta, f: State, a: array<f32, 1>, b: array<f32, 2>) -> State {
    return State(f.x + b[0], f.v * exp(0.1 * a[0]) + b[1] - 0.1 * stopgrad(b[0]) * s.x);
}
fn observe(s: State, u: Input, theta: Theta, t: f32, see: array<f32, 1>) -> Output {
    return Output(s.x, u.force * s.v + theta.k * t, see[0] * s.v);
}";

/// A model without time.
pub const WITHOUT_TIME: &str = "
struct State { y: f32, z: f32 }
struct Theta { k: f32, c: f32 }
struct Input { x: f32 }
fn physics(u: Input, theta: Theta) -> State { return State(theta.k * sin(u.x + theta.c), theta.c * u.x); }";

/// Says that a test, or a part of it, does not run and why: past the harness, which keeps what passing tests print.
pub fn skipped(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}

/// A spring whose damping the model does not know.
pub const SPRING: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }
fn features(s: State, theta: Theta) -> array<f32, 3> { return array<f32, 3>(s.x, s.v, theta.k); }";

/// Windows of the true spring: k = 1, damping 0.8 v.
pub fn windows(count: usize, seed: u64) -> Trajectories {
    let truth = model(
        "[model]\nphysics = \"t.wgsl\"\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n",
        "struct State { x: f32, v: f32 }\nfn physics(s: State) -> State { return State(s.v, -s.x - 0.8 * s.v); }",
    );
    let stream = Stream::new(seed, Purpose::Simulation);
    let states = (0..2 * count as u32).map(|i| 4.0 * stream.uniform(i, 0) - 2.0).collect();
    let mut data = Trajectories::from_states(count, 5, states);
    let (rows, weights) = (data.rows(), Weights::zeros(&truth.weights, 1));
    let job = Job::new(&data, &rows, &[], &weights, &truth.objective);
    let predictions = Cpu::<f64>::new(&truth, 0).simulate(&job).unwrap().predictions;
    data.targets = Some(predictions);
    data
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
        let (n, p, m, k) = (model.integrated_len(), model.theta.len(), model.inputs.len(), model.output_len());
        let start = match model.has_encoders() {
            true => Start::Observations((0..count * model.window_len()).map(|i| draw(i, 0)).collect()),
            false => Start::States((0..count * n).map(|i| draw(i, 0)).collect()),
        };
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
                start,
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
        Job::new(&self.trajectories, &self.rows, &self.theta, &self.weights, &model.objective)
    }
}
