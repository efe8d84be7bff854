//! Constrained training: λ rises as long as there is a loss.

use super::{Run, TrainConfig, settings};
use crate::common::{Tolerance, assert_close};
use greybox::device::cpu::Cpu;
use greybox::train::{Dual, EpochMetrics, Population};

fn lambda(m: &EpochMetrics) -> f64 {
    m.lambda.expect("constrained training records it")
}

#[test]
fn lambda_rises_by_the_loss_of_every_batch() {
    let dual = Dual { rate: 0.5, start: 2.0, inner: 1 };
    // Two equal batches in an epoch.
    let history = Run::new(TrainConfig { batch: 20, dual: Some(dual), ..settings() }).whole().history;
    let mut before = dual.start;
    for m in &history {
        let expected = before + dual.rate * 2.0 * m.loss;
        assert_close("lambda", &[lambda(m)], &[expected], Tolerance { relative: 1e-12, absolute: 0.0 });
        before = lambda(m);
        assert_eq!(m.members[0].lambda, m.lambda);
    }
    // Without constraint none is recorded.
    assert!(Run::new(settings()).whole().history.iter().all(|m| m.lambda.is_none() && m.members.is_empty()));
}

/// With a λ that stays, the objective is that of a loss with this weight, in every bit.
#[test]
fn lambda_multiplies_the_loss() {
    let still = Dual { rate: 1e-300, start: 3.0, inner: 1 };
    let dual = Run::new(TrainConfig { dual: Some(still), ..settings() }).whole();
    let run = Run::new(settings());
    let objective = run.model.objective.reweighted(3.0, |_, p| p.weight);
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let mut training = run.on(&device);
    training.objective = &objective;
    assert_eq!(dual.last, training.run(|_| true).unwrap().last);
    assert_ne!(dual.last, run.whole().last);
}

#[test]
fn inner_steps_repeat_the_batch_before_lambda_moves() {
    let run = |inner, batch| {
        let dual = Some(Dual { rate: 0.5, start: 1.0, inner });
        let still = TrainConfig { epochs: 1, rate: [1e-12, 1e-12], weight_decay: 0.0, ..settings() };
        // Draws are counted in steps; one point of a grid stands in for them.
        let mut population = Population::default();
        population.theta.insert("k".into(), 1);
        Run::new(TrainConfig { dual, batch, population, ..still }).whole()
    };
    // With weights that stand still, repeating changes neither losses nor λ.
    let (once, thrice) = (run(1, 10), run(3, 10));
    let close = Tolerance { relative: 1e-6, absolute: 0.0 };
    assert_close("lambda", &[lambda(&thrice.history[0])], &[lambda(&once.history[0])], close);
    assert_close("loss", &[thrice.history[0].loss], &[once.history[0].loss], close);
}

/// λ makes the loss small although the penalty's weight asks for no correction at all.
#[test]
fn the_constraint_wins_over_a_heavy_penalty() {
    let heavy = |dual: Option<Dual>| {
        let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nfixed = 1.0\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                    [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"least_action\"\nweight = 5.0\n";
        let config = TrainConfig { epochs: 150, rate: [3e-2, 1e-3], dual, ..settings() };
        Run::of(super::model(toml, crate::common::SPRING), config).whole().history
    };
    let (free, bound) = (heavy(None), heavy(Some(Dual { rate: 5.0, start: 1.0, inner: 1 })));
    let last = |history: &[EpochMetrics]| history.last().unwrap().loss;
    assert!(last(&free) > 0.05, "the penalty alone holds the network back: {}", last(&free));
    assert!(last(&bound) < 0.02 && last(&bound) < 0.1 * bound[0].loss, "{} {}", bound[0].loss, last(&bound));
    assert!(bound.windows(2).all(|pair| lambda(&pair[1]) > lambda(&pair[0])));
    assert!(lambda(bound.last().unwrap()) > 10.0);
}
