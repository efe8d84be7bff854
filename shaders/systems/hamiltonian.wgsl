// Canonical equations of a learned energy with linear damping; physics knows nothing.

struct State { q: f32, p: f32 }
struct Theta { damping: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(0.0, 0.0);
}

fn features(s: State) -> array<f32, 2> {
    return array<f32, 2>(s.q, s.p);
}

// `hamiltonian` is the gradient (∂H/∂q, ∂H/∂p) of a scalar network H.
fn rhs(s: State, theta: Theta, hamiltonian: array<f32, 2>) -> State {
    return State(hamiltonian[1], -hamiltonian[0] - theta.damping * s.p);
}
