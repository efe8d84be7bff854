//! Studies: the TOML as a whole, data made ready, estimates and landscapes.

mod estimate;
mod file;
mod landscape;
mod oracle;
mod prepare;
mod questions;
mod sweep;

pub use estimate::{Estimate, EstimateConfig, estimate};
pub use file::{Study, StudyError, StudyTable};
pub use landscape::{Axis, Landscape, LandscapeConfig, landscape};
pub use oracle::Oracle;
pub use prepare::{PrepareError, Prepared, prepare, simulate_episodes, trajectories};
pub use sweep::{Criterion, PointSums, Sweep, sweep, thin};
