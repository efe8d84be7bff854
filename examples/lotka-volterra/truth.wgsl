// The truth has a saturating functional response (Holling type II) that the model does not know.
struct State { prey: f32, predator: f32 }
struct Theta { birth: f32, death: f32 }

fn eaten(s: State) -> f32 {
    return 1.2 * s.prey * s.predator / (1.0 + 0.25 * s.prey);
}

fn physics(s: State, theta: Theta) -> State {
    return State(theta.birth * s.prey - eaten(s), 0.6 * eaten(s) - theta.death * s.predator);
}
