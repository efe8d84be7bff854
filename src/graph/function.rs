//! A finished graph: inputs in, outputs out, nothing unused.

use super::build::{Graph, Node, NodeId};
use super::op::Op;

/// An immutable function of scalars, with its nodes in evaluation order and only the nodes that its outputs need.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    nodes: Vec<Node>,
    inputs: usize,
    outputs: Vec<NodeId>,
}

impl Function {
    /// Takes `outputs` out of a graph; `inputs` is the number of declared inputs, used or not.
    pub fn new(graph: &Graph, inputs: usize, outputs: &[NodeId]) -> Self {
        let mut live = vec![false; graph.len()];
        for o in outputs {
            live[o.index()] = true;
        }
        for i in (0..graph.len()).rev() {
            if live[i] {
                for a in graph.nodes()[i].args() {
                    live[a.index()] = true;
                }
            }
        }
        let mut map = vec![NodeId::UNUSED; graph.len()];
        let mut nodes = Vec::new();
        for (i, node) in graph.nodes().iter().enumerate() {
            if !live[i] {
                continue;
            }
            let node = match *node {
                Node::Apply(op, args) => {
                    let mut mapped = args;
                    for a in &mut mapped[..op.row().arity] {
                        *a = map[a.index()];
                    }
                    Node::Apply(op, mapped)
                }
                leaf => leaf,
            };
            map[i] = NodeId(nodes.len() as u32);
            nodes.push(node);
        }
        let outputs = outputs.iter().map(|o| map[o.index()]).collect();
        Function { nodes, inputs, outputs }
    }

    /// Builds a function from a closure that receives the graph and its input nodes and returns the outputs.
    pub fn build(inputs: usize, body: impl FnOnce(&mut Graph, &[NodeId]) -> Vec<NodeId>) -> Self {
        let mut graph = Graph::new();
        let ids: Vec<NodeId> = (0..inputs).map(|i| graph.input(i)).collect();
        let outputs = body(&mut graph, &ids);
        Function::new(&graph, inputs, &outputs)
    }

    /// The same function with its stop-gradients opened: differentiation sees through them.
    pub fn opened(&self) -> Function {
        Function::build(self.inputs, |g, ids| {
            let mut map: Vec<NodeId> = Vec::with_capacity(self.nodes.len());
            for node in &self.nodes {
                let args: Vec<NodeId> = node.args().iter().map(|a| map[a.index()]).collect();
                map.push(match *node {
                    Node::Const(bits) => g.constant(f64::from_bits(bits)),
                    Node::Input(position) => ids[position as usize],
                    Node::Apply(Op::StopGrad, _) => args[0],
                    Node::Apply(op, _) => g.apply(op, &args),
                });
            }
            self.outputs.iter().map(|o| map[o.index()]).collect()
        })
    }

    /// Nodes in evaluation order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of declared inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The output nodes.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// Which inputs the outputs depend on.
    pub fn used_inputs(&self) -> Vec<bool> {
        let mut used = vec![false; self.inputs];
        for node in &self.nodes {
            if let Node::Input(i) = node {
                used[*i as usize] = true;
            }
        }
        used
    }

    /// Number of operator nodes: the work of one evaluation.
    pub fn operations(&self) -> usize {
        self.nodes.iter().filter(|n| matches!(n, Node::Apply(..))).count()
    }

    /// The same function with the inputs renumbered: input i reads position `positions[i]` of `inputs` inputs. The
    /// position of an unused input is ignored.
    pub fn with_inputs(&self, inputs: usize, positions: &[usize]) -> Function {
        Function::build(inputs, |g, ids| {
            let unused = g.constant(0.0);
            let args: Vec<NodeId> = positions.iter().map(|&p| ids.get(p).copied().unwrap_or(unused)).collect();
            g.inline(self, &args)
        })
    }

    /// Evaluates one point in f64.
    pub fn eval(&self, inputs: &[f64]) -> Vec<f64> {
        assert_eq!(inputs.len(), self.inputs, "number of inputs");
        let mut values: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value = match node {
                Node::Const(bits) => f64::from_bits(*bits),
                Node::Input(i) => inputs[*i as usize],
                Node::Apply(op, _) => {
                    let mut args = [0.0; 3];
                    for (slot, a) in args.iter_mut().zip(node.args()) {
                        *slot = values[a.index()];
                    }
                    (op.row().eval)(args)
                }
            };
            values.push(value);
        }
        self.outputs.iter().map(|o| values[o.index()]).collect()
    }
}
