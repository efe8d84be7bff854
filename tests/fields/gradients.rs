//! Derivatives of field models three ways: reverse on the device, forward on the reference, differences.

use crate::common::grids::{COMPOSED, NETS};
use crate::common::three_ways::three_ways;
use crate::common::{Case, model};
use crate::{BOUNDARIES, toml};

#[test]
fn compositions_on_every_boundary() {
    for (size, boundary) in ["[4, 5]", "[7]"].iter().flat_map(|s| BOUNDARIES.map(|b| (s, b))) {
        let model = model(&toml(size, boundary, "heun", 0.05, NETS), COMPOSED);
        let mut case = Case::random(&model, 2, 3, 7, 0.6);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        three_ways(&format!("composition on {size}, {boundary}"), &model, &case);
    }
}

#[test]
fn convolutions_of_every_activation_with_and_without_normalisation() {
    let wgsl = "struct State { u: f32, v: f32 }
        fn physics(s: State, near: Near) -> State { return State(0.1 * near.laplacian.u, -s.v); }";
    for activation in ["tanh", "relu", "leaky_relu", "elu", "softplus", "sigmoid", "sin", "identity"] {
        for normalise in [false, true] {
            let rest = format!(
                "[net.g]\nkind = \"conv\"\nchannels = [3, 4]\nactivation = \"{activation}\"\nnormalise = {normalise}\n\
                 [[penalty]]\nkind = \"log_least_action\"\nweight = 0.1\n"
            );
            let model = model(&toml("[4, 3]", "replicate", "midpoint", 0.1, &rest), wgsl);
            three_ways(&format!("{activation}, normalise = {normalise}"), &model, &Case::random(&model, 2, 2, 8, 0.7));
        }
    }
}

/// The gradient of a scalar network in every cell: a reverse sweep inside the right-hand side.
#[test]
fn gradient_networks_in_cells() {
    let wgsl = "struct State { q: f32, p: f32 }
        fn physics(s: State, near: Near) -> State { return State(s.p, 0.2 * near.laplacian.q); }
        fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.q, s.p); }
        fn rhs(f: State, h: array<f32, 2>) -> State { return State(f.q + h[1], f.p - h[0]); }";
    let rest = "[net.h]\nkind = \"gradient\"\nhidden = [5, 4]\n[[penalty]]\nkind = \"least_action\"\nweight = 0.1\n";
    let model = model(&toml("[3, 4]", "periodic", "rk4", 0.1, rest), wgsl);
    three_ways("gradient network", &model, &Case::random(&model, 2, 2, 9, 0.7));
}

#[test]
fn solvers_and_held_inputs() {
    for method in ["euler", "rk4", "rk38", "map"] {
        let text = toml("[3, 4]", "replicate", method, 0.05, NETS).replace("[grid]", "inputs = \"hold\"\n[grid]");
        let model = model(&text, COMPOSED);
        three_ways(method, &model, &Case::random(&model, 2, 2, 10, 0.5));
    }
}
