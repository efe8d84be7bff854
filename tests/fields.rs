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

/// `[grid]` and the rest of a model file.
fn toml(size: &str, boundary: &str, method: &str, dt: f64, rest: &str) -> String {
    format!(
        "[model]\nphysics = \"test.wgsl\"\n[grid]\nsize = {size}\nspacing = 0.4\nboundary = \"{boundary}\"\n\
         [solver]\nmethod = \"{method}\"\ndt = {dt}\n{rest}"
    )
}

const BOUNDARIES: [&str; 3] = ["replicate", "periodic", "zero"];
