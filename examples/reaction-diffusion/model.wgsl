// Two chemicals on a plate: that they diffuse is known, how they react is not.
struct State { u: f32, v: f32 }
struct Theta { a: f32, b: f32 } // diffusivities

fn physics(near: Near, theta: Theta) -> State {
    return State(theta.a * near.laplacian.u, theta.b * near.laplacian.v);
}

// The network `w` looks at θ alone, once per sample: it may correct diffusivities that are wrong.
fn features_w(theta: Theta) -> array<f32, 2> {
    return array<f32, 2>(100.0 * theta.a, 100.0 * theta.b);
}

// At least half of each diffusivity stays, so that the corrected equation does not run diffusion backwards.
fn corrected(w: f32, diffusivity: f32) -> f32 {
    return max(0.01 * tanh(w), -0.5 * diffusivity);
}

// `reaction` is a convolution over u and v; it does not see θ.
fn rhs(near: Near, theta: Theta, f: State, reaction: array<f32, 2>, w: array<f32, 2>) -> State {
    let u = reaction[0] + corrected(w[0], theta.a) * near.laplacian.u;
    let v = reaction[1] + corrected(w[1], theta.b) * near.laplacian.v;
    return State(f.u + u, f.v + v);
}
