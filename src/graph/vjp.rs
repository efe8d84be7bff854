//! Reverse mode: from a function to the function of its cotangents.

use super::build::{Graph, Node, NodeId};
use super::function::Function;
use super::op::Op;

/// The vector–Jacobian product of a function with `n` inputs and `m` outputs.
#[derive(Clone, Debug)]
pub struct Vjp {
    /// Inputs: the `n` primal inputs, the `m` primal outputs (so that tanh′ = 1 − y² needs no second tanh), the `m`
    /// cotangents of the outputs. Outputs: the cotangents of the wanted inputs, in order. Inputs may be unused.
    pub function: Function,
}

/// Differentiates `f` in reverse mode with respect to the inputs marked in `wanted`.
///
/// The partial of everything inside an untaken side of a select is replaced by zero *before* it meets its cotangent, so
/// `select(x > 0, sqrt(x), 0)` has derivative 0 at x = 0 and never 0 · ∞.
pub fn vjp(f: &Function, wanted: &[bool]) -> Vjp {
    assert_eq!(wanted.len(), f.inputs(), "one mark per input");
    let (n, m) = (f.inputs(), f.outputs().len());
    let function = Function::build(n + 2 * m, |g, ids| {
        let primal = inline_keeping_outputs(g, f, &ids[..n], &ids[n..n + m]);
        let active = active_nodes(f, wanted);
        let guards = guards(g, f, &primal, &active);
        let mut cotangents: Vec<Option<NodeId>> = vec![None; f.nodes().len()];
        for (o, &cotangent) in f.outputs().iter().zip(&ids[n + m..]) {
            accumulate(g, &mut cotangents[o.index()], cotangent);
        }
        for (index, node) in f.nodes().iter().enumerate().rev() {
            let (Some(cotangent), Node::Apply(op, _), true) = (cotangents[index], node, active[index]) else {
                continue;
            };
            let mut args = [NodeId::UNUSED; 3];
            for (slot, a) in args.iter_mut().zip(node.args()) {
                *slot = primal[a.index()];
            }
            if *op == Op::Select {
                let zero = g.constant(0.0);
                let then = g.select(args[0], cotangent, zero);
                let otherwise = g.select(args[0], zero, cotangent);
                accumulate(g, &mut cotangents[node.args()[1].index()], then);
                accumulate(g, &mut cotangents[node.args()[2].index()], otherwise);
                continue;
            }
            let partials = (op.row().partials)(g, args, primal[index]);
            for (a, partial) in node.args().iter().zip(partials) {
                let Some(partial) = partial.filter(|_| active[a.index()]) else { continue };
                let masked = mask(g, guards[index], partial);
                let term = g.mul(cotangent, masked);
                accumulate(g, &mut cotangents[a.index()], term);
            }
        }
        let zero = g.constant(0.0);
        let mut by_input = vec![zero; n];
        for (node, cotangent) in f.nodes().iter().zip(&cotangents) {
            if let (Node::Input(i), Some(c)) = (node, cotangent) {
                by_input[*i as usize] = *c;
            }
        }
        (0..n).filter(|&i| wanted[i]).map(|i| by_input[i]).collect()
    });
    Vjp { function }
}

/// Inlines `f`, reading its operator outputs from `outputs` instead of computing them again.
fn inline_keeping_outputs(g: &mut Graph, f: &Function, inputs: &[NodeId], outputs: &[NodeId]) -> Vec<NodeId> {
    let mut given = vec![None; f.nodes().len()];
    for (o, &id) in f.outputs().iter().zip(outputs) {
        given[o.index()].get_or_insert(id);
    }
    let mut map: Vec<NodeId> = Vec::with_capacity(f.nodes().len());
    for (node, given) in f.nodes().iter().zip(given) {
        let id = match (*node, given) {
            (Node::Const(bits), _) => g.constant(f64::from_bits(bits)),
            (Node::Input(i), _) => inputs[i as usize],
            (Node::Apply(..), Some(output)) => output,
            (Node::Apply(Op::Less, [a, b, _]), None) if let Some(position) = rectified(f, a, b) => {
                g.less(map[a.index()], outputs[position])
            }
            (Node::Apply(op, _), None) => {
                let args: Vec<NodeId> = node.args().iter().map(|a| map[a.index()]).collect();
                g.apply(op, &args)
            }
        };
        map.push(id);
    }
    map
}

/// The output y that is positive exactly where x is, if the condition is 0 < x: y = select(0 < x, x, z), where z ≤ 0 as long
/// as x ≤ 0. Reading the condition off y, as relu′ and leaky relu′ then do, spares the reverse sweep the argument.
fn rectified(f: &Function, zero: NodeId, x: NodeId) -> Option<usize> {
    let constant = |id: NodeId| match f.nodes()[id.index()] {
        Node::Const(bits) => Some(f64::from_bits(bits)),
        _ => None,
    };
    if constant(zero) != Some(0.0) {
        return None;
    }
    let not_positive = |id: NodeId| match f.nodes()[id.index()] {
        Node::Const(bits) => f64::from_bits(bits) <= 0.0,
        Node::Apply(Op::Mul, [a, b, _]) => {
            let slope = if a == x { constant(b) } else { constant(a).filter(|_| b == x) };
            slope.is_some_and(|slope| slope >= 0.0)
        }
        _ => false,
    };
    f.outputs().iter().position(|o| match f.nodes()[o.index()] {
        Node::Apply(Op::Select, [condition, then, otherwise]) => {
            let is_sign =
                matches!(f.nodes()[condition.index()], Node::Apply(Op::Less, [a, b, _]) if (a, b) == (zero, x));
            is_sign && then == x && not_positive(otherwise)
        }
        _ => false,
    })
}

/// Nodes through which a wanted input reaches an output with a derivative.
fn active_nodes(f: &Function, wanted: &[bool]) -> Vec<bool> {
    let mut active: Vec<bool> = Vec::with_capacity(f.nodes().len());
    for node in f.nodes() {
        active.push(match node {
            Node::Const(_) => false,
            Node::Input(i) => wanted[*i as usize],
            Node::Apply(op, _) => !op.is_flat() && through(*op, node.args()).any(|a| active[a.index()]),
        });
    }
    active
}

/// The arguments that receive a cotangent: all but a select's condition.
fn through(op: Op, args: &[NodeId]) -> impl Iterator<Item = &NodeId> {
    args.iter().skip(usize::from(op == Op::Select))
}

/// For every node the condition under which a cotangent reaches it: the union over its uses of the conditions of the
/// selects in between. Uses that pass no cotangent on do not count: `select(sqrt(x) > 1, sqrt(x), 0)` reads the root
/// always, but needs its slope in the taken side only.
fn guards(g: &mut Graph, f: &Function, primal: &[NodeId], active: &[bool]) -> Vec<Option<NodeId>> {
    let always = g.boolean(true);
    let mut guards: Vec<Option<NodeId>> = vec![None; f.nodes().len()];
    for o in f.outputs() {
        guards[o.index()] = Some(always);
    }
    for (index, node) in f.nodes().iter().enumerate().rev() {
        let (Some(guard), Node::Apply(op, _), true) = (guards[index], node, active[index]) else { continue };
        for (place, a) in through(*op, node.args()).enumerate() {
            let condition = primal[node.args()[0].index()];
            let reach = match (op, place) {
                (Op::Select, 0) => g.and(guard, condition),
                (Op::Select, _) => {
                    let not = g.not(condition);
                    g.and(guard, not)
                }
                _ => guard,
            };
            let slot = &mut guards[a.index()];
            *slot = Some(match *slot {
                None => reach,
                Some(other) => g.or(other, reach),
            });
        }
    }
    guards
}

fn mask(g: &mut Graph, guard: Option<NodeId>, partial: NodeId) -> NodeId {
    match guard {
        // A constant partial is finite: nothing to mask.
        Some(guard) if g.value(partial).is_none() => {
            let zero = g.constant(0.0);
            g.select(guard, partial, zero)
        }
        _ => partial,
    }
}

fn accumulate(g: &mut Graph, slot: &mut Option<NodeId>, term: NodeId) {
    *slot = Some(match *slot {
        None => term,
        Some(sum) => g.add(sum, term),
    });
}
