//! Draws of θ and of batches, as the device sees them.

use super::{Run, TrainConfig, settings};
use crate::common::{Tolerance, assert_close, model};
use greybox::device::{Device, DeviceError, Evaluation, Gradient, Job, Rollout, Wanted, cpu::Cpu};
use greybox::model::Model;
use greybox::rng::{Purpose, Stream};
use greybox::train::{Draw, draw_theta};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// A device that remembers rows and θ of every gradient and evaluation.
struct Witness {
    inner: Cpu<f32>,
    gradients: Mutex<Vec<(Vec<u32>, Vec<f64>)>>,
    evaluations: Mutex<Vec<(Vec<u32>, Vec<f64>)>>,
}

impl Device for Witness {
    fn description(&self) -> String {
        self.inner.description()
    }
    fn model(&self) -> &Model {
        self.inner.model()
    }
    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        self.inner.simulate(job)
    }
    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        self.evaluations.lock().unwrap().push((job.rows.to_vec(), job.theta.to_vec()));
        self.inner.evaluate(job)
    }
    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        self.gradients.lock().unwrap().push((job.rows.to_vec(), job.theta.to_vec()));
        self.inner.gradient(job, wanted)
    }
}

#[test]
fn every_window_is_used_once_per_epoch_with_fresh_draws_each_time() {
    let run = Run::new(TrainConfig { epochs: 3, draws: 4, ..settings() });
    let inner = Cpu::new(&run.model, 1 << 26);
    let witness = Witness { inner, gradients: Mutex::default(), evaluations: Mutex::default() };
    run.on(&witness).run(|_| true).unwrap();
    let jobs = witness.gradients.into_inner().unwrap();
    // 40 windows in batches of 16, each window with four draws side by side.
    assert_eq!(jobs.iter().map(|(rows, _)| rows.len()).collect::<Vec<_>>(), [64, 64, 32].repeat(3));
    let mut orders = Vec::new();
    for epoch in jobs.chunks(3) {
        let rows: Vec<u32> = epoch.iter().flat_map(|(rows, _)| rows.clone()).collect();
        assert!(rows.chunks(4).all(|four| four.iter().all(|r| *r == four[0])));
        let order: Vec<u32> = rows.chunks(4).map(|four| four[0]).collect();
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 40, "each window once");
        orders.push(order);
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2], "every epoch has an order of its own");
    let theta: Vec<f64> = jobs.iter().flat_map(|(_, theta)| theta.clone()).collect();
    assert_eq!(theta.len(), 480);
    assert!(theta.iter().all(|k| (0.5..2.0).contains(k)));
    assert_eq!(theta.iter().map(|k| k.to_bits()).collect::<BTreeSet<_>>().len(), 480, "no draw comes twice");
    // Validation looks at every window once, always with the same draws, which are not those of training.
    let looks = witness.evaluations.into_inner().unwrap();
    assert_eq!(looks.len(), 3);
    assert!(looks.iter().all(|look| *look == looks[0]));
    assert_eq!(looks[0].0, (0..24).collect::<Vec<u32>>());
    assert!(looks[0].1.iter().all(|k| !theta.contains(k)));
}

/// Mean, variance and the share in each tenth of the box, in units of the box.
fn moments(draws: &[f64], low: f64, high: f64) -> (f64, f64, Vec<f64>) {
    let n = draws.len() as f64;
    let unit: Vec<f64> = draws.iter().map(|x| (x - low) / (high - low)).collect();
    let mean = unit.iter().sum::<f64>() / n;
    let variance = unit.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let mut tenths = vec![0.0; 10];
    unit.iter().for_each(|x| tenths[((x * 10.0) as usize).min(9)] += 1.0 / n);
    (mean, variance, tenths)
}

#[test]
fn priors_have_their_moments() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\na = { bounds = [-2.0, 3.0] }\n\
                b = { bounds = [0.01, 100.0], scale = \"log\" }\nc = { fixed = 0.3 }\n\
                d = { bounds = [0.0, 2.0], prior = { normal = [1.0, 0.2] } }\n\
                e = { bounds = [0.0, 2.0], prior = { normal = [0.0, 1.0] } }\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { a: f32, b: f32, c: f32, d: f32, e: f32 }\n\
                fn physics(s: State, theta: Theta) -> State {\n\
                return State(theta.a + theta.b + theta.c + theta.d + theta.e); }";
    let model = model(toml, wgsl);
    let stream = Stream::new(9, Purpose::Theta);
    let (samples, steps) = (500, 40);
    let all: Vec<f64> = (0..steps).flat_map(|step| draw_theta(&model, &stream, 0, samples, step)).collect();
    let column = |i: usize| -> Vec<f64> { all.iter().skip(i).step_by(5).copied().collect() };
    // 20 000 draws: the mean of a uniform number has a standard deviation of 0.002, a share of a tenth one of 0.0021.
    let uniform = |name: &str, (mean, variance, tenths): (f64, f64, Vec<f64>)| {
        assert_close(name, &[mean], &[0.5], Tolerance { relative: 0.0, absolute: 0.008 });
        assert_close(name, &[variance], &[1.0 / 12.0], Tolerance { relative: 0.02, absolute: 0.0 });
        assert_close(name, &tenths, &[0.1; 10], Tolerance { relative: 0.0, absolute: 0.0085 });
    };
    uniform("a", moments(&column(0), -2.0, 3.0));
    let logarithms: Vec<f64> = column(1).iter().map(|b| b.log10()).collect();
    uniform("log b", moments(&logarithms, -2.0, 2.0));
    assert!(column(2).iter().all(|c| *c == 0.3f32 as f64), "a fixed value is not drawn");
    let (mean, variance, _) = moments(&column(3), 0.0, 1.0);
    assert_close("normal", &[mean, variance], &[1.0, 0.04], Tolerance { relative: 0.0, absolute: 0.006 });
    // Half of this one lies outside of the box and is drawn again. A normal number cut to [0, 2] deviations has the mean
    // (φ(0) − φ(2)) / (Φ(2) − Φ(0)).
    let cut = column(4);
    assert!(cut.iter().all(|e| (0.0..=2.0).contains(e)));
    let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    let expected = (density(0.0) - density(2.0)) / 0.477_249_868_051_820_8;
    let mean = cut.iter().sum::<f64>() / cut.len() as f64;
    assert_close("cut normal", &[mean], &[expected], Tolerance { relative: 0.0, absolute: 0.015 });
}

#[test]
fn a_draw_belongs_to_its_sample_and_step_only() {
    let model = super::spring();
    let stream = Stream::new(1, Purpose::Theta);
    let all = draw_theta(&model, &stream, 0, 100, 7);
    assert_eq!(draw_theta(&model, &stream, 30, 5, 7), all[30..35], "neither the batch nor the place matters");
    let next = draw_theta(&model, &stream, 0, 100, 8);
    let other = draw_theta(&model, &Stream::new(2, Purpose::Theta), 0, 100, 7);
    assert!(all.iter().zip(&next).zip(&other).all(|((a, b), c)| a != b && a != c));
    // Steps and samples are not correlated; the deviation of a correlation of 100 pairs is 0.1.
    let correlation = |a: &[f64], b: &[f64]| {
        let pairs = a.iter().zip(b).map(|(a, b)| (a - 1.25) * (b - 1.25)).sum::<f64>();
        pairs / a.len() as f64 / (1.5f64.powi(2) / 12.0)
    };
    assert!(correlation(&all, &next).abs() < 0.4 && correlation(&all[..99], &all[1..]).abs() < 0.4);
    assert!(all.iter().all(|k| *k == *k as f32 as f64), "θ is what a device in f32 can hold");
}

/// Points of a scrambled Sobol sequence are a net: of 2^(a + b) points from its beginning, each of the 2^a × 2^b cells of two
/// axes holds exactly one.
#[test]
fn sobol_points_cover_the_box_evenly() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\na = { bounds = [-2.0, 3.0] }\n\
                b = { bounds = [0.01, 100.0], scale = \"log\" }\nc = { fixed = 0.3 }\n\
                d = { bounds = [0.0, 2.0], prior = { normal = [1.5, 0.5] } }\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { a: f32, b: f32, c: f32, d: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.a + theta.b + theta.c + theta.d); }";
    let model = model(toml, wgsl);
    let stream = Stream::new(9, Purpose::Theta);
    let draw = |step: u32| Draw::Sobol.theta(&model, &stream, 0, 256, step);
    for step in 0..4 {
        let theta = draw(step);
        let unit = |sample: usize, i: usize| model.theta_spec(i).unit(theta[4 * sample + i]);
        for (rows, columns) in [(1, 256), (4, 64), (16, 16), (64, 4), (256, 1)] {
            let cell = |s: usize| ((unit(s, 0) * rows as f64) as usize, (unit(s, 1) * columns as f64) as usize);
            let cells: BTreeSet<(usize, usize)> = (0..256).map(cell).collect();
            assert_eq!(cells.len(), 256, "{rows} x {columns} cells at step {step}");
        }
        assert!((0..256).all(|s| theta[4 * s + 2] == 0.3f32 as f64));
        // The mean of a normal number cut to [-3, 1] deviations is (φ(-3) − φ(1)) / (Φ(1) − Φ(-3)) of them.
        let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        let expected = 1.5 + 0.5 * (density(3.0) - density(1.0)) / (0.841_344_746_068_543 - 0.001_349_898_031_630);
        let mean = (0..256).map(|s| theta[4 * s + 3]).sum::<f64>() / 256.0;
        assert_close("normal", &[mean], &[expected], Tolerance { relative: 0.0, absolute: 2e-3 });
    }
    // Every step has points of its own, and a draw does not depend on the batch.
    assert!(
        draw(0).iter().zip(draw(1)).filter(|(a, b)| **a == *b).count() <= 256 + 2,
        "only the fixed one is the same"
    );
    assert_eq!(Draw::Sobol.theta(&model, &stream, 30, 5, 7), Draw::Sobol.theta(&model, &stream, 0, 256, 7)[120..140]);
    let other = Draw::Sobol.theta(&model, &Stream::new(10, Purpose::Theta), 0, 256, 0);
    assert_ne!(draw(0), other);
}

#[test]
fn training_takes_its_draws_where_it_is_told() {
    let run = Run::new(TrainConfig { epochs: 1, batch: 40, draws: 4, draw: Draw::Sobol, ..settings() });
    let inner = Cpu::new(&run.model, 1 << 26);
    let witness = Witness { inner, gradients: Mutex::default(), evaluations: Mutex::default() };
    run.on(&witness).run(|_| true).unwrap();
    let jobs = witness.gradients.into_inner().unwrap();
    let tenths: BTreeSet<usize> = jobs[0].1[..128].iter().map(|k| ((k - 0.5) / 1.5 * 128.0) as usize).collect();
    assert_eq!((jobs.len(), tenths.len()), (1, 128), "one draw in each of 128 parts of the box");
}
