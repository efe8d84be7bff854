//! Training that stays on the adapter: the losses of training by the host, the same bits from the same seed, from a
//! checkpoint and whatever the speed; draws from every prior; divergence and lost adapters.

use super::{SCHEDULES, open};
use crate::common::run::{Run, settings};
use crate::common::{SPRING, Tolerance, assert_close, model};
use greybox::device::gpu::Gpu;
use greybox::device::{Device, Start, Trajectories, cpu::Cpu};
use greybox::model::Objective;
use greybox::program::Weights;
use greybox::rng::{Purpose, Stream};
use greybox::train::{Checkpoint, EpochMetrics, TrainConfig, TrainError, Trained, Training};
use std::path::Path;

const TOML: &str = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                    [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.01\n\
                    [[penalty]]\nkind = \"log_least_action\"\nweight = 0.001\n";

impl Run {
    fn new(config: TrainConfig) -> Run {
        Run::of(model(TOML, SPRING), config)
    }

    fn on(
        &self,
        device: &dyn Device,
        checkpoint: Option<&Path>,
        proceed: impl FnMut(&EpochMetrics) -> bool,
    ) -> Result<Trained, TrainError> {
        let (config, train, validation) = (&self.config, &self.train, Some(&self.validation));
        let (objective, checkpoint): (&Objective, _) = (&self.model.objective, checkpoint.map(|path| (path, "study")));
        Training { device, config, objective, train, validation, single: true, checkpoint }.run(proceed)
    }

    fn whole(&self, device: &dyn Device) -> Trained {
        self.on(device, None, |_| true).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Fails unless both schedules have the losses, penalties and norms of the host in every epoch.
    fn follows_the_host(&self, name: &str, relative: f64) {
        let host = self.whole(&Cpu::<f32>::new(&self.model, 1 << 26));
        for schedule in SCHEDULES {
            let own = self.whole(&open(&self.model, schedule));
            assert_eq!((own.history.len(), own.interrupted), (self.config.epochs, false));
            let mut worst = 0.0f64;
            for (own, host) in own.history.iter().zip(&host.history) {
                let label = format!("{name}, {}, epoch {}", schedule.name(), host.epoch);
                let numbers = |m: &EpochMetrics| [m.loss, m.objective, m.validation.unwrap(), m.gradient_norm, m.rate];
                let pairs = numbers(own).into_iter().chain(own.penalties.clone());
                for (i, (a, b)) in pairs.zip(numbers(host).into_iter().chain(host.penalties.clone())).enumerate() {
                    assert_close(&format!("{label}: {i}"), &[a], &[b], Tolerance { relative, absolute: 1e-6 });
                    worst = worst.max((a - b).abs() / b.abs().max(1e-3));
                }
            }
            println!("{name}, {}: worst relative difference of metrics {worst:.1e}", schedule.name());
            let weights = Tolerance { relative: 10.0 * relative, absolute: 0.0 };
            assert_close(&format!("{name}: weights"), &own.last.values, &host.last.values, weights);
        }
    }
}

/// Everything but the clock.
#[track_caller]
fn assert_same(name: &str, a: &Trained, b: &Trained) {
    let timeless = |history: &[EpochMetrics]| -> Vec<EpochMetrics> {
        history.iter().map(|m| EpochMetrics { trajectories_per_s: 0.0, ..m.clone() }).collect()
    };
    let bits = |w: &Weights| w.values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    assert_eq!(timeless(&a.history), timeless(&b.history), "{name}");
    assert_eq!(bits(&a.last), bits(&b.last), "{name}: last weights");
    assert_eq!(bits(&a.best), bits(&b.best), "{name}: best weights");
}

#[test]
fn twenty_steps_are_those_of_the_host() {
    Run::new(TrainConfig { epochs: 20, batch: 40, ..settings() }).follows_the_host("one step an epoch", 1e-3);
}

/// Three batches of 16, 16 and 8 windows, each window with two draws; clips that cut; decay that counts.
#[test]
fn batches_draws_clips_and_decay_are_those_of_the_host() {
    let config = TrainConfig { draws: 2, weight_decay: 0.3, clip_value: 0.05, clip_norm: 0.1, ..settings() };
    Run::new(config).follows_the_host("three steps an epoch", 1e-3);
    let config = TrainConfig { epochs: 3, batch: 400, clip_value: 0.0, clip_norm: 0.0, ..settings() };
    Run::new(config).follows_the_host("a batch larger than the data", 1e-3);
    // More samples and more weights than the 256 threads of the kernels that go over all of them.
    let toml = TOML.replace("hidden = [8]", "hidden = [24, 17]");
    let config = TrainConfig { epochs: 3, batch: 40, draws: 8, ..settings() };
    let run = Run { model: model(&toml, SPRING), ..Run::new(config) };
    assert!(run.model.weights.per_member() > 512);
    run.follows_the_host("320 samples", 1e-3);
}

/// With a rate of almost 0 losses tell draws alone: each θ has a share in the loss.
#[test]
fn every_prior_is_drawn_as_the_host_draws() {
    let theta = [
        "a = { bounds = [0.5, 2.0] }",
        "b = { bounds = [0.01, 4.0], scale = \"log\" }",
        "c = { fixed = 0.3 }",
        "d = { bounds = [0.0, 2.0], prior = { normal = [1.0, 0.2] } }",
        "e = { bounds = [0.0, 2.0], prior = { normal = [-0.5, 1.0] } }",
    ];
    let toml = TOML.replace("[theta.k]\nbounds = [0.5, 2.0]", &format!("[theta]\n{}", theta.join("\n")));
    let wgsl = "
struct State { x: f32, v: f32 }
struct Theta { a: f32, b: f32, c: f32, d: f32, e: f32 }
fn physics(s: State, theta: Theta) -> State {
    return State(s.v * theta.d, -theta.a * s.x - theta.b * s.v + theta.c * s.x * s.x - theta.e);
}
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }";
    let config = TrainConfig { epochs: 6, draws: 2, rate: [1e-12, 1e-12], ..settings() };
    let run = Run { model: model(&toml, wgsl), ..Run::new(config) };
    run.follows_the_host("priors", 1e-4);
    let loss = |seed: u64| {
        let run = Run {
            config: TrainConfig { seed, ..run.config.clone() },
            model: run.model.clone(),
            ..Run::new(settings())
        };
        run.whole(&open(&run.model, SCHEDULES[0])).history[0].loss
    };
    assert!((loss(0) - loss(1)).abs() > 1e-3, "draws of another seed");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_a_checkpoint_continues_them() {
    let folder = tempfile::tempdir().unwrap();
    for schedule in SCHEDULES {
        let path = folder.path().join(schedule.name());
        let run = Run::new(TrainConfig { draws: 2, ..settings() });
        let gpu = open(&run.model, schedule);
        let whole = run.whole(&gpu);
        // Again on the same device, whose speed is known by now, and on another one.
        assert_same("again", &run.whole(&gpu), &whole);
        assert_same("opened again", &run.whole(&open(&run.model, schedule)), &whole);
        // Stopped twice, once between the checkpoints that are due.
        for stop in [3, 6] {
            let part = run.on(&open(&run.model, schedule), Some(&path), |m| m.epoch < stop).unwrap();
            assert!(part.interrupted);
        }
        assert_eq!(Checkpoint::load(&path).unwrap().unwrap().optimiser.steps, 18);
        assert_same("continued", &run.on(&gpu, Some(&path), |_| true).unwrap(), &whole);
        // Weights are what f32 holds, and a small budget takes the same steps but for the order of sums.
        assert!(whole.last.values.iter().all(|w| *w == *w as f32 as f64));
        let tight = run.whole(&super::open_within(&run.model, schedule, 1 << 16));
        let tolerance = Tolerance { relative: 1e-3, absolute: 0.0 };
        assert_close("a small budget", &tight.last.values, &whole.last.values, tolerance);
    }
}

/// One of nine windows diverges, in the second or third step of the first epoch: the host's error, word for word.
#[test]
fn divergence_names_the_trajectory_the_step_and_theta_as_the_host_does() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.rate]\nbounds = [0.9, 1.1]\n[net.g]\nkind = \"mlp\"\nhidden = [2]\n\
                [solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { rate: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.rate * s.x * s.x); }";
    let folder = tempfile::tempdir().unwrap();
    let calm = Trajectories { targets: Some(vec![0.0; 9 * 12]), ..Trajectories::from_states(9, 12, vec![-0.1; 9]) };
    let mut run = Run {
        model: model(toml, wgsl),
        train: calm.clone(),
        validation: calm.clone(),
        config: TrainConfig { batch: 3, epochs: 4, checkpoint_every: 1, ..settings() },
    };
    let order = Stream::new(0, Purpose::Batches).permutation(9, 2);
    for (place, schedule) in [(4usize, SCHEDULES[0]), (8, SCHEDULES[1])] {
        let path = folder.path().join(schedule.name());
        let gpu = open(&run.model, schedule);
        run.train = calm.clone();
        run.on(&gpu, Some(&path), |m| m.epoch < 2).unwrap();
        let before = Checkpoint::load(&path).unwrap().unwrap();
        // 1e3 squares to 1e6, 1e12, 1e24 and leaves f32 in the fourth interval; −0.1 stays small.
        let mut states = vec![-0.1; 9];
        states[order[place] as usize] = 1e3;
        run.train.start = Start::States(states);
        let error = run.on(&gpu, Some(&path), |m| panic!("epoch {} ended", m.epoch)).unwrap_err();
        let TrainError::Diverged { epoch: 3, count: 1, samples: 3, details } = &error else { panic!("{error}") };
        assert!(details.contains(&format!("(trajectory {}) at step 3, rate = ", order[place])), "{details}");
        assert_eq!(Checkpoint::load(&path).unwrap().unwrap(), before, "the failed epoch left the checkpoint alone");
        let host = run.on(&Cpu::<f32>::new(&run.model, 1 << 24), Some(&path), |_| true).unwrap_err();
        assert_eq!(error.to_string(), host.to_string());
    }
}

/// A learning rate that grows until weights leave the finite numbers.
#[test]
fn a_run_that_diverges_by_its_weights_ends_with_an_error_and_a_sound_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let run = Run::new(TrainConfig { epochs: 12, rate: [1e-2, 1e30], checkpoint_every: 1, ..settings() });
    for schedule in SCHEDULES {
        let _ = std::fs::remove_file(&path);
        let mut done = 0;
        let error = run.on(&open(&run.model, schedule), Some(&path), |m| {
            done = m.epoch;
            true
        });
        let error = error.expect_err("the weights are gone");
        match &error {
            TrainError::Diverged { details, .. } => assert!(details.contains("(trajectory "), "{details}"),
            TrainError::NonFinite(epoch) => assert_eq!(*epoch, done + 1),
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains("\nhelp: ") && done > 0, "{error}");
        let checkpoint = Checkpoint::load(&path).unwrap().expect("one of the epochs before");
        assert_eq!(checkpoint.epoch, done);
        let all = [&checkpoint.weights.values, &checkpoint.optimiser.first, &checkpoint.optimiser.second];
        assert!(all.into_iter().flatten().all(|w| w.is_finite()));
    }
}

/// As after a reset of the driver: an error with a remedy, and the checkpoint continues on an adapter opened again.
#[test]
fn a_lost_adapter_ends_the_run_and_the_checkpoint_continues_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let run = Run::new(settings());
    let fresh = || -> Gpu { open(&run.model, SCHEDULES[1]) };
    let gpu = fresh();
    let result = run.on(&gpu, Some(&path), |m| {
        if m.epoch == 5 {
            gpu.lose();
        }
        true
    });
    let error = result.expect_err("the adapter is lost").to_string();
    assert!(
        error.contains("lost") && error.contains("\nhelp: ") && error.contains("the state after epoch 5"),
        "{error}"
    );
    assert_eq!(Checkpoint::load(&path).unwrap().unwrap().epoch, 5, "between the checkpoints that are due");
    assert_same("continued", &run.on(&fresh(), Some(&path), |_| true).unwrap(), &run.whole(&fresh()));
}
