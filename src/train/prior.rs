//! Draws of θ from its prior: pseudo-random, or points of a Sobol sequence.

use crate::model::{Model, Prior, ThetaSpec};
use crate::rng::Stream;
use serde::Deserialize;

/// `train.draw`: where the numbers come from that become θ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Draw {
    /// Independent pseudo-random numbers.
    #[default]
    Random,
    /// Every step takes a Sobol sequence with an Owen scramble of its own, a function of seed and step: each draw has the
    /// prior's distribution, and the draws of a step cover the box evenly. B. Burley, "Practical Hash-based Owen
    /// Scrambling", JCGT 9(4), 2020.
    Sobol,
}

/// Samples of one scramble; the sequence's library has no more.
const SOBOL_LENGTH: u32 = 1 << 16;

impl Draw {
    /// Draws θ for `samples` samples at `step`: `[samples, p]`. Index `first + i` of the stream belongs to sample i, so a
    /// draw depends neither on the batch nor on the device.
    pub fn theta(self, model: &Model, stream: &Stream, first: u32, samples: usize, step: u32) -> Vec<f64> {
        let p = model.theta.len();
        let specs: Vec<ThetaSpec> = (0..p).map(|i| model.theta_spec(i)).collect();
        let mut theta = Vec::with_capacity(samples * p);
        for sample in first..first + samples as u32 {
            for (i, spec) in specs.iter().enumerate() {
                let value = match self {
                    Draw::Random => draw(spec, stream, sample.wrapping_mul(p as u32).wrapping_add(i as u32), step),
                    Draw::Sobol => {
                        let scramble = stream.words(sample / SOBOL_LENGTH, step)[0];
                        quantile(spec, sobol_burley::sample(sample % SOBOL_LENGTH, i as u32, scramble) as f64)
                    }
                };
                theta.push(value as f32 as f64);
            }
        }
        theta
    }

    /// Parameters that a sequence has dimensions for.
    pub fn most_parameters(self) -> usize {
        match self {
            Draw::Random => usize::MAX,
            Draw::Sobol => sobol_burley::NUM_DIMENSIONS as usize,
        }
    }
}

/// Pseudo-random draws, see [`Draw::theta`].
pub fn draw_theta(model: &Model, stream: &Stream, first: u32, samples: usize, step: u32) -> Vec<f64> {
    Draw::Random.theta(model, stream, first, samples, step)
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

/// The value below which the share `unit` of the prior lies; of a normal prior, its part inside of the box.
fn quantile(spec: &ThetaSpec, unit: f64) -> f64 {
    let (None, Some(Prior::Normal([mean, deviation]))) = (spec.fixed, spec.prior) else { return spec.at(unit) };
    let [low, high] = spec.range();
    let below = |x: f64| 0.5 * puruspe::erfc((mean - x) / (deviation * std::f64::consts::SQRT_2));
    let share = below(low) + unit * (below(high) - below(low));
    (mean - deviation * std::f64::consts::SQRT_2 * puruspe::inverfc(2.0 * share)).clamp(low, high)
}
