//! Training: the same numbers from the same seed whatever happens, the optimiser, draws of θ, what diverges.

#[path = "training/command.rs"]
mod command;
mod common;
#[path = "training/draws.rs"]
mod draws;
#[path = "training/dual.rs"]
mod dual;
#[path = "training/loop.rs"]
mod epochs;
#[path = "training/failures.rs"]
mod failures;
#[path = "training/inductive.rs"]
mod inductive;
#[path = "training/optimiser.rs"]
mod optimiser;
#[path = "training/population.rs"]
mod population;
#[path = "training/resume.rs"]
mod resume;

use common::run::{Run, settings};
use common::{SPRING, model};
use greybox::device::{Device, cpu::Cpu};
use greybox::model::Model;
use greybox::program::Weights;
use greybox::train::{EpochMetrics, TrainConfig, Trained, Training};

fn spring() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.01\n";
    model(toml, SPRING)
}

impl Run {
    fn new(config: TrainConfig) -> Run {
        Run::of(spring(), config)
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
