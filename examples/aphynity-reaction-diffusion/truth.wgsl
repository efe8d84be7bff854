// The truth reacts like the FitzHugh-Nagumo equations.
struct State { u: f32, v: f32 }
struct Theta { a: f32, b: f32 }

const K = 0.005;

fn physics(s: State, near: Near, theta: Theta) -> State {
    let u = theta.a * near.laplacian.u + s.u - s.u * s.u * s.u - K - s.v;
    let v = theta.b * near.laplacian.v + s.u - s.v;
    return State(u, v);
}
