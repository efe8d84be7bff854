//! Data made ready for the devices: read or simulated, windowed, turned into trajectories.

use super::file::{Study, StudyError};
use super::simulate::{Simulated, Truth, simulate_episodes};
use crate::data::{DataError, Dataset, Windows, load};
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
    let config = study.section(&study.data, "data")?;
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
    let scale = &dataset.residual_scale;
    Ok(Prepared {
        train: trajectories(&dataset.train, scale),
        validation: trajectories(&dataset.validation, scale),
        test: trajectories(&dataset.test, scale),
        dataset,
        truth,
    })
}

/// Windows as trajectories that start at their last observed frame.
pub fn trajectories(windows: &Windows, residual_scale: &[f64]) -> Trajectories {
    let (h, k) = (windows.history, windows.outputs);
    let first = (0..windows.count).flat_map(|w| windows.past[(w * h + h - 1) * k..(w * h + h) * k].iter().copied());
    Trajectories {
        count: windows.count,
        steps: windows.horizon,
        start: Start::Observations(first.collect()),
        inputs: windows.u.clone(),
        t0: windows.t0.clone(),
        times: None,
        targets: Some(windows.future.clone()),
        residual_scale: residual_scale.iter().any(|s| *s != 1.0).then(|| residual_scale.to_vec()),
    }
}
