//! A compiled model: what it is called, its programs, and its sizes.

use super::network::{Encodes, Network};
use super::objective::Objective;
use super::rollouts::Rollouts;
use super::spec::{EncodeSpec, Method, ModelSpec};
use super::theta_spec::ThetaSpec;
use crate::program::{Grid, Program, WeightTable};

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The TOML's model part.
    pub spec: ModelSpec,
    /// The WGSL text, for reports.
    pub source: String,
    /// Names of the state's components.
    pub state: Vec<String>,
    /// Names of the parameters.
    pub theta: Vec<String>,
    /// Names of the latent variables that encoders make of the observed window.
    pub latent: Vec<String>,
    /// Names of the measured inputs.
    pub inputs: Vec<String>,
    /// Names of the observed quantities.
    pub outputs: Vec<String>,
    /// The grid, if states are fields. Then state and outputs name the channels, and arrays hold `[…, channel, cell]`.
    pub grid: Option<Grid>,
    /// The networks, by name.
    pub networks: Vec<Network>,
    /// Names and shapes of all weights.
    pub weights: WeightTable,
    /// What is integrated: the model, and reduced ones beside it where a penalty asks for them. The states of all of them
    /// one after the other are the *integrated* state.
    pub rollouts: Rollouts,
    /// Ports state (integrated), theta (and latents behind it), input, time; outputs ds/dt (or the next state) and the stage
    /// observables in the order of [`Observables`](super::Observables).
    pub evolve: Program,
    /// Ports state, theta, input, time; output f, the known part of ds/dt.
    pub physics: Program,
    /// Ports as of evolve; output the prediction. Where a penalty reads observations there are two more ports, the
    /// observation (0 where missing) and the weight of each entry (0 where missing, else the inverse of the residual's
    /// scale), and two more outputs: the observables of observations, and the coordinates of a point.
    pub observe: Program,
    /// Ports the observed window, theta, input, time; outputs the initial state (integrated) and, if the model has encoders,
    /// theta with latents behind it. `None` if the state cannot be had from observations.
    pub encode: Option<Program>,
    /// Frames of the observed window, and which they are.
    pub window: EncodeSpec,
    /// `control` of a truth model: ports state, theta, time; output the input.
    pub control: Option<Program>,
    /// Loss and penalties.
    pub objective: Objective,
}

/// Positions of the ports of evolve and observe programs.
pub mod ports {
    /// The state.
    pub const STATE: usize = 0;
    /// The parameters.
    pub const THETA: usize = 1;
    /// The measured inputs at this time.
    pub const INPUT: usize = 2;
    /// Time.
    pub const TIME: usize = 3;
    /// Of observe, where penalties read observations: the observation, 0 where missing.
    pub const TARGET: usize = 4;
    /// Likewise: the weight of each entry, 0 where missing.
    pub const PRESENT: usize = 5;
}

impl Model {
    /// The box of every parameter, fixed ones with equal ends, in the order of Theta.
    pub fn theta_spec(&self, index: usize) -> ThetaSpec {
        self.spec.theta.get(&self.theta[index]).cloned().unwrap_or_default()
    }

    /// Multiply–adds of one evaluation of all networks.
    pub fn multiply_adds(&self) -> usize {
        self.networks.iter().map(|network| network.multiply_adds(&self.weights)).sum()
    }

    /// Cells of the grid; 1 without one.
    pub fn cells(&self) -> usize {
        self.grid.as_ref().map_or(1, Grid::cells)
    }

    /// Numbers in a state: components times cells.
    pub fn state_len(&self) -> usize {
        self.state.len() * self.cells()
    }

    /// Numbers in an observation: components times cells.
    pub fn output_len(&self) -> usize {
        self.outputs.len() * self.cells()
    }

    /// Components of the integrated state: those of all rollouts.
    pub fn integrated(&self) -> usize {
        self.state.len() * self.rollouts.count()
    }

    /// Numbers in an integrated state: components times cells.
    pub fn integrated_len(&self) -> usize {
        self.integrated() * self.cells()
    }

    /// Components of the programs' theta port: parameters and latents.
    pub fn parameters(&self) -> usize {
        self.theta.len() + self.latent.len()
    }

    /// Numbers in an observed window.
    pub fn window_len(&self) -> usize {
        self.window.frames * self.output_len()
    }

    /// Which output of observe holds the observables of observations.
    pub fn observables_output(&self) -> Option<usize> {
        (!self.objective.observables.observations.is_empty()).then_some(1)
    }

    /// Which output of observe holds the coordinates of points.
    pub fn points_output(&self) -> Option<usize> {
        self.objective.needs_points().then(|| 1 + usize::from(self.observables_output().is_some()))
    }

    /// True if encode yields the parameters: θ made by networks, or latents.
    pub fn makes_parameters(&self) -> bool {
        self.encode.as_ref().is_some_and(|program| program.outputs.len() > 1)
    }

    /// True if networks make θ, latents or the initial state of the observed window.
    pub fn has_encoders(&self) -> bool {
        self.networks.iter().any(|n| n.encodes.is_some())
    }

    /// True if the parameter is made of the observed window by a network.
    pub fn encodes_theta(&self, index: usize) -> bool {
        let [low, high] = self.theta_spec(index).range();
        low < high && self.networks.iter().any(|n| n.encodes == Some(Encodes::Theta))
    }

    /// True if the model has no time: one evaluation per row.
    pub fn is_static(&self) -> bool {
        self.spec.solver.method == Method::Static
    }

    /// States `[count, n]` as integrated states: all rollouts start alike.
    pub fn lift(&self, states: &[f64]) -> Vec<f64> {
        let n = self.state_len();
        states.chunks_exact(n.max(1)).flat_map(|s| s.repeat(self.rollouts.count())).collect()
    }

    /// The states of the model itself out of integrated states `[count, …]`.
    pub fn own_states(&self, integrated: &[f64]) -> Vec<f64> {
        let n = self.state_len();
        integrated.chunks_exact(self.integrated_len().max(1)).flat_map(|s| s[..n].to_vec()).collect()
    }

    /// Cotangents of states from those of integrated states that started alike.
    pub fn gathered(&self, cotangents: &[f64]) -> Vec<f64> {
        let n = self.state_len();
        let sum = |s: &[f64]| (0..n).map(|i| s.iter().skip(i).step_by(n).sum()).collect::<Vec<f64>>();
        cotangents.chunks_exact(self.integrated_len().max(1)).flat_map(sum).collect()
    }

    /// The axes of a state or observation of so many components: `[components]`, on a grid `[components, rows, columns]`.
    pub fn shape(&self, components: usize) -> Vec<usize> {
        std::iter::once(components).chain(self.grid.iter().flat_map(Grid::shape)).collect()
    }
}
