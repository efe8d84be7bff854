// grid nets: g
struct State { u: f32, v: f32 }
struct Theta { a: f32 }
struct Fields { flux: f32 }
fn physics(s: State, near: Near, theta: Theta) -> State { return State(theta.a * near.laplacian.u, near.dx.v * s.u); }
fn fields(s: State, near: Near, g: array<f32, 1>) -> Fields { return Fields(s.u * near.dy.u + g[0]); }
fn rhs(f: State, around: NearFields, q: Fields) -> State { return State(f.u + around.dx.flux, f.v + max(q.flux, 0.0)); }
