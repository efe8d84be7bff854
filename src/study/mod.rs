//! Studies: the TOML as a whole, data made ready or simulated, estimates, landscapes, and how far a grid's steps go.

mod basins;
mod draw;
mod encoded;
mod estimate;
mod file;
mod landscape;
mod oracle;
mod prepare;
mod questions;
mod simulate;
mod slices;
mod spline;
mod stability;
mod surface;
mod sweep;
mod trained;

pub use basins::{Basins, Minimum, Saddle};
pub use encoded::encoded_estimate;
pub use estimate::{Estimate, EstimateConfig, estimate};
pub use file::{Study, StudyError, StudyTable};
pub use landscape::{Axis, Divergence, Landscape, LandscapeConfig, PENALTIES, Points, landscape};
pub use oracle::Oracle;
pub use prepare::{PrepareError, Prepared, prepare, trajectories};
pub use simulate::{Simulated, Truth, simulate_episodes};
pub use stability::Stability;
pub use sweep::{Criterion, PointSums, Sweep, sweep, thin};
pub use trained::{is_trained, trained_estimates};
