// The truth: eddies along the contour lines of the terrain, faster where it is high or low, in a steady wind. The stream
// function of the eddies is 0.05 (h + h³/3), h being the terrain.
struct State { tracer: f32, terrain: f32 }
struct Theta { wind: f32 }
struct Fields { flux_x: f32, flux_y: f32 }

fn physics(near: Near, theta: Theta) -> State {
    return State(-theta.wind * near.dx.tracer, 0.0);
}

fn fields(s: State, near: Near, theta: Theta) -> Fields {
    let strength = 0.05 * (1.0 + s.terrain * s.terrain);
    let x = theta.wind - strength * near.dy.terrain;
    let y = strength * near.dx.terrain;
    return Fields(x * s.tracer, y * s.tracer);
}

fn rhs(near: NearFields) -> State {
    return State(-(near.dx.flux_x + near.dy.flux_y), 0.0);
}
