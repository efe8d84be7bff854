//! Training: the same numbers from the same seed whatever happens, the optimiser, draws of θ, what diverges.

mod common;
#[path = "training/draws.rs"]
mod draws;
#[path = "training/loop.rs"]
mod epochs;
#[path = "training/optimiser.rs"]
mod optimiser;
#[path = "training/resume.rs"]
mod resume;

use common::model;
use greybox::device::{Device, Job, Start, Trajectories, cpu::Cpu};
use greybox::model::{Model, Objective};
use greybox::program::Weights;
use greybox::rng::{Purpose, Stream};
use greybox::train::{EpochMetrics, TrainConfig, Trained, Training};

/// A spring whose damping the model does not know.
const SPRING: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }
fn features(s: State, theta: Theta) -> array<f32, 3> { return array<f32, 3>(s.x, s.v, theta.k); }";

fn spring() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.01\n";
    model(toml, SPRING)
}

/// Windows of the true spring: k = 1, damping 0.8 v.
fn windows(count: usize, seed: u64) -> Trajectories {
    let truth = model(
        "[model]\nphysics = \"t.wgsl\"\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n",
        "struct State { x: f32, v: f32 }\n\
         fn physics(s: State) -> State { return State(s.v, -s.x - 0.8 * s.v); }",
    );
    let stream = Stream::new(seed, Purpose::Simulation);
    let mut data = Trajectories {
        count,
        steps: 5,
        start: Start::States((0..2 * count as u32).map(|i| 4.0 * stream.uniform(i, 0) - 2.0).collect()),
        inputs: Vec::new(),
        t0: Vec::new(),
        times: None,
        targets: None,
        residual_scale: None,
    };
    let rows: Vec<u32> = (0..count as u32).collect();
    let job = Job {
        trajectories: &data,
        rows: &rows,
        theta: &[],
        multiplicity: None,
        groups: 1,
        members: &[],
        weights: &Weights::zeros(&truth.weights, 1),
        objective: &Objective::default(),
    };
    let predictions = Cpu::<f64>::new(&truth, 0).simulate(&job).unwrap().predictions;
    data.targets = Some(predictions);
    data
}

fn settings() -> TrainConfig {
    TrainConfig { epochs: 8, batch: 16, rate: [1e-2, 1e-3], checkpoint_every: 2, ..TrainConfig::default() }
}

/// A training run on 40 windows with 24 for validation.
struct Run {
    model: Model,
    train: Trajectories,
    validation: Trajectories,
    config: TrainConfig,
}

impl Run {
    fn new(config: TrainConfig) -> Run {
        Run { model: spring(), train: windows(40, 1), validation: windows(24, 2), config }
    }

    fn on<'a>(&'a self, device: &'a dyn Device) -> Training<'a> {
        Training {
            device,
            config: &self.config,
            objective: &self.model.objective,
            train: &self.train,
            validation: Some(&self.validation),
            single: true,
            checkpoint: None,
        }
    }

    /// Trains on the CPU in f32 from the beginning to the end.
    fn whole(&self) -> Trained {
        self.on(&Cpu::<f32>::new(&self.model, 1 << 26)).run(|_| true).unwrap_or_else(|e| panic!("{e}"))
    }
}

/// The lines that a run writes, with the only number that the clock decides set to 0.
fn lines(history: &[EpochMetrics]) -> Vec<String> {
    let timeless = history.iter().map(|m| EpochMetrics { trajectories_per_s: 0.0, ..m.clone() });
    timeless.map(|m| serde_json::to_string(&m).unwrap()).collect()
}

/// Fails unless two runs agree in every bit.
#[track_caller]
fn assert_same(a: &Trained, b: &Trained) {
    let bits = |w: &Weights| w.values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    assert_eq!(lines(&a.history), lines(&b.history));
    assert_eq!(bits(&a.last), bits(&b.last), "last weights");
    assert_eq!(bits(&a.best), bits(&b.best), "best weights");
}
