//! θ trained with the weights: what it recovers, its box, stages, transductive runs.

use super::{Run, assert_same, model, settings};
use crate::common::{SPRING, Tolerance, assert_close};
use greybox::device::cpu::Cpu;
use greybox::device::{Start, Trajectories};
use greybox::model::Model;
use greybox::program::Weights;
use greybox::train::{Coordinates, Mode, Part, Stage, TrainConfig, TrainError, Trained, joined};

/// The spring with the damping that the data have and no network: k = 1 is exact. The stiffness is in units of `unit`.
fn perfect(theta: &str, unit: &str) -> Model {
    let toml = format!("[model]\nphysics = \"t.wgsl\"\n{theta}[solver]\nmethod = \"rk4\"\ndt = 0.2\n");
    let damped = SPRING.replace("-theta.k * s.x", &format!("-theta.k / {unit} * s.x - 0.8 * s.v"));
    model(&toml, &damped)
}

fn inductive() -> TrainConfig {
    TrainConfig { mode: Mode::Inductive, epochs: 60, theta_rate: Some([5e-2, 1e-3]), ..settings() }
}

fn double(run: &Run) -> Trained {
    let device = Cpu::<f64>::new(&run.model, 1 << 26);
    let mut training = run.on(&device);
    training.single = false;
    training.run(|_| true).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_perfect_model_finds_its_parameter() {
    let exact = Tolerance { relative: 1e-3, absolute: 0.0 };
    for coordinates in [Coordinates::Project, Coordinates::Transform] {
        let config = TrainConfig {
            theta: coordinates,
            theta_rate: Some(if coordinates == Coordinates::Project { [5e-2, 1e-3] } else { [0.3, 1e-3] }),
            ..inductive()
        };
        let trained = double(&Run::of(perfect("[theta.k]\nbounds = [0.5, 2.0]\n", "1.0"), config.clone()));
        assert_close("k", &trained.theta, &[1.0], exact);
        assert!(trained.history.last().unwrap().loss < 1e-6);
        // Each epoch tells where it has come to.
        let path: Vec<f64> = trained.history.iter().map(|m| m.members[0].theta[0]).collect();
        assert_eq!(path.last(), trained.theta.first());
        assert!((path[0] - 1.0).abs() > 1e-2, "the run began at its end: {path:?}");
        // A parameter of any size is found at the same rate, since steps are taken in its box.
        let small = perfect("[theta.k]\nbounds = [1e-5, 1e-4]\nscale = \"log\"\n", "3e-5");
        assert_close("small k", &double(&Run::of(small, config)).theta, &[3e-5], Tolerance { relative: 2e-2, ..exact });
    }
    // In f32 as well, to what f32 resolves.
    let single = Run::of(perfect("[theta.k]\nbounds = [0.5, 2.0]\n", "1.0"), inductive()).whole();
    assert_close("k in f32", &single.theta, &[1.0], exact);
    assert_eq!(single.theta[0], single.theta[0] as f32 as f64);
}

#[test]
fn steps_end_at_the_box_and_a_parameter_without_one_goes_on() {
    let boxed = |bounds: &str, theta: Coordinates| {
        let model = perfect(&format!("[theta.k]\nbounds = {bounds}\n"), "1.0");
        double(&Run::of(model, TrainConfig { theta, ..inductive() })).theta[0]
    };
    assert_eq!(boxed("[1.5, 2.0]", Coordinates::Project), 1.5);
    assert_eq!(boxed("[0.25, 0.5]", Coordinates::Project), 0.5);
    let transformed = boxed("[1.5, 2.0]", Coordinates::Transform);
    assert!((1.5..1.7).contains(&transformed), "{transformed}");
    // Without bounds the start is given and the rate is that of the parameter itself.
    let mut config = TrainConfig { theta_rate: Some([0.1, 1e-3]), ..inductive() };
    config.theta_start.insert("k".into(), 1.8);
    let free = Run::of(perfect("", "1.0"), config);
    assert_close("k without bounds", &double(&free).theta, &[1.0], Tolerance { relative: 1e-2, absolute: 0.0 });
}

#[test]
fn runs_start_where_they_are_told_and_repeat_in_every_bit() {
    let first = |config: TrainConfig| {
        let still = TrainConfig { epochs: 1, theta_rate: Some([1e-12, 1e-12]), ..config };
        Run::new(still).whole().theta[0]
    };
    let mut told = inductive();
    told.theta_start.insert("k".into(), 0.75);
    assert_close("start", &[first(told)], &[0.75], Tolerance { relative: 1e-6, absolute: 0.0 });
    let (a, b) = (first(inductive()), first(TrainConfig { seed: 1, ..inductive() }));
    assert!(a != b && [a, b].iter().all(|k| (0.5..2.0).contains(k)), "{a} {b}");
    let short = TrainConfig { epochs: 6, ..inductive() };
    let whole = Run::new(short.clone()).whole();
    assert_same(&whole, &Run::new(short).whole());
    assert!(whole.last.values.iter().all(|w| *w != 0.0), "the weights are trained as well");
}

/// Weights do not move while θ does and the networks answer 0, then the other way round.
#[test]
fn stages_train_one_part_after_the_other() {
    let stage = |train, epochs| Stage { train, epochs };
    let stages = vec![stage(Part::Theta, Some(3)), stage(Part::Weights, Some(2)), stage(Part::Both, None)];
    let run = Run::new(TrainConfig { stages, epochs: 8, ..inductive() });
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let until = |epoch: usize| run.on(&device).run(|m| m.epoch < epoch).unwrap();
    let after: Vec<Trained> = (1..=8).map(until).collect();
    let moved = |from: usize, to: usize| {
        (after[from - 1].last != after[to - 1].last, after[from - 1].theta != after[to - 1].theta)
    };
    assert_eq!((moved(1, 3), moved(3, 5), moved(5, 8)), ((false, true), (true, false), (true, true)));
    // With a network that answers 0 the loss is that of a model without one, trained alike.
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n";
    let alone = Run::of(model(toml, SPRING), TrainConfig { epochs: 8, ..inductive() }).whole();
    for (staged, alone) in after[7].history.iter().zip(&alone.history).take(3) {
        assert_eq!((staged.loss, staged.validation), (alone.loss, alone.validation), "epoch {}", staged.epoch);
    }
    assert!(after[7].history[7].loss < after[7].history[3].loss, "the network learns from its first epoch on");
    // The first stages are not meant as a result.
    let best = (5..8).min_by(|a, b| {
        let of = |i: usize| after[7].history[i].validation.unwrap();
        of(*a).total_cmp(&of(*b))
    });
    assert_eq!(after[7].best, after[best.unwrap()].last);
    assert_eq!(after[7].best_theta, after[best.unwrap()].theta);
}

/// A transductive run sees where test windows begin, and nothing that happens in them.
#[test]
fn test_windows_count_in_penalties_and_their_targets_nowhere() {
    let run = Run::new(TrainConfig { mode: Mode::Transductive, epochs: 4, ..inductive() });
    let on = |test: &Trajectories| {
        let train = joined(&run.train, test).unwrap();
        assert_eq!((train.count, train.targets.as_ref().unwrap().len()), (64, 64 * 10));
        let device = Cpu::<f32>::new(&run.model, 1 << 26);
        let mut training = run.on(&device);
        training.train = &train;
        training.run(|_| true).unwrap()
    };
    let test = run.validation.clone();
    let other = Trajectories { targets: Some(vec![1e3; 24 * 10]), ..test.clone() };
    let moved = Trajectories { start: Start::States(vec![1.0; 48]), ..test.clone() };
    assert_same(&on(&test), &on(&other));
    let bits = |w: &Weights| w.values.clone();
    assert_ne!(bits(&on(&test).last), bits(&on(&moved).last));
    let longer = Trajectories { steps: 6, ..test.clone() };
    assert!(joined(&run.train, &longer).unwrap_err().to_string().contains("\nhelp: "));
    let observed = Trajectories { start: Start::Observations(vec![1.0; 48]), ..test };
    assert!(joined(&run.train, &observed).is_err());
}

#[test]
fn settings_that_do_not_go_together_are_refused_with_a_remedy() {
    type Spoil = fn(&mut TrainConfig);
    let stage = |train, epochs| Stage { train, epochs };
    let adaptive: [(&str, Spoil); 7] = [
        ("train.stages", |c| c.stages = vec![Stage { train: Part::Both, epochs: None }]),
        ("train.theta_rate", |c| c.theta_rate = Some([1e-2, 1e-3])),
        ("train.theta_start", |c| c.theta_start.extend([("k".into(), 1.0)])),
        ("train.dual: no penalty", |c| c.dual = Some(greybox::train::Dual { rate: 1.0, start: 1.0, inner: 1 })),
        ("train.population.weights: no penalty", |c| c.population.weights = vec![1.0]),
        ("train.population.theta: `q`", |c| c.population.theta.extend([("q".into(), 3)])),
        ("train.population.seeds", |c| c.population.seeds = 0),
    ];
    let trained: [(&str, Spoil); 13] = [
        ("train.draws = 2", |c| c.draws = 2),
        ("train.draw:", |c| c.draw = greybox::train::Draw::Sobol),
        ("train.theta_rate[1]", |c| c.theta_rate = Some([1e-2, -1.0])),
        ("train.theta_start: `q`", |c| c.theta_start.extend([("q".into(), 1.0)])),
        ("train.theta_start.k = 5", |c| c.theta_start.extend([("k".into(), 5.0)])),
        ("train.dual.rate", |c| c.dual = Some(greybox::train::Dual { rate: -1.0, start: 1.0, inner: 1 })),
        ("train.dual.start", |c| c.dual = Some(greybox::train::Dual { rate: 1.0, start: f64::NAN, inner: 1 })),
        ("train.dual.inner", |c| c.dual = Some(greybox::train::Dual { rate: 1.0, start: 1.0, inner: 0 })),
        ("train.population.weights", |c| c.population.weights = vec![1.0, -1.0]),
        ("train.population has", |c| c.population.seeds = usize::MAX),
        ("train.population.theta.k has 0", |c| c.population.theta.extend([("k".into(), 0)])),
        ("train.mode: every parameter is fixed or held", |c| c.population.theta.extend([("k".into(), 3)])),
        ("train.population.theta holds", |c| {
            c.mode = Mode::Transductive;
            c.population.theta.insert("k".into(), 3);
        }),
    ];
    let mut cases: Vec<(String, TrainConfig)> = Vec::new();
    for (base, spoils) in [(settings(), &adaptive[..]), (inductive(), &trained[..])] {
        for (start, spoil) in spoils {
            let mut config = base.clone();
            spoil(&mut config);
            cases.push((start.to_string(), config));
        }
    }
    for (start, stages) in [
        ("train.stages: a stage before", vec![stage(Part::Theta, None), stage(Part::Both, None)]),
        ("train.stages: a stage has 0", vec![stage(Part::Theta, Some(0)), stage(Part::Both, None)]),
        ("train.stages last 60 epochs", vec![stage(Part::Theta, Some(60)), stage(Part::Both, None)]),
        ("train.stages last 30 epochs", vec![stage(Part::Both, Some(30))]),
        ("train.stages end with theta", vec![stage(Part::Both, Some(30)), stage(Part::Theta, None)]),
    ] {
        cases.push((start.into(), TrainConfig { stages, ..inductive() }));
    }
    let bare = perfect("[theta.k]\nbounds = [0.5, 2.0]\n", "1.0");
    let refuse = |model: &Model, start: &str, config: TrainConfig| {
        let run = Run::of(model.clone(), config);
        let result = run.on(&Cpu::<f32>::new(&run.model, 1 << 26)).run(|_| true);
        match result {
            Err(TrainError::Setting { message, remedy }) => {
                assert!(message.starts_with(start) && !remedy.is_empty(), "{start}: {message}")
            }
            other => panic!("{start}: {other:?}"),
        }
    };
    for (start, config) in cases {
        refuse(&bare, &start, config);
    }
    // A parameter without a box has nowhere to start, and no points to be put in.
    let free = perfect("", "1.0");
    refuse(&free, "theta.k has neither bounds", inductive());
    let mut grid = settings();
    grid.population.theta.insert("k".into(), 3);
    refuse(&free, "train.population.theta: `k` has no bounds", grid);
}
