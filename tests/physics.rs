//! The WGSL front end: what it understands, what it computes, and what it refuses where.

#[path = "physics/builtins.rs"]
mod builtins;
#[path = "physics/control.rs"]
mod control;
#[path = "physics/errors.rs"]
mod errors;
#[path = "physics/fuzz.rs"]
mod fuzz;
#[path = "physics/language.rs"]
mod language;
#[path = "physics/models.rs"]
mod models;
#[path = "physics/signatures.rs"]
mod signatures;

use greybox::physics::{Context, Module, PhysicsError};

/// A context with networks, without a grid.
fn context(networks: &[&str]) -> Context {
    Context { networks: networks.iter().map(|n| n.to_string()).collect(), near: None, perturbed: false }
}

/// Parses a text that must be valid.
fn parse(text: &str, networks: &[&str]) -> Module {
    Module::parse("model.wgsl", text, &context(networks)).unwrap_or_else(|error| panic!("{error}"))
}

/// Parses a text that must be refused.
fn refuse(text: &str, networks: &[&str]) -> PhysicsError {
    match Module::parse("model.wgsl", text, &context(networks)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error,
    }
}

/// Value of `body` — statements and an expression to return — at (x, y, z), in a module with more declarations.
fn value_with(declarations: &str, body: &str, point: [f64; 3]) -> f64 {
    let text = format!(
        "struct State {{ x: f32, y: f32, z: f32 }}\n{declarations}\nfn run(x: f32, y: f32, z: f32) -> f32 {{ {body} }}\n\
         fn physics(s: State) -> State {{ return State(run(s.x, s.y, s.z), 0.0, 0.0); }}"
    );
    parse(&text, &[]).physics().function.eval(&point)[0]
}

/// Value of a function body at (x, y, z).
fn value(body: &str, point: [f64; 3]) -> f64 {
    value_with("", body, point)
}

/// Checks a function body against its meaning at several points.
#[track_caller]
fn check(body: &str, meaning: impl Fn(f64, f64, f64) -> f64) {
    check_with("", body, meaning);
}

/// [`check`] in a module with more declarations.
#[track_caller]
fn check_with(declarations: &str, body: &str, meaning: impl Fn(f64, f64, f64) -> f64) {
    for point in
        [[0.3, 1.7, -0.6], [-2.25, 0.4, 3.5], [1.0, -1.0, 0.25], [0.75, 2.5, 1.5], [-0.5, 0.0, 2.0], [4.0, 3.0, -7.5]]
    {
        let [x, y, z] = point;
        let (found, expected) = (value_with(declarations, body, point), meaning(x, y, z));
        let close = (found - expected).abs() <= 1e-6 * (1.0 + expected.abs()) || (found.is_nan() && expected.is_nan());
        assert!(close || found == expected, "{body}\nat {point:?}: {found}, expected {expected}");
    }
}
