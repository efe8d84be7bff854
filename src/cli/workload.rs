//! What `greybox bench` runs: built-in workloads, their models, random trajectories.

use super::Failure;
use super::bench::{BenchArguments, PenaltyName};
use crate::device::{Job, Trajectories};
use crate::model::{Model, NetworkKind, Objective, PenaltySpec};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use crate::study::Study;
use crate::train::draw_theta;
use anyhow::{Context, anyhow};
use std::path::Path;

/// A workload that needs no file.
pub struct BuiltIn {
    /// Its name on the command line.
    pub name: &'static str,
    /// The study file.
    study: &'static str,
    /// The text of the study's `physics`.
    physics: &'static str,
    /// Trajectories, unless the command says how many.
    pub batch: usize,
    /// Intervals, unless the command says how many.
    pub steps: usize,
}

/// The pendulum, the default where a workload does not say its sizes.
pub const PENDULUM: BuiltIn = BuiltIn {
    name: "pendulum",
    study: r#"
[model]
physics = "pendulum.wgsl"

[theta.gravity]
bounds = [8.0, 12.0]

[net.g]
kind = "mlp"
hidden = [128, 128, 128]
activation = "leaky_relu"

[solver]
method = "rk4"
dt = 0.05

[[penalty]]
kind = "orthogonality"
weight = 1e-2
"#,
    physics: include_str!("../../shaders/systems/pendulum.wgsl"),
    batch: 1024,
    steps: 50,
};

/// A larger grid is a larger field: the spacing stays 2/31, and with it the largest step that is stable.
const REACTION_DIFFUSION: BuiltIn = BuiltIn {
    name: "reaction-diffusion",
    study: r#"
[model]
physics = "reaction-diffusion.wgsl"

[grid]
size = [32, 32]
spacing = 0.06451612903225806
boundary = "replicate"

[theta]
a = { bounds = [1e-3, 1e-2] }
b = { bounds = [1e-3, 1e-2] }

[net.g]
kind = "conv"
channels = [16, 16]
activation = "leaky_relu"

[solver]
method = "rk4"
dt = 0.1
"#,
    physics: include_str!("../../shaders/systems/reaction-diffusion.wgsl"),
    batch: 20,
    steps: 15,
};

/// All of them.
pub const BUILT_INS: [&BuiltIn; 2] = [&PENDULUM, &REACTION_DIFFUSION];

/// Parses and compiles the workload.
pub fn load(arguments: &BenchArguments) -> Result<Model, Failure> {
    let built_in = arguments.built_in();
    let study = match built_in {
        Some(BuiltIn { name, study, .. }) => Study::parse(Path::new(&format!("{name}.toml")), (*study).into(), false)?,
        None => Study::open(Path::new(&arguments.workload), false).with_context(|| {
            let names = BUILT_INS.map(|built_in| format!("`{}`", built_in.name)).join(", ");
            format!("the workload is neither one of {names} nor a study that can be read")
        })?,
    };
    let mut spec = study.spec.clone();
    if let Some(hidden) = &arguments.hidden {
        for net in spec.nets.values_mut() {
            let layers = if net.kind == NetworkKind::Conv { &mut net.channels } else { &mut net.hidden };
            layers.clone_from(hidden);
        }
    }
    if let Some(cells) = arguments.grid {
        let Some(grid) = &mut spec.grid else {
            return Err(anyhow!("the workload {} has no grid\nhelp: leave out --grid", arguments.workload).into());
        };
        grid.size.fill(cells);
    }
    match arguments.penalty {
        Some(PenaltyName::Orthogonality) => {
            spec.penalties = vec![PenaltySpec { kind: "orthogonality".into(), weight: 1e-2, ..PenaltySpec::default() }];
        }
        Some(PenaltyName::None) => spec.penalties.clear(),
        None => {}
    }
    let model = match built_in {
        Some(BuiltIn { name, physics, .. }) => Model::compile(spec, &format!("{name}.wgsl"), physics)?,
        None => Model::load(spec, study.base())?,
    };
    study.require_boxes(&model)?;
    Ok(model)
}

/// Random trajectories: θ from its prior, states, inputs and observations uniform in [-1, 1].
pub struct Work {
    /// The trajectories.
    pub trajectories: Trajectories,
    /// Each of them once.
    pub rows: Vec<u32>,
    theta: Vec<f64>,
    states_per_trajectory: usize,
}

impl Work {
    /// Draws them.
    pub fn new(model: &Model, batch: usize, steps: usize) -> Work {
        let stream = Stream::new(0, Purpose::Starts);
        let draw = |count: usize, step: u32| -> Vec<f64> {
            (0..count).map(|i| 2.0 * stream.uniform(i as u32, step) - 1.0).collect()
        };
        Work {
            trajectories: Trajectories {
                inputs: draw(batch * (steps + 1) * model.inputs.len(), 1),
                targets: Some(draw(batch * steps * model.output_len(), 2)),
                ..Trajectories::from_states(batch, steps, draw(batch * model.state_len(), 0))
            },
            rows: (0..batch as u32).collect(),
            theta: draw_theta(model, &Stream::new(0, Purpose::Theta), 0, batch, 0),
            states_per_trajectory: model.state_len(),
        }
    }

    /// Memory of the trajectories.
    pub fn bytes(&self) -> usize {
        let t = &self.trajectories;
        let states = t.count * (self.states_per_trajectory + t.targets.as_ref().map_or(0, |y| y.len() / t.count));
        8 * (states + t.inputs.len() + self.theta.len())
    }

    /// One group of all trajectories.
    pub fn job<'a>(&'a self, weights: &'a Weights, objective: &'a Objective) -> Job<'a> {
        Job::new(&self.trajectories, &self.rows, &self.theta, weights, objective)
    }
}
