// Predator and prey: linear birth and death are known, how much a predator eats is left to the network.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, death: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(theta.birth * s.prey, -theta.death * s.predator);
}

fn features(s: State, theta: Theta) -> array<f32, 4> {
    return array<f32, 4>(s.prey, s.predator, theta.birth, theta.death);
}
