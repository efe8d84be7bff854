//! Models on grids: the reference against independent results, transposes, gradients three ways, conservation, orders.

mod common;
#[path = "fields/gradients.rs"]
mod gradients;
#[path = "fields/invariants.rs"]
mod invariants;
#[path = "fields/reference.rs"]
mod reference;
#[path = "fields/transposes.rs"]
mod transposes;

use common::grids::{BOUNDARIES, toml};
