// Hares and lynxes by the furs that were traded, in thousands: Lotka and Volterra's equations, plus a small network.
struct State { hare: f32, lynx: f32 }
struct Theta { birth: f32, death: f32, predation: f32, growth: f32 }

// Both are counted in tens of thousands, so that their rates are of order one. Nothing grows beyond all bounds.
fn inside(s: State) -> State {
    return State(clamp(s.hare, 0.0, 40.0), clamp(s.lynx, 0.0, 40.0));
}

fn physics(s: State, theta: Theta) -> State {
    let c = inside(s);
    return State(
        c.hare * (theta.birth - theta.predation * c.lynx),
        c.lynx * (theta.growth * c.hare - theta.death),
    );
}

fn features(s: State, f: State, theta: Theta) -> array<f32, 8> {
    let c = inside(s);
    return array<f32, 8>(
        c.hare, c.lynx, f.hare, f.lynx, theta.birth, theta.death, theta.predation, theta.growth,
    );
}

// Change in proportion to what is there: a population that is gone stays gone.
fn rhs(s: State, f: State, correction: array<f32, 2>) -> State {
    let c = inside(s);
    return State(f.hare + c.hare * correction[0], f.lynx + c.lynx * correction[1]);
}
