// The truth is damped.
struct State { angle: f32, velocity: f32 }
struct Theta { omega2: f32 }

const DAMPING = 0.2;

fn physics(s: State, theta: Theta) -> State {
    return State(s.velocity, -theta.omega2 * sin(s.angle) - DAMPING * s.velocity);
}
