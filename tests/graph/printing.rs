//! Printed functions: naga accepts them, and the front end reads them back with the same values.

use super::random::cases;
use super::*;
use greybox::graph::op::{Spelling, TABLE};
use greybox::graph::wgsl::{Body, body, literal, print};
use greybox::physics::{Context, Module};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// The function as WGSL.
fn printed(f: &Function) -> String {
    print("formula", f, &NAMES[..f.inputs()]).unwrap_or_else(|e| panic!("{e}"))
}

/// naga parses and validates the text with the library functions that it calls.
pub(crate) fn validate(text: &str) {
    let module = format!("{text}\n{}", library(text));
    let parsed = naga::front::wgsl::parse_str(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&module)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&parsed).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&module)));
}

/// The library's meaning without its means: the front end knows the builtins, but not the bits of a number.
fn builtins() -> String {
    let mut text = String::from(
        "fn sigmoid(x: f32) -> f32 { let e = exp(-abs(x)); return select(e, 1.0, x >= 0.0) / (1.0 + e); }
         fn softplus(x: f32) -> f32 { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }
         fn safe_rem(x: f32, y: f32) -> f32 { return x % y; }\n",
    );
    for row in TABLE.iter().filter(|row| row.op != Op::Rem) {
        let Spelling::Call(name) = row.wgsl else { continue };
        let Some(builtin) = name.strip_prefix("safe_") else { continue };
        let (parameters, arguments) = [("x: f32", "x"), ("x: f32, y: f32", "x, y")][row.arity - 1];
        text += &format!("fn {name}({parameters}) -> f32 {{ return {builtin}({arguments}); }}\n");
    }
    text
}

/// Prints the function, reads it back as the physics of a model, and returns what that computes at x.
fn read_back(f: &Function, x: &[f64]) -> Vec<f64> {
    let size = f.inputs().max(f.outputs().len());
    let fields: Vec<String> = NAMES[..size].iter().map(|n| format!("{n}: f32")).collect();
    let args: Vec<String> = NAMES[..f.inputs()].iter().map(|n| format!("s.{n}")).collect();
    let results: Vec<String> =
        (0..size).map(|i| if i < f.outputs().len() { format!("r[{i}]") } else { "0.0".to_string() }).collect();
    let text = format!(
        "struct State {{ {} }}\n{}\n{}\nfn physics(s: State) -> State {{ let r = formula({}); return State({}); }}",
        fields.join(", "),
        printed(f),
        builtins(),
        args.join(", "),
        results.join(", ")
    );
    let context = Context { networks: Vec::new(), near: None, perturbed: false };
    let module = Module::parse("model.wgsl", &text, &context).unwrap_or_else(|error| panic!("{error}"));
    let mut state = x.to_vec();
    state.resize(size, 0.0);
    let mut values = module.physics().function.eval(&state);
    values.truncate(f.outputs().len());
    values
}

/// An operator as a function from numbers to a number.
fn numeric(op: Op) -> Function {
    let f = operator(op);
    Function::build(f.inputs(), |g, ids| {
        let value = g.inline(&f, ids)[0];
        let (two, three) = (g.constant(2.0), g.constant(3.0));
        vec![if op.is_boolean() { g.select(value, two, three) } else { value }]
    })
}

/// Inputs inside the domain of every operator but acosh, which gets the reciprocals.
const INSIDE: [f64; 3] = [0.40625, 0.8125, -0.71875];

#[test]
fn every_operator_prints_as_valid_wgsl_and_reads_back() {
    for row in &TABLE {
        let f = numeric(row.op);
        validate(&printed(&f));
        let x: Vec<f64> = INSIDE[..row.arity].iter().map(|x| if row.op == Op::Acosh { 1.0 / x } else { *x }).collect();
        let expected = f.eval(&x);
        assert!(expected[0].is_finite(), "{} at {x:?}", row.name);
        assert_close(row.name, &read_back(&f, &x), &expected, ROUNDING);
    }
}

#[test]
fn derivatives_of_every_operator_print_as_valid_wgsl_and_read_back() {
    // ln 2 and its like are rounded to f32 by printing.
    let tolerance = Tolerance { relative: 1e-6, absolute: 0.0 };
    for row in &TABLE {
        let f = numeric(row.op);
        for derivative in [pulled(&f), jvp(&f)] {
            validate(&printed(&derivative));
            let mut x: Vec<f64> = INSIDE[..row.arity].to_vec();
            x.iter_mut().for_each(|x| *x = if row.op == Op::Acosh { 1.0 / *x } else { *x });
            x.extend((x.len()..derivative.inputs()).map(|i| 0.5 + i as f64));
            let expected = derivative.eval(&x);
            assert!(expected.iter().all(|d| d.is_finite()), "{} at {x:?}: {expected:?}", row.name);
            assert_close(row.name, &read_back(&derivative, &x), &expected, tolerance);
        }
    }
}

#[test]
fn random_formulas_and_their_derivatives_print_as_valid_wgsl_and_read_back() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut compared = 0;
    for _ in 0..40 {
        let case = proptest::strategy::Strategy::new_tree(&cases(), &mut runner).unwrap().current();
        let f = case.recipe.function();
        validate(&printed(&f));
        validate(&printed(&pulled(&f)));
        let (found, expected) = (read_back(&f, &case.x), f.eval(&case.x));
        // Folded constants are rounded to f32 by printing: as much as a disturbance of every operation does.
        if let Ok(moved) = case.excuse(1e-7) {
            let tolerance = Tolerance { relative: 1e-7, absolute: 2.0 * moved };
            assert_close(&format!("{case:?}"), &found, &expected, tolerance);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared} formulas compared");
}

#[test]
fn logic_prints_with_known_conditions_and_negations() {
    let f = Function::build(3, |g, ids| {
        let [a, b, c] = [ids[0], ids[1], ids[2]];
        let (p, q) = (g.less(a, b), g.binary(Op::Equal, b, c));
        let n = g.not(q);
        let both = g.and(p, n);
        let other = g.not(both);
        let any = g.or(other, q);
        // The condition of the first select is a number: 1 or 0 stored as such.
        let one = g.constant(1.0);
        let number = g.select(any, one, a);
        vec![g.select(both, a, c), g.select(any, b, a), g.select(number, b, c)]
    });
    validate(&printed(&f));
    for x in tuples(&[0.0, 1.0, 2.0], 3) {
        assert_close(&format!("{x:?}"), &read_back(&f, &x), &f.eval(&x), ROUNDING);
    }
}

/// Printed bodies inside a function, one after the other with a prefix each.
fn nested(bodies: &[Body]) -> String {
    let mut text = "fn nest(x: array<f32, 3>) -> f32 {\n    var sum = 0.0;\n".to_string();
    for body in bodies {
        text += &body.statements;
        body.outputs.iter().for_each(|output| text += &format!("    sum += {output};\n"));
    }
    text + "    return sum;\n}\n"
}

#[test]
fn bodies_stand_inside_a_larger_function() {
    let inputs = ["x[0]", "x[2]", "(x[0] + 1.0f)"].map(String::from);
    for row in &TABLE {
        let f = numeric(row.op);
        let bodies: Vec<Body> = [&f, &pulled(&f), &jvp(&f)]
            .iter()
            .zip(["p", "q", "r"])
            .map(|(f, prefix)| {
                let given: Vec<String> = (0..f.inputs()).map(|i| inputs[i % 3].clone()).collect();
                let body = body(f, &given, prefix, "    ").unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(body.outputs.len(), f.outputs().len());
                let own = format!("    let {prefix}");
                assert!(body.statements.lines().all(|line| line.starts_with(&own) && line.ends_with(';')));
                body
            })
            .collect();
        validate(&nested(&bodies));
    }
}

#[test]
fn a_body_of_leaves_has_no_statements() {
    let f = Function::build(2, |g, ids| vec![ids[1], g.constant(0.5), ids[0]]);
    let found = body(&f, &["left".into(), "right".into()], "t", "  ").expect("printable");
    assert_eq!(
        found,
        Body { statements: String::new(), outputs: ["right", "0.5f", "left"].map(String::from).to_vec() }
    );
}

#[test]
fn truth_counts_as_one_where_a_number_is_wanted() {
    let f = Function::build(2, |g, ids| {
        let (p, q) = (g.less(ids[0], ids[1]), g.binary(Op::Equal, ids[0], ids[1]));
        let passed = g.unary(Op::StopGrad, p);
        let branch = g.select(passed, q, p);
        vec![p, g.add(p, ids[0]), g.less(q, p), g.mul(passed, ids[1]), branch, g.and(branch, q), g.not(q)]
    });
    validate(&printed(&f));
    for x in tuples(&[0.0, 1.0, 2.0], 2) {
        assert_close(&format!("{x:?}"), &read_back(&f, &x), &f.eval(&x), ROUNDING);
    }
}

#[test]
fn signs_print_so_that_they_cannot_join() {
    let f = Function::build(2, |g, ids| {
        let minus = g.constant(-2.5);
        let n = g.neg(ids[1]);
        let s = g.unary(Op::Sin, n);
        let e = g.neg(s);
        vec![g.sub(ids[0], minus), g.mul(minus, n), g.sub(e, minus), g.div(minus, ids[0])]
    });
    validate(&printed(&f));
    assert_close("signs", &read_back(&f, &[0.75, 1.25]), &f.eval(&[0.75, 1.25]), ROUNDING);
}

#[test]
fn long_formulas_are_split_and_shared_parts_named_once() {
    let f = Function::build(2, |g, ids| {
        let mut x = ids[0];
        for _ in 0..200 {
            let s = g.unary(Op::Sin, x);
            x = g.add(s, ids[1]);
        }
        let twice = g.mul(x, x);
        vec![twice, x]
    });
    let text = printed(&f);
    validate(&text);
    assert!(text.lines().all(|line| line.len() < 200), "{text}");
    assert_eq!(text.matches("sin(").count(), 200);
    assert_close("long", &read_back(&f, &[0.5, 0.25]), &f.eval(&[0.5, 0.25]), ROUNDING);
}

#[test]
fn what_is_not_finite_prints_so_that_it_happens_at_run_time() {
    // log(0) stays an expression; as an expression of literals alone WGSL would refuse it.
    let f = Function::build(1, |g, ids| {
        let (zero, one) = (g.constant(0.0), g.constant(1.0));
        let (log, ratio) = (g.unary(Op::Log, zero), g.div(one, zero));
        let p = g.less(zero, ids[0]);
        vec![g.select(p, ids[0], log), ratio]
    });
    validate(&printed(&f));
}

#[test]
fn names_of_inputs_may_look_like_names_of_values() {
    let f = Function::build(3, |g, ids| {
        let s = g.add(ids[0], ids[1]);
        let t = g.mul(s, ids[2]);
        vec![t, s, t]
    });
    for names in [["v3", "v4", "v"], ["v_3", "v4", "v5"], ["v__", "v_", "vv"]] {
        validate(&print("formula", &f, &names).unwrap_or_else(|e| panic!("{e}")));
    }
}

#[test]
fn literals_read_back_exactly() {
    for value in [0.0, 1.0, -1.0, 0.1, 1.0 / 3.0, 1e20, -1e-7, 3.4e38, 1.2e-38, 123456.789, 16777216.0, 1e10] {
        let text = literal(value).unwrap_or_else(|e| panic!("{e}"));
        let digits = text.strip_suffix('f').expect("a suffix");
        assert_eq!(digits.parse::<f32>().expect("a number"), value as f32, "{value}");
        let f = Function::build(1, |g, ids| {
            let constant = g.constant(value);
            vec![g.add(ids[0], constant)]
        });
        validate(&printed(&f));
        assert_eq!(read_back(&f, &[0.0]), [f64::from(value as f32)], "{value}");
    }
}

#[test]
fn a_constant_beyond_f32_is_an_error_that_names_it() {
    for value in [1e39, -1e300, f64::INFINITY, f64::NAN] {
        let f = Function::build(1, |g, ids| {
            let constant = g.constant(value);
            vec![g.add(ids[0], constant)]
        });
        let error = print("formula", &f, &["a"]).expect_err("no such f32");
        assert!(error.contains(&format!("{value:e}")), "{error}");
    }
}
