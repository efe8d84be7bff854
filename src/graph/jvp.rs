//! Forward mode: from a function to the function of its tangents.

use super::build::{Node, NodeId};
use super::function::Function;
use super::op::Op;

/// The Jacobian–vector product of `f`: inputs are the `n` primal inputs and their `n` tangents, outputs the `m` primal
/// outputs and their `m` tangents.
pub fn jvp(f: &Function) -> Function {
    let n = f.inputs();
    Function::build(2 * n, |g, ids| {
        let zero = g.constant(0.0);
        let mut primal: Vec<NodeId> = Vec::with_capacity(f.nodes().len());
        let mut tangent: Vec<Option<NodeId>> = Vec::with_capacity(f.nodes().len());
        for node in f.nodes() {
            let (value, slope) = match *node {
                Node::Const(bits) => (g.constant(f64::from_bits(bits)), None),
                Node::Input(i) => (ids[i as usize], Some(ids[n + i as usize])),
                Node::Apply(op, _) => {
                    let args: Vec<NodeId> = node.args().iter().map(|a| primal[a.index()]).collect();
                    let slopes: Vec<Option<NodeId>> = node.args().iter().map(|a| tangent[a.index()]).collect();
                    let value = g.apply(op, &args);
                    let slope = if op == Op::Select {
                        let (then, otherwise) = (slopes[1].unwrap_or(zero), slopes[2].unwrap_or(zero));
                        Some(g.select(args[0], then, otherwise))
                    } else if slopes.iter().any(Option::is_some) {
                        let mut full = [NodeId::UNUSED; 3];
                        full[..args.len()].copy_from_slice(&args);
                        let partials = (op.row().partials)(g, full, value);
                        let mut sum = None;
                        for (partial, slope) in partials.iter().zip(&slopes) {
                            if let (Some(partial), Some(slope)) = (partial, slope) {
                                let term = g.mul(*partial, *slope);
                                sum = Some(match sum {
                                    None => term,
                                    Some(s) => g.add(s, term),
                                });
                            }
                        }
                        sum
                    } else {
                        None
                    };
                    (value, slope)
                }
            };
            primal.push(value);
            tangent.push(slope);
        }
        let values = f.outputs().iter().map(|o| primal[o.index()]);
        let slopes = f.outputs().iter().map(|o| tangent[o.index()].unwrap_or(zero));
        values.chain(slopes).collect()
    })
}
