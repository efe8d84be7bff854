//! Models on grids: the reference against independent results, transposes, gradients three ways, conservation, orders.

mod common;
#[path = "fields/reference.rs"]
mod reference;
