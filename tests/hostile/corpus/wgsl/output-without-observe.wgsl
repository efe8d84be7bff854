// nets:
struct State { q: f32, p: f32 }
struct Output { energy: f32 }
fn physics(s: State) -> State { return State(s.p, -s.q); }
