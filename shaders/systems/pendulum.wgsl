// A pendulum, angle measured from the upright position; gravity in m/s², a rod of unit length.

struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32 }
struct Output { cos_angle: f32, sin_angle: f32, velocity: f32 }

fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(s.velocity, 1.5 * theta.gravity * sin(s.angle));
}

fn features(s: State, theta: Theta, t: f32, f: State) -> array<f32, 6> {
    return array<f32, 6>(cos(s.angle), sin(s.angle), s.velocity, theta.gravity, stopgrad(f.angle), stopgrad(f.velocity));
}

fn observe(s: State, theta: Theta) -> Output {
    return Output(cos(s.angle), sin(s.angle), s.velocity);
}
