//! Studies: the file, estimates, landscapes, the oracle.

#[path = "study/baselines.rs"]
mod baselines;
mod common;
#[path = "study/estimate.rs"]
mod estimate;
#[path = "study/fields.rs"]
mod fields;
#[path = "study/file.rs"]
mod file;
#[path = "study/identify.rs"]
mod identify;
#[path = "study/landscape.rs"]
mod landscape;
#[path = "study/measured.rs"]
mod measured;
#[path = "study/methods.rs"]
mod methods;
#[path = "study/oracle.rs"]
mod oracle;
#[path = "study/paths.rs"]
mod paths;
#[path = "study/profile.rs"]
mod profile;
#[path = "study/shards.rs"]
mod shards;
#[path = "study/store.rs"]
mod store;
#[path = "study/toy.rs"]
mod toy;

use common::{Case, model};
use greybox::device::{Device, Evaluation, Job};
use greybox::model::{Model, Objective};
use greybox::study::{Criterion, Sweep};

/// A decay with a small random network behind it.
fn decay() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [-1.0, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [3]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n\
                [[penalty]]\nkind = \"least_action\"\nweight = 0.0\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(-theta.k * s.x); }";
    model(toml, wgsl)
}

/// A penalty alone.
fn penalty(model: &Model, name: &str) -> Criterion {
    let objective = model.objective.reweighted(0.0, |_, p| if p.name == name { 1.0 } else { 0.0 });
    assert!(objective.penalties.iter().any(|p| p.weight == 1.0), "no penalty {name}");
    Criterion { name: name.into(), objective }
}

/// The prediction error alone.
fn loss(model: &Model) -> Criterion {
    Criterion { name: "loss".into(), objective: model.objective.reweighted(1.0, |_, _| 0.0) }
}

/// All trajectories of a case at one θ, in one job.
fn directly(device: &dyn Device, case: &Case, objective: &Objective, theta: &[f64]) -> Evaluation {
    let theta = theta.repeat(case.rows.len());
    let job = Job::new(&case.trajectories, &case.rows, &theta, &case.weights, objective);
    device.evaluate(&job).unwrap_or_else(|e| panic!("{e}"))
}

/// A sweep over a case with these blocks.
fn over<'a>(device: &'a dyn Device, case: &'a Case, block: &'a [u32], budget: usize) -> Sweep<'a> {
    Sweep {
        device,
        weights: &case.weights,
        trajectories: &case.trajectories,
        block,
        blocks: block.iter().max().map_or(0, |b| *b as usize + 1),
        budget,
    }
}
