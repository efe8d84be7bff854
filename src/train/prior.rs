//! Draws of θ from its prior.

use crate::model::{Model, Prior, ThetaSpec};
use crate::rng::Stream;

/// Draws θ for `samples` samples at `step`: `[samples, p]`. Index `first + i` of the stream belongs to sample i, so a draw
/// depends neither on the batch nor on the device.
pub fn draw_theta(model: &Model, stream: &Stream, first: u32, samples: usize, step: u32) -> Vec<f64> {
    let p = model.theta.len();
    let specs: Vec<ThetaSpec> = (0..p).map(|i| model.theta_spec(i)).collect();
    let mut theta = Vec::with_capacity(samples * p);
    for sample in 0..samples as u32 {
        for (i, spec) in specs.iter().enumerate() {
            let index = (first + sample).wrapping_mul(p as u32).wrapping_add(i as u32);
            theta.push(draw(spec, stream, index, step) as f32 as f64);
        }
    }
    theta
}

fn draw(spec: &ThetaSpec, stream: &Stream, index: u32, step: u32) -> f64 {
    let [low, high] = spec.range();
    match (spec.fixed, spec.prior) {
        (Some(value), _) => value,
        (None, Some(Prior::Normal([mean, deviation]))) => {
            // Redrawn into the box; a prior that hardly touches it is refused when the study is read.
            for attempt in 0..64 {
                let value = mean + deviation * stream.normal(index, step.wrapping_add(attempt << 24));
                if (low..=high).contains(&value) {
                    return value;
                }
            }
            mean.clamp(low, high)
        }
        (None, _) => spec.at(stream.uniform(index, step)),
    }
}
