//! Studies: the TOML as a whole, data made ready or simulated, estimates, landscapes, and how far a grid's steps go.

mod basins;
mod coordinates;
mod curvature;
mod descend;
mod directions;
mod draw;
mod estimate;
mod estimate_config;
mod file;
mod identify;
mod landscape;
mod lbfgs;
mod nuisance;
mod oracle;
mod prepare;
mod profile;
mod questions;
mod simulate;
mod stability;
mod sweep;

pub use basins::{Basins, Minimum, Saddle};
pub use curvature::{Covariance, Curvature};
pub use directions::Direction;
pub use estimate::{Estimate, estimate, estimate_members};
pub use estimate_config::{EstimateConfig, EstimateMethod, LARGE_FIELD};
pub use file::{Study, StudyError, StudyTable};
pub use identify::{Bias, FurtherMinimum, Identifiability, Identified, Known, identify};
pub use landscape::{Axis, Divergence, Landscape, LandscapeConfig, PENALTIES, landscape};
pub use oracle::Oracle;
pub use prepare::{PrepareError, Prepared, prepare, trajectories};
pub use profile::{Profile, ProfilePoint};
pub use simulate::{Simulated, Truth, simulate_episodes};
pub use stability::Stability;
pub use sweep::{Criterion, PointSums, Sweep, sweep, thin};
