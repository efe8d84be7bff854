// nets:
struct A { a: f32, b: f32 }
struct B { a: A, b: A }
struct C { a: array<B, 2000>, b: array<B, 2000> }
struct D { a: C, b: C, c: C, d: C, e: C, f: C, g: C, h: C }
struct State { x: f32 }
fn physics(s: State) -> State { var d: D; d.a.a[0].a.a = s.x; let e = d; return State(e.a.a[1].b.b); }
