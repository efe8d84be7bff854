//! Derivatives of field models three ways: reverse on the device, forward on the reference, differences.

use crate::common::grids::{COMPOSED, DIFFUSION, GRADIENT, GRADIENT_NET, NETS, convolution, small};
use crate::common::three_ways::three_ways;
use crate::common::{Case, model};
use crate::{BOUNDARIES, toml};

#[test]
fn compositions_on_every_boundary() {
    for (size, boundary) in ["[4, 5]", "[7]"].iter().flat_map(|s| BOUNDARIES.map(|b| (s, b))) {
        let model = model(&toml(size, boundary, "heun", 0.01, NETS), COMPOSED);
        let mut case = small(&model, 2, 3, 7);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        three_ways(&format!("composition on {size}, {boundary}"), &model, &case);
    }
}

#[test]
fn convolutions_of_every_activation_with_and_without_normalisation() {
    for activation in ["tanh", "relu", "leaky_relu", "elu", "softplus", "sigmoid", "sin", "identity"] {
        for normalise in [false, true] {
            let rest = convolution("[3, 4]", activation, normalise);
            let model = model(&toml("[4, 3]", "replicate", "midpoint", 0.1, &rest), DIFFUSION);
            three_ways(&format!("{activation}, normalise = {normalise}"), &model, &Case::random(&model, 2, 2, 8, 0.7));
        }
    }
}

/// The gradient of a scalar network in every cell: a reverse sweep inside the right-hand side.
#[test]
fn gradient_networks_in_cells() {
    let model = model(&toml("[3, 4]", "periodic", "rk4", 0.1, GRADIENT_NET), GRADIENT);
    three_ways("gradient network", &model, &Case::random(&model, 2, 2, 9, 0.7));
}

#[test]
fn solvers_and_held_inputs() {
    for method in ["euler", "rk4", "rk38", "map"] {
        let text = toml("[3, 4]", "replicate", method, 0.05, NETS).replace("[grid]", "inputs = \"hold\"\n[grid]");
        let model = model(&text, COMPOSED);
        three_ways(method, &model, &small(&model, 2, 2, 10));
    }
}
