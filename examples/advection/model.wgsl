// A tracer carried by a known steady wind and by a flow that is not known: it follows the terrain, somehow.
struct State { tracer: f32, terrain: f32 } // the terrain does not change
struct Theta { wind: f32 }                 // along the rows
struct Fields { flux_x: f32, flux_y: f32 }

// The wind's part in flux form: what leaves a cell enters its neighbour.
fn physics(near: Near, theta: Theta) -> State {
    return State(-theta.wind * near.dx.tracer, 0.0);
}

// What the flow may depend on. It sees the wind, since it must make up for a wrong one.
fn features(s: State, near: Near, theta: Theta) -> array<f32, 4> {
    return array<f32, 4>(s.terrain, 0.1 * near.dx.terrain, 0.1 * near.dy.terrain, theta.wind);
}

// The flux in every cell, by the wind and the learned velocity.
fn fields(s: State, theta: Theta, velocity: array<f32, 2>) -> Fields {
    return Fields((theta.wind + velocity[0]) * s.tracer, velocity[1] * s.tracer);
}

// Its divergence sums to zero over the grid whatever the network says: the mass of the tracer cannot change.
fn rhs(near: NearFields) -> State {
    return State(-(near.dx.flux_x + near.dy.flux_y), 0.0);
}
