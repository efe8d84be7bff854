//! The comparison that all tests rest on must reject what is wrong.

mod common;
use common::{Tolerance, compare};

const TOLERANCE: Tolerance = Tolerance { relative: 1e-3, absolute: 0.0 };

#[test]
fn accepts_what_is_close() {
    assert!(compare("a", &[1.0005, -2.0], &[1.0, -2.0], TOLERANCE).is_ok());
    assert!(compare("a", &[f64::INFINITY], &[f64::INFINITY], TOLERANCE).is_ok());
    assert!(compare("a", &[0.0, -0.0], &[0.0, 0.0], TOLERANCE).is_ok());
}

#[test]
fn rejects_what_is_not() {
    for (found, expected) in [
        (vec![1.01], vec![1.0]),
        (vec![0.99], vec![1.0]),
        (vec![-1.0], vec![1.0]),
        (vec![f64::NAN], vec![1.0]),
        (vec![1.0], vec![f64::NAN]),
        (vec![f64::NAN], vec![f64::NAN]),
        (vec![f64::INFINITY], vec![1.0]),
        (vec![f64::INFINITY], vec![f64::NEG_INFINITY]),
        (vec![1e-30], vec![0.0]),
        (vec![1.0, 1.0], vec![1.0]),
        (vec![], vec![1.0]),
    ] {
        assert!(compare("a", &found, &expected, TOLERANCE).is_err(), "{found:?} passed for {expected:?}");
    }
}
