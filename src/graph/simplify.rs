//! Local rewrites: constants, zeros and ones, double negation, known conditions.
//!
//! `0 · x` becomes 0 even though x might be infinite at run time: the graph gives meaning to formulas, not to overflow.

use super::build::{Graph, Node, NodeId};
use super::op::Op;

/// The simpler node that `op(args)` equals, if a rule applies. Arguments of commutative operators come ordered.
pub(super) fn rewrite(g: &mut Graph, op: Op, args: [NodeId; 3]) -> Option<NodeId> {
    let arity = op.row().arity;
    let known: [Option<f64>; 3] = std::array::from_fn(|i| if i < arity { g.value(args[i]) } else { Some(0.0) });
    if let [Some(a), Some(b), Some(c)] = known {
        let value = (op.row().eval)([a, b, c]);
        // A non-finite constant stays an expression: it belongs to run time, where it is reported.
        if value.is_finite() {
            return Some(g.constant(value));
        }
    }
    let [a, b, c] = args;
    let [ka, kb, _] = known;
    match op {
        Op::Add => match (ka, kb) {
            (Some(0.0), _) => Some(b),
            (_, Some(0.0)) => Some(a),
            _ => match (negated(g, a), negated(g, b)) {
                (_, Some(nb)) => Some(g.sub(a, nb)),
                (Some(na), _) => Some(g.sub(b, na)),
                _ => both_sides(g, a, b),
            },
        },
        Op::Sub => match (ka, kb) {
            (_, Some(0.0)) => Some(a),
            (Some(0.0), _) => Some(g.neg(b)),
            _ if a == b => Some(g.constant(0.0)),
            _ => match negated(g, b) {
                Some(nb) => Some(g.add(a, nb)),
                None => without_term(g, a, b, SUM_DEPTH),
            },
        },
        Op::Mul => match (ka, kb) {
            (Some(0.0), _) | (_, Some(0.0)) => Some(g.constant(0.0)),
            (Some(1.0), _) => Some(b),
            (_, Some(1.0)) => Some(a),
            (Some(-1.0), _) => Some(g.neg(b)),
            (_, Some(-1.0)) => Some(g.neg(a)),
            (Some(_), None) => scaled_side(g, a, b),
            (None, Some(_)) => scaled_side(g, b, a),
            _ => None,
        },
        Op::Div => match (ka, kb) {
            (_, Some(1.0)) => Some(a),
            (_, Some(-1.0)) => Some(g.neg(a)),
            (Some(0.0), None) => Some(g.constant(0.0)),
            _ => None,
        },
        Op::Neg => negated(g, a),
        Op::Min | Op::Max if a == b => Some(a),
        Op::Pow => match kb {
            Some(0.0) => Some(g.constant(1.0)),
            Some(1.0) => Some(a),
            Some(2.0) => Some(g.mul(a, a)),
            Some(3.0) => {
                let aa = g.mul(a, a);
                Some(g.mul(aa, a))
            }
            Some(0.5) => Some(g.unary(Op::Sqrt, a)),
            Some(-1.0) => {
                let one = g.constant(1.0);
                Some(g.div(one, a))
            }
            _ => None,
        },
        Op::StopGrad => matches!(g.node(a), Node::Apply(Op::StopGrad, _)).then_some(a),
        Op::And => match (ka, kb) {
            (Some(k), _) => Some(if k != 0.0 { b } else { a }),
            (_, Some(k)) => Some(if k != 0.0 { a } else { b }),
            _ if a == b => Some(a),
            _ => None,
        },
        Op::Or => match (ka, kb) {
            (Some(k), _) => Some(if k != 0.0 { a } else { b }),
            (_, Some(k)) => Some(if k != 0.0 { b } else { a }),
            _ if a == b => Some(a),
            _ => either(g, a, b),
        },
        Op::Not => match g.node(a) {
            Node::Apply(Op::Not, inner) => Some(inner[0]),
            _ => None,
        },
        Op::Select => match ka {
            Some(k) => Some(if k != 0.0 { b } else { c }),
            None if b == c => Some(b),
            None => match g.node(a) {
                Node::Apply(Op::Not, inner) => Some(g.select(inner[0], c, b)),
                _ => collapse(g, a, b, c),
            },
        },
        _ => None,
    }
}

/// How deep a sum is searched for a term to cancel.
const SUM_DEPTH: usize = 8;

/// `a − b` where `a` is a sum that contains `b`: the other terms. So `(f + g) − f` is `g` exactly.
fn without_term(g: &mut Graph, a: NodeId, b: NodeId, depth: usize) -> Option<NodeId> {
    let Node::Apply(op @ (Op::Add | Op::Sub), args) = g.node(a) else { return None };
    let [x, y, _] = args;
    match op {
        _ if depth == 0 => None,
        Op::Add if x == b => Some(y),
        Op::Add if y == b => Some(x),
        Op::Sub if x == b => Some(g.neg(y)),
        _ => {
            if let Some(rest) = without_term(g, x, b, depth - 1) {
                return Some(g.apply(op, &[rest, y]));
            }
            let rest = if op == Op::Add { without_term(g, y, b, depth - 1)? } else { return None };
            Some(g.add(x, rest))
        }
    }
}

/// The two sides of a branch together: `c ∨ ¬c`, `(p ∧ c) ∨ (p ∧ ¬c)` and `p ∨ (p ∧ c)`.
fn either(g: &mut Graph, a: NodeId, b: NodeId) -> Option<NodeId> {
    let opposite = |g: &Graph, x: NodeId, y: NodeId| {
        matches!(g.node(x), Node::Apply(Op::Not, i) if i[0] == y)
            || matches!(g.node(y), Node::Apply(Op::Not, i) if i[0] == x)
    };
    if opposite(g, a, b) {
        return Some(g.boolean(true));
    }
    let parts = |g: &Graph, id: NodeId| match g.node(id) {
        Node::Apply(Op::And, args) => Some([args[0], args[1]]),
        _ => None,
    };
    match (parts(g, a), parts(g, b)) {
        (Some(p), Some(q)) => {
            for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                if p[i] == q[j] && opposite(g, p[1 - i], q[1 - j]) {
                    return Some(p[i]);
                }
            }
            None
        }
        (Some(p), None) if p.contains(&b) => Some(b),
        (None, Some(q)) if q.contains(&a) => Some(a),
        _ => None,
    }
}

/// `x` if the node is `−x`.
fn negated(g: &Graph, id: NodeId) -> Option<NodeId> {
    match g.node(id) {
        Node::Apply(Op::Neg, args) => Some(args[0]),
        _ => None,
    }
}

/// A select on the same condition inside a select takes its known side.
fn collapse(g: &mut Graph, condition: NodeId, then: NodeId, otherwise: NodeId) -> Option<NodeId> {
    let inner = |g: &Graph, id: NodeId, side: usize| match g.node(id) {
        Node::Apply(Op::Select, args) if args[0] == condition => Some(args[side]),
        _ => None,
    };
    match (inner(g, then, 1), inner(g, otherwise, 2)) {
        (None, None) => None,
        (t, o) => Some(g.select(condition, t.unwrap_or(then), o.unwrap_or(otherwise))),
    }
}

/// The two sides of a branch added: `select(p, x, 0) + select(p, 0, y)` is `select(p, x, y)`.
fn both_sides(g: &mut Graph, a: NodeId, b: NodeId) -> Option<NodeId> {
    let (Node::Apply(Op::Select, [p, x, x_else]), Node::Apply(Op::Select, [q, y, y_else])) = (g.node(a), g.node(b))
    else {
        return None;
    };
    let zero = |id: NodeId| g.value(id) == Some(0.0);
    match p == q {
        true if zero(x_else) && zero(y) => Some(g.select(p, x, y_else)),
        true if zero(x) && zero(y_else) => Some(g.select(p, y, x_else)),
        _ => None,
    }
}

/// A constant times a select with a zero on one side: the other side is scaled, so that sides can meet.
fn scaled_side(g: &mut Graph, factor: NodeId, select: NodeId) -> Option<NodeId> {
    let Node::Apply(Op::Select, [p, x, y]) = g.node(select) else { return None };
    let zero = |id: NodeId| g.value(id) == Some(0.0);
    if !zero(x) && !zero(y) {
        return None;
    }
    let (x, y) = (g.mul(factor, x), g.mul(factor, y));
    Some(g.select(p, x, y))
}
