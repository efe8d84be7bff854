//! Studies: the TOML as a whole, data made ready or simulated, estimates, landscapes, and how far a grid's steps go.

mod baselines;
mod basins;
mod draw;
mod estimate;
mod file;
mod forecast;
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

pub use baselines::{BaselinesConfig, Reduced, fit_physics, network_settings, windows_for};
pub use basins::{Basins, Minimum, Saddle};
pub use estimate::{Estimate, EstimateConfig, estimate};
pub use file::{Study, StudyError, StudyTable};
pub use forecast::{ForecastError, Units, forecast_error, persistence_error};
pub use landscape::{Axis, Divergence, Landscape, LandscapeConfig, PENALTIES, Points, landscape};
pub use oracle::Oracle;
pub use prepare::{PrepareError, Prepared, prepare, trajectories};
pub use simulate::{Simulated, Truth, simulate_episodes};
pub use stability::Stability;
pub use sweep::{Criterion, PointSums, Sweep, sweep, thin};
