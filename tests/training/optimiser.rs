//! AdamW against its published formula, clipping by hand, the schedule.

use super::{Run, settings};
use crate::common::{Tolerance, assert_close};
use greybox::rng::{Purpose, Stream};
use greybox::train::{AdamW, TrainConfig, clip};

/// Loshchilov and Hutter, algorithm 2, with the moments as the weighted sums that their recursions stand for.
fn published(w0: &[f64], gradients: &[Vec<f64>], rates: &[f64], config: &TrainConfig) -> Vec<f64> {
    let [b1, b2] = config.betas;
    let mut w = w0.to_vec();
    for t in 1..=gradients.len() {
        for (i, w) in w.iter_mut().enumerate() {
            let weighted = |b: f64, power: i32| -> f64 {
                (1..=t).map(|s| (1.0 - b) * b.powi((t - s) as i32) * gradients[s - 1][i].powi(power)).sum()
            };
            let first = weighted(b1, 1) / (1.0 - b1.powi(t as i32));
            let second = weighted(b2, 2) / (1.0 - b2.powi(t as i32));
            let decayed = *w - rates[t - 1] * config.weight_decay * *w;
            *w = decayed - rates[t - 1] * first / (second.sqrt() + config.epsilon);
        }
    }
    w
}

#[test]
fn adamw_is_the_published_formula() {
    let stream = Stream::new(4, Purpose::Starts);
    let n = 20u32;
    let w0: Vec<f64> = (0..n).map(|i| stream.normal(i, 0)).collect();
    // Gradients of very different sizes, one that is always 0, and one that changes its sign.
    let gradient = |i: u32, t: u32| match i {
        0 => 0.0,
        1 => (-1.0f64).powi(t as i32),
        _ => 10f64.powi(i as i32 % 7 - 4) * stream.normal(i, t),
    };
    let gradients: Vec<Vec<f64>> = (1..=9).map(|t| (0..n).map(|i| gradient(i, t)).collect()).collect();
    for (weight_decay, betas, epsilon) in
        [(0.0, [0.9, 0.999], 1e-8), (0.1, [0.9, 0.999], 1e-8), (2.0, [0.5, 0.8], 1e-3)]
    {
        let config = TrainConfig { weight_decay, betas, epsilon, ..TrainConfig::default() };
        let rates: Vec<f64> = (0..9).map(|t| 0.02 * 0.8f64.powi(t)).collect();
        let mut adam = AdamW::new(n as usize, false);
        let mut w = w0.clone();
        for (g, rate) in gradients.iter().zip(&rates) {
            adam.step(&mut w, g, &config, *rate);
        }
        let expected = published(&w0, &gradients, &rates, &config);
        assert_close("weights", &w, &expected, Tolerance { relative: 1e-13, absolute: 0.0 });
        // Decay does not pass through the moments: a weight without gradient only shrinks.
        let shrunk = rates.iter().fold(w0[0], |w, rate| w * (1.0 - rate * weight_decay));
        assert_close("decay", &w[..1], &[shrunk], Tolerance { relative: 1e-13, absolute: 0.0 });
        assert_eq!(adam.steps, 9);
    }
}

#[test]
fn gradients_are_cut_by_value_and_then_by_norm() {
    let cut = |value: f64, norm: f64| {
        let mut g = vec![3.0, -4.0, 0.5, 0.0];
        let found = clip(&mut g, value, norm);
        (g, found)
    };
    let tolerance = Tolerance { relative: 1e-15, absolute: 0.0 };
    // By value to [1, −1, 0.5, 0], of norm 1.5; by norm to a third of it.
    let (g, found) = cut(1.0, 0.5);
    assert_close("both", &g, &[1.0 / 3.0, -1.0 / 3.0, 0.5 / 3.0, 0.0], tolerance);
    assert_close("norm between", &[found], &[1.5], tolerance);
    // By norm alone the direction stays.
    let (g, found) = cut(0.0, 25.25f64.sqrt() / 2.0);
    assert_close("norm alone", &g, &[1.5, -2.0, 0.25, 0.0], tolerance);
    assert_close("norm", &[found], &[25.25f64.sqrt()], tolerance);
    assert_eq!(cut(1.0, 10.0).0, [1.0, -1.0, 0.5, 0.0], "a norm below the limit is left");
    assert_eq!(cut(0.0, 0.0).0, [3.0, -4.0, 0.5, 0.0], "0 switches both off");
}

#[test]
fn the_rate_decays_by_a_constant_factor_each_epoch() {
    let config = TrainConfig { epochs: 10, rate: [1e-2, 1e-4], ..settings() };
    let factor = 0.01f64.powf(0.1);
    let history = Run::new(config).whole().history;
    let expected: Vec<f64> = (0..10).map(|epoch| 1e-2 * factor.powi(epoch)).collect();
    let found: Vec<f64> = history.iter().map(|m| m.rate).collect();
    assert_close("rates", &found, &expected, Tolerance { relative: 1e-13, absolute: 0.0 });
    assert_eq!(history.iter().map(|m| m.epoch).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    // The rate of an epoch is the one that the optimiser uses: with a rate of almost 0 nothing moves.
    let slow = |rate| Run::new(TrainConfig { epochs: 2, rate, weight_decay: 0.0, ..settings() }).whole().last.values;
    let (still, moved) = (slow([1e-12, 1e-12]), slow([1e-2, 1e-2]));
    let step = still.iter().zip(&moved).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // Six steps of at most about the rate each.
    assert!((1e-2..0.12).contains(&step), "{step}");
}

#[test]
fn settings_that_cannot_train_are_refused_by_name() {
    type Spoil = fn(&mut TrainConfig);
    let change: [(&str, Spoil); 9] = [
        ("train.epochs", |c| c.epochs = 0),
        ("train.batch", |c| c.batch = 0),
        ("train.draws", |c| c.draws = 0),
        ("train.checkpoint_every", |c| c.checkpoint_every = 0),
        ("train.rate[1]", |c| c.rate[1] = -1e-3),
        ("train.epsilon", |c| c.epsilon = 0.0),
        ("train.weight_decay", |c| c.weight_decay = f64::NAN),
        ("train.clip_norm", |c| c.clip_norm = -1.0),
        ("train.betas", |c| c.betas = [0.9, 1.0]),
    ];
    assert_eq!(TrainConfig::default().problem(), None);
    for (key, spoil) in change {
        let mut config = TrainConfig::default();
        spoil(&mut config);
        let (message, remedy) = config.problem().unwrap_or_else(|| panic!("{key} was accepted"));
        assert!(message.starts_with(key) && !remedy.is_empty(), "{message}");
    }
}
