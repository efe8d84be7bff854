//! How a model is stepped: tableaus as data, times of stages, and checkpoint plans.
//!
//! Everything here is a pure function of sizes and a memory budget; devices do the stepping.

mod checkpoint;
mod tableau;
mod time;

pub use checkpoint::{Costs, Plan, plan};
pub use tableau::{Tableau, tableau};
pub use time::{InputWeights, TimeGrid};
