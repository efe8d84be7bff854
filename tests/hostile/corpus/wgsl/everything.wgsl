// nets: g
const N = 3;
const TABLE = array<f32, 4>(1.0, 2.0, 4.0, 8.0);
struct Part { m: f32, v: vec2f }
struct State { x: f32, part: Part, a: array<f32, N> }
struct Theta { k: f32 }
fn bump(p: ptr<function, f32>, by: f32) { *p += by; if by < 0.0 { return; } *p *= 2.0; }
fn look(i: i32) -> f32 { return TABLE[clamp(i, 0, 3)]; }
fn physics(s: State, theta: Theta, t: f32) -> State {
    var out = s;
    for (var i = 0; i < N; i++) { if s.a[i] > t { continue; } out.a[i] = look(i32(s.a[i])) * theta.k; }
    switch i32(s.x) { case 0, 1: { out.x = 2.0; } default: { bump(&out.x, s.part.m); } }
    out.part.v = mat2x2f(1.0, t, 0.0, 1.0) * s.part.v.yx;
    let m = modf(s.x);
    while i32(out.part.m) < 3 && m.whole > 0.0 { if out.x > 1.0 { break; } out.part.m += 1.0; break; }
    return out;
}
fn rhs(f: State, g: array<f32, 2>) -> State { var r = f; r.x = f.x + select(g[0], g[1], f.x > 0.0); return r; }
