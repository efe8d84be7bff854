//! Graphics adapters: what the machine has. Kernels for adapters are not part of this version.

mod adapters;

pub use adapters::{Adapter, adapters};
