// The true pendulum, H = 3 (1 - cos q) + p², whose recordings are (position, velocity) pairs: the input of a row is where
// the pendulum is, the outputs are how fast it moves there. States are polar coordinates of the phase plane, because starts
// are drawn in them.
struct State { radius: f32, angle: f32 }
struct Input { q: f32, p: f32 }
struct Output { dq: f32, dp: f32, plain_dq: f32, plain_dp: f32 }

fn place(s: State) -> vec2f { return s.radius * vec2f(cos(s.angle), sin(s.angle)); }

// dq/dt = ∂H/∂p, dp/dt = -∂H/∂q.
fn flow(x: vec2f) -> vec2f { return vec2f(2.0 * x.y, -3.0 * sin(x.x)); }

fn physics(s: State) -> State {
    let x = place(s);
    let v = flow(x);
    return State(dot(x, v) / s.radius, (x.x * v.y - x.y * v.x) / (s.radius * s.radius));
}

fn control(s: State) -> Input {
    let x = place(s);
    return Input(x.x, x.y);
}

// Both networks of the study learn the same targets.
fn observe(s: State) -> Output {
    let v = flow(place(s));
    return Output(v.x, v.y, v.x, v.y);
}
