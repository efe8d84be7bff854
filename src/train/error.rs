//! Why training stopped with an error.

use super::checkpoint_error::CheckpointError;
use crate::device::DeviceError;

/// Why training stopped with an error.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting does not fit the model.
    #[error("{message}\nhelp: {remedy}")]
    Setting {
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The device refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Trajectories left the finite numbers.
    #[error(
        "training diverged in epoch {epoch}: {count} of {samples} trajectories of a batch are not finite\n  {details}\nhelp: use smaller steps (solver.substeps), a lower train.rate, narrower bounds of theta, or an activation that saturates; train.failures = \"exclude\" leaves such trajectories out"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Failed trajectories.
        count: usize,
        /// Trajectories in the batch.
        samples: usize,
        /// Which, where, at which θ.
        details: String,
    },
    /// The gradient is not finite although all trajectories are.
    #[error(
        "training diverged in epoch {0}: the objective or its gradient is not finite\nhelp: look for functions at the edge of their domain (sqrt, log, pow, division) in the WGSL"
    )]
    NonFinite(usize),
    /// The device failed, or broke down again when it was opened anew.
    #[error("training stopped in epoch {epoch}: {error}\n{kept}")]
    Broken {
        /// Epoch, from 1.
        epoch: usize,
        /// How.
        error: DeviceError,
        /// What is kept where.
        kept: String,
    },
    /// Every member of a population diverged.
    #[error("all {count} members of the population diverged; member {member}, the last one: {reason}")]
    AllDiverged {
        /// Number of members.
        count: usize,
        /// The last of them.
        member: usize,
        /// How it diverged.
        reason: String,
    },
}
