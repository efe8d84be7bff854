//! Building graphs: an arena of nodes with hash-consing and local simplification.

use super::op::{Op, Partials};
use std::collections::HashMap;

/// Index of a node in its [`Graph`] or [`Function`](super::Function).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Filler of unused argument places.
    pub const UNUSED: NodeId = NodeId(u32::MAX);

    /// The index as `usize`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A scalar value: a constant (f64 bits, so that it can be hashed), an input by position, or an operator applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// Constant, by the bits of its f64 value.
    Const(u64),
    /// Input by position.
    Input(u32),
    /// Operator and arguments, unused places filled with [`NodeId::UNUSED`].
    Apply(Op, [NodeId; 3]),
}

impl Node {
    /// The node's arguments.
    pub fn args(&self) -> &[NodeId] {
        match self {
            Node::Apply(op, args) => &args[..op.row().arity],
            _ => &[],
        }
    }
}

/// A growing expression graph. Equal expressions share one node; arguments precede their users.
#[derive(Clone, Default, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    index: HashMap<Node, NodeId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// All nodes, arguments before users.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of nodes; what a node budget limits.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if nothing was built.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    fn intern(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.index.get(&node) {
            return id;
        }
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        self.index.insert(node, id);
        id
    }

    /// A constant. Negative zero is stored as zero: no result may depend on the sign of zero.
    pub fn constant(&mut self, value: f64) -> NodeId {
        let value = if value == 0.0 { 0.0 } else { value };
        self.intern(Node::Const(value.to_bits()))
    }

    /// A boolean constant.
    pub fn boolean(&mut self, value: bool) -> NodeId {
        self.constant(if value { 1.0 } else { 0.0 })
    }

    /// The input at a position.
    pub fn input(&mut self, position: usize) -> NodeId {
        self.intern(Node::Input(position as u32))
    }

    /// The value of a constant node.
    pub fn value(&self, id: NodeId) -> Option<f64> {
        match self.node(id) {
            Node::Const(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// `Some(true)` or `Some(false)` if the condition is known.
    pub fn known(&self, condition: NodeId) -> Option<bool> {
        self.value(condition).map(|v| v != 0.0)
    }

    /// Applies an operator to exactly its arity of arguments, simplifying what is known.
    pub fn apply(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        assert_eq!(args.len(), op.row().arity, "arity of {}", op.row().name);
        let mut full = [NodeId::UNUSED; 3];
        full[..args.len()].copy_from_slice(args);
        // A commutative pair gets one order, so that a + b and b + a share a node.
        if matches!(op, Op::Add | Op::Mul | Op::Equal | Op::And | Op::Or) && full[1] < full[0] {
            full.swap(0, 1);
        }
        match super::simplify::rewrite(self, op, full) {
            Some(id) => id,
            None => self.intern(Node::Apply(op, full)),
        }
    }

    /// Applies a unary operator.
    pub fn unary(&mut self, op: Op, a: NodeId) -> NodeId {
        self.apply(op, &[a])
    }

    /// Applies a binary operator.
    pub fn binary(&mut self, op: Op, a: NodeId, b: NodeId) -> NodeId {
        self.apply(op, &[a, b])
    }

    /// a + b
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Add, &[a, b])
    }

    /// a − b
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Sub, &[a, b])
    }

    /// a · b
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Mul, &[a, b])
    }

    /// a / b
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Div, &[a, b])
    }

    /// −a
    pub fn neg(&mut self, a: NodeId) -> NodeId {
        self.apply(Op::Neg, &[a])
    }

    /// a < b
    pub fn less(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Less, &[a, b])
    }

    /// a ≤ b
    pub fn less_equal(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::LessEqual, &[a, b])
    }

    /// a ∧ b
    pub fn and(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::And, &[a, b])
    }

    /// a ∨ b
    pub fn or(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.apply(Op::Or, &[a, b])
    }

    /// ¬a
    pub fn not(&mut self, a: NodeId) -> NodeId {
        self.apply(Op::Not, &[a])
    }

    /// `then` where the condition holds, else `otherwise` (note the order: condition first).
    pub fn select(&mut self, condition: NodeId, then: NodeId, otherwise: NodeId) -> NodeId {
        self.apply(Op::Select, &[condition, then, otherwise])
    }

    /// Sum of nodes from left to right; zero for none.
    pub fn sum(&mut self, terms: &[NodeId]) -> NodeId {
        let mut total = self.constant(0.0);
        for &term in terms {
            total = self.add(total, term);
        }
        total
    }

    /// Partials (1, 0) where the condition holds, else (0, 1).
    pub(super) fn pick(&mut self, first: NodeId) -> Partials {
        let (one, zero) = (self.constant(1.0), self.constant(0.0));
        let a = self.select(first, one, zero);
        let b = self.select(first, zero, one);
        [Some(a), Some(b), None]
    }

    /// Builds a function into this graph with `args` in place of its inputs; returns its outputs.
    pub fn inline(&mut self, function: &super::Function, args: &[NodeId]) -> Vec<NodeId> {
        assert_eq!(args.len(), function.inputs(), "arguments of an inlined function");
        let mut map: Vec<NodeId> = Vec::with_capacity(function.nodes().len());
        for node in function.nodes() {
            let id = match *node {
                Node::Const(bits) => self.constant(f64::from_bits(bits)),
                Node::Input(position) => args[position as usize],
                Node::Apply(op, _) => {
                    let mapped: Vec<NodeId> = node.args().iter().map(|a| map[a.index()]).collect();
                    self.apply(op, &mapped)
                }
            };
            map.push(id);
        }
        function.outputs().iter().map(|o| map[o.index()]).collect()
    }
}
