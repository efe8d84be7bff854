//! Random programs of branches, loops, switches and early exits against a direct interpreter.

use super::parse;
use proptest::prelude::*;

/// A statement on the variables a and b.
#[derive(Clone, Debug)]
enum Statement {
    /// a = a + c, or b = b * 0.5 + c.
    Change(bool, i8),
    /// a = b, b = a through a pointer in a helper that may return early.
    Swap(i8),
    If(Condition, Vec<Statement>, Vec<Statement>),
    /// A loop of fixed rounds.
    Loop(u8, Vec<Statement>),
    /// A loop with a continuing block that breaks when b exceeds a bound, or after fixed rounds.
    LoopIf(u8, i8, Vec<Statement>),
    Switch(i8, Vec<Statement>, Vec<Statement>),
    Break,
    Continue,
    Return(bool),
}

/// variable < bound, with the variables a, b, x.
type Condition = (u8, i8);

#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
    Return(f64),
}

fn name((variable, _): Condition) -> &'static str {
    ["a", "b", "x"][variable as usize % 3]
}

/// Emits WGSL; break and continue only where allowed.
fn emit(list: &[Statement], in_loop: bool, in_switch: bool, depth: usize, out: &mut String) {
    for statement in list {
        match statement {
            Statement::Change(true, c) => out.push_str(&format!("a = a + {c}.0;\n")),
            Statement::Change(false, c) => out.push_str(&format!("b = b * 0.5 + {c}.0;\n")),
            Statement::Swap(c) => out.push_str(&format!("swap(&a, &b, {c}.0);\n")),
            Statement::If(condition, accept, reject) => {
                out.push_str(&format!("if {} < {}.0 {{\n", name(*condition), condition.1));
                emit(accept, in_loop, in_switch, depth, out);
                out.push_str("} else {\n");
                emit(reject, in_loop, in_switch, depth, out);
                out.push_str("}\n");
            }
            Statement::Loop(rounds, body) => {
                out.push_str(&format!("for (var i{depth} = 0; i{depth} < {rounds}; i{depth}++) {{\n"));
                emit(body, true, false, depth + 1, out);
                out.push_str("}\n");
            }
            Statement::LoopIf(rounds, bound, body) => {
                out.push_str(&format!("{{ var i{depth} = 0; loop {{\n"));
                emit(body, true, false, depth + 1, out);
                out.push_str(&format!(
                    "continuing {{ a += 0.25; i{depth}++; break if i{depth} >= {rounds} || b > {bound}.0; }} }} }}\n"
                ));
            }
            Statement::Switch(offset, first, default) => {
                out.push_str(&format!("switch i32(floor(a)) + {offset} {{ case 0, 2: {{\n"));
                emit(first, in_loop, true, depth, out);
                out.push_str("} default: {\n");
                emit(default, in_loop, true, depth, out);
                out.push_str("} }\n");
            }
            Statement::Break if in_loop || in_switch => out.push_str("if true { break; }\n"),
            Statement::Continue if in_loop => out.push_str("if true { continue; }\n"),
            Statement::Break | Statement::Continue => {}
            Statement::Return(true) => out.push_str("if true { return a; }\n"),
            Statement::Return(false) => out.push_str("if true { return b - 1.0; }\n"),
        }
    }
}

/// Runs the same statements.
fn run(list: &[Statement], in_loop: bool, in_switch: bool, v: &mut [f64; 3]) -> Flow {
    for statement in list {
        let flow = match statement {
            Statement::Change(true, c) => {
                v[0] += f64::from(*c);
                Flow::Next
            }
            Statement::Change(false, c) => {
                v[1] = v[1] * 0.5 + f64::from(*c);
                Flow::Next
            }
            Statement::Swap(c) => {
                if v[0] >= f64::from(*c) {
                    v.swap(0, 1);
                    v[0] += 0.5;
                }
                Flow::Next
            }
            Statement::If(condition, accept, reject) => {
                let holds = v[condition.0 as usize % 3] < f64::from(condition.1);
                run(if holds { accept } else { reject }, in_loop, in_switch, v)
            }
            Statement::Loop(rounds, body) => {
                let mut result = Flow::Next;
                for _ in 0..*rounds {
                    match run(body, true, false, v) {
                        Flow::Break => break,
                        Flow::Return(value) => {
                            result = Flow::Return(value);
                            break;
                        }
                        Flow::Next | Flow::Continue => {}
                    }
                }
                result
            }
            Statement::LoopIf(rounds, bound, body) => {
                let mut i = 0;
                loop {
                    match run(body, true, false, v) {
                        Flow::Break => break Flow::Next,
                        Flow::Return(value) => break Flow::Return(value),
                        Flow::Next | Flow::Continue => {}
                    }
                    v[0] += 0.25;
                    i += 1;
                    if i >= *rounds || v[1] > f64::from(*bound) {
                        break Flow::Next;
                    }
                }
            }
            Statement::Switch(offset, first, default) => {
                let selector = v[0].floor() + f64::from(*offset);
                let case = if selector == 0.0 || selector == 2.0 { first } else { default };
                match run(case, in_loop, true, v) {
                    Flow::Break => Flow::Next,
                    other => other,
                }
            }
            Statement::Break if in_loop || in_switch => Flow::Break,
            Statement::Continue if in_loop => Flow::Continue,
            Statement::Break | Statement::Continue => Flow::Next,
            Statement::Return(true) => Flow::Return(v[0]),
            Statement::Return(false) => Flow::Return(v[1] - 1.0),
        };
        if flow != Flow::Next {
            return flow;
        }
    }
    Flow::Next
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let leaf = prop_oneof![
        4 => (any::<bool>(), -2i8..4).prop_map(|(a, c)| Statement::Change(a, c)),
        1 => (-2i8..4).prop_map(Statement::Swap),
        1 => Just(Statement::Break),
        1 => Just(Statement::Continue),
        1 => any::<bool>().prop_map(Statement::Return),
    ];
    let statement = leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner, 0..4).boxed();
        prop_oneof![
            4 => ((0u8..3, -2i8..4), list.clone(), list.clone()).prop_map(|(c, a, r)| Statement::If(c, a, r)),
            2 => (0u8..4, list.clone()).prop_map(|(n, b)| Statement::Loop(n, b)),
            1 => (1u8..4, 0i8..5, list.clone()).prop_map(|(n, bound, b)| Statement::LoopIf(n, bound, b)),
            1 => (-2i8..2, list.clone(), list).prop_map(|(o, a, b)| Statement::Switch(o, a, b)),
        ]
    });
    prop::collection::vec(statement, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn control_flow_means_what_it_says(list in statements()) {
        let mut body = String::new();
        emit(&list, false, false, 0, &mut body);
        let text = format!(
            "struct State {{ x: f32, y: f32 }}
fn swap(p: ptr<function, f32>, q: ptr<function, f32>, c: f32) {{
    if *p < c {{ return; }}
    let t = *p; *p = *q; *q = t; *p += 0.5;
}}
fn run(x: f32, y: f32) -> f32 {{ var a = y; var b = x + y;\n{body}return a * 3.0 + b; }}
fn physics(s: State) -> State {{ return State(run(s.x, s.y), 0.0); }}"
        );
        let module = parse(&text, &[]);
        for x in [-1.5, 0.25, 1.0, 2.5] {
            for y in [-2.0, -0.75, 0.5, 1.0, 3.25] {
                let mut v = [y, x + y, x];
                let expected = match run(&list, false, false, &mut v) {
                    Flow::Return(value) => value,
                    _ => v[0] * 3.0 + v[1],
                };
                let found = module.physics().function.eval(&[x, y])[0];
                prop_assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{text}\nat {x}, {y}: {found}, expected {expected}");
            }
        }
    }
}
