// A membrane under tension: waves are known, their damping is not. The unit of time is 10 ms, so that w and v are of one size.
struct State { w: f32, v: f32 } // deflection, its rate
struct Theta { c: f32 }         // speed of waves, in cells per unit of time

fn physics(s: State, near: Near, theta: Theta) -> State {
    return State(s.v, theta.c * theta.c * near.laplacian.w);
}
