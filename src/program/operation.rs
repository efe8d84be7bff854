//! Operations, the values that they make, and programs of them.

use super::grid::{Boundary, Grid, Stencil};
use super::weights::WeightId;
use crate::graph::Function;
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

/// Consecutive components of a value; slicing costs nothing. The components of a field (its *channels*) have a number in
/// every cell of the grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct View {
    /// The value looked at.
    pub value: ValueId,
    /// First component.
    pub start: usize,
    /// Number of components.
    pub width: usize,
    /// True for a field.
    pub field: bool,
}

impl View {
    /// Components `start..start + width` of this view.
    pub fn slice(self, start: usize, width: usize) -> View {
        assert!(start + width <= self.width, "slice beyond the view");
        View { start: self.start + start, width, ..self }
    }
}

/// What a [`Operation::Map`] repeats its function over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// Once per sample: the function sees all components of its arguments.
    Sample,
    /// Once per cell: the function sees all channels of its arguments in one cell; arguments that are no fields are the
    /// same in every cell.
    Cell,
    /// Once per component (and cell): all arguments have the width of the result, the function one output (activations).
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
    /// W x (+ b), with W `[rows, columns]`; on a field in every cell.
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
    /// Sink: gradient of W += y xᵀ, of b += y, summed over samples and cells; with `padding` that of a convolution.
    Outer {
        /// The matrix.
        weight: WeightId,
        /// The bias, if any.
        bias: Option<WeightId>,
        /// Cotangent of width `rows`.
        y: View,
        /// Activation of width `columns`, or of the channels that a convolution reads.
        x: View,
        /// What the convolution sees beyond the rim.
        padding: Option<Boundary>,
    },
    /// Cross-correlation (+ b) of a field with a kernel of 3 cells per axis, W `[out, in, kernel]`.
    Conv {
        /// The kernel.
        weight: WeightId,
        /// The bias, if any.
        bias: Option<WeightId>,
        /// Field of `in` channels.
        x: View,
        /// What it sees beyond the rim.
        padding: Boundary,
    },
    /// The transpose of a convolution without its bias.
    ConvT {
        /// The kernel.
        weight: WeightId,
        /// Field of `out` channels.
        y: View,
        /// What the convolution sees beyond the rim.
        padding: Boundary,
    },
    /// A stencil on every channel, with the boundary of the grid, or its transpose.
    Stencil {
        /// Which one.
        stencil: Stencil,
        /// True for the transpose.
        transposed: bool,
        /// The field.
        x: View,
    },
    /// Sum of every channel over the cells.
    Sum(View),
    /// Views joined into one vector or field.
    Concat(Vec<View>),
}

impl Operation {
    /// The views that the operation reads.
    pub fn reads(&self) -> Vec<View> {
        match self {
            Operation::Input(_) | Operation::Constant(_) => vec![],
            Operation::Map { arguments, .. } | Operation::Concat(arguments) => arguments.clone(),
            Operation::Affine { x, .. }
            | Operation::Conv { x, .. }
            | Operation::Stencil { x, .. }
            | Operation::Sum(x) => vec![*x],
            Operation::AffineT { y, .. } | Operation::ConvT { y, .. } => vec![*y],
            Operation::Outer { y, x, .. } => vec![*y, *x],
        }
    }
}

impl Operation {
    /// Gives every value that is read its new number.
    pub(super) fn renumber(&mut self, numbers: &[ValueId]) {
        let renumber = |view: &mut View| view.value = numbers[view.value.index()];
        match self {
            Operation::Input(_) | Operation::Constant(_) => {}
            Operation::Map { arguments, .. } | Operation::Concat(arguments) => arguments.iter_mut().for_each(renumber),
            Operation::Affine { x, .. }
            | Operation::Conv { x, .. }
            | Operation::Stencil { x, .. }
            | Operation::Sum(x) => renumber(x),
            Operation::AffineT { y, .. } | Operation::ConvT { y, .. } => renumber(y),
            Operation::Outer { y, x, .. } => [y, x].into_iter().for_each(renumber),
        }
    }
}

/// A value: the operation that makes it and its shape.
#[derive(Clone, Debug)]
pub struct Value {
    /// The operation.
    pub operation: Operation,
    /// Components per sample, or channels of a field; 0 for sinks.
    pub width: usize,
    /// True for a field.
    pub field: bool,
}

/// A named input of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name for messages and printed source.
    pub name: String,
    /// Components per sample, or channels of a field.
    pub width: usize,
    /// True for a field.
    pub field: bool,
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
    /// The grid that fields live on.
    pub grid: Option<Grid>,
}

impl Program {
    /// Numbers per component of a shape: the cells of a field, else 1.
    pub fn cells(&self, field: bool) -> usize {
        if field { self.grid.as_ref().map_or(1, Grid::cells) } else { 1 }
    }

    /// Operators of all maps in one evaluation, over all components and cells.
    pub fn operators(&self) -> usize {
        let of = |value: &Value| match &value.operation {
            Operation::Map { function, over, .. } => {
                let components = if *over == Over::Component { value.width } else { 1 };
                function.operations() * components * self.cells(value.field)
            }
            _ => 0,
        };
        self.values.iter().map(of).sum()
    }
}
