// Two chemicals on a plate closed in itself: that they diffuse is known, how they react is not.
struct State { u: f32, v: f32 }
struct Theta { a: f32, b: f32 } // diffusivities

fn physics(near: Near, theta: Theta) -> State {
    return State(theta.a * near.laplacian.u, theta.b * near.laplacian.v);
}
