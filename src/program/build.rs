//! Programs built value by value.

use super::grid::{Boundary, Grid, Stencil};
use super::operation::{Operation, Over, Port, Program, Value, ValueId, View};
use super::weights::WeightId;
use crate::graph::{Function, Graph, NodeId};
use std::sync::Arc;

/// Builds a program value by value.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(super) ports: Vec<Port>,
    pub(super) values: Vec<Value>,
    pub(super) grid: Option<Grid>,
}

impl Builder {
    /// An empty builder of a program with or without fields.
    pub fn new(grid: Option<&Grid>) -> Self {
        Builder { grid: grid.cloned(), ..Builder::default() }
    }

    /// A builder that continues a program.
    pub fn resume(program: &Program) -> Self {
        Builder { ports: program.ports.clone(), values: program.values.clone(), grid: program.grid.clone() }
    }

    /// Number of values so far.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True if nothing was built.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn push(&mut self, operation: Operation, width: usize, field: bool) -> View {
        assert!(self.grid.is_some() || !field, "fields need a grid");
        self.values.push(Value { operation, width, field });
        View { value: ValueId(self.values.len() as u32 - 1), start: 0, width, field }
    }

    /// Declares the next input: a vector per sample, or a field.
    pub fn port(&mut self, name: &str, width: usize, field: bool) -> View {
        self.ports.push(Port { name: name.to_string(), width, field });
        self.push(Operation::Input(self.ports.len() - 1), width, field)
    }

    /// A vector that is the same for every sample; as a field the same in every cell.
    pub fn constant(&mut self, values: Vec<f64>, field: bool) -> View {
        let width = values.len();
        self.push(Operation::Constant(values), width, field)
    }

    /// Applies a function once per cell if an argument is a field, else once per sample.
    pub fn map(&mut self, function: Function, arguments: &[View]) -> View {
        let field = arguments.iter().any(|a| a.field);
        self.map_over(function, arguments, if field { Over::Cell } else { Over::Sample })
    }

    /// Applies a function once per cell, also where no argument is a field.
    pub fn map_cells(&mut self, function: Function, arguments: &[View]) -> View {
        self.map_over(function, arguments, Over::Cell)
    }

    /// The components of a vector as a field with the same values in every cell; a field is returned as it is.
    pub fn broadcast(&mut self, x: View) -> View {
        match x.field {
            true => x,
            false => self.map_cells(Function::build(x.width, |_, ids| ids.to_vec()), &[x]),
        }
    }

    pub(super) fn map_over(&mut self, function: Function, arguments: &[View], over: Over) -> View {
        let total: usize = arguments.iter().map(|a| a.width).sum();
        assert_eq!(total, function.inputs(), "width of the arguments of a map");
        let width = function.outputs().len();
        let arguments = arguments.to_vec();
        self.push(Operation::Map { function: Arc::new(function), arguments, over }, width, over == Over::Cell)
    }

    /// Builds the function of a map in place: `body` receives the nodes of each argument.
    pub fn map_with(&mut self, arguments: &[View], body: impl FnOnce(&mut Graph, &[&[NodeId]]) -> Vec<NodeId>) -> View {
        let widths: Vec<usize> = arguments.iter().map(|a| a.width).collect();
        self.map(joint_function(&widths, body), arguments)
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
        let field = arguments.iter().any(|a| a.field);
        self.push(Operation::Map { function, arguments: arguments.to_vec(), over: Over::Component }, width, field)
    }

    /// W x (+ b) with `rows` results.
    pub fn affine(&mut self, weight: WeightId, bias: Option<WeightId>, rows: usize, x: View) -> View {
        self.push(Operation::Affine { weight, bias, x }, rows, x.field)
    }

    /// Wᵀ y with `columns` results.
    pub fn affine_transposed(&mut self, weight: WeightId, columns: usize, y: View) -> View {
        self.push(Operation::AffineT { weight, y }, columns, y.field)
    }

    /// Adds y xᵀ to the gradient of a weight, and y to that of its bias; with `padding` for a convolution.
    pub fn outer(&mut self, weight: WeightId, bias: Option<WeightId>, y: View, x: View, padding: Option<Boundary>) {
        assert_eq!(x.field, y.field, "both sides of an outer product are fields, or none");
        self.push(Operation::Outer { weight, bias, y, x, padding }, 0, false);
    }

    /// Convolution of a field to `out` channels.
    pub fn conv(&mut self, weight: WeightId, bias: Option<WeightId>, out: usize, x: View, padding: Boundary) -> View {
        self.push(Operation::Conv { weight, bias, x, padding }, out, true)
    }

    /// Transposed convolution of a field back to the `channels` that the convolution reads.
    pub fn conv_transposed(&mut self, weight: WeightId, channels: usize, y: View, padding: Boundary) -> View {
        self.push(Operation::ConvT { weight, y, padding }, channels, true)
    }

    /// A stencil on every channel, or its transpose.
    pub fn stencil(&mut self, stencil: Stencil, transposed: bool, x: View) -> View {
        self.push(Operation::Stencil { stencil, transposed, x }, x.width, true)
    }

    /// Sum of every channel over the cells.
    pub fn sum(&mut self, x: View) -> View {
        assert!(x.field, "only fields have cells to sum over");
        self.push(Operation::Sum(x), x.width, false)
    }

    /// Joins views, all fields or none; a single view is returned as it is.
    pub fn concat(&mut self, parts: &[View]) -> View {
        if let [one] = parts {
            return *one;
        }
        assert!(parts.iter().all(|p| p.field == parts[0].field), "parts that are joined have one shape");
        let width = parts.iter().map(|p| p.width).sum();
        self.push(Operation::Concat(parts.to_vec()), width, parts.first().is_some_and(|p| p.field))
    }

    /// Finishes the program.
    pub fn finish(self, outputs: Vec<View>) -> Program {
        Program { ports: self.ports, values: self.values, outputs, grid: self.grid }
    }
}

/// A function whose inputs are vectors of the given widths one after the other; `body` receives the nodes of each.
pub fn joint_function(widths: &[usize], body: impl FnOnce(&mut Graph, &[&[NodeId]]) -> Vec<NodeId>) -> Function {
    Function::build(widths.iter().sum(), |g, ids| {
        let mut parts = Vec::with_capacity(widths.len());
        let mut rest = ids;
        for width in widths {
            let (part, tail) = rest.split_at(*width);
            parts.push(part);
            rest = tail;
        }
        body(g, &parts)
    })
}
