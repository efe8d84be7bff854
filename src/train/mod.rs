//! Training: θ drawn afresh for every sample and step, AdamW, schedules, checkpoints, the loop.

mod checkpoint;
mod config;
mod optimiser;
mod prior;
mod training;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::TrainConfig;
pub use optimiser::{AdamW, clip};
pub use prior::draw_theta;
pub use training::{EpochMetrics, TrainError, Trained, Training};
