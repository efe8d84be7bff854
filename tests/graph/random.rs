//! Properties of random formulas with shared parts, kinks, branches and stop-gradients.
//!
//! Points near a kink are excused from what cannot hold there: the rules are [`Case::excuse`] and, for differences, that
//! the whole stencil lies on one side of every kink. Each test counts its excuses and fails if there are many.

use super::recipe::{KINDS, Numbers, Recipe};
use super::*;
use greybox::graph::Node;
use greybox::graph::op::TABLE;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::HashSet;

/// A formula, a point, a tangent and a cotangent.
#[derive(Clone, Debug)]
pub struct Case {
    pub recipe: Recipe,
    pub x: Vec<f64>,
    pub u: Vec<f64>,
    pub v: Vec<f64>,
}

impl Case {
    fn numbers(&self, x: &[f64], mut numbers: Numbers) -> (Vec<f64>, Numbers) {
        let outputs = self.recipe.outputs(&mut numbers, x);
        (outputs, numbers)
    }

    /// By how much the outputs move if every operation is disturbed by `noise`, or why the point is no good: values
    /// beyond what a formula should reach, or a kink that the disturbance crosses.
    pub fn excuse(&self, noise: f64) -> Result<f64, &'static str> {
        let (base, plain) = self.numbers(&self.x, Numbers::default());
        if base.iter().any(|v| !v.is_finite()) || plain.largest > 1e4 {
            return Err("large");
        }
        let mut moved = 0.0f64;
        for seed in 0..4 {
            let (values, numbers) = self.numbers(&self.x, Numbers { noise, seed, ..Numbers::default() });
            if numbers.sides != plain.sides {
                return Err("near a kink");
            }
            moved = base.iter().zip(&values).fold(moved, |m, (a, b)| m.max((a - b).abs()));
        }
        Ok(moved)
    }
}

/// Random cases.
pub fn cases() -> impl Strategy<Value = Case> {
    let number = || prop_oneof![4 => -2.0..2.0f64, 1 => prop::sample::select(vec![0.0, 1.0, -1.0, 0.5])];
    let step = (0..KINDS, any::<[u8; 3]>());
    (1usize..=4, prop::collection::vec(step, 5..=40)).prop_flat_map(move |(inputs, steps)| {
        let recipe = Recipe { inputs, steps };
        let x = prop::collection::vec(number(), inputs);
        let u = prop::collection::vec(-1.0..1.0f64, inputs);
        let v = prop::collection::vec(-1.0..1.0f64, 3);
        (Just(recipe), x, u, v).prop_map(|(recipe, x, u, v)| Case {
            recipe,
            // Exact in f32, so that both precisions see the same point.
            x: x.iter().map(|&x| f64::from(x as f32)).collect(),
            u,
            v,
        })
    })
}

/// Runs a property over the same random cases every time. It returns whether it checked the case or excused it; at most
/// the share `excused` may be excused.
fn check(count: u32, excused: f64, property: impl Fn(&Case) -> Result<bool, String>) {
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (checked, all) = (Cell::new(0u32), Cell::new(0u32));
    let result = runner.run(&cases(), |case| {
        all.set(all.get() + 1);
        let good = property(&case).map_err(TestCaseError::fail)?;
        checked.set(checked.get() + u32::from(good));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let share = 1.0 - f64::from(checked.get()) / f64::from(all.get());
    assert!(share <= excused, "{share} of the cases were excused");
}

#[test]
fn recipes_use_every_operator() {
    let mut used = HashSet::new();
    for kind in 0..KINDS {
        let recipe = Recipe { inputs: 3, steps: vec![(kind, [0, 1, 2]), (0, [0, 1, 2])] };
        used.extend(recipe.function().nodes().iter().filter_map(|n| match n {
            Node::Apply(op, _) => Some(*op),
            _ => None,
        }));
        let outputs = Function::build(3, |g, ids| vec![recipe.outputs(g, ids)[1]]);
        used.extend(outputs.nodes().iter().filter_map(|n| if let Node::Apply(op, _) = n { Some(*op) } else { None }));
    }
    for row in &TABLE {
        assert!(used.contains(&row.op), "{} is in no recipe", row.name);
    }
}

#[test]
fn equal_recipes_share_all_their_nodes() {
    check(1000, 0.0, |case| {
        let mut g = Graph::new();
        let ids: Vec<NodeId> = (0..case.recipe.inputs).map(|i| g.input(i)).collect();
        let first = case.recipe.outputs(&mut g, &ids);
        let size = g.len();
        let second = case.recipe.outputs(&mut g, &ids);
        if (&first, size) != (&second, g.len()) {
            return Err(format!("{first:?} of {size} nodes, then {second:?} of {}", g.len()));
        }
        // Another graph numbers its nodes the same way, and inlining a function finds its nodes again.
        let f = case.recipe.function();
        if f != Function::new(&g, case.recipe.inputs, &first) {
            return Err("another graph gave another function".to_string());
        }
        let inlined = g.inline(&f, &ids);
        if inlined != first {
            return Err(format!("inlined {inlined:?}, built {first:?}"));
        }
        Ok(true)
    });
}

#[test]
fn batches_in_f64_equal_single_points() {
    check(1000, 0.0, |case| {
        let f = case.recipe.function();
        let (found, expected) = (batch::<f64>(&f, &case.x), f.eval(&case.x));
        let same = found.iter().zip(&expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
        if same { Ok(true) } else { Err(format!("{found:?}, expected {expected:?}")) }
    });
}

#[test]
fn simplification_changes_no_value() {
    check(2000, 0.15, |case| {
        let noise = 1e-9;
        let Ok(moved) = case.excuse(noise) else { return Ok(false) };
        let (expected, plain) = case.numbers(&case.x, Numbers::default());
        // Sums may be rounded in another order: as much as a disturbance of every operation by 1e-14 moves the outputs.
        let tolerance = Tolerance { relative: 1e-12, absolute: 1e-14 / noise * moved + 1e-15 * plain.largest };
        compare("values", &case.recipe.function().eval(&case.x), &expected, tolerance)?;
        Ok(true)
    });
}

#[test]
fn f32_is_as_close_as_the_formula_allows() {
    check(2000, 0.15, |case| {
        let noise = 1e-5;
        let Ok(moved) = case.excuse(noise) else { return Ok(false) };
        let f = case.recipe.function();
        // Random disturbances are rarely the worst, hence ten times what a disturbance by 1e-6 does.
        let absolute = 1e-6 / noise * 10.0 * moved + 1e-6;
        let tolerance = Tolerance { relative: 1e-6, absolute };
        compare("values", &batch::<f32>(&f, &case.x), &f.eval(&case.x), tolerance)?;
        Ok(true)
    });
}

/// `⟨v, J u⟩ = ⟨Jᵀ v, u⟩`
fn adjoint(name: &str, f: &Function, x: &[f64], u: &[f64], v: &[f64]) -> Result<(), String> {
    let (forward, reverse) = (push(f, x, u), pull(f, x, v));
    let size = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
    let scale = size(&forward, v) + size(&reverse, u);
    // Terms that cancel leave the rounding of slopes of order one.
    let tolerance = Tolerance { relative: 1e-9, absolute: 1e-11 * scale + 1e-13 };
    compare(name, &[dot(&reverse, u)], &[dot(&forward, v)], tolerance)
}

#[test]
fn reverse_mode_is_the_adjoint_of_forward_mode() {
    check(1500, 0.15, |case| {
        // Slopes at kinks are equal in both modes; only points where rounding decides the side are excused.
        if case.excuse(1e-12).is_err() {
            return Ok(false);
        }
        adjoint("first order", &case.recipe.function(), &case.x, &case.u, &case.v)?;
        Ok(true)
    });
}

#[test]
fn derivatives_of_derivatives_are_adjoint_too() {
    check(750, 0.15, |case| {
        if case.excuse(1e-9).is_err() {
            return Ok(false);
        }
        let gradient = pulled(&case.recipe.function());
        let at = [case.x.as_slice(), &case.v].concat();
        let along = [case.u.as_slice(), &[0.3, -0.7, 0.5]].concat();
        adjoint("second order", &gradient, &at, &along, &case.u)?;
        Ok(true)
    });
}

#[test]
fn derivatives_are_the_limits_of_differences() {
    check(1500, 0.3, |case| {
        if case.excuse(1e-9).is_err() {
            return Ok(false);
        }
        let (values, plain) = case.numbers(&case.x, Numbers::default());
        let crossed = Cell::new(false);
        // Stop-gradients are held at their values at the point itself.
        let at = |x: &[f64]| {
            let (values, there) = case.numbers(x, Numbers { held: plain.stopped.clone(), ..Numbers::default() });
            crossed.set(crossed.get() || there.sides != plain.sides);
            values
        };
        let h = 1e-4;
        let coarse = differences(at, &case.x, &case.u, 2.0 * h);
        let expected = differences(at, &case.x, &case.u, h);
        let scale = values.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let tolerance = Tolerance { relative: 1e-7, absolute: 1e-8 * scale };
        // Differences that have not converged say nothing. The rule looks at values only, never at derivatives.
        if crossed.get() || compare("", &coarse, &expected, tolerance).is_err() {
            return Ok(false);
        }
        let tolerance = Tolerance { relative: 1e-6, absolute: 1e-7 * scale };
        let f = case.recipe.function();
        compare("forward", &push(&f, &case.x, &case.u), &expected, tolerance)?;
        for (i, expected) in expected.iter().enumerate() {
            let reverse = dot(&pull(&f, &case.x, &unit(3, i)), &case.u);
            compare(&format!("reverse, output {i}"), &[reverse], &[*expected], tolerance)?;
        }
        Ok(true)
    });
}
