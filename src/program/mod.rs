//! Batched programs, the second of the two languages that carry the mathematics.
//!
//! A program is a list of operations on vectors, one vector per sample. It is closed under differentiation: [`vjp`]
//! appends the operations of the reverse sweep to those of the program itself, so a device runs the first part forward,
//! keeps what the second part reads, and runs the second part when the cotangents are known.

mod build;
mod reverse;
mod weights;

pub use build::{Builder, Operation, Over, Port, Program, Value, ValueId, View};
pub use reverse::{Differentiated, sweep, vjp};
pub use weights::{WeightId, WeightShape, WeightTable, Weights};
