//! Operations, values, and building programs.

use super::weights::WeightId;
use crate::graph::{Function, Graph, NodeId};
use std::sync::Arc;

/// Index of a value in its program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The index as `usize`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Consecutive components of a value; slicing costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct View {
    /// The value looked at.
    pub value: ValueId,
    /// First component.
    pub start: usize,
    /// Number of components.
    pub width: usize,
}

impl View {
    /// Components `start..start + width` of this view.
    pub fn slice(self, start: usize, width: usize) -> View {
        assert!(start + width <= self.width, "slice beyond the view");
        View { value: self.value, start: self.start + start, width }
    }
}

/// What a [`Operation::Map`] repeats its function over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// Once per sample: the function sees all components of its arguments.
    Sample,
    /// Once per component: all arguments have the width of the result, the function one output (activations).
    Component,
}

/// One operation. `x`, `y` are views of earlier values; sinks have no value (width 0).
#[derive(Clone, Debug)]
pub enum Operation {
    /// A port of the program, by position.
    Input(usize),
    /// The same vector for every sample.
    Constant(Vec<f64>),
    /// A scalar function over samples or components; its inputs are the arguments' components in order.
    Map {
        /// The function.
        function: Arc<Function>,
        /// Its arguments.
        arguments: Vec<View>,
        /// Sample or component.
        over: Over,
    },
    /// W x (+ b), with W `[rows, columns]`.
    Affine {
        /// The matrix.
        weight: WeightId,
        /// The bias, if any.
        bias: Option<WeightId>,
        /// Argument of width `columns`.
        x: View,
    },
    /// Wᵀ y.
    AffineT {
        /// The matrix.
        weight: WeightId,
        /// Argument of width `rows`.
        y: View,
    },
    /// Sink: gradient of W += y xᵀ, of b += y, summed over samples.
    Outer {
        /// The matrix.
        weight: WeightId,
        /// The bias, if any.
        bias: Option<WeightId>,
        /// Cotangent of width `rows`.
        y: View,
        /// Activation of width `columns`.
        x: View,
    },
    /// Views joined into one vector.
    Concat(Vec<View>),
}

impl Operation {
    /// The views that the operation reads.
    pub fn reads(&self) -> Vec<View> {
        match self {
            Operation::Input(_) | Operation::Constant(_) => vec![],
            Operation::Map { arguments, .. } | Operation::Concat(arguments) => arguments.clone(),
            Operation::Affine { x, .. } => vec![*x],
            Operation::AffineT { y, .. } => vec![*y],
            Operation::Outer { y, x, .. } => vec![*y, *x],
        }
    }
}

/// A value: the operation that makes it and its width.
#[derive(Clone, Debug)]
pub struct Value {
    /// The operation.
    pub operation: Operation,
    /// Components per sample; 0 for sinks.
    pub width: usize,
}

/// A named input of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name for messages and printed source.
    pub name: String,
    /// Components per sample.
    pub width: usize,
}

/// A finished program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Inputs by position.
    pub ports: Vec<Port>,
    /// Values in evaluation order.
    pub values: Vec<Value>,
    /// Results.
    pub outputs: Vec<View>,
}

/// Builds a program value by value.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(super) ports: Vec<Port>,
    pub(super) values: Vec<Value>,
}

impl Builder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that continues a program.
    pub fn resume(program: &Program) -> Self {
        Builder { ports: program.ports.clone(), values: program.values.clone() }
    }

    /// Number of values so far.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if nothing was built.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn push(&mut self, operation: Operation, width: usize) -> View {
        self.values.push(Value { operation, width });
        View { value: ValueId(self.values.len() as u32 - 1), start: 0, width }
    }

    /// Declares the next input.
    pub fn port(&mut self, name: &str, width: usize) -> View {
        self.ports.push(Port { name: name.to_string(), width });
        self.push(Operation::Input(self.ports.len() - 1), width)
    }

    /// A vector that is the same for every sample.
    pub fn constant(&mut self, values: Vec<f64>) -> View {
        let width = values.len();
        self.push(Operation::Constant(values), width)
    }

    /// Applies a function once per sample.
    pub fn map(&mut self, function: Function, arguments: &[View]) -> View {
        let total: usize = arguments.iter().map(|a| a.width).sum();
        assert_eq!(total, function.inputs(), "width of the arguments of a map");
        let width = function.outputs().len();
        let arguments = arguments.to_vec();
        self.push(Operation::Map { function: Arc::new(function), arguments, over: Over::Sample }, width)
    }

    /// Builds the function of a map in place: `body` receives the nodes of each argument.
    pub fn map_with(&mut self, arguments: &[View], body: impl FnOnce(&mut Graph, &[&[NodeId]]) -> Vec<NodeId>) -> View {
        let total = arguments.iter().map(|a| a.width).sum();
        let function = Function::build(total, |g, ids| {
            let mut parts = Vec::with_capacity(arguments.len());
            let mut rest = ids;
            for a in arguments {
                let (part, tail) = rest.split_at(a.width);
                parts.push(part);
                rest = tail;
            }
            body(g, &parts)
        });
        self.map(function, arguments)
    }

    /// Applies a function of one output to every component; all arguments have one width.
    pub fn each(&mut self, function: Arc<Function>, arguments: &[View]) -> View {
        let width = arguments[0].width;
        assert!(arguments.iter().all(|a| a.width == width), "arguments of a component-wise map have one width");
        assert_eq!(
            (function.inputs(), function.outputs().len()),
            (arguments.len(), 1),
            "shape of a component-wise map"
        );
        self.push(Operation::Map { function, arguments: arguments.to_vec(), over: Over::Component }, width)
    }

    /// W x (+ b) with `rows` results.
    pub fn affine(&mut self, weight: WeightId, bias: Option<WeightId>, rows: usize, x: View) -> View {
        self.push(Operation::Affine { weight, bias, x }, rows)
    }

    /// Wᵀ y with `columns` results.
    pub fn affine_transposed(&mut self, weight: WeightId, columns: usize, y: View) -> View {
        self.push(Operation::AffineT { weight, y }, columns)
    }

    /// Adds y xᵀ to the gradient of a weight, and y to that of its bias.
    pub fn outer(&mut self, weight: WeightId, bias: Option<WeightId>, y: View, x: View) {
        self.push(Operation::Outer { weight, bias, y, x }, 0);
    }

    /// Joins views; a single view is returned as it is.
    pub fn concat(&mut self, parts: &[View]) -> View {
        if let [one] = parts {
            return *one;
        }
        let width = parts.iter().map(|p| p.width).sum();
        self.push(Operation::Concat(parts.to_vec()), width)
    }

    /// Finishes the program.
    pub fn finish(self, outputs: Vec<View>) -> Program {
        Program { ports: self.ports, values: self.values, outputs }
    }
}
