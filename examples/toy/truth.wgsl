// The truth: the sine is complemented by a cosine, and either of them may pass for the physics.
struct Input { x: f32 }
struct State { y: f32 }

fn physics(u: Input) -> State {
    return State(sin(u.x) + cos(u.x));
}
