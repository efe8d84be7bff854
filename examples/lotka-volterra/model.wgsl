// Predators and prey: birth, death and the balance of mass are known, how much a predator eats is left to the network.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, death: f32 }

const YIELD = 0.6; // predators per prey eaten

fn physics(s: State, theta: Theta) -> State {
    return State(theta.birth * s.prey, -theta.death * s.predator);
}

// The appetite of one predator depends on the prey around it, not on other predators.
fn features(s: State, theta: Theta) -> array<f32, 3> {
    return array<f32, 3>(s.prey, theta.birth, theta.death);
}

// What leaves the prey feeds the predators; log(1 + exp(x)) keeps appetites positive.
fn rhs(s: State, f: State, appetite: array<f32, 1>) -> State {
    let eaten = log(1.0 + exp(appetite[0])) * s.prey * s.predator;
    return State(f.prey - eaten, f.predator + YIELD * eaten);
}
