//! Every row of the operator table: one loop over the table, so that a new row is covered by itself.

use super::*;
use greybox::graph::op::{Row, TABLE};

/// Generic numbers, exact in f32: none is a kink of a known operator, no two tie, no quotient of two is an integer.
const CANDIDATES: [f64; 9] = [-7.328125, -2.71875, -1.40625, -0.8125, -0.296875, 0.34375, 0.78125, 1.65625, 3.578125];

/// Half the width of the neighbourhood that must lie inside the domain.
const REACH: f64 = 0.01;

/// A row's meaning with conditions made from numbers, as [`operator`] makes them.
fn meaning(row: &Row, x: &[f64]) -> f64 {
    let mut args = [0.0; 3];
    for ((arg, x), condition) in args.iter_mut().zip(x).zip(conditions(row.op)) {
        *arg = if condition { f64::from(u8::from(*x > 0.0)) } else { *x };
    }
    (row.eval)(args)
}

/// Candidate points around which the row is finite. The choice looks at values only, never at derivatives.
fn points(row: &Row) -> Vec<Vec<f64>> {
    let mut points = tuples(&CANDIDATES, row.arity);
    // A tie of the arguments is a kink of min, max and %.
    points.retain(|x| (1..x.len()).all(|i| !x[..i].contains(&x[i])));
    points.retain(|x| {
        let directions = (0..row.arity).flat_map(|i| [(i, REACH), (i, -REACH), (i, 0.0)]);
        directions.into_iter().all(|(i, h)| meaning(row, &moved(x, &unit(row.arity, i), h)).is_finite())
    });
    assert!(points.len() >= 2, "{}: too few candidates lie in its domain; add some", row.name);
    points
}

/// What the table says about a row whose derivative is zero everywhere.
fn says_flat(row: &Row) -> bool {
    row.kink.starts_with("0 everywhere") || row.kink == "boolean"
}

#[test]
fn a_batch_in_f64_has_the_value_of_the_table() {
    for row in &TABLE {
        let f = operator(row.op);
        for x in points(row) {
            let expected = [meaning(row, &x)];
            assert_close(&format!("{} at {x:?}: eval", row.name), &f.eval(&x), &expected, ROUNDING);
            assert_close(&format!("{} at {x:?}: batch", row.name), &batch::<f64>(&f, &x), &expected, ROUNDING);
        }
    }
}

#[test]
fn a_batch_in_f32_has_the_value_of_the_table() {
    // The absolute part serves values near a zero of the function, like log at 1 or tan at π.
    let tolerance = Tolerance { relative: 2e-6, absolute: 3e-7 };
    for row in &TABLE {
        let f = operator(row.op);
        for x in points(row) {
            let expected = [meaning(row, &x)];
            assert_close(&format!("{} at {x:?}", row.name), &batch::<f32>(&f, &x), &expected, tolerance);
        }
    }
}

#[test]
fn partials_agree_in_both_modes_and_with_differences() {
    for row in &TABLE {
        let f = operator(row.op);
        let mut largest = 0.0f64;
        for x in points(row) {
            let gradient = pull(&f, &x, &[1.0]);
            for (i, &reverse) in gradient.iter().enumerate() {
                let name = format!("{} at {x:?}, argument {i}", row.name);
                let direction = unit(row.arity, i);
                let forward = push(&f, &x, &direction)[0];
                assert_close(&name, &[reverse], &[forward], ROUNDING);
                largest = largest.max(reverse.abs());
                if says_flat(row) {
                    assert_eq!(reverse, 0.0, "{name}: flat");
                    continue;
                }
                // Narrower than the reach of the points: no difference leaves the domain.
                let expected = differences(|x| vec![meaning(row, x)], &x, &direction, 2e-4 * x[i].abs());
                let scale = 1.0 + meaning(row, &x).abs();
                let tolerance = Tolerance { relative: 1e-6, absolute: 1e-9 * scale };
                assert_close(&name, &[reverse], &expected, tolerance);
            }
        }
        assert_eq!(largest == 0.0, says_flat(row), "{}: the largest partial is {largest}", row.name);
        assert_eq!(row.op.is_flat(), says_flat(row), "{}", row.name);
    }
}

#[test]
fn second_partials_agree_in_both_modes_and_with_differences() {
    let mut curved = 0;
    for row in TABLE.iter().filter(|row| !says_flat(row)) {
        let n = row.arity;
        let gradient = pulled(&operator(row.op));
        let of = |x: &[f64]| gradient.eval(&[x, &[1.0]].concat());
        let mut largest = 0.0f64;
        for x in points(row) {
            let at = [x.as_slice(), &[1.0]].concat();
            for i in 0..n {
                let name = format!("{} at {x:?}, second partials with argument {i}", row.name);
                // The last input is the cotangent, in which the gradient is linear.
                let mut reverse = pull(&gradient, &at, &unit(n, i));
                let first = reverse.pop().unwrap();
                assert_close(&name, &[first], &[of(&x)[i]], ROUNDING);
                let forward = push(&gradient, &at, &unit(n + 1, i));
                assert_close(&name, &reverse, &forward, Tolerance { relative: 1e-11, absolute: 1e-13 });
                let expected = differences(of, &x, &unit(n, i), 2e-4 * x[i].abs());
                let scale = 1.0 + of(&x).iter().fold(0.0f64, |m, v| m.max(v.abs()));
                assert_close(&name, &reverse, &expected, Tolerance { relative: 1e-6, absolute: 1e-9 * scale });
                largest = reverse.iter().fold(largest, |m, v| m.max(v.abs()));
            }
        }
        curved += usize::from(largest > 0.0);
    }
    assert!(curved > 20, "only {curved} rows have a second derivative");
}
