//! The untaken side of a select: whatever happens there, values and derivatives of the taken side stay exact.

use super::*;

/// A formula of (x, y).
type Formula = fn(&mut Graph, NodeId, NodeId) -> NodeId;

/// A choice made of x, the good side and the bad side.
type Form = fn(&mut Graph, NodeId, NodeId, NodeId) -> NodeId;

/// Name, formula, and values of x at which the formula or its slope is not finite.
#[rustfmt::skip]
const BAD: &[(&str, Formula, &[f64])] = &[
    ("sqrt(x)", |g, x, _| g.unary(Op::Sqrt, x), &[0.0, -1.0]),
    ("inverseSqrt(x)", |g, x, _| g.unary(Op::InverseSqrt, x), &[0.0, -1.0]),
    ("log(x)", |g, x, _| g.unary(Op::Log, x), &[0.0, -1.0]),
    ("log2(x)", |g, x, _| g.unary(Op::Log2, x), &[0.0, -1.0]),
    ("y / x", |g, x, y| g.div(y, x), &[0.0]),
    ("pow(x, y)", |g, x, y| g.binary(Op::Pow, x, y), &[0.0, -1.0]),
    ("pow(x, 0.3)", |g, x, _| { let e = g.constant(0.3); g.binary(Op::Pow, x, e) }, &[0.0, -1.0]),
    ("asin(x)", |g, x, _| g.unary(Op::Asin, x), &[-1.0, -2.0]),
    ("acos(x)", |g, x, _| g.unary(Op::Acos, x), &[-1.0, -2.0]),
    ("acosh(x)", |g, x, _| g.unary(Op::Acosh, x), &[0.0, -1.0]),
    ("acosh(x + 1)", |g, x, _| { let one = g.constant(1.0); let a = g.add(x, one); g.unary(Op::Acosh, a) }, &[0.0, -1.0]),
    ("atanh(x)", |g, x, _| g.unary(Op::Atanh, x), &[-1.0, -2.0]),
    ("atan2(x, x)", |g, x, _| g.binary(Op::Atan2, x, x), &[0.0]),
    ("exp(1e3 - 1e9 x)", |g, x, _| {
        let (a, b) = (g.constant(1e3), g.constant(1e9));
        let p = g.mul(b, x);
        let d = g.sub(a, p);
        g.unary(Op::Exp, d)
    }, &[0.0, -1.0]),
    ("y % x", |g, x, y| g.binary(Op::Rem, y, x), &[0.0]),
    ("sqrt(x) * log(x) / x", |g, x, _| {
        let (r, l) = (g.unary(Op::Sqrt, x), g.unary(Op::Log, x));
        let p = g.mul(r, l);
        g.div(p, x)
    }, &[0.0, -1.0]),
];

/// Ways to put the taken side `3 x y²` and a bad formula under a condition that is false at x ≤ 0.
#[rustfmt::skip]
const FORMS: &[(&str, Form)] = &[
    ("bad first", |g, x, good, bad| { let c = positive(g, x); g.select(c, bad, good) }),
    ("bad second", |g, x, good, bad| { let zero = g.constant(0.0); let c = g.less_equal(x, zero); g.select(c, good, bad) }),
    ("negated condition", |g, x, good, bad| { let c = positive(g, x); let c = g.not(c); g.select(c, good, bad) }),
    ("used again in the bad side", |g, x, good, bad| {
        let c = positive(g, x);
        let sum = g.add(good, bad);
        let product = g.mul(sum, bad);
        g.select(c, product, good)
    }),
    ("nested in a taken side", |g, x, good, bad| {
        let c = positive(g, x);
        let inner = g.select(c, bad, good);
        let minus = g.constant(-5.0);
        let outer = g.less(minus, x);
        g.select(outer, inner, bad)
    }),
    ("nested in an untaken side", |g, x, good, bad| {
        let c = positive(g, x);
        let four = g.constant(4.0);
        let d = g.less(x, four);
        let sine = g.unary(Op::Sin, bad);
        let inner = g.select(d, sine, bad);
        g.select(c, inner, good)
    }),
    ("two selects share the bad value", |g, x, good, bad| {
        let c = positive(g, x);
        let one = g.constant(1.0);
        let d = g.less(one, x);
        let zero = g.constant(0.0);
        let (a, b) = (g.select(c, bad, good), g.select(d, bad, zero));
        g.add(a, b)
    }),
    ("the condition reads the bad value", |g, x, good, bad| {
        // The value is read always, its slope only where the condition holds.
        let c = positive(g, x);
        let thousand = g.constant(1e3);
        let huge = g.less(bad, thousand);
        let c = g.and(c, huge);
        g.select(c, bad, good)
    }),
    ("a floor reads the bad value", |g, x, good, bad| {
        let c = positive(g, x);
        let floor = g.unary(Op::Floor, bad);
        let stopped = g.unary(Op::StopGrad, bad);
        let zero = g.constant(0.0);
        let some = g.less(zero, floor);
        let more = g.less(floor, stopped);
        let either = g.or(some, more);
        let c = g.and(c, either);
        g.select(c, bad, good)
    }),
];

fn positive(g: &mut Graph, x: NodeId) -> NodeId {
    let zero = g.constant(0.0);
    g.less(zero, x)
}

/// `3 x y²`: value, gradient and Hessian are known by hand.
fn good(g: &mut Graph, x: NodeId, y: NodeId) -> NodeId {
    let three = g.constant(3.0);
    let yy = g.mul(y, y);
    let xyy = g.mul(x, yy);
    g.mul(three, xyy)
}

/// All forms of all bad formulas at all their bad points.
fn each(mut check: impl FnMut(&str, &Function, [f64; 2])) {
    for (bad_name, bad, points) in BAD {
        for (form_name, form) in FORMS {
            let f = Function::build(2, |g, ids| {
                let (good, bad) = (good(g, ids[0], ids[1]), bad(g, ids[0], ids[1]));
                vec![form(g, ids[0], good, bad)]
            });
            for &x in *points {
                check(&format!("{bad_name} at {x}, {form_name}"), &f, [x, 0.7]);
            }
        }
    }
}

#[test]
fn the_bad_formulas_are_bad() {
    for (name, formula, points) in BAD {
        let f = Function::build(2, |g, ids| vec![formula(g, ids[0], ids[1])]);
        for &x in *points {
            let gradient = pull(&f, &[x, 0.7], &[1.0]);
            let value = f.eval(&[x, 0.7])[0];
            assert!(!value.is_finite() || gradient.iter().any(|d| !d.is_finite()), "{name} at {x}");
        }
    }
}

#[test]
fn values_and_gradients_of_the_taken_side_are_exact() {
    each(|name, f, [x, y]| {
        assert_close(name, &f.eval(&[x, y]), &[3.0 * x * y * y], ROUNDING);
        let gradient = [3.0 * y * y, 6.0 * x * y];
        assert_close(&format!("{name}: reverse"), &pull(f, &[x, y], &[1.0]), &gradient, ROUNDING);
        let forward: Vec<f64> = (0..2).map(|i| push(f, &[x, y], &unit(2, i))[0]).collect();
        assert_close(&format!("{name}: forward"), &forward, &gradient, ROUNDING);
        let single = batch::<f32>(&pulled(f), &[x, y, 1.0]);
        assert_close(&format!("{name}: f32"), &single, &gradient, Tolerance { relative: 1e-6, absolute: 0.0 });
    });
}

#[test]
fn second_derivatives_of_the_taken_side_are_exact() {
    each(|name, f, [x, y]| {
        let gradient = pulled(f);
        let at = [x, y, 1.0];
        for (i, row) in [[0.0, 6.0 * y], [6.0 * y, 6.0 * x]].iter().enumerate() {
            let twice = pull(&gradient, &at, &unit(2, i));
            assert_close(&format!("{name}: reverse of reverse, row {i}"), &twice[..2], row, ROUNDING);
            let along = push(&gradient, &at, &unit(3, i));
            assert_close(&format!("{name}: forward of reverse, row {i}"), &along, row, ROUNDING);
            // The tangent of the tangent: inputs (x, u), outputs (f, J u); along the unit vector i for u the row again.
            let twice = pull(&jvp(f), &[[x, y].as_slice(), &unit(2, i)].concat(), &[0.0, 1.0]);
            assert_close(&format!("{name}: reverse of forward, row {i}"), &twice[..2], row, ROUNDING);
        }
    });
}

#[test]
fn the_bad_formula_differentiates_where_it_is_taken() {
    // At x = 0.6 all formulas but acosh(x) are finite, and the first forms take them.
    for (name, formula, _) in BAD.iter().filter(|(name, ..)| !matches!(*name, "acosh(x)" | "exp(1e3 - 1e9 x)")) {
        let alone = Function::build(2, |g, ids| vec![formula(g, ids[0], ids[1])]);
        let expected = pull(&alone, &[0.6, 0.7], &[1.0]);
        assert!(expected.iter().all(|d| d.is_finite()), "{name}: {expected:?}");
        for (form_name, form) in &FORMS[..3] {
            let f = Function::build(2, |g, ids| {
                let (good, bad) = (good(g, ids[0], ids[1]), formula(g, ids[0], ids[1]));
                vec![form(g, ids[0], good, bad)]
            });
            assert_close(&format!("{name}, {form_name}"), &pull(&f, &[0.6, 0.7], &[1.0]), &expected, ROUNDING);
            let forward: Vec<f64> = (0..2).map(|i| push(&f, &[0.6, 0.7], &unit(2, i))[0]).collect();
            assert_close(&format!("{name}, {form_name}"), &forward, &expected, ROUNDING);
        }
    }
}

#[test]
fn a_condition_that_is_the_bad_value_itself_masks_it() {
    // select(sqrt(x) > 1/2, sqrt(x), 0): the condition reads the root at x = 0, where the slope is infinite.
    let f = Function::build(1, |g, ids| {
        let root = g.unary(Op::Sqrt, ids[0]);
        let (half, zero) = (g.constant(0.5), g.constant(0.0));
        let c = g.less(half, root);
        vec![g.select(c, root, zero)]
    });
    assert_close("untaken", &pull(&f, &[0.0], &[1.0]), &[0.0], ROUNDING);
    assert_close("untaken", &push(&f, &[0.0], &[1.0]), &[0.0], ROUNDING);
    assert_close("taken", &pull(&f, &[4.0], &[1.0]), &[0.25], ROUNDING);
}

#[test]
fn only_wanted_inputs_are_differentiated() {
    let f = Function::build(3, |g, ids| {
        let p = g.mul(ids[0], ids[1]);
        let q = g.mul(p, ids[2]);
        vec![p, q]
    });
    let reverse = vjp(&f, &[true, false, true]).function;
    assert_eq!((reverse.inputs(), reverse.outputs().len()), (3 + 2 + 2, 2));
    let [x, y, z, v, w] = [2.0, 3.0, 5.0, 7.0, 11.0];
    let found = reverse.eval(&[x, y, z, x * y, x * y * z, v, w]);
    assert_close("x and z", &found, &[v * y + w * y * z, w * x * y], ROUNDING);
}

#[test]
fn the_reverse_mode_reads_given_outputs_instead_of_computing_them() {
    let f = Function::build(1, |g, ids| vec![g.unary(Op::Tanh, ids[0])]);
    let reverse = vjp(&f, &[true]).function;
    let computes = reverse.nodes().iter().any(|n| matches!(n, greybox::graph::Node::Apply(Op::Tanh, _)));
    assert!(!computes, "{:?}", reverse.nodes());
    assert_close("1 - y²", &reverse.eval(&[9.9, 0.5, 2.0]), &[1.5], ROUNDING);
}
