//! WGSL as modellers write it.

use super::{check_with, parse};

#[test]
fn pendulum() {
    let text = "struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32 }
struct Input { torque: f32 }
struct Output { cos_angle: f32, sin_angle: f32 }
fn physics(s: State, u: Input, theta: Theta, t: f32) -> State {
    return State(s.velocity, -theta.gravity * sin(s.angle) + u.torque);
}
fn features(s: State, f: State) -> array<f32, 4> {
    return array<f32, 4>(cos(s.angle), sin(s.angle), s.velocity, stopgrad(f.velocity));
}
fn rhs(theta: Theta, g: array<f32, 1>, f: State) -> State {
    return State(f.angle, f.velocity + g[0]);
}
fn observe(s: State) -> Output { return Output(cos(s.angle), sin(s.angle)); }
fn initial(y: Output) -> State { return State(atan2(y.sin_angle, y.cos_angle), 0.0); }
fn control(s: State, t: f32) -> Input { return Input(-0.5 * s.velocity * step(1.0, t)); }
";
    let module = parse(text, &["g"]);
    let (a, v, u, g): (f64, f64, f64, f64) = (0.4, -1.0, 0.25, 9.81);
    assert_eq!(module.physics().function.eval(&[a, v, u, g, 0.0]), [v, -g * a.sin() + u]);
    assert_eq!(module.features("g").unwrap().function.eval(&[a, v, 1.0, 2.0]), [a.cos(), a.sin(), v, 2.0]);
    assert_eq!(module.rhs().unwrap().function.eval(&[g, 3.0, 1.0, 2.0]), [1.0, 5.0]);
    assert_eq!(module.observe().unwrap().function.eval(&[a, v]), [a.cos(), a.sin()]);
    assert!((module.initial().unwrap().function.eval(&[a.cos(), a.sin()])[0] - a).abs() < 1e-15);
    assert_eq!(module.control().unwrap().function.eval(&[a, v, 2.0]), [0.5]);
    assert_eq!(module.control().unwrap().function.eval(&[a, v, 0.5]), [0.0]);
}

#[test]
fn piecewise_rates_and_hill_functions() {
    let helpers = "fn hill(c: f32, k: f32, n: f32) -> f32 { let p = pow(c, n); return p / (pow(k, n) + p); }
        fn rate(temperature: f32) -> f32 { if temperature < 0.0 { return 0.0; } if temperature > 3.0 { return 3.0; } return temperature; }
        fn pulse(t: f32, period: f32, width: f32) -> f32 { let phase = t / period - floor(t / period); return select(0.0, 1.0, phase < width); }";
    check_with(helpers, "return hill(abs(x), 0.5, 4.0) + rate(y);", |x, y, _| {
        let p = x.abs().powi(4);
        p / (0.0625 + p) + y.clamp(0.0, 3.0)
    });
    check_with(
        helpers,
        "return pulse(x, 2.0, 0.25);",
        |x, _, _| if (x / 2.0) - (x / 2.0).floor() < 0.25 { 1.0 } else { 0.0 },
    );
}

#[test]
fn table_look_up() {
    let helpers = "const KNOTS = 5u;
        const TABLE = array<f32, KNOTS>(0.0, 1.0, 4.0, 9.0, 16.0);
        fn table(x: f32) -> f32 {
            let position = clamp(x, 0.0, f32(KNOTS - 1u));
            let i = min(u32(position), KNOTS - 2u);
            return mix(TABLE[i], TABLE[i + 1u], position - f32(i));
        }
        fn search(x: f32) -> f32 {
            var i = 0;
            while (i < 3 && f32(i + 1) <= x) { i++; }
            let a = TABLE[i];
            return a + (x - f32(i)) * (TABLE[i + 1] - a);
        }";
    let table = [0.0, 1.0, 4.0, 9.0, 16.0];
    check_with(helpers, "return table(y + 0.5);", |_, y, _| {
        let p = (y + 0.5).clamp(0.0, 4.0);
        let i = (p as usize).min(3);
        table[i] + (p - i as f64) * (table[i + 1] - table[i])
    });
    check_with(helpers, "return search(y + 0.5);", |_, y, _| {
        let x = y + 0.5;
        let i = (0..3).take_while(|i| f64::from(i + 1) <= x).count();
        table[i] + (x - i as f64) * (table[i + 1] - table[i])
    });
}

#[test]
fn polynomials_rotations_quaternions() {
    let helpers = "const COEFFICIENTS = array(1.0, -0.5, 0.25, 2.0);
        fn horner(x: f32) -> f32 { var p = 0.0; for (var i = 3; i >= 0; i--) { p = p * x + COEFFICIENTS[i]; } return p; }
        fn rotation(a: f32) -> mat2x2<f32> { let c = cos(a); let s = sin(a); return mat2x2<f32>(c, s, -s, c); }
        fn quaternion_product(p: vec4f, q: vec4f) -> vec4f {
            return vec4f(p.w * q.xyz + q.w * p.xyz + cross(p.xyz, q.xyz), p.w * q.w - dot(p.xyz, q.xyz));
        }
        fn rotate(q: vec4f, v: vec3f) -> vec3f { return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v); }";
    check_with(helpers, "return horner(x);", |x, _, _| 1.0 - 0.5 * x + 0.25 * x * x + 2.0 * x * x * x);
    check_with(helpers, "let v = rotation(x) * vec2f(y, z); return v.x + 10.0 * v.y;", |x, y, z| {
        (x.cos() * y - x.sin() * z) + 10.0 * (x.sin() * y + x.cos() * z)
    });
    check_with(
        helpers,
        "let q = vec4f(0.0, 0.0, sin(0.5 * x), cos(0.5 * x)); let v = rotate(q, vec3f(y, z, 1.0)); return v.x + 10.0 * v.y + 100.0 * v.z;",
        |x, y, z| (x.cos() * y - x.sin() * z) + 10.0 * (x.sin() * y + x.cos() * z) + 100.0,
    );
    check_with(
        helpers,
        "let q = quaternion_product(vec4f(x, 0.0, 0.0, y), vec4f(0.0, z, 0.0, 1.0)); return q.x + 10.0 * q.y + 100.0 * q.z + 1000.0 * q.w;",
        |x, y, z| x + 10.0 * y * z + 100.0 * x * z + 1000.0 * y,
    );
}

#[test]
fn chains_of_masses_and_networks_of_species() {
    let text = "const N = 6;
struct State { position: array<f32, N>, velocity: array<f32, N> }
struct Theta { stiffness: f32, damping: f32 }
fn force(left: f32, right: f32, k: f32) -> f32 { let d = right - left; return k * d + 0.1 * d * d * d; }
fn physics(s: State, theta: Theta) -> State {
    var out: State;
    for (var i = 0; i < N; i++) {
        var f = -theta.damping * s.velocity[i];
        if (i > 0) { f -= force(s.position[i - 1], s.position[i], theta.stiffness); }
        if (i < N - 1) { f += force(s.position[i], s.position[i + 1], theta.stiffness); }
        out.position[i] = s.velocity[i];
        out.velocity[i] = f;
    }
    return out;
}";
    let module = parse(text, &[]);
    assert_eq!(module.state.names[0], "position[0]");
    assert_eq!(module.state.names[11], "velocity[5]");
    let x: Vec<f64> = (0..12).map(|i| (f64::from(i) * 1.3).sin()).collect();
    let (k, c) = (2.0, 0.3);
    let mut input = x.clone();
    input.extend([k, c]);
    let found = module.physics().function.eval(&input);
    let force = |l: f64, r: f64| k * (r - l) + f64::from(0.1f32) * (r - l).powi(3);
    for i in 0..6 {
        let mut f = -c * x[6 + i];
        if i > 0 {
            f -= force(x[i - 1], x[i]);
        }
        if i < 5 {
            f += force(x[i], x[i + 1]);
        }
        assert_eq!(found[i], x[6 + i]);
        assert!((found[6 + i] - f).abs() < 1e-12);
    }
}

#[test]
fn an_inner_integrator() {
    // A data-dependent event inside fixed sub-steps.
    check_with("struct Ball { h: f32, v: f32 }
        fn fall(b: Ball, dt: f32) -> Ball { var n = b; n.h += dt * n.v; n.v -= dt * 9.81; if n.h < 0.0 { n.h = -n.h; n.v *= -0.5; } return n; }",
        "var b = Ball(abs(x), z); for (var i = 0; i < 10; i++) { b = fall(b, 0.05); if abs(b.v) < 0.01 { break; } } return b.h + 10.0 * b.v;", |x, _, z| {
        let (mut h, mut v) = (x.abs(), z);
        for _ in 0..10 {
            h += f64::from(0.05f32) * v;
            v -= f64::from(0.05f32) * f64::from(9.81f32);
            if h < 0.0 { h = -h; v *= -0.5; }
            if v.abs() < 0.01 { break; }
        }
        h + 10.0 * v
    });
}

#[test]
fn joined_values_stay_small() {
    // Nothing is stored under masks: an early return costs one select, a branch one per changed variable.
    let text = "struct State { x: f32 }
fn rate(x: f32) -> f32 { if (x < 0.0) { return 0.0; } var y = x; y = y + 1.0; y = y * 2.0; y = y * y; return y; }
fn physics(s: State) -> State { return State(rate(s.x)); }";
    let module = parse(text, &[]);
    assert!(module.physics().function.operations() <= 5);
}
