//! Every refusal: its place, its message and its remedy.

use super::{context, refuse};
use greybox::physics::{Context, Module};

const HEAD: &str = "struct State { x: f32, y: f32 }\n";
const PHYSICS: &str = "fn physics(s: State) -> State { return s; }\n";

/// Checks the place and parts of the rendered error.
#[track_caller]
fn at(text: &str, networks: &[&str], line: usize, column: usize, parts: &[&str]) {
    let error = refuse(text, networks);
    let shown = error.to_string();
    assert_eq!((error.line, error.column), (line, column), "\n{shown}");
    for part in parts {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    assert!(shown.starts_with(&format!("model.wgsl:{line}:{column}: ")), "{shown}");
}

/// An error in line 3 of a text: a helper's body.
#[track_caller]
fn in_body(body: &str, marked: &str, parts: &[&str]) {
    let line = format!("fn run(x: f32) -> f32 {{ {body} }}");
    let column = line.find(marked).expect("marked text") + 1;
    let text = format!("{HEAD}fn physics(s: State) -> State {{ return State(run(s.x), 0.0); }}\n{line}\n");
    at(&text, &[], 3, column, parts);
}

#[test]
fn the_rendered_form() {
    let error = refuse("struct State {\n\tx: f32,\n\tn: i32,\n}\nfn physics(s: State) -> State { return s; }", &[]);
    assert_eq!(
        error.to_string(),
        "model.wgsl:3:2: member `n` is i32: members must be made of f32\n3 | \tn: i32,\n  | \t^\n\
         help: use f32, vecN<f32>, matNxM<f32>, fixed-size arrays of these, or structs of these"
    );
}

#[test]
fn missing_declarations() {
    at("fn physics() -> f32 { return 1.0; }", &[], 1, 1, &["no `struct State`", "help: declare"]);
    at("// nothing\n", &[], 1, 1, &["no `struct State`"]);
    at("", &[], 1, 1, &["no `struct State`"]);
    at(HEAD, &[], 1, 1, &["no `fn physics`", "help: write"]);
    at(&format!("{HEAD}// fn physics(s: State)\n"), &[], 1, 1, &["no `fn physics`"]);
}

#[test]
fn syntax_and_types() {
    at(&format!("{HEAD}fn physics(s: State) -> State {{\n    return State(s.x s.y);\n}}"), &[], 3, 22, &["expected"]);
    at(&format!("{HEAD}fn physics(s: State) -> State {{\n    return s;\n"), &[], 3, 13, &["}"]);
    at(&format!("{HEAD}fn physics(s: State) -> State {{\n    return State(s.x, z);\n}}"), &[], 3, 23, &["z"]);
    at(
        &format!("{HEAD}fn physics(s: State) -> State {{ let n = 1i; return State(n * s.x, 0.0); }}"),
        &[],
        2,
        58,
        &["`*` cannot combine i32 and f32", "f32("],
    );
    at(
        &format!("{HEAD}fn physics(s: State, p: Theta) -> State {{ return s; }}"),
        &[],
        2,
        25,
        &["Theta", "struct Theta"],
    );
    at(&format!("{HEAD}fn physics(s: State, n: Near) -> State {{ return s; }}"), &[], 2, 25, &["Near", "[grid]"]);
    at(&format!("{HEAD}{PHYSICS}fn a(x: f32) -> f32 {{ return a(x); }}"), &[], 3, 4, &["a", "loop"]);
    at(&format!("{HEAD}fn physics(s: State) -> State {{ return 1.0; }}"), &[], 2, 40, &[]);
    at(&format!("{HEAD}{PHYSICS}fn h(x: f64) -> f32 {{ return 1.0; }}"), &[], 3, 9, &["f32"]);
}

#[test]
fn columns_count_characters_behind_comments() {
    at(&format!("{HEAD}/* äöü→ */ fn physics(s: State, q: f32) -> State {{ return s; }}"), &[], 2, 33, &["`q: f32`"]);
}

#[test]
fn intrinsics_cannot_be_defined() {
    at(&format!("{HEAD}{PHYSICS}fn stopgrad(x: f32) -> f32 {{ return x; }}"), &[], 3, 4, &["intrinsic"]);
    at(&format!("{HEAD}{PHYSICS}struct Near {{ a: f32 }}"), &[], 3, 8, &["`Near` is provided"]);
}

#[test]
fn members() {
    at("struct State { x: f32, on: bool }\nfn physics() -> f32 { return 1.0; }", &[], 1, 24, &["`on` is bool"]);
    at(
        "struct Part { a: f32, n: vec2<i32> }\nstruct State { parts: array<Part, 2> }\nfn physics(s: State) -> State { return s; }",
        &[],
        1,
        23,
        &["`parts[0].n` is vec2<i32>"],
    );
    at(&format!("{HEAD}{PHYSICS}struct Theta {{ k: u32 }}"), &[], 3, 16, &["`k` is u32"]);
    at(&format!("struct State {{ x: array<f32, 100000> }}\n{PHYSICS}"), &[], 1, 30, &["too large"]);
}

#[test]
fn arguments() {
    at(
        &format!("{HEAD}fn physics(s: State, mass: f32) -> State {{ return s; }}"),
        &[],
        2,
        22,
        &["`mass: f32`", "`t: f32`"],
    );
    at(&format!("{HEAD}fn physics(s: State, v: vec2f) -> State {{ return s; }}"), &[], 2, 22, &["`v: vec2<f32>`"]);
    at(&format!("{HEAD}fn physics(s: State, r: State) -> State {{ return s; }}"), &[], 2, 22, &["two arguments"]);
    at(&format!("{HEAD}fn physics(s: State, f: State) -> State {{ return s; }}"), &[], 2, 22, &["`f: State`"]);
    at(
        &format!("{HEAD}fn physics(s: State, g: array<f32, 2>) -> State {{ return s; }}"),
        &["g"],
        2,
        22,
        &["`g: array<f32, 2>`"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn features(g: array<f32, 2>) -> f32 {{ return g[0]; }}"),
        &["g"],
        3,
        13,
        &["`features` cannot take"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn rhs(f: State, closur: array<f32, 2>) -> State {{ return f; }}"),
        &["closure", "other"],
        3,
        18,
        &["did you mean the network `closure`?"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn rhs(f: State, q: array<f32, 2>) -> State {{ return f; }}"),
        &[],
        3,
        18,
        &["no networks"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn rhs(f: State, g: array<i32, 2>) -> State {{ return f; }}"),
        &["g"],
        3,
        18,
        &["array<i32, 2>"],
    );
    at(
        &format!("{HEAD}{PHYSICS}struct Output {{ o: f32 }}\nfn initial(s: State) -> State {{ return s; }}"),
        &[],
        4,
        12,
        &["an Output"],
    );
    at(
        &format!("{HEAD}{PHYSICS}struct Theta {{ o: f32 }}\nfn rhs(a: Theta, b: Theta) -> State {{ return State(); }}"),
        &[],
        4,
        18,
        &["two arguments"],
    );
    at(
        &format!("{HEAD}fn physics(p: ptr<function, State>) -> State {{ return *p; }}"),
        &[],
        2,
        12,
        &["a pointer to State"],
    );
}

#[test]
fn return_types() {
    at(&format!("{HEAD}fn physics(s: State) -> vec2f {{ return vec2f(s.x); }}"), &[], 2, 25, &["must return State"]);
    at(&format!("{HEAD}fn physics(s: State) {{ }}"), &[], 2, 4, &["must return State"]);
    at(&format!("{HEAD}{PHYSICS}fn features(s: State) -> State {{ return s; }}"), &["g"], 3, 26, &["array<f32, N>"]);
    at(
        &format!("{HEAD}{PHYSICS}struct Output {{ o: f32 }}\nfn observe(s: State) -> State {{ return s; }}"),
        &[],
        4,
        25,
        &["must return Output"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn control(s: State) -> f32 {{ return s.x; }}"),
        &[],
        3,
        25,
        &["Input", "struct Input"],
    );
}

#[test]
fn features_and_networks() {
    let plain = format!("{HEAD}{PHYSICS}fn features(s: State) -> f32 {{ return s.x; }}\n");
    at(&plain, &["a", "b"], 3, 4, &["several networks", "`features_a`, `features_b`"]);
    at(
        &format!("{plain}fn features_a(s: State) -> f32 {{ return s.x; }}"),
        &["a"],
        4,
        4,
        &["both `features` and `features_a`"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn features_drg(s: State) -> f32 {{ return s.x; }}"),
        &["drag", "lift"],
        3,
        4,
        &["no network `drg`", "`features_drag`"],
    );
    at(&format!("{HEAD}{PHYSICS}fn features_g(s: State) -> f32 {{ return s.x; }}"), &[], 3, 4, &["no networks"]);
}

#[test]
fn module_scope() {
    at(&format!("{HEAD}{PHYSICS}var<private> counter: f32 = 0.0;"), &[], 3, 1, &["`counter`", "const"]);
    at(&format!("{HEAD}{PHYSICS}@group(0) @binding(0) var<storage> data: array<f32>;"), &[], 3, 23, &["`data`"]);
    at(&format!("{HEAD}{PHYSICS}@group(0) @binding(0) var image: texture_2d<f32>;"), &[], 3, 23, &["`image`"]);
    at(&format!("{HEAD}{PHYSICS}override k: f32 = 1.0;"), &[], 3, 1, &["`k`", "Theta"]);
    at(&format!("{HEAD}{PHYSICS}@compute @workgroup_size(1) fn main() {{ }}"), &[], 3, 32, &["entry point"]);
}

#[test]
fn unsupported_constructs() {
    in_body("return bitcast<f32>(u32(x));", "bitcast", &["bitcast is not supported", "help"]);
    in_body("return f32(i32(x) & 3);", "i32(x) & 3", &["run-time integer"]);
    in_body("return f32(1u << u32(x));", "1u << u32(x)", &["run-time integer"]);
    in_body("return f32(countOneBits(u32(x)));", "countOneBits", &["bits"]);
    in_body("return dpdx(x);", "dpdx", &["derivative"]);
    in_body("workgroupBarrier(); return x;", "workgroupBarrier", &["barrier"]);
    in_body("if x > 0.0 { discard; } return x;", "discard", &["discard"]);
    in_body("return quantizeToF16(x);", "quantizeToF16", &[]);
    in_body(
        "var a = array<f32, 3>(); var s = 0.0; for (var i = 0; i < 4; i++) { s += a[i]; } return s;",
        "a[i]",
        &["index 3 is outside 0 to 2"],
    );
}

#[test]
fn loops_that_depend_on_data() {
    in_body("var a = x; while (a > 1e-3) { a = a * 0.5; } return a;", "while", &["depends on the data", "for ("]);
    in_body("var s = 0.0; for (var i = 0; i < i32(x); i++) { s += 1.0; } return s;", "for", &["depends on the data"]);
    in_body("var s = x; loop { s = sin(s); if s < 0.0 { break; } } return s;", "loop", &["depends on the data"]);
    in_body(
        "var s = x; loop { s += 1.0; continuing { break if s > 3.0; } } return s;",
        "loop",
        &["depends on the data"],
    );
    in_body("var s = x; for (var i = 0; i < 100000; i++) { } return s;", "for", &["more than 10000 rounds"]);
    in_body(
        "for (var i = 0; i < 3; i++) { var a = x; while a > 0.1 { a = a * a; } } return x;",
        "while",
        &["depends on the data"],
    );
}

#[test]
fn budgets() {
    let text = format!(
        "{HEAD}fn physics(s: State) -> State {{ var a = s.x; for (var i = 0; i < 9000; i++) {{ a = sin(a) * s.y + a; }} return State(a, 0.0); }}"
    );
    let error = refuse(&text, &[]);
    assert!(error.message.contains("`physics` needs more than 20000 operations (200"), "{error}");
    // Calls that double at each level build few nodes but take forever.
    let mut text = format!("{HEAD}fn part0(x: f32) -> f32 {{ return x; }}\n");
    for i in 1..40 {
        text.push_str(&format!("fn part{i}(x: f32) -> f32 {{ return part{0}(x) + part{0}(x); }}\n", i - 1));
    }
    text.push_str("fn physics(s: State) -> State { return State(part39(s.x), 0.0); }");
    let error = refuse(&text, &[]);
    assert!(error.message.contains("steps"), "{error}");
    let mut text = format!("{HEAD}fn part0(x: f32) -> f32 {{ return x; }}\n");
    for i in 1..100 {
        text.push_str(&format!("fn part{i}(x: f32) -> f32 {{ return part{}(x); }}\n", i - 1));
    }
    text.push_str("fn physics(s: State) -> State { return State(part99(s.x), 0.0); }");
    assert!(refuse(&text, &[]).message.contains("nest deeper"));
    let nested = format!(
        "{HEAD}fn physics(s: State) -> State {{ for (var i = 0; i < 9000; i++) {{ for (var j = 0; j < 9000; j++) {{ }} }} return s; }}"
    );
    assert!(refuse(&nested, &[]).message.contains("steps"));
}

#[test]
fn all_functions_are_checked() {
    at(
        &format!(
            "{HEAD}{PHYSICS}fn observe(s: State) -> State {{ var a = s.x; while a > 0.1 {{ a *= 0.5; }} return s; }}"
        ),
        &[],
        3,
        46,
        &["data"],
    );
    at(
        &format!("{HEAD}{PHYSICS}fn features(s: State) -> f32 {{ return bitcast<f32>(i32(s.x)); }}"),
        &[],
        3,
        39,
        &["bitcast"],
    );
}

#[test]
fn near_on_grids_must_be_used_as_it_is() {
    let grid = Context { near: Some(greybox::program::Stencil::ALL.map(|s| s.name()).to_vec()), ..context(&[]) };
    let error =
        Module::parse("m.wgsl", "struct State { u: f32 }\nfn physics(n: Near) -> State { return n.middle; }", &grid)
            .unwrap_err();
    assert_eq!((error.line, error.column), (2, 41), "{error}");
}

#[test]
fn types_in_bodies() {
    in_body("if x { return 1.0; } return x;", "if x", &["bool"]);
    in_body("var n = 1i; n = x; return x;", "n = x", &["i32"]);
    in_body("return vec2f(x, x);", "vec2f(x, x)", &["must be of the declared type f32"]);
    in_body("return stopgrad(vec2f(x));", "vec2f(x)", &["argument 1 of `stopgrad` must be f32"]);
    in_body("return stopgrad(x, x);", "stopgrad", &["2"]);
}
