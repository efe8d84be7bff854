//! What a study's TOML and WGSL say, compiled to the programs that the devices run.
//!
//! A model is three programs: **encode** (observation to initial state), **evolve** (ds/dt and the observables of the
//! penalties) and **observe** (state to prediction). Devices run them; none knows what a pendulum is.

mod build;
mod compiled;
mod compose;
mod composer;
mod encode;
mod error;
mod grid_spec;
pub mod limits;
mod net_spec;
mod network;
mod objective;
mod observable;
mod observe;
mod pairs;
mod penalty;
mod rates;
mod rollouts;
mod sensitivity;
mod spec;
mod theta_spec;
mod weights_file;

pub use compiled::{Model, ports};
pub use error::ModelError;
pub use grid_spec::GridSpec;
pub use net_spec::NetSpec;
pub use network::{Activation, Encodes, LastLayer, Layer, Network, NetworkKind, Scope};
pub use objective::{Objective, ObjectiveTerms};
pub use observable::{Count, MOST_OBSERVABLES, Observable, Observables, RELATIVE_FLOOR, Seeds, Sums};
pub use pairs::{Between, Measure, PointLayout};
pub use penalty::{ENTRIES, Entry, Penalty, kinds};
pub use rollouts::Rollouts;
pub use spec::{
    EncodeSpec, Interpolation, Method, ModelSpec, ModelTable, PenaltySpec, Place, Reduced, Seen, SolverSpec,
};
pub use theta_spec::{Prior, Scale, ThetaSpec};
pub use weights_file::{initialise, load_weights, save_weights};
