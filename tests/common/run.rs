//! A small training run; each test says on which device and how.

use super::windows;
use greybox::device::Trajectories;
use greybox::model::Model;
use greybox::train::TrainConfig;

/// A few epochs of a few steps.
pub fn settings() -> TrainConfig {
    TrainConfig { epochs: 8, batch: 16, rate: [1e-2, 1e-3], checkpoint_every: 2, ..TrainConfig::default() }
}

/// A training run on 40 windows of the spring with 24 for validation.
pub struct Run {
    pub model: Model,
    pub train: Trajectories,
    pub validation: Trajectories,
    pub config: TrainConfig,
}

impl Run {
    /// A run of a model whose state and outputs are those of the spring.
    pub fn of(model: Model, config: TrainConfig) -> Run {
        Run { model, train: windows(40, 1), validation: windows(24, 2), config }
    }
}
