//! Every builtin against its meaning in f64.

use super::{check, parse, value};

#[test]
fn of_one_number() {
    type Meaning = fn(f64) -> f64;
    let table: &[(&str, Meaning)] = &[
        ("abs", f64::abs),
        ("acos", f64::acos),
        ("acosh", f64::acosh),
        ("asin", f64::asin),
        ("asinh", f64::asinh),
        ("atan", f64::atan),
        ("atanh", f64::atanh),
        ("ceil", f64::ceil),
        ("cos", f64::cos),
        ("cosh", f64::cosh),
        ("degrees", f64::to_degrees),
        ("exp", f64::exp),
        ("exp2", f64::exp2),
        ("floor", f64::floor),
        ("fract", |v| v - v.floor()),
        ("inverseSqrt", |v| 1.0 / v.sqrt()),
        ("length", f64::abs),
        ("log", f64::ln),
        ("log2", f64::log2),
        ("radians", f64::to_radians),
        ("round", f64::round_ties_even),
        ("saturate", |v| v.clamp(0.0, 1.0)),
        ("sign", |v| if v == 0.0 { 0.0 } else { v.signum() }),
        ("sin", f64::sin),
        ("sinh", f64::sinh),
        ("sqrt", f64::sqrt),
        ("tan", f64::tan),
        ("tanh", f64::tanh),
        ("trunc", f64::trunc),
        ("stopgrad", |v| v),
    ];
    for (name, meaning) in table {
        check(&format!("return {name}(x);"), |x, _, _| meaning(x));
        if !matches!(*name, "length" | "stopgrad") {
            check(&format!("let v = {name}(vec2f(x, z)); return v.y;"), |_, _, z| meaning(z));
        }
    }
}

#[test]
fn of_several_numbers() {
    check("return atan2(x, z);", |x, _, z| x.atan2(z));
    check("return clamp(x, -1.0, 1.0);", |x, _, _| x.clamp(-1.0, 1.0));
    check("return fma(x, y, z);", |x, y, z| x * y + z);
    check("return max(x, y) + min(y, z);", |x, y, z| x.max(y) + y.min(z));
    check("return mix(x, y, 0.25);", |x, y, _| x * 0.75 + y * 0.25);
    check("let v = mix(vec2f(x, y), vec2f(z, 1.0), z); return v.x + 10.0 * v.y;", |x, y, z| {
        x * (1.0 - z) + z * z + 10.0 * (y * (1.0 - z) + z)
    });
    check("let v = mix(vec2f(x, y), vec2f(z, 1.0), vec2f(0.5, z)); return v.x + 10.0 * v.y;", |x, y, z| {
        0.5 * x + 0.5 * z + 10.0 * (y * (1.0 - z) + z)
    });
    check("return pow(abs(x), z);", |x, _, z| x.abs().powf(z));
    check("return pow(abs(x), 2.5) + pow(x, 2.0);", |x, _, _| x.abs().powf(2.5) + x * x);
    check("return step(y, x);", |x, y, _| if x >= y { 1.0 } else { 0.0 });
    check("return smoothstep(-1.0, 2.0, x);", |x, _, _| {
        let t = ((x + 1.0) / 3.0f64).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    });
    check("return select(x, y, z > 0.0);", |x, y, z| if z > 0.0 { y } else { x });
    check("return ldexp(x, 3) + ldexp(y, i32(z));", |x, y, z| x * 8.0 + y * z.trunc().exp2());
    check("let p = modf(x); return p.fract + 10.0 * p.whole;", |x, _, _| x.fract() + 10.0 * x.trunc());
    check("let p = modf(vec2f(x, z)); return p.fract.y + 10.0 * p.whole.x;", |x, _, z| z.fract() + 10.0 * x.trunc());
    check("let p = frexp(x); return p.fract * 100.0 + f32(p.exp);", |x, _, _| {
        let mut e = 0;
        let mut m = x.abs();
        while m >= 1.0 {
            m /= 2.0;
            e += 1;
        }
        while m < 0.5 {
            m *= 2.0;
            e -= 1;
        }
        m.copysign(x) * 100.0 + f64::from(e)
    });
    assert_eq!(value("let p = frexp(x); return p.fract + f32(p.exp);", [0.0; 3]), 0.0);
    check(
        "return f32(min(3, i32(y)) + max(-4, 2) + abs(-7) + sign(-3) + clamp(9, 0, 5) + dot(vec2i(1, 2), vec2i(3, 4)));",
        |_, y, _| y.trunc().min(3.0) + 2.0 + 7.0 - 1.0 + 5.0 + 11.0,
    );
    check("return f32(min(3u, u32(abs(y))) + clamp(9u, 0u, 5u));", |_, y, _| y.abs().trunc().min(3.0) + 5.0);
}

#[test]
fn of_vectors() {
    let n = |v: [f64; 3]| v.iter().map(|c| c * c).sum::<f64>().sqrt();
    check("return length(vec3f(x, y, z));", |x, y, z| n([x, y, z]));
    check("return distance(vec3f(x, y, z), vec3f(1.0, x, 2.0));", |x, y, z| n([x - 1.0, y - x, z - 2.0]));
    check("return distance(x, y);", |x, y, _| (x - y).abs());
    check("let v = normalize(vec3f(x, y, z)); return v.x + 10.0 * v.z;", |x, y, z| (x + 10.0 * z) / n([x, y, z]));
    check("return dot(vec3f(x, y, z), vec3f(z, x, 1.0));", |x, y, z| x * z + y * x + z);
    check("let v = cross(vec3f(x, y, z), vec3f(1.0, 2.0, 3.0)); return v.x + 10.0 * v.y + 100.0 * v.z;", |x, y, z| {
        (3.0 * y - 2.0 * z) + 10.0 * (z - 3.0 * x) + 100.0 * (2.0 * x - y)
    });
    check("let v = reflect(vec2f(x, y), vec2f(0.6, 0.8)); return v.x + 10.0 * v.y;", |x, y, _| {
        let d = 2.0 * (0.6 * x + 0.8 * y);
        x - d * 0.6 + 10.0 * (y - d * 0.8)
    });
    check("let v = faceForward(vec2f(x, y), vec2f(y, z), vec2f(1.0, 1.0)); return v.x;", |x, y, z| {
        if y + z < 0.0 { x } else { -x }
    });
    check("let v = refract(vec2f(x, y), vec2f(0.6, 0.8), 0.9); return v.x + 10.0 * v.y;", |x, y, _| {
        let d = 0.6 * x + 0.8 * y;
        let k = 1.0 - 0.81 * (1.0 - d * d);
        let f = 0.9 * d + k.max(0.0).sqrt();
        if k < 0.0 { 0.0 } else { 0.9 * x - f * 0.6 + 10.0 * (0.9 * y - f * 0.8) }
    });
}

#[test]
fn zero_vectors_are_harmless() {
    assert_eq!(value("return length(vec2f(x, y));", [0.0; 3]), 0.0);
    assert_eq!(value("let v = normalize(vec2f(x, y)); return v.x + v.y;", [0.0; 3]), 0.0);
    // No square root of the raw square is left, whose slope would be infinite at zero.
    let text = "struct State { v: vec2f } fn physics(s: State) -> State { return State(vec2f(length(s.v), distance(s.v, s.v))); }";
    let module = parse(text, &[]);
    let function = &module.physics().function;
    assert_eq!(function.eval(&[0.0, 0.0]), [0.0, 0.0]);
    for node in function.nodes() {
        if let greybox::graph::Node::Apply(greybox::graph::Op::Sqrt, args) = node {
            let guarded =
                matches!(function.nodes()[args[0].index()], greybox::graph::Node::Apply(greybox::graph::Op::Select, _));
            assert!(guarded);
        }
    }
}

#[test]
fn clamp_puts_its_first_argument_first() {
    use greybox::graph::{Node, Op};
    let text = "struct State { x: f32, y: f32 } fn physics(s: State) -> State { return State(clamp(s.x, s.y, 2.0), stopgrad(s.y)); }";
    let module = parse(text, &[]);
    let nodes = module.physics().function.nodes();
    let max = nodes.iter().find(|n| matches!(n, Node::Apply(Op::Max, _))).unwrap();
    assert_eq!(nodes[max.args()[0].index()], Node::Input(0));
    assert!(nodes.iter().any(|n| matches!(n, Node::Apply(Op::StopGrad, _))));
}
