// The truth: what predators eat saturates a little, which the model does not know.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, hunting: f32, growth: f32, death: f32 }

fn physics(s: State, theta: Theta) -> State {
    let met = s.prey * s.predator / (1.0 + 0.1 * s.prey);
    return State(theta.birth * s.prey - theta.hunting * met, theta.growth * met - theta.death * s.predator);
}
