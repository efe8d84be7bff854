// Predators and prey with all four rates to be found; the network may add to both equations.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, hunting: f32, growth: f32, death: f32 }

fn physics(s: State, theta: Theta) -> State {
    let met = s.prey * s.predator;
    return State(theta.birth * s.prey - theta.hunting * met, theta.growth * met - theta.death * s.predator);
}

fn rhs(f: State, g: array<f32, 2>) -> State {
    return State(f.prey + g[0], f.predator + g[1]);
}
