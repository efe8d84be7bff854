//! The operator table: the one place that says what each operator is.
//!
//! Every evaluator, derivative, printer and test reads [`TABLE`]. A row gives the operator's name and arity, its meaning
//! in f64, the partial derivatives as graph nodes, its WGSL spelling, and where it is not differentiable together with
//! the value used there.

use super::build::{Graph, NodeId};
use super::special;

/// An operator of the scalar graph. Comparison and logic yield booleans, stored as 1 and 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Min,
    Max,
    Pow,
    Atan2,
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Trunc,
    Sqrt,
    InverseSqrt,
    Exp,
    Exp2,
    Log,
    Log2,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Sigmoid,
    Softplus,
    StopGrad,
    Less,
    LessEqual,
    Equal,
    And,
    Or,
    Not,
    Select,
}

/// How an operator is written in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Between its arguments: `a + b`.
    Infix(&'static str),
    /// Before its argument: `-a`.
    Prefix(&'static str),
    /// A call of a builtin, or of a function of [`library`](super::library()): `safe_sin(a)`.
    Call(&'static str),
    /// Nothing to write: the argument itself.
    Transparent,
}

/// Partial derivatives with respect to each argument; `None` is an exact zero.
pub type Partials = [Option<NodeId>; 3];

/// One row of the operator table.
pub struct Row {
    /// The operator, at its own index of [`TABLE`].
    pub op: Op,
    /// Name for messages.
    pub name: &'static str,
    /// Number of arguments, 1 to 3.
    pub arity: usize,
    /// The meaning in f64; unused arguments are ignored.
    pub eval: fn([f64; 3]) -> f64,
    /// Partial derivatives at `args` as nodes; the last argument is the node of the result.
    pub partials: fn(&mut Graph, [NodeId; 3], NodeId) -> Partials,
    /// WGSL spelling.
    pub wgsl: Spelling,
    /// Where it is not differentiable and the value used there; empty if smooth on its domain.
    pub kink: &'static str,
}

impl Op {
    /// The operator's row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// True for operators that yield a boolean.
    pub fn is_boolean(self) -> bool {
        matches!(self, Op::Less | Op::LessEqual | Op::Equal | Op::And | Op::Or | Op::Not)
    }

    /// True for operators whose derivative is zero everywhere: no cotangent passes them.
    pub fn is_flat(self) -> bool {
        self.is_boolean() || matches!(self, Op::Sign | Op::Floor | Op::Ceil | Op::Round | Op::Trunc | Op::StopGrad)
    }
}

fn truth(b: bool) -> f64 {
    if b { 1.0 } else { 0.0 }
}

const ZERO: Partials = [None, None, None];

fn none(_: &mut Graph, _: [NodeId; 3], _: NodeId) -> Partials {
    ZERO
}

/// `1 / sqrt(sign·(x² − 1))`-shaped partials share this: reciprocal square root of a node.
fn over_root(g: &mut Graph, radicand: NodeId) -> Partials {
    let r = g.unary(Op::InverseSqrt, radicand);
    [Some(r), None, None]
}

use Spelling::{Call, Infix, Prefix, Transparent};

macro_rules! row {
    ($op:ident, $name:literal, $arity:literal, $wgsl:expr, $eval:expr, $partials:expr, $kink:literal) => {
        Row { op: Op::$op, name: $name, arity: $arity, eval: $eval, partials: $partials, wgsl: $wgsl, kink: $kink }
    };
}

/// All operators, in the order of [`Op`].
#[rustfmt::skip]
pub static TABLE: [Row; 44] = [
    row!(Add, "+", 2, Infix("+"), |[a, b, _]| a + b,
        |g, _, _| { let one = g.constant(1.0); [Some(one), Some(one), None] }, ""),
    row!(Sub, "-", 2, Infix("-"), |[a, b, _]| a - b,
        |g, _, _| { let (p, m) = (g.constant(1.0), g.constant(-1.0)); [Some(p), Some(m), None] }, ""),
    row!(Mul, "*", 2, Infix("*"), |[a, b, _]| a * b, |_, [a, b, _], _| [Some(b), Some(a), None], ""),
    row!(Div, "/", 2, Infix("/"), |[a, b, _]| a / b,
        |g, [_, b, _], y| {
            let one = g.constant(1.0);
            let r = g.div(one, b);
            let q = g.mul(y, r);
            let q = g.neg(q);
            [Some(r), Some(q), None]
        }, ""),
    row!(Rem, "%", 2, Call("safe_rem"), |[a, b, _]| a % b,
        |g, [a, b, _], _| {
            let one = g.constant(1.0);
            let q = g.div(a, b);
            let q = g.unary(Op::Trunc, q);
            let q = g.neg(q);
            [Some(one), Some(q), None]
        }, "jumps where a/b is an integer: slope of the piece away from a/b = 0"),
    row!(Min, "min", 2, Call("min"), |[a, b, _]| if b < a { b } else { a },
        |g, [a, b, _], _| { let first = g.less_equal(a, b); g.pick(first) }, "tie: the first argument gets the whole partial"),
    row!(Max, "max", 2, Call("max"), |[a, b, _]| if a < b { b } else { a },
        |g, [a, b, _], _| { let first = g.less_equal(b, a); g.pick(first) }, "tie: the first argument gets the whole partial"),
    row!(Pow, "pow", 2, Call("safe_pow"), |[a, b, _]| a.powf(b),
        |g, [a, b, _], y| {
            let one = g.constant(1.0);
            let zero = g.constant(0.0);
            let e = g.sub(b, one);
            let p = g.binary(Op::Pow, a, e);
            let da = g.mul(b, p);
            let positive = g.less(zero, a);
            let l = g.unary(Op::Log, a);
            let db = g.mul(y, l);
            let db = g.select(positive, db, zero);
            [Some(da), Some(db), None]
        }, "base <= 0: 0 with respect to the exponent"),
    row!(Atan2, "atan2", 2, Call("safe_atan2"), |[a, b, _]| a.atan2(b),
        |g, [a, b, _], _| {
            let (aa, bb) = (g.mul(a, a), g.mul(b, b));
            let rr = g.add(aa, bb);
            let da = g.div(b, rr);
            let db = g.div(a, rr);
            let db = g.neg(db);
            [Some(da), Some(db), None]
        }, "origin: not finite"),
    row!(Neg, "-", 1, Prefix("-"), |[a, _, _]| -a, |g, _, _| { let m = g.constant(-1.0); [Some(m), None, None] }, ""),
    row!(Abs, "abs", 1, Call("abs"), |[a, _, _]| a.abs(),
        |g, [a, _, _], _| { let s = g.unary(Op::Sign, a); [Some(s), None, None] }, "0 at 0"),
    row!(Sign, "sign", 1, Call("sign"), |[a, _, _]| if a > 0.0 { 1.0 } else if a < 0.0 { -1.0 } else { 0.0 }, none, "0 everywhere"),
    row!(Floor, "floor", 1, Call("floor"), |[a, _, _]| a.floor(), none, "0 everywhere"),
    row!(Ceil, "ceil", 1, Call("ceil"), |[a, _, _]| a.ceil(), none, "0 everywhere"),
    row!(Round, "round", 1, Call("round"), |[a, _, _]| a.round_ties_even(), none, "0 everywhere"),
    row!(Trunc, "trunc", 1, Call("trunc"), |[a, _, _]| a.trunc(), none, "0 everywhere"),
    row!(Sqrt, "sqrt", 1, Call("sqrt"), |[a, _, _]| a.sqrt(),
        |g, _, y| { let half = g.constant(0.5); let d = g.div(half, y); [Some(d), None, None] }, "infinite at 0"),
    row!(InverseSqrt, "inverseSqrt", 1, Call("inverseSqrt"), |[a, _, _]| 1.0 / a.sqrt(),
        |g, _, y| {
            let half = g.constant(-0.5);
            let yy = g.mul(y, y);
            let yyy = g.mul(yy, y);
            let d = g.mul(half, yyy);
            [Some(d), None, None]
        }, ""),
    row!(Exp, "exp", 1, Call("safe_exp"), |[a, _, _]| a.exp(), |_, _, y| [Some(y), None, None], ""),
    row!(Exp2, "exp2", 1, Call("safe_exp2"), |[a, _, _]| a.exp2(),
        |g, _, y| { let c = g.constant(std::f64::consts::LN_2); let d = g.mul(c, y); [Some(d), None, None] }, ""),
    row!(Log, "log", 1, Call("safe_log"), |[a, _, _]| a.ln(),
        |g, [a, _, _], _| { let one = g.constant(1.0); let d = g.div(one, a); [Some(d), None, None] }, ""),
    row!(Log2, "log2", 1, Call("safe_log2"), |[a, _, _]| a.log2(),
        |g, [a, _, _], _| { let c = g.constant(std::f64::consts::LOG2_E); let d = g.div(c, a); [Some(d), None, None] }, ""),
    row!(Sin, "sin", 1, Call("safe_sin"), |[a, _, _]| a.sin(), |g, [a, _, _], _| { let d = g.unary(Op::Cos, a); [Some(d), None, None] }, ""),
    row!(Cos, "cos", 1, Call("safe_cos"), |[a, _, _]| a.cos(),
        |g, [a, _, _], _| { let d = g.unary(Op::Sin, a); let d = g.neg(d); [Some(d), None, None] }, ""),
    row!(Tan, "tan", 1, Call("safe_tan"), |[a, _, _]| a.tan(),
        |g, _, y| { let one = g.constant(1.0); let d = g.mul(y, y); let d = g.add(one, d); [Some(d), None, None] }, ""),
    row!(Asin, "asin", 1, Call("safe_asin"), |[a, _, _]| a.asin(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.sub(one, d); over_root(g, d) }, "infinite at -1 and 1"),
    row!(Acos, "acos", 1, Call("safe_acos"), |[a, _, _]| a.acos(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.sub(one, d);
            let d = g.unary(Op::InverseSqrt, d); let d = g.neg(d); [Some(d), None, None] }, "infinite at -1 and 1"),
    row!(Atan, "atan", 1, Call("safe_atan"), |[a, _, _]| a.atan(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.add(one, d); let d = g.div(one, d); [Some(d), None, None] }, ""),
    row!(Sinh, "sinh", 1, Call("safe_sinh"), |[a, _, _]| a.sinh(), |g, [a, _, _], _| { let d = g.unary(Op::Cosh, a); [Some(d), None, None] }, ""),
    row!(Cosh, "cosh", 1, Call("safe_cosh"), |[a, _, _]| a.cosh(), |g, [a, _, _], _| { let d = g.unary(Op::Sinh, a); [Some(d), None, None] }, ""),
    row!(Tanh, "tanh", 1, Call("safe_tanh"), |[a, _, _]| a.tanh(),
        |g, _, y| { let one = g.constant(1.0); let d = g.mul(y, y); let d = g.sub(one, d); [Some(d), None, None] }, ""),
    row!(Asinh, "asinh", 1, Call("safe_asinh"), |[a, _, _]| a.asinh(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.add(d, one); over_root(g, d) }, ""),
    row!(Acosh, "acosh", 1, Call("safe_acosh"), |[a, _, _]| a.acosh(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.sub(d, one); over_root(g, d) }, "infinite at 1"),
    row!(Atanh, "atanh", 1, Call("safe_atanh"), |[a, _, _]| a.atanh(), |g, [a, _, _], _| {
            let one = g.constant(1.0); let d = g.mul(a, a); let d = g.sub(one, d); let d = g.div(one, d); [Some(d), None, None] }, "infinite at -1 and 1"),
    row!(Sigmoid, "sigmoid", 1, Call("sigmoid"), |[a, _, _]| special::sigmoid(a), |g, _, y| {
            let one = g.constant(1.0); let d = g.sub(one, y); let d = g.mul(y, d); [Some(d), None, None] }, ""),
    row!(Softplus, "softplus", 1, Call("softplus"), |[a, _, _]| special::softplus(a),
        |g, [a, _, _], _| { let d = g.unary(Op::Sigmoid, a); [Some(d), None, None] }, ""),
    row!(StopGrad, "stopgrad", 1, Transparent, |[a, _, _]| a, none, "0 everywhere, by definition"),
    row!(Less, "<", 2, Infix("<"), |[a, b, _]| truth(a < b), none, "boolean"),
    row!(LessEqual, "<=", 2, Infix("<="), |[a, b, _]| truth(a <= b), none, "boolean"),
    row!(Equal, "==", 2, Infix("=="), |[a, b, _]| truth(a == b), none, "boolean"),
    row!(And, "&&", 2, Infix("&&"), |[a, b, _]| truth(a != 0.0 && b != 0.0), none, "boolean"),
    row!(Or, "||", 2, Infix("||"), |[a, b, _]| truth(a != 0.0 || b != 0.0), none, "boolean"),
    row!(Not, "!", 1, Prefix("!"), |[a, _, _]| truth(a == 0.0), none, "boolean"),
    // select(condition, then, else): its partials are handled by the derivative code, which masks inside the untaken side.
    row!(Select, "select", 3, Call("select"), |[c, a, b]| if c != 0.0 { a } else { b },
        |g, [c, _, _], _| { let p = g.pick(c); [None, p[0], p[1]] }, "jumps where the condition changes: slope of the chosen side"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_own_index() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.op as usize, index, "{}", row.name);
        }
    }
}
