// The same predators and prey without structure: the network may add anything to both equations.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, death: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(theta.birth * s.prey, -theta.death * s.predator);
}

fn features(s: State, theta: Theta) -> array<f32, 4> {
    return array<f32, 4>(s.prey, s.predator, theta.birth, theta.death);
}

fn rhs(f: State, appetite: array<f32, 2>) -> State {
    return State(f.prey + appetite[0], f.predator + appetite[1]);
}
