//! The scalar expression graph, the first of the two languages that carry the mathematics.
//!
//! Build with hash-consing ([`Graph`]), finish into a [`Function`], differentiate ([`vjp()`], [`jvp()`]), evaluate one
//! point or a batch ([`Tape`]), print as WGSL ([`wgsl::print`]) with the functions that it calls ([`library()`]). What an
//! operator is stands in one table, [`op::TABLE`].

mod batch;
mod build;
mod compile;
mod function;
mod jvp;
mod library;
pub mod op;
mod real;
mod simplify;
mod special;
mod sweep;
mod vector;
mod vjp;
pub mod wgsl;

pub use batch::{Below, CHUNK, Memory, Place, Rectifier, Tape};
pub use build::{Graph, Node, NodeId};
pub use function::Function;
pub use jvp::jvp;
pub use library::{library, with_builtins};
pub use op::Op;
pub use real::Real;
pub use vector::Vector;
pub use vjp::{Vjp, vjp};
