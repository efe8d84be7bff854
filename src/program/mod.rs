//! Batched programs, the second of the two languages that carry the mathematics.
//!
//! A program is a list of operations on vectors, one vector per sample, and on fields, one vector per
//! cell of a grid and sample. It is closed under differentiation: [`vjp`]
//! appends the operations of the reverse sweep to those of the program itself, so a device runs the first part forward,
//! keeps what the second part reads, and runs the second part when the cotangents are known.

mod build;
mod grid;
mod operation;
mod recompute;
mod reverse;
mod weights;

pub use build::{Builder, joint_function};
pub use grid::{Boundary, Grid, Stencil, Tap};
pub use operation::{Operation, Over, Port, Program, Value, ValueId, View};
pub use recompute::layers_again;
pub use reverse::{Differentiated, sweep, vjp, without_unused};
pub use weights::{WeightId, WeightShape, WeightTable, Weights};
