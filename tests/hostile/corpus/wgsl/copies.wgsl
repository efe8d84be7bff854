// nets:
struct State { x: f32 }
fn physics(s: State) -> State {
    var a: array<f32, 60000>;
    for (var i = 0; i < 9000; i++) { if s.x > f32(i) { a[i] = s.x; break; } }
    return State(a[7]);
}
