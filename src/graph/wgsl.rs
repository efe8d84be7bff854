//! Printing a function as WGSL. What it calls beside builtins is in the [`library`](super::library()).

use super::build::Node;
use super::function::Function;
use super::op::{Op, Spelling};
use std::fmt::Write;

/// Expressions longer than this get a name of their own even if used once, so that lines stay readable.
const LONGEST_INLINE: usize = 60;

/// The inside of a printed function, for use in a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// `let` statements, one a line, each line indented and ended; empty if the outputs need none.
    pub statements: String,
    /// Expressions of type f32, one per output; valid after the statements.
    pub outputs: Vec<String>,
}

/// Prints `f` as `fn NAME(input names: f32 …) -> array<f32, m>`.
///
/// Constants are printed with the digits that round-trip in f32; one that f32 cannot hold is an error naming it. Names
/// of intermediate values differ from those of the inputs.
pub fn print(name: &str, f: &Function, inputs: &[&str]) -> Result<String, String> {
    let mut prefix = "v".to_string();
    while inputs.iter().any(|i| i.starts_with(&prefix)) {
        prefix.push('_');
    }
    let inputs: Vec<String> = inputs.iter().map(|i| i.to_string()).collect();
    let body = body(f, &inputs, &prefix, "    ")?;
    let parameters: Vec<String> = inputs.iter().map(|i| format!("{i}: f32")).collect();
    let (parameters, count) = (parameters.join(", "), body.outputs.len());
    let (statements, outputs) = (body.statements, body.outputs.join(", "));
    let result = format!("array<f32, {count}>");
    Ok(format!("fn {name}({parameters}) -> {result} {{\n{statements}    return {result}({outputs});\n}}\n"))
}

/// Prints the statements of `f` and the expressions of its outputs, for a place inside a larger function.
///
/// `inputs` are names or expressions of type f32, one per input. They are written as given wherever the input is used,
/// so an expression with operators needs its own parentheses. Intermediate values are named `{prefix}{index}` or
/// `{prefix}{index}c`; nothing else in the place may have such a name. Errors are those of [`print()`].
pub fn body(f: &Function, inputs: &[String], prefix: &str, indent: &str) -> Result<Body, String> {
    assert_eq!(inputs.len(), f.inputs(), "one name per input");
    let mut uses = vec![0usize; f.nodes().len()];
    for id in f.nodes().iter().flat_map(Node::args).chain(f.outputs()) {
        uses[id.index()] += 1;
    }
    let mut statements = String::new();
    let mut spelled: Vec<Spelled> = Vec::with_capacity(f.nodes().len());
    for (index, node) in f.nodes().iter().enumerate() {
        let value = match node {
            Node::Const(bits) => Spelled { text: literal(f64::from_bits(*bits))?, boolean: false },
            Node::Input(i) => Spelled { text: inputs[*i as usize].clone(), boolean: false },
            Node::Apply(op, _) => {
                let mut args: Vec<Spelled> = node.args().iter().map(|a| spelled[a.index()].clone()).collect();
                if node.args().iter().all(|a| matches!(f.nodes()[a.index()], Node::Const(_))) {
                    // Not folded, so not finite: WGSL refuses that of literals, but not of a named value.
                    let _ = writeln!(statements, "{indent}let {prefix}{index}c = {};", args[0].text);
                    args[0].text = format!("{prefix}{index}c");
                }
                Spelled { text: apply(*op, &args), boolean: op.is_boolean() }
            }
        };
        let leaf = !matches!(node, Node::Apply(..));
        if leaf || (uses[index] == 1 && value.text.len() <= LONGEST_INLINE) {
            spelled.push(value);
        } else {
            let _ = writeln!(statements, "{indent}let {prefix}{index} = {};", value.text);
            spelled.push(Spelled { text: format!("{prefix}{index}"), boolean: value.boolean });
        }
    }
    let outputs = f.outputs().iter().map(|o| spelled[o.index()].number()).collect();
    Ok(Body { statements, outputs })
}

/// A node as an expression, of type bool or f32.
#[derive(Clone)]
struct Spelled {
    text: String,
    boolean: bool,
}

impl Spelled {
    /// As f32: the graph counts truth as 1.
    fn number(&self) -> String {
        if self.boolean { format!("select(0.0f, 1.0f, {})", self.text) } else { self.text.clone() }
    }

    /// As bool: a known condition is stored as a number.
    fn condition(&self) -> String {
        if self.boolean { self.text.clone() } else { format!("({} != 0.0f)", self.text) }
    }
}

fn apply(op: Op, args: &[Spelled]) -> String {
    let number = |i: usize| args[i].number();
    let condition = |i: usize| args[i].condition();
    match (op, op.row().wgsl) {
        (Op::And | Op::Or, Spelling::Infix(sign)) => format!("({} {sign} {})", condition(0), condition(1)),
        (Op::Not, _) => format!("!{}", condition(0)),
        (Op::Select, _) => format!("select({}, {}, {})", number(2), number(1), condition(0)),
        (_, Spelling::Infix(sign)) => format!("({} {sign} {})", number(0), number(1)),
        (_, Spelling::Prefix(sign)) => format!("({sign}{})", number(0)),
        (_, Spelling::Call(callee)) => {
            let list: Vec<String> = (0..args.len()).map(number).collect();
            format!("{callee}({})", list.join(", "))
        }
        (_, Spelling::Transparent) => number(0),
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
