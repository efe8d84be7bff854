//! The models that `greybox bench` runs: built-in workloads, and those of study files.

use super::arguments::{BenchArguments, Hidden, PenaltyName};
use crate::cli::Failure;
use crate::model::{Model, NetworkKind, PenaltySpec};
use crate::study::Study;
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
    /// Range of the members of first states.
    pub start: [f64; 2],
}

/// The pendulum, the default where a workload does not say its sizes.
const PENDULUM: BuiltIn = BuiltIn {
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
    physics: include_str!("../../../shaders/systems/pendulum.wgsl"),
    batch: 1024,
    steps: 50,
    start: [-1.0, 1.0],
};

/// The study of `examples/lotka-volterra`: a small network behind transcendental functions, so that maps count.
const LOTKA_VOLTERRA: BuiltIn = BuiltIn {
    name: "lotka-volterra",
    study: r#"
[model]
physics = "lotka-volterra.wgsl"

[theta]
birth = { bounds = [0.5, 1.5] }
death = { bounds = [0.3, 1.1] }

[net.appetite]
kind = "mlp"
hidden = [32, 32]
activation = "tanh"

[solver]
method = "rk4"
dt = 0.1

[[penalty]]
kind = "orthogonality"
weight = 1e-2
"#,
    physics: include_str!("../../../examples/lotka-volterra/model.wgsl"),
    start: [0.3, 2.0],
    ..PENDULUM
};

/// A gradient of a network in the right-hand side, so that training differentiates twice.
const HAMILTONIAN: BuiltIn = BuiltIn {
    name: "hamiltonian",
    study: r#"
[model]
physics = "hamiltonian.wgsl"

[theta.damping]
bounds = [0.0, 0.5]

[net.hamiltonian]
kind = "gradient"
hidden = [64, 64]
activation = "tanh"

[solver]
method = "rk4"
dt = 0.1

[[penalty]]
kind = "least_action"
weight = 1e-2
"#,
    physics: include_str!("../../../shaders/systems/hamiltonian.wgsl"),
    ..PENDULUM
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
    physics: include_str!("../../../shaders/systems/reaction-diffusion.wgsl"),
    batch: 20,
    steps: 15,
    ..PENDULUM
};

/// All of them.
pub const BUILT_INS: [&BuiltIn; 4] = [&PENDULUM, &LOTKA_VOLTERRA, &HAMILTONIAN, &REACTION_DIFFUSION];

/// A workload with one choice of hidden layers.
#[derive(Clone, Copy)]
pub struct Workload<'a> {
    /// Name of a built-in workload, or the path of a study.
    pub name: &'a str,
    /// Hidden layers of every network; those of the workload if absent.
    pub hidden: Option<&'a Hidden>,
}

impl Workload<'_> {
    fn found(&self) -> Option<&'static BuiltIn> {
        BUILT_INS.into_iter().find(|built_in| built_in.name == self.name)
    }

    /// The sizes of the workload; those of the pendulum for a study file.
    pub fn sizes(&self) -> &'static BuiltIn {
        self.found().unwrap_or(&PENDULUM)
    }

    /// Parses and compiles it.
    pub fn load(&self, arguments: &BenchArguments) -> Result<Model, Failure> {
        let built_in = self.found();
        let study = match built_in {
            Some(BuiltIn { name, study, .. }) => {
                Study::parse(Path::new(&format!("{name}.toml")), (*study).into(), false)?
            }
            None => Study::open(Path::new(self.name), false).with_context(|| {
                let names = BUILT_INS.map(|built_in| format!("`{}`", built_in.name)).join(", ");
                format!("the workload `{}` is neither one of {names} nor a study that can be read", self.name)
            })?,
        };
        let mut spec = study.spec.clone();
        if let Some(Hidden(hidden)) = self.hidden {
            for net in spec.nets.values_mut() {
                let layers = if net.kind == NetworkKind::Conv { &mut net.channels } else { &mut net.hidden };
                layers.clone_from(hidden);
            }
        }
        if let Some(cells) = arguments.grid {
            let Some(grid) = &mut spec.grid else {
                return Err(anyhow!("the workload {} has no grid\nhelp: leave out --grid", self.name).into());
            };
            grid.size.fill(cells);
        }
        match arguments.penalty {
            Some(PenaltyName::Orthogonality) => {
                let kind = "orthogonality".into();
                spec.penalties = vec![PenaltySpec { kind, weight: 1e-2, ..PenaltySpec::default() }];
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
}
