//! Where an operator is not differentiable, and numbers at the ends of the range.

use super::*;
use greybox::graph::op::TABLE;

const INFINITY: f64 = f64::INFINITY;

/// Operator, point, and the partials that the table promises there.
#[rustfmt::skip]
const PROMISES: &[(Op, &[f64], &[f64])] = &[
    (Op::Abs, &[0.0], &[0.0]),
    (Op::Min, &[1.5, 1.5], &[1.0, 0.0]),
    (Op::Max, &[1.5, 1.5], &[1.0, 0.0]),
    (Op::Rem, &[6.0, 3.0], &[1.0, -2.0]),
    (Op::Rem, &[-6.0, 3.0], &[1.0, 2.0]),
    (Op::Rem, &[0.0, 3.0], &[1.0, 0.0]),
    (Op::Pow, &[0.0, 2.5], &[0.0, 0.0]),
    (Op::Pow, &[0.0, 1.0], &[1.0, 0.0]),
    (Op::Pow, &[-2.0, 3.0], &[12.0, 0.0]),
    (Op::Pow, &[0.0, 0.5], &[INFINITY, 0.0]),
    (Op::Sqrt, &[0.0], &[INFINITY]),
    (Op::Asin, &[1.0], &[INFINITY]),
    (Op::Asin, &[-1.0], &[INFINITY]),
    (Op::Acos, &[1.0], &[-INFINITY]),
    (Op::Acos, &[-1.0], &[-INFINITY]),
    (Op::Acosh, &[1.0], &[INFINITY]),
    (Op::Atanh, &[1.0], &[INFINITY]),
    (Op::Atanh, &[-1.0], &[INFINITY]),
    (Op::Select, &[0.0, 5.0, 7.0], &[0.0, 0.0, 1.0]),
    (Op::Select, &[1.0, 5.0, 7.0], &[0.0, 1.0, 0.0]),
    (Op::Sign, &[0.0], &[0.0]),
    (Op::Floor, &[2.0], &[0.0]),
    (Op::Ceil, &[2.0], &[0.0]),
    (Op::Round, &[2.5], &[0.0]),
    (Op::Trunc, &[2.0], &[0.0]),
    (Op::StopGrad, &[2.0], &[0.0]),
];

#[test]
fn the_promised_partial_is_used_where_there_is_none() {
    for &(op, x, expected) in PROMISES {
        let f = operator(op);
        let name = format!("{} at {x:?}", op.row().name);
        assert_close(&format!("{name}, reverse"), &pull(&f, x, &[1.0]), expected, ROUNDING);
        let all = expected;
        for (i, expected) in all.iter().enumerate() {
            // A zero tangent of another argument meets its partial, and 0 · ∞ would not be a number.
            if (0..x.len()).all(|k| k == i || all[k].is_finite()) {
                assert_close(&format!("{name}, forward"), &push(&f, x, &unit(x.len(), i)), &[*expected], ROUNDING);
            }
        }
    }
}

#[test]
fn every_kink_has_its_promise_tested() {
    for row in TABLE.iter().filter(|row| !row.kink.is_empty() && row.kink != "boolean") {
        // The partials of atan2 at the origin are promised not to be finite: the next test.
        assert!(row.op == Op::Atan2 || PROMISES.iter().any(|p| p.0 == row.op), "{}: {}", row.name, row.kink);
    }
}

#[test]
fn the_angle_of_the_origin_has_no_finite_partials() {
    let gradient = pull(&operator(Op::Atan2), &[0.0, 0.0], &[1.0]);
    assert!(gradient.iter().all(|d| !d.is_finite()), "{gradient:?}");
}

#[test]
fn a_jump_has_its_value_from_the_table() {
    for (op, x, expected) in [
        (Op::Round, 0.5, 0.0),
        (Op::Round, 1.5, 2.0),
        (Op::Round, -2.5, -2.0),
        (Op::Sign, 0.0, 0.0),
        (Op::Floor, -1.5, -2.0),
        (Op::Ceil, -1.5, -1.0),
        (Op::Trunc, -1.5, -1.0),
    ] {
        assert_eq!(operator(op).eval(&[x]), [expected], "{} at {x}", op.row().name);
        assert_eq!(batch::<f32>(&operator(op), &[x]), [expected], "{} at {x} in f32", op.row().name);
    }
}

/// An operator on its bare arguments, conditions included.
fn bare(op: Op) -> Function {
    Function::build(op.row().arity, |g, inputs| vec![g.apply(op, inputs)])
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

#[test]
fn batches_in_f64_equal_the_table_at_the_ends_of_the_range() {
    let tiny = f64::from_bits(1);
    let values = [
        f64::NAN,
        INFINITY,
        -INFINITY,
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        -3.0,
        f64::MAX,
        -f64::MAX,
        f64::MIN_POSITIVE,
        tiny,
        -tiny,
        1e17,
    ];
    for row in &TABLE {
        let f = bare(row.op);
        let points = tuples(&values, row.arity);
        let columns: Vec<Vec<f64>> = (0..row.arity).map(|i| points.iter().map(|p| p[i]).collect()).collect();
        let columns: Vec<&[f64]> = columns.iter().map(|c| c.as_slice()).collect();
        let found = Tape::compile(&f).eval_columns(&columns, points.len()).remove(0);
        for (x, found) in points.iter().zip(found) {
            let mut args = [0.0; 3];
            args[..row.arity].copy_from_slice(x);
            let expected = (row.eval)(args);
            assert!(same(found, expected), "{} at {x:?}: {found}, expected {expected}", row.name);
            let found = f.eval(x)[0];
            assert!(same(found, expected), "{} at {x:?}: eval {found}, expected {expected}", row.name);
        }
    }
}

#[test]
fn batches_in_f32_meet_the_table_at_the_ends_of_the_range() {
    // Not the largest f32: the inverse hyperbolic functions of the standard library double their argument.
    let values =
        [f64::NAN, INFINITY, -INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -90.0, 89.0, 1e38, -1e38, 1e-40, -1e-40, 1e12];
    let values = values.map(|v| f64::from(v as f32));
    for row in &TABLE {
        let f = bare(row.op);
        let points = tuples(&values, row.arity);
        let columns: Vec<Vec<f32>> = (0..row.arity).map(|i| points.iter().map(|p| p[i] as f32).collect()).collect();
        let columns: Vec<&[f32]> = columns.iter().map(|c| c.as_slice()).collect();
        let found = Tape::compile(&f).eval_columns(&columns, points.len()).remove(0);
        for (x, found) in points.iter().zip(found) {
            let mut args = [0.0; 3];
            args[..row.arity].copy_from_slice(x);
            let exact = (row.eval)(args);
            // What f32 makes of the exact value: infinity above its range, a multiple of 1.4e-45 below.
            let expected = f64::from(exact as f32);
            let name = format!("{} at {x:?}: {found}, expected {expected}", row.name);
            if matches!(row.op, Op::Sin | Op::Cos) && x[0].is_finite() && x[0].abs() > 1e9 {
                // The spacing of f32 exceeds the period: all that can be asked for is a point of the wave.
                assert!(found.abs() <= 1.0, "{name}");
                continue;
            }
            let floor = if row.op == Op::Softplus { 3e-7 } else { 3e-45 };
            let tolerance = Tolerance { relative: 1e-6, absolute: floor };
            let good = match exact.is_nan() {
                true => found.is_nan(),
                false => compare("", &[f64::from(found)], &[expected], tolerance).is_ok(),
            };
            assert!(good, "{name}");
        }
    }
}

#[test]
fn sine_and_cosine_in_f32_stay_bounded_and_periodic_up_to_a_billion() {
    let x: Vec<f32> = (0..4000).map(|i| (1.009f64.powi(i % 2000) * if i < 2000 { 1.0 } else { -1.0 }) as f32).collect();
    let beyond: Vec<f32> = (0..4000).map(|i| 1e9 * 1.016f32.powi(i)).filter(|x| x.is_finite()).collect();
    for op in [Op::Sin, Op::Cos] {
        let tape = Tape::compile(&bare(op));
        for (x, found) in x.iter().zip(&tape.eval_columns(&[&x], x.len())[0]).filter(|(x, _)| x.abs() < 1e9) {
            let expected = (op.row().eval)([f64::from(*x), 0.0, 0.0]);
            let tolerance = Tolerance { relative: 0.0, absolute: 1e-6 };
            assert_close(&format!("{op:?} of {x}"), &[f64::from(*found)], &[expected], tolerance);
        }
        for (x, found) in beyond.iter().zip(&tape.eval_columns(&[&beyond], beyond.len())[0]) {
            assert!(found.abs() <= 1.0, "{op:?} of {x} is {found}");
        }
    }
}

#[test]
fn constants_fold_to_the_value_of_the_table() {
    // No negative zero: no result may depend on the sign of zero. No infinity: 0 · x is 0 whatever x is.
    let values = [0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -2.5, 1e200, 1e-200];
    for row in &TABLE {
        for x in tuples(&values, row.arity) {
            // Logic is promised for conditions only.
            if (0..row.arity).any(|i| conditions(row.op)[i] && x[i] != 0.0 && x[i] != 1.0) {
                continue;
            }
            let mut args = [0.0; 3];
            args[..row.arity].copy_from_slice(&x);
            let expected = (row.eval)(args);
            let f = Function::build(0, |g, _| {
                let ids: Vec<NodeId> = x.iter().map(|&v| g.constant(v)).collect();
                vec![g.apply(row.op, &ids)]
            });
            assert!(same(f.eval(&[])[0], expected), "{} of {x:?}", row.name);
            // A finite constant takes no operation; what is not finite is left to run time.
            assert_eq!(f.operations() == 0, expected.is_finite(), "{} of {x:?}", row.name);
        }
    }
}
