//! The loop: determinism, what it learns, the weights it keeps, divergence.

use super::{Run, TrainConfig, assert_same, lines, model, settings};
use crate::common::{Tolerance, assert_close};
use greybox::device::{Device, Job, Start, cpu::Cpu};
use greybox::train::{TrainError, draw_theta};

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let first = Run::new(settings()).whole();
    assert_same(&first, &Run::new(settings()).whole());
    let other = Run::new(TrainConfig { seed: 1, ..settings() }).whole();
    assert!(first.last.values.iter().zip(&other.last.values).all(|(a, b)| a != b), "every weight starts elsewhere");
    assert_ne!(lines(&first.history), lines(&other.history));
    assert_eq!((first.history.len(), first.interrupted), (8, false));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    // 80 samples a batch are three tiles.
    let run = Run::new(TrainConfig { draws: 5, ..settings() });
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| run.whole());
    assert_same(&on(1), &on(2));
}

#[test]
fn single_precision_keeps_weights_that_a_device_in_f32_can_hold() {
    let run = Run::new(TrainConfig { epochs: 2, ..settings() });
    let trained = run.whole();
    assert!(trained.last.values.iter().all(|w| *w == *w as f32 as f64));
    let device = Cpu::<f64>::new(&run.model, 1 << 26);
    let mut training = run.on(&device);
    training.single = false;
    let double = training.run(|_| true).unwrap();
    assert!(double.last.values.iter().any(|w| *w != *w as f32 as f64));
    assert_close("f32 and f64", &trained.last.values, &double.last.values, Tolerance { relative: 1e-3, absolute: 0.0 });
}

/// Without its network the spring is wrong by its damping; with it, hardly.
#[test]
fn training_finds_the_missing_damping() {
    let run = Run::new(TrainConfig { epochs: 200, rate: [3e-2, 1e-3], ..settings() });
    let trained = run.whole();
    let (first, last) = (&trained.history[0], &trained.history[199]);
    assert!(first.loss > 0.15, "the first epoch begins at {}", first.loss);
    assert!(last.loss < 0.02 && last.validation.unwrap() < 0.01, "{} {:?}", last.loss, last.validation);
    // Penalties are reported and not only trained.
    assert!(last.penalties[0] > 0.0);
    let sum = last.loss + 0.01 * last.penalties[0];
    assert_close("objective", &[last.objective], &[sum], Tolerance { relative: 1e-12, absolute: 0.0 });
}

/// With a learning rate that grows until it spoils the fit, the best epoch lies inside.
#[test]
fn the_best_weights_are_those_of_the_least_validation_loss() {
    let run = Run::new(TrainConfig { epochs: 12, rate: [1e-2, 3.0], ..settings() });
    let trained = run.whole();
    let losses: Vec<f64> = trained.history.iter().map(|m| m.validation.unwrap()).collect();
    let best = (0..12).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap();
    assert!((1..11).contains(&best), "the best epoch {best} of {losses:?} is no case to tell");
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let until = |epoch: usize| run.on(&device).run(|m| m.epoch < epoch).unwrap();
    let stopped = until(best + 1);
    assert!(stopped.interrupted);
    assert_eq!(trained.best, stopped.last);
    assert_ne!(trained.best, trained.last);
    assert_eq!(trained.last, run.whole().last);
    // The validation loss is that of the weights after the epoch, θ drawn from a stream of its own.
    let rows: Vec<u32> = (0..24).collect();
    let stream = greybox::rng::Stream::new(0, greybox::rng::Purpose::Validation);
    let theta = draw_theta(&run.model, &stream, 0, 24, 0);
    let job = Job::new(&run.validation, &rows, &theta, &trained.best, &run.model.objective);
    assert_eq!(device.evaluate(&job).unwrap().terms[0].loss, Some(losses[best]));
}

#[test]
fn patience_ends_a_run_and_without_validation_the_last_weights_are_best() {
    let mut run = Run::new(TrainConfig { epochs: 12, rate: [1e-2, 3.0], patience: 2, ..settings() });
    let trained = run.whole();
    let losses: Vec<f64> = trained.history.iter().map(|m| m.validation.unwrap()).collect();
    let best = (0..losses.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap();
    assert_eq!(losses.len(), best + 3, "two epochs without a better one: {losses:?}");
    assert!(losses.len() < 12 && !trained.interrupted);
    run.config = settings();
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let mut training = run.on(&device);
    training.validation = None;
    let blind = training.run(|_| true).unwrap();
    assert_eq!(blind.best, blind.last);
    assert!(blind.history.iter().all(|m| m.validation.is_none()));
    // Validation only looks.
    assert_eq!(blind.last, run.whole().last);
}

#[test]
fn divergence_names_the_sample_the_step_and_theta() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.rate]\nbounds = [0.9, 1.1]\n[net.g]\nkind = \"mlp\"\nhidden = [2]\n\
                [solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { rate: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.rate * s.x * s.x); }";
    let model = model(toml, wgsl);
    let mut train = crate::common::windows(3, 1);
    train.steps = 12;
    train.targets = Some(vec![0.0; 3 * 12]);
    // 1e3 squares to 1e6, 1e12, 1e24 and leaves f32 in the fourth interval; −0.1 stays small.
    train.start = Start::States(vec![-0.1, 1e3, -0.1]);
    let mut run = Run { model, validation: train.clone(), train, config: TrainConfig { batch: 3, ..settings() } };
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let error = run.on(&device).run(|_| true).unwrap_err();
    let TrainError::Diverged { epoch, count, samples, details } = &error else { panic!("{error}") };
    assert_eq!((*epoch, *count, *samples), (1, 1, 3));
    assert!(details.contains("(trajectory 1) at step 3, rate = "), "{details}");
    let rate: f64 = details.split("rate = ").nth(1).and_then(|t| t.split(':').next()).unwrap().parse().unwrap();
    assert!((0.9..1.1).contains(&rate), "{details}");
    assert!(error.to_string().contains("\nhelp: "), "{error}");
    // Divergence in validation alone is told as well.
    run.train.start = Start::States(vec![-0.1; 3]);
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let error = run.on(&device).run(|_| true).unwrap_err().to_string();
    assert!(error.contains("sample 1 (trajectory 1) at step 3, rate = "), "{error}");
}

/// At x = 0 the root is 0, and so are all states, but its slope is infinite.
#[test]
fn a_derivative_that_is_not_finite_is_an_error_and_changes_no_weight() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [2]\n\
                [solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32 }\nfn physics(s: State) -> State { return State(0.0); }\n\
                fn rhs(s: State, g: array<f32, 1>) -> State { return State(sqrt(s.x * g[0] * g[0])); }";
    let mut train = crate::common::windows(2, 1);
    train.targets = Some(vec![1.0; 2 * 5]);
    train.start = Start::States(vec![0.5, 0.0]);
    let run = Run { model: model(toml, wgsl), validation: train.clone(), train, config: settings() };
    let error = run.on(&Cpu::<f32>::new(&run.model, 1 << 26)).run(|m| panic!("epoch {} ended", m.epoch)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TrainError::Diverged { count: 1, .. }), "{text}");
    assert!(text.contains("trajectory 1") && text.contains("its derivative is not finite"), "{text}");
}
