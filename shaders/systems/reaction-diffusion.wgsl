// Two species that diffuse on a grid; how they react is left to the network.

struct State { u: f32, v: f32 }
struct Theta { a: f32, b: f32 }

fn physics(s: State, near: Near, theta: Theta, t: f32) -> State {
    return State(theta.a * near.laplacian.u, theta.b * near.laplacian.v);
}
