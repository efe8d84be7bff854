//! Simplification: what it promises to find, and what it must leave alone.

use super::*;

type Formula = fn(&mut Graph, [NodeId; 3]) -> NodeId;
type Meaning = fn(f64, f64, f64) -> f64;

/// A constant.
fn c(g: &mut Graph, value: f64) -> NodeId {
    g.constant(value)
}

/// A condition that is not known: p of the first two, q of the last two inputs.
fn p(g: &mut Graph, [x, y, _]: [NodeId; 3]) -> NodeId {
    g.less(x, y)
}

fn q(g: &mut Graph, [_, y, z]: [NodeId; 3]) -> NodeId {
    g.less(y, z)
}

/// Name, formula, what it must become, and its meaning written by hand.
#[rustfmt::skip]
const RULES: &[(&str, Formula, Formula, Meaning)] = &[
    ("0 + x", |g, [x, ..]| { let o = c(g, 0.0); g.add(o, x) }, |_, [x, ..]| x, |x, _, _| x),
    ("x + 0", |g, [x, ..]| { let o = c(g, 0.0); g.add(x, o) }, |_, [x, ..]| x, |x, _, _| x),
    ("x + (-0)", |g, [x, ..]| { let o = c(g, -0.0); g.add(x, o) }, |_, [x, ..]| x, |x, _, _| x),
    ("x - 0", |g, [x, ..]| { let o = c(g, 0.0); g.sub(x, o) }, |_, [x, ..]| x, |x, _, _| x),
    ("0 - x", |g, [x, ..]| { let o = c(g, 0.0); g.sub(o, x) }, |g, [x, ..]| g.neg(x), |x, _, _| -x),
    ("x - x", |g, [x, ..]| g.sub(x, x), |g, _| c(g, 0.0), |_, _, _| 0.0),
    ("x + -y", |g, [x, y, _]| { let n = g.neg(y); g.add(x, n) }, |g, [x, y, _]| g.sub(x, y), |x, y, _| x - y),
    ("-x + y", |g, [x, y, _]| { let n = g.neg(x); g.add(n, y) }, |g, [x, y, _]| g.sub(y, x), |x, y, _| y - x),
    ("x - -y", |g, [x, y, _]| { let n = g.neg(y); g.sub(x, n) }, |g, [x, y, _]| g.add(x, y), |x, y, _| x + y),
    ("x + -x", |g, [x, ..]| { let n = g.neg(x); g.add(x, n) }, |g, _| c(g, 0.0), |_, _, _| 0.0),
    ("1 * x", |g, [x, ..]| { let o = c(g, 1.0); g.mul(o, x) }, |_, [x, ..]| x, |x, _, _| x),
    ("x * 1", |g, [x, ..]| { let o = c(g, 1.0); g.mul(x, o) }, |_, [x, ..]| x, |x, _, _| x),
    ("x * -1", |g, [x, ..]| { let o = c(g, -1.0); g.mul(x, o) }, |g, [x, ..]| g.neg(x), |x, _, _| -x),
    ("0 * x", |g, [x, ..]| { let o = c(g, 0.0); g.mul(o, x) }, |g, _| c(g, 0.0), |_, _, _| 0.0),
    ("x * 0", |g, [x, ..]| { let o = c(g, 0.0); g.mul(x, o) }, |g, _| c(g, 0.0), |_, _, _| 0.0),
    ("x / 1", |g, [x, ..]| { let o = c(g, 1.0); g.div(x, o) }, |_, [x, ..]| x, |x, _, _| x),
    ("x / -1", |g, [x, ..]| { let o = c(g, -1.0); g.div(x, o) }, |g, [x, ..]| g.neg(x), |x, _, _| -x),
    ("0 / x", |g, [x, ..]| { let o = c(g, 0.0); g.div(o, x) }, |g, _| c(g, 0.0), |_, _, _| 0.0),
    ("--x", |g, [x, ..]| { let n = g.neg(x); g.neg(n) }, |_, [x, ..]| x, |x, _, _| x),
    ("min(x, x)", |g, [x, ..]| g.binary(Op::Min, x, x), |_, [x, ..]| x, |x, _, _| x),
    ("max(x, x)", |g, [x, ..]| g.binary(Op::Max, x, x), |_, [x, ..]| x, |x, _, _| x),
    ("pow(x, 0)", |g, [x, ..]| { let e = c(g, 0.0); g.binary(Op::Pow, x, e) }, |g, _| c(g, 1.0), |x, _, _| x.powf(0.0)),
    ("pow(x, 1)", |g, [x, ..]| { let e = c(g, 1.0); g.binary(Op::Pow, x, e) }, |_, [x, ..]| x, |x, _, _| x.powf(1.0)),
    ("pow(x, 2)", |g, [x, ..]| { let e = c(g, 2.0); g.binary(Op::Pow, x, e) }, |g, [x, ..]| g.mul(x, x), |x, _, _| x.powf(2.0)),
    ("pow(x, 3)", |g, [x, ..]| { let e = c(g, 3.0); g.binary(Op::Pow, x, e) },
        |g, [x, ..]| { let s = g.mul(x, x); g.mul(s, x) }, |x, _, _| x.powf(3.0)),
    ("pow(x, -1)", |g, [x, ..]| { let e = c(g, -1.0); g.binary(Op::Pow, x, e) },
        |g, [x, ..]| { let o = c(g, 1.0); g.div(o, x) }, |x, _, _| x.powf(-1.0)),
    ("pow(|x|, 0.5)", |g, [x, ..]| { let (e, a) = (c(g, 0.5), g.unary(Op::Abs, x)); g.binary(Op::Pow, a, e) },
        |g, [x, ..]| { let a = g.unary(Op::Abs, x); g.unary(Op::Sqrt, a) }, |x, _, _| x.abs().powf(0.5)),
    ("stopgrad(stopgrad(x))", |g, [x, ..]| { let s = g.unary(Op::StopGrad, x); g.unary(Op::StopGrad, s) },
        |g, [x, ..]| g.unary(Op::StopGrad, x), |x, _, _| x),
    ("(x + y) - x", |g, [x, y, _]| { let s = g.add(x, y); g.sub(s, x) }, |_, [_, y, _]| y, |_, y, _| y),
    ("(x + y) - y", |g, [x, y, _]| { let s = g.add(x, y); g.sub(s, y) }, |_, [x, ..]| x, |x, _, _| x),
    ("(x - y) - x", |g, [x, y, _]| { let s = g.sub(x, y); g.sub(s, x) }, |g, [_, y, _]| g.neg(y), |_, y, _| -y),
    ("((x + y) + z) - x", |g, [x, y, z]| { let s = g.add(x, y); let s = g.add(s, z); g.sub(s, x) },
        |g, [_, y, z]| g.add(y, z), |_, y, z| y + z),
    ("(z + (x + y)) - x", |g, [x, y, z]| { let s = g.add(x, y); let s = g.add(z, s); g.sub(s, x) },
        |g, [_, y, z]| g.add(y, z), |_, y, z| y + z),
    ("((x + y) - z) - y", |g, [x, y, z]| { let s = g.add(x, y); let s = g.sub(s, z); g.sub(s, y) },
        |g, [x, _, z]| g.sub(x, z), |x, _, z| x - z),
    ("x + y and y + x", |g, [x, y, _]| g.add(x, y), |g, [x, y, _]| g.add(y, x), |x, y, _| x + y),
    ("x * y and y * x", |g, [x, y, _]| g.mul(x, y), |g, [x, y, _]| g.mul(y, x), |x, y, _| x * y),
    ("true && p", |g, i| { let (t, p) = (g.boolean(true), p(g, i)); g.and(t, p) }, p, |x, y, _| truth(x < y)),
    ("p && false", |g, i| { let (p, f) = (p(g, i), g.boolean(false)); g.and(p, f) }, |g, _| g.boolean(false), |_, _, _| 0.0),
    ("p && p", |g, i| { let p = p(g, i); g.and(p, p) }, p, |x, y, _| truth(x < y)),
    ("p || true", |g, i| { let (p, t) = (p(g, i), g.boolean(true)); g.or(p, t) }, |g, _| g.boolean(true), |_, _, _| 1.0),
    ("false || p", |g, i| { let (f, p) = (g.boolean(false), p(g, i)); g.or(f, p) }, p, |x, y, _| truth(x < y)),
    ("p || p", |g, i| { let p = p(g, i); g.or(p, p) }, p, |x, y, _| truth(x < y)),
    ("p || !p", |g, i| { let p = p(g, i); let n = g.not(p); g.or(p, n) }, |g, _| g.boolean(true), |_, _, _| 1.0),
    ("!p || p", |g, i| { let p = p(g, i); let n = g.not(p); g.or(n, p) }, |g, _| g.boolean(true), |_, _, _| 1.0),
    ("(q && p) || (q && !p)", |g, i| {
        let (p, q) = (p(g, i), q(g, i));
        let n = g.not(p);
        let (a, b) = (g.and(q, p), g.and(q, n));
        g.or(a, b)
    }, q, |_, y, z| truth(y < z)),
    ("q || (q && p)", |g, i| { let (p, q) = (p(g, i), q(g, i)); let a = g.and(q, p); g.or(q, a) }, q, |_, y, z| truth(y < z)),
    ("(p && q) || q", |g, i| { let (p, q) = (p(g, i), q(g, i)); let a = g.and(p, q); g.or(a, q) }, q, |_, y, z| truth(y < z)),
    ("!!p", |g, i| { let p = p(g, i); let n = g.not(p); g.not(n) }, p, |x, y, _| truth(x < y)),
    ("select(true, x, y)", |g, [x, y, _]| { let t = g.boolean(true); g.select(t, x, y) }, |_, [x, ..]| x, |x, _, _| x),
    ("select(false, x, y)", |g, [x, y, _]| { let f = g.boolean(false); g.select(f, x, y) }, |_, [_, y, _]| y, |_, y, _| y),
    ("select(p, z, z)", |g, i| { let p = p(g, i); g.select(p, i[2], i[2]) }, |_, [_, _, z]| z, |_, _, z| z),
    ("select(!p, x, z)", |g, i| { let p = p(g, i); let n = g.not(p); g.select(n, i[0], i[2]) },
        |g, i| { let p = p(g, i); g.select(p, i[2], i[0]) }, |x, y, z| if x < y { z } else { x }),
    ("select(p, select(p, x, y), z)", |g, i| { let p = p(g, i); let s = g.select(p, i[0], i[1]); g.select(p, s, i[2]) },
        |g, i| { let p = p(g, i); g.select(p, i[0], i[2]) }, |x, y, z| if x < y { x } else { z }),
    ("select(p, z, select(p, x, y))", |g, i| { let p = p(g, i); let s = g.select(p, i[0], i[1]); g.select(p, i[2], s) },
        |g, i| { let p = p(g, i); g.select(p, i[2], i[1]) }, |x, y, z| if x < y { z } else { y }),
    ("sum of 2, x and 0", |g, [x, ..]| { let t = [c(g, 2.0), x, c(g, 0.0)]; g.sum(&t) },
        |g, [x, ..]| { let two = c(g, 2.0); g.add(two, x) }, |x, _, _| 2.0 + x),
];

fn truth(b: bool) -> f64 {
    if b { 1.0 } else { 0.0 }
}

const POINTS: [[f64; 3]; 4] = [[0.3, 1.7, -0.6], [-2.25, 0.4, 3.5], [1.5, -1.0, 0.25], [2.0, 2.0, 2.0]];

#[test]
fn formulas_become_what_is_promised() {
    for (name, formula, simple, meaning) in RULES {
        let mut g = Graph::new();
        let ids: [NodeId; 3] = std::array::from_fn(|i| g.input(i));
        let (found, expected) = (formula(&mut g, ids), simple(&mut g, ids));
        assert_eq!(found, expected, "{name}: {:?}, expected {:?}", g.node(found), g.node(expected));
        let f = Function::new(&g, 3, &[found]);
        for [x, y, z] in POINTS {
            assert_close(name, &f.eval(&[x, y, z]), &[meaning(x, y, z)], ROUNDING);
        }
    }
}

#[test]
fn different_formulas_stay_different() {
    let mut g = Graph::new();
    let [x, y, z]: [NodeId; 3] = std::array::from_fn(|i| g.input(i));
    let condition = g.less(x, y);
    let all = [
        g.sub(x, y),
        g.sub(y, x),
        g.div(x, y),
        g.div(y, x),
        // A tie gives the partial to the first argument, so order matters.
        g.binary(Op::Min, x, y),
        g.binary(Op::Min, y, x),
        g.binary(Op::Max, x, y),
        g.binary(Op::Max, y, x),
        g.binary(Op::Pow, x, y),
        g.binary(Op::Pow, y, x),
        g.less(y, x),
        g.less_equal(x, y),
        g.select(condition, x, z),
        g.select(condition, z, x),
        g.unary(Op::StopGrad, x),
        x,
    ];
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate() {
            assert_eq!(a == b, i == j, "{:?} and {:?}", g.node(*a), g.node(*b));
        }
    }
}

#[test]
fn equal_formulas_cost_nothing_twice() {
    let mut g = Graph::new();
    let ids: [NodeId; 3] = std::array::from_fn(|i| g.input(i));
    let build = |g: &mut Graph| {
        let s = g.add(ids[0], ids[1]);
        let e = g.unary(Op::Exp, s);
        g.mul(e, ids[2])
    };
    let first = build(&mut g);
    let size = g.len();
    assert_eq!((build(&mut g), g.len()), (first, size));
}

#[test]
fn a_function_keeps_only_what_its_outputs_need() {
    let f = Function::build(3, |g, ids| {
        let unused = g.unary(Op::Sin, ids[2]);
        g.unary(Op::Cos, unused);
        let s = g.add(ids[0], ids[1]);
        vec![g.unary(Op::Exp, s), s]
    });
    assert_eq!((f.nodes().len(), f.operations(), f.inputs()), (4, 2, 3));
    assert_eq!(f.used_inputs(), [true, true, false]);
    assert_close("value", &f.eval(&[1.0, 2.0, 9.0]), &[3.0f64.exp(), 3.0], ROUNDING);
}

#[test]
fn inputs_are_renumbered_and_unused_ones_ignored() {
    let f = Function::build(3, |g, ids| vec![g.sub(ids[0], ids[2])]);
    let moved = f.with_inputs(5, &[4, 99, 1]);
    assert_eq!(moved.inputs(), 5);
    assert_close("value", &moved.eval(&[0.0, 3.0, 0.0, 0.0, 10.0]), &[7.0], ROUNDING);
}

#[test]
fn what_is_not_finite_is_left_to_run_time() {
    let f = Function::build(0, |g, _| {
        let (zero, huge) = (g.constant(0.0), g.constant(1e200));
        let one = g.constant(1.0);
        vec![g.unary(Op::Log, zero), g.mul(huge, huge), g.div(one, zero)]
    });
    assert_eq!(f.operations(), 3);
    assert_eq!(f.eval(&[]), [f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY]);
}

#[test]
fn zero_times_anything_is_zero() {
    // The documented policy: formulas have meaning, overflow has none.
    let f = Function::build(1, |g, ids| {
        let zero = g.constant(0.0);
        vec![g.mul(zero, ids[0]), g.sub(ids[0], ids[0]), g.div(zero, ids[0])]
    });
    assert_eq!(f.eval(&[f64::INFINITY]), [0.0; 3]);
    assert_eq!(f.eval(&[0.0]), [0.0; 3]);
}

#[test]
fn a_long_sum_is_searched_only_so_deep() {
    // Found or not, the value is right and the search ends.
    for terms in [3usize, 8, 9, 40] {
        let f = Function::build(terms, |g, ids| {
            let sum = g.sum(ids);
            vec![g.sub(sum, ids[0])]
        });
        let x: Vec<f64> = (0..terms).map(|i| 1.0 + i as f64).collect();
        let expected = x[1..].iter().sum::<f64>();
        assert_close(&format!("{terms} terms"), &f.eval(&x), &[expected], ROUNDING);
        // The sum of n terms takes n − 1 additions; one less if the term was found, one more if not.
        let expected = if terms <= 9 { terms - 2 } else { terms };
        assert_eq!(f.operations(), expected, "{terms} terms");
    }
}
