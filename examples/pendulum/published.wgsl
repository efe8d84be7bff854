// A pendulum driven by an unknown controller: gravity is the parameter, the torque is what the network must find.
// The angle is 0 at the top; the length is 1 m. As published: the network's gradient passes through its feature f.
struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32 }
struct Output { cos_angle: f32, sin_angle: f32, velocity: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(s.velocity, 1.5 * theta.gravity * sin(s.angle));
}

fn features(s: State, theta: Theta, f: State) -> array<f32, 6> {
    return array<f32, 6>(cos(s.angle), sin(s.angle), s.velocity, theta.gravity, f.angle, f.velocity);
}

fn observe(s: State) -> Output {
    return Output(cos(s.angle), sin(s.angle), s.velocity);
}

fn initial(y: Output) -> State {
    return State(atan2(y.sin_angle, y.cos_angle), y.velocity);
}
