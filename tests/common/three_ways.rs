//! Derivatives three ways: the device's reverse mode, the reference's forward mode, and central differences with
//! stop-gradients held.

use super::{Case, Tolerance, assert_close};
use greybox::device::reference::{Held, Point, objective};
use greybox::device::{Device, Wanted, cpu::Cpu};
use greybox::model::Model;
use greybox::rng::{Purpose, Stream};

/// Compares the three ways along random directions in weights, θ and initial states.
pub fn three_ways(name: &str, model: &Model, case: &Case) {
    let job = case.job(model);
    let device = Cpu::<f64>::new(model, 1 << 26);
    let gradient = device.gradient(&job, Wanted { weights: true, inputs: true }).unwrap_or_else(|e| panic!("{e}"));
    let point = Point::of(&job, model);
    let mut held = Held::default();
    let (terms, _) = objective(model, &job, &point, &mut held);
    let found = gradient.evaluation.terms[0].objective;
    assert_close(
        &format!("{name}: objective"),
        &[found],
        &[terms.objective],
        Tolerance { relative: 1e-10, absolute: 1e-13 },
    );
    assert!(terms.objective.abs() < 1e3, "{name}: an objective of {:e} hides most derivatives", terms.objective);
    let stream = Stream::new(11, Purpose::Starts);
    for direction in 0..3u32 {
        let random = |count: usize, offset: u32| -> Vec<f64> {
            (0..count as u32).map(|i| 2.0 * stream.uniform(i + offset, direction) - 1.0).collect()
        };
        let along = Point {
            weights: random(point.weights.len(), 0),
            theta: random(point.theta.len(), 10_000),
            start: random(point.start.len(), 20_000),
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let reverse = dot(&gradient.weights, &along.weights)
            + dot(&gradient.theta, &along.theta)
            + if along.start.is_empty() { 0.0 } else { dot(&gradient.start, &along.start) };
        let (_, forward) = objective(model, &job, &point.along(&along), &mut Held::default());
        let at = |step: f64| objective(model, &job, &point.moved(&along, step), &mut held.replay()).0.objective;
        let h = 1e-5;
        let differences = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        let scale = 1.0 + terms.objective.abs();
        let close = |what: &str, a: f64, b: f64, relative: f64| {
            assert_close(&format!("{name}: {what}"), &[a], &[b], Tolerance { relative, absolute: relative * scale });
        };
        close("reverse and forward", reverse, forward, 1e-9);
        close("reverse and differences", reverse, differences, 1e-6);
        assert!(reverse != 0.0, "{name}: a derivative of zero shows nothing");
    }
}
