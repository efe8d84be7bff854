//! Data made ready for the devices: read or simulated, windowed, turned into trajectories.

use super::file::{Study, StudyError};
use super::simulate::{Simulated, Truth, simulate_episodes};
use crate::data::{DataConfig, DataError, Dataset, WindowConfig, Windows, load};
use crate::device::{DeviceError, Start, Trajectories};
use crate::model::{Model, ModelError};
use crate::program::Grid;
use std::path::Path;

/// A data set as trajectories.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The windows and episodes.
    pub dataset: Dataset,
    /// Training windows.
    pub train: Trajectories,
    /// Validation windows.
    pub validation: Trajectories,
    /// Test windows.
    pub test: Trajectories,
    /// What the data was simulated from, if it was.
    pub truth: Option<Truth>,
}

/// Why data could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The truth model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The simulation.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The truth and the model do not fit.
    #[error("data.simulate: {0}")]
    Truth(String),
}

/// Reads the data at `--data`, or as `[data]` says, or simulates it.
pub fn prepare(study: &Study, model: &Model, path: Option<&Path>) -> Result<Prepared, PrepareError> {
    let config = &windowed(study, model)?;
    let (episodes, truth) = match (&config.simulate, path) {
        (Some(simulate), None) => {
            let Simulated { episodes, truth } = simulate_episodes(study, simulate, model)?;
            (episodes, Some(truth))
        }
        _ => {
            let grid = model.grid.as_ref().map_or(Vec::new(), Grid::shape);
            (load(config, study.base(), path, &model.outputs, &model.inputs, &grid)?, None)
        }
    };
    // A split file stands beside the data that it splits.
    let base = match path {
        Some(folder) if folder.is_dir() => folder,
        Some(file) => file.parent().unwrap_or(study.base()),
        None => study.base(),
    };
    let mut dataset = Dataset::assemble(config, base, episodes)?;
    dataset.set_dt(study.spec.solver.dt);
    for windows in [&mut dataset.train, &mut dataset.validation, &mut dataset.test] {
        windows.encode = model.window;
        windows.states = model.integrated_len();
        if !model.is_static() {
            windows.seen()?;
        }
    }
    let scale = &dataset.residual_scale;
    Ok(Prepared {
        train: trajectories(&dataset.train, scale),
        validation: trajectories(&dataset.validation, scale),
        test: trajectories(&dataset.test, scale),
        dataset,
        truth,
    })
}

/// `[data]` with the windows that the model needs: single rows, if it has no time.
fn windowed(study: &Study, model: &Model) -> Result<DataConfig, PrepareError> {
    let mut config = study.section(&study.data, "data")?.clone();
    let refuse = |problem: &str, remedy: &str| Err(DataError::config("window", problem, remedy).into());
    let default = WindowConfig::default();
    match model.is_static() {
        true if config.window == default => config.window = WindowConfig { history: 0, horizon: 1, ..default },
        true if (config.window.history, config.window.horizon) != (0, 1) => {
            return refuse("a static model predicts single rows", "remove it, or set history = 0 and horizon = 1");
        }
        false if config.window.history == 0 => {
            return refuse("history is 0: rollouts start from an observation", "give at least 1");
        }
        _ => {}
    }
    Ok(config)
}

/// Windows as trajectories that start from what encoders see of them, at least their last observed frame; those of a static
/// model, which have no past, from zero.
pub fn trajectories(windows: &Windows, residual_scale: &[f64]) -> Trajectories {
    let start = match windows.history {
        0 => Start::States(vec![0.0; windows.count * windows.states]),
        // Checked when the data was made ready.
        _ => Start::Observations(windows.seen().unwrap_or_default()),
    };
    Trajectories {
        count: windows.count,
        steps: windows.horizon,
        start,
        inputs: windows.u.clone(),
        t0: windows.t0.clone(),
        times: None,
        targets: Some(windows.future.clone()),
        residual_scale: residual_scale.iter().any(|s| *s != 1.0).then(|| residual_scale.to_vec()),
    }
}
