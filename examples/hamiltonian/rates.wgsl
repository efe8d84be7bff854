// Two networks of nearly equal size learn a vector field from pairs (position in phase space, velocity there), side by
// side: nothing couples them. Physics knows nothing; what differs is how the networks enter.
struct State { dq: f32, dp: f32, plain_dq: f32, plain_dp: f32 }
struct Input { q: f32, p: f32 }

fn physics(u: Input) -> State { return State(0.0, 0.0, 0.0, 0.0); }

fn features_hamiltonian(u: Input) -> array<f32, 2> { return array<f32, 2>(u.q, u.p); }
fn features_plain(u: Input) -> array<f32, 2> { return array<f32, 2>(u.q, u.p); }

// `hamiltonian` is the gradient (∂H/∂q, ∂H/∂p) of a learned scalar H; it enters turned by a right angle, so that the flow
// conserves H whatever the weights are. `plain` is the vector field itself.
fn rhs(u: Input, hamiltonian: array<f32, 2>, plain: array<f32, 2>) -> State {
    return State(hamiltonian[1], -hamiltonian[0], plain[0], plain[1]);
}
