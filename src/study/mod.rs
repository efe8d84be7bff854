//! Studies: the TOML as a whole, data made ready or simulated, estimates, landscapes, and how far a grid's steps go.

mod agreement;
mod baselines;
mod basins;
mod bias;
mod coordinates;
mod curvature;
mod descend;
mod directions;
mod draw;
mod draw_shapes;
mod encoded;
mod entries;
mod estimate;
mod estimate_config;
mod file;
mod forecast;
mod forecast_error;
mod identify;
mod landscape;
mod landscape_store;
mod lbfgs;
mod minima;
mod nuisance;
mod oracle;
mod prepare;
mod profile;
mod questions;
mod retrain;
mod simulate;
mod slices;
mod spline;
mod stability;
mod sums_grid;
mod surface;
mod sweep;
mod trained;

pub use agreement::{Agreement, agreement};
pub use baselines::{BaselinesConfig, Reduced, fit_physics, network_settings, windows_for};
pub use basins::{Basins, Minimum, Saddle};
pub use bias::Bias;
pub use curvature::{Covariance, Curvature};
pub use directions::Direction;
pub use encoded::encoded_estimate;
pub use entries::independent_entries;
pub use estimate::{Estimate, estimate, estimate_members};
pub use estimate_config::{EstimateConfig, EstimateMethod, LARGE_FIELD, Share};
pub use file::{Study, StudyError, StudyTable};
pub use forecast::{Drift, Forecast, ForecastConfig, ForecastModel, Forecaster};
pub use forecast_error::{ForecastError, Units, forecast_error, persistence_error};
pub use identify::{Identifiability, Identified, Known, identify};
pub use landscape::{
    Axis, Divergence, Landscape, LandscapeConfig, PENALTIES, Points, Whole, landscape, quantity_names,
};
pub use landscape_store::{
    Chunks, Contents, Filled, Gap, Identity, LandscapeError, LandscapeStore, Part, Verified, chunk_points, identity,
    verify,
};
pub use minima::FurtherMinimum;
pub use oracle::Oracle;
pub use prepare::{PrepareError, Prepared, prepare, trajectories};
pub use profile::{Profile, ProfilePoint};
pub use retrain::{RetrainConfig, across, retrained};
pub use simulate::{Simulated, Truth, simulate_episodes};
pub use stability::Stability;
pub use sums_grid::{LocalMinimum, SumsGrid};
pub use sweep::{Criterion, PointSums, Sweep, sweep, thin};
pub use trained::{is_trained, trained_estimates};
