// Half of a signal is known: a sine of unknown amplitude and phase. The network adds what is missing.
struct Input { x: f32 }
struct Theta { a: f32, c: f32 }
struct State { y: f32 }

fn physics(u: Input, theta: Theta) -> State {
    return State(theta.a * sin(u.x + theta.c));
}

fn features(u: Input, theta: Theta, f: State) -> array<f32, 4> {
    return array<f32, 4>(u.x, theta.a, theta.c, stopgrad(f.y));
}
