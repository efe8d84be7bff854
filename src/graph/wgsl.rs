//! Printing a function as WGSL.

use super::build::{Node, NodeId};
use super::function::Function;
use super::op::{Op, Spelling};
use std::fmt::Write;

/// Helpers that printed functions may call; append them once to a module (`sigmoid`, `softplus`).
pub const LIBRARY: &str = include_str!("../../shaders/lib/special.wgsl");

/// Expressions longer than this get a name of their own even if used once, so that lines stay readable.
const LONGEST_INLINE: usize = 60;

/// Prints `f` as `fn NAME(input names: f32 …) -> array<f32, m>`.
///
/// Constants are printed with the digits that round-trip in f32; one that f32 cannot hold is an error naming it. Names
/// of intermediate values differ from those of the inputs.
pub fn print(name: &str, f: &Function, inputs: &[&str]) -> Result<String, String> {
    assert_eq!(inputs.len(), f.inputs(), "one name per input");
    let mut uses = vec![0usize; f.nodes().len()];
    for node in f.nodes() {
        for a in node.args() {
            uses[a.index()] += 1;
        }
    }
    for o in f.outputs() {
        uses[o.index()] += 1;
    }
    let mut prefix = "v".to_string();
    while inputs.iter().any(|i| i.starts_with(&prefix)) {
        prefix.push('_');
    }
    let mut text = String::new();
    let parameters: Vec<String> = inputs.iter().map(|i| format!("{i}: f32")).collect();
    let _ = writeln!(text, "fn {name}({}) -> array<f32, {}> {{", parameters.join(", "), f.outputs().len());
    let mut spelled: Vec<String> = Vec::with_capacity(f.nodes().len());
    for (index, node) in f.nodes().iter().enumerate() {
        let expression = match node {
            Node::Const(bits) => literal(f64::from_bits(*bits))?,
            Node::Input(i) => inputs[*i as usize].to_string(),
            Node::Apply(op, _) => {
                let boolean = |id: NodeId| matches!(f.nodes()[id.index()], Node::Apply(o, _) if o.is_boolean());
                if node.args().iter().all(|a| matches!(f.nodes()[a.index()], Node::Const(_))) {
                    // Not folded, so not finite: WGSL refuses that of literals, but not of a named value.
                    let first = &mut spelled[node.args()[0].index()];
                    let _ = writeln!(text, "    let {prefix}{index}c = {first};");
                    let literal = std::mem::replace(first, format!("{prefix}{index}c"));
                    let expression = apply(*op, node.args(), &spelled, &boolean);
                    spelled[node.args()[0].index()] = literal;
                    expression
                } else {
                    apply(*op, node.args(), &spelled, &boolean)
                }
            }
        };
        let leaf = !matches!(node, Node::Apply(..));
        if leaf || (uses[index] == 1 && expression.len() <= LONGEST_INLINE) {
            spelled.push(expression);
        } else {
            let _ = writeln!(text, "    let {prefix}{index} = {expression};");
            spelled.push(format!("{prefix}{index}"));
        }
    }
    let outputs: Vec<&str> = f.outputs().iter().map(|o| spelled[o.index()].as_str()).collect();
    let _ = writeln!(text, "    return array<f32, {}>({});\n}}", f.outputs().len(), outputs.join(", "));
    Ok(text)
}

fn apply(op: Op, args: &[NodeId], spelled: &[String], boolean: &dyn Fn(NodeId) -> bool) -> String {
    let s = |i: usize| spelled[args[i].index()].as_str();
    // A known condition is stored as a number; logic needs it as a boolean.
    let logic = |i: usize| if boolean(args[i]) { s(i).to_string() } else { format!("({} != 0.0f)", s(i)) };
    match (op, op.row().wgsl) {
        (Op::And | Op::Or, Spelling::Infix(sign)) => format!("({} {sign} {})", logic(0), logic(1)),
        (Op::Not, _) => format!("!{}", logic(0)),
        (Op::Select, _) => format!("select({}, {}, {})", s(2), s(1), logic(0)),
        (_, Spelling::Infix(sign)) => format!("({} {sign} {})", s(0), s(1)),
        (_, Spelling::Prefix(sign)) => format!("({sign}{})", s(0)),
        (_, Spelling::Call(callee)) => {
            let list: Vec<&str> = (0..args.len()).map(s).collect();
            format!("{callee}({})", list.join(", "))
        }
        (_, Spelling::Transparent) => s(0).to_string(),
    }
}

/// An f32 literal that reads back as the nearest f32 of `value`.
pub fn literal(value: f64) -> Result<String, String> {
    let single = value as f32;
    if !single.is_finite() {
        return Err(format!("the constant {value:e} does not fit into f32"));
    }
    Ok(format!("{single:?}f"))
}
