//! The user's WGSL: parsed and validated by naga, its functions lowered to scalar graphs.
//!
//! This is the only place that reads users' WGSL. [`Module::parse`] finds the structs and functions with a meaning
//! (`State`, `Theta`, `physics`, `rhs`, …), checks their signatures and lowers each function by executing naga's IR
//! symbolically: calls inline, loops unroll, other branches become selects. Everything that cannot be lowered is an
//! error at its place in the text, with a remedy.

mod bounds;
mod diagnose;
mod error;
mod lower;
mod module;
mod record;
mod scan;
mod signature;
mod source;
mod variant;

pub use error::PhysicsError;
pub use lower::NODE_BUDGET;
pub use module::{Context, Lowered, Module, Perturbed};
pub use record::Record;
pub use signature::{Argument, Role};
pub use variant::{members, without_features, without_networks, without_physics};
