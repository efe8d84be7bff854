// nets:
const A = -array<f32, 400000000>();
struct State { x: f32 }
fn physics(s: State) -> State { return s; }
