// The true system of the simulated data set: semi-implicit Euler steps of 0.05 s with a clipped velocity, driven by a
// swing-up policy. method = "map": physics returns the next state.
struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32, skill: f32 }
struct Input { torque: f32 }
struct Output { cos_angle: f32, sin_angle: f32, velocity: f32 }

const STEP = 0.05;

fn physics(s: State, u: Input, theta: Theta) -> State {
    let pushed = s.velocity + STEP * (1.5 * theta.gravity * sin(s.angle) + 3.0 * u.torque);
    return State(s.angle + STEP * pushed, clamp(pushed, -8.0, 8.0));
}

// Pump energy until the pendulum can reach the top, then balance it there. `skill` varies from episode to episode.
fn control(s: State, theta: Theta) -> Input {
    let height = cos(s.angle);
    let energy = s.velocity * s.velocity / 6.0 + 0.5 * theta.gravity * (height - 1.0);
    let angle = atan2(sin(s.angle), height);
    let balance = -theta.skill * (12.0 * angle + 3.0 * s.velocity);
    let pump = -theta.skill * energy * s.velocity;
    let near_top = height > 0.9 && abs(s.velocity) < 3.0;
    return Input(clamp(select(pump, balance, near_top), -2.0, 2.0));
}

fn observe(s: State) -> Output {
    return Output(cos(s.angle), sin(s.angle), s.velocity);
}
