// A pendulum whose friction is not known to be there.
struct State { angle: f32, velocity: f32 }
struct Theta { omega2: f32 } // square of the frequency of small swings

fn physics(s: State, theta: Theta) -> State {
    return State(s.velocity, -theta.omega2 * sin(s.angle));
}

// The network sees the state alone, and adds to both equations.
fn features(s: State) -> array<f32, 2> {
    return array<f32, 2>(s.angle, s.velocity);
}
