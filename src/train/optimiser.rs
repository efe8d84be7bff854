//! AdamW and gradient clipping.
//!
//! I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2.

use super::config::TrainConfig;
use rayon::prelude::*;

/// AdamW's moments. With `single` they and the weights are rounded to f32 after every step, as a device in f32 has them.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// Running mean of the gradient.
    pub first: Vec<f64>,
    /// Running mean of its square.
    pub second: Vec<f64>,
    /// Steps taken.
    pub steps: u64,
    /// Whether numbers are kept in f32.
    pub single: bool,
}

impl AdamW {
    /// Zero moments.
    pub fn new(weights: usize, single: bool) -> AdamW {
        AdamW { first: vec![0.0; weights], second: vec![0.0; weights], steps: 0, single }
    }

    /// One step of all weights with learning rate `rate`.
    pub fn step(&mut self, weights: &mut [f64], gradient: &[f64], config: &TrainConfig, rate: f64) {
        self.steps += 1;
        self.update(0, weights, gradient, config, rate);
    }

    /// The current step for the weights whose moments begin at `first`: those of one member. The caller counts the step.
    pub fn update(&mut self, first: usize, weights: &mut [f64], gradient: &[f64], config: &TrainConfig, rate: f64) {
        let rule = self.rule(config, rate);
        rule.apply(weights, gradient, &mut self.first[first..], &mut self.second[first..]);
    }

    /// The current step for the members that are marked, `weights` and `gradient` being `[members, each]`; the members share
    /// the threads.
    pub fn update_members(
        &mut self,
        (weights, gradient): (&mut [f64], &[f64]),
        marked: &[bool],
        config: &TrainConfig,
        rate: f64,
    ) {
        let each = (weights.len() / marked.len().max(1)).max(1);
        let rule = self.rule(config, rate);
        let moments = self.first.par_chunks_mut(each).zip(self.second.par_chunks_mut(each));
        let members = weights.par_chunks_mut(each).zip(gradient.par_chunks(each)).zip(moments).zip(marked);
        members.filter(|(_, marked)| **marked).for_each(|(((w, g), (m, v)), _)| rule.apply(w, g, m, v));
    }

    fn rule<'a>(&self, config: &'a TrainConfig, rate: f64) -> Rule<'a> {
        let corrections = config.betas.map(|beta| 1.0 - beta.powf(self.steps as f64));
        Rule { config, rate, corrections, single: self.single }
    }
}

/// A step of given length and number.
struct Rule<'a> {
    config: &'a TrainConfig,
    rate: f64,
    corrections: [f64; 2],
    single: bool,
}

impl Rule<'_> {
    fn apply(&self, weights: &mut [f64], gradient: &[f64], first: &mut [f64], second: &mut [f64]) {
        let Rule { config, rate, corrections: [correction1, correction2], single } = *self;
        let [beta1, beta2] = config.betas;
        let round = |x: f64| if single { x as f32 as f64 } else { x };
        for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
            *m = round(beta1 * *m + (1.0 - beta1) * g);
            *v = round(beta2 * *v + (1.0 - beta2) * g * g);
            let direction = (*m / correction1) / ((*v / correction2).sqrt() + config.epsilon);
            *w = round(*w - rate * (direction + config.weight_decay * *w));
        }
    }
}

/// Clips by value, then by global norm; returns the norm before the second clip.
pub fn clip(gradient: &mut [f64], value: f64, norm: f64) -> f64 {
    if value > 0.0 {
        for g in gradient.iter_mut() {
            *g = g.clamp(-value, value);
        }
    }
    let found = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    if norm > 0.0 && found > norm {
        let factor = norm / found;
        for g in gradient.iter_mut() {
            *g *= factor;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_goes_by_value_first_and_by_norm_second() {
        let mut g = vec![3.0, -0.5, 4.0];
        let norm = clip(&mut g, 1.0, 1.0);
        assert!((norm - 1.5).abs() < 1e-12);
        assert!((g.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((g[0] - g[2]).abs() < 1e-12, "both were cut to 1 before scaling");
    }

    /// First step of AdamW: every weight moves by the rate against the sign of its gradient, plus decay.
    #[test]
    fn the_first_step_has_the_length_of_the_rate() {
        let config = TrainConfig { weight_decay: 0.1, ..TrainConfig::default() };
        let mut w = vec![1.0, -2.0];
        AdamW::new(2, false).step(&mut w, &[0.3, -40.0], &config, 0.01);
        assert!((w[0] - (1.0 - 0.01 * (1.0 + 0.1))).abs() < 1e-6);
        assert!((w[1] - (-2.0 + 0.01 * (1.0 + 0.2))).abs() < 1e-6);
    }
}
