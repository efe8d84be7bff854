//! Training: θ drawn afresh for every sample and step or trained with the weights, populations of members, AdamW,
//! schedules, constraints, checkpoints, the loop.

mod batch;
mod check;
mod checkpoint;
mod checkpoint_error;
mod config;
mod error;
mod failures;
mod metrics;
mod mode;
mod optimiser;
mod parameters;
mod population;
mod prior;
mod state;
mod step;
mod training;
mod transductive;

pub use checkpoint_error::CheckpointError;
pub use config::TrainConfig;
pub use error::TrainError;
pub use failures::{Failures, Policy};
pub use metrics::{EpochMetrics, MemberMetrics};
pub use mode::{Coordinates, Dual, Mode, Part, Stage};
pub use optimiser::{AdamW, clip};
pub use parameters::Parameters;
pub use population::{Member, Population};
pub use prior::{Draw, draw_theta};
pub use state::{Checkpoint, Ended, MemberState, Trained};
pub use training::Training;
pub use transductive::joined;
