//! What a study's TOML and WGSL say, compiled to the programs that the devices run.
//!
//! A model is three programs: **encode** (observation to initial state), **evolve** (ds/dt and the observables of the
//! penalties) and **observe** (state to prediction). Devices run them; none knows what a pendulum is.

mod build;
mod compose;
mod error;
mod grid_spec;
mod net_spec;
mod network;
mod objective;
mod spec;
mod weights_file;

pub use compose::{Model, ports};
pub use error::ModelError;
pub use grid_spec::GridSpec;
pub use net_spec::NetSpec;
pub use network::{Activation, LastLayer, Layer, Network, NetworkKind, Scope};
pub use objective::{KINDS, Objective, ObjectiveTerms, Penalty, Seeds, StageObservable, Sums};
pub use spec::{Interpolation, Method, ModelSpec, ModelTable, PenaltySpec, Prior, Scale, SolverSpec, ThetaSpec};
pub use weights_file::{initialise, load_weights, save_weights};
