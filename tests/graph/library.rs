//! The library of WGSL functions: what is called is there, and nothing else.

use super::printing::validate;
use super::*;
use greybox::graph::op::{Spelling, TABLE};

/// Names of the functions, in order.
fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("fn ")?.split('(').next()).collect()
}

/// A function that calls `callee` with as many arguments as it takes.
fn caller(callee: &str, arity: usize) -> String {
    let arguments = ["x", "y"][..arity].join(", ");
    format!("fn caller(x: f32, y: f32) -> f32 {{ return {callee}({arguments}); }}\n")
}

/// Every operator that is written as a call of the library.
fn spelled() -> Vec<(&'static str, usize)> {
    let calls = TABLE.iter().filter_map(|row| match row.wgsl {
        Spelling::Call(name) if !library(&format!("{name}(")).is_empty() => Some((name, row.arity)),
        _ => None,
    });
    calls.collect()
}

#[test]
fn the_table_names_library_functions() {
    assert_eq!(spelled().len(), 21);
    for row in &TABLE {
        if let Spelling::Call(name) = row.wgsl {
            let own = name.starts_with("safe_") || matches!(name, "sigmoid" | "softplus");
            assert_eq!(own, spelled().iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}

#[test]
fn the_closure_of_every_function_is_valid_and_lacks_nothing() {
    for (name, arity) in spelled() {
        let text = caller(name, arity);
        validate(&text);
        let closure = library(&text);
        let functions = names(&closure);
        assert_eq!(functions.last(), Some(&name), "callees come first");
        // Without any one of them the rest does not even parse.
        for left_out in functions {
            let pieces: Vec<&str> = closure.split("}\n\n").filter(|f| !names(f).contains(&left_out)).collect();
            let module = format!("{text}\n{}", pieces.join("}\n\n"));
            assert!(naga::front::wgsl::parse_str(&module).is_err(), "{name} does not need {left_out}");
        }
    }
}

#[test]
fn all_functions_together_are_valid_and_none_comes_twice() {
    let callers: String = spelled()
        .iter()
        .enumerate()
        .map(|(index, (name, arity))| caller(name, *arity).replace("caller", &format!("caller{index}")))
        .collect();
    validate(&callers);
    let all = library(&callers);
    let mut sorted = names(&all);
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names(&all).len());
    // Nothing of the library is unused, and what it holds needs no more of it.
    assert_eq!(library(&all).len(), all.len());
}

#[test]
fn a_closure_is_as_long_as_it_must_be() {
    assert_eq!(library("fn f(x: f32) -> f32 { return sqrt(abs(x)); }"), "");
    let expected = ["safe_quarter_turns", "safe_quarter_rest", "safe_nan", "safe_is_not_finite", "safe_quarter_wave"];
    let mut expected = expected.to_vec();
    expected.push("safe_sin");
    assert_eq!(names(&library("let y = safe_sin(x);")), expected);
    expected.push("safe_cos");
    assert_eq!(names(&library("safe_sin(a) + safe_cos(b) + safe_sin(c)")), expected);
    assert!(library("softplus(x)").contains("// ln(1 + e^x) = max(x, 0)"), "comments come along");
}

#[test]
fn only_whole_names_in_code_count_as_calls() {
    assert_eq!(library("// safe_sin(x)"), "");
    assert_eq!(library("my_safe_sin(x) + safe_sin2(x) + safe_sin + x"), "");
    assert!(!library("safe_exp2(x)").contains("fn safe_exp("));
    assert!(library("y = safe_exp (x);").contains("fn safe_exp("));
    assert!(library("(safe_exp(x))").contains("fn safe_exp("));
}
