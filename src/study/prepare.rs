//! Data made ready for the devices: read or simulated, windowed, turned into trajectories.

use super::file::{Study, StudyError};
use crate::data::simulate_config::{Distribution, Draw, Noise};
use crate::data::{DataError, Dataset, Episode, SimulateConfig, Windows, load};
use crate::device::{Device, DeviceError, Job, Start, Trajectories, cpu::Cpu};
use crate::model::{Method, Model, ModelError, ModelSpec, Objective};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use std::collections::BTreeMap;
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
    let episodes = match (&config.simulate, path) {
        (Some(simulate), None) => simulate_episodes(study, simulate, model)?,
        _ => load(config, study.base(), path, &model.outputs, &model.inputs)?,
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

/// Integrates the truth. A controller sees the state at every step and its input is held over the step.
pub fn simulate_episodes(study: &Study, config: &SimulateConfig, model: &Model) -> Result<Vec<Episode>, PrepareError> {
    config.validate()?;
    let truth = load_truth(study, config)?;
    for (what, ours, theirs) in [("outputs", &model.outputs, &truth.outputs), ("inputs", &model.inputs, &truth.inputs)]
    {
        if what == "outputs" && ours != theirs || what == "inputs" && !ours.is_empty() && ours != theirs {
            let message = format!("the truth has the {what} {theirs:?}, the model {ours:?}; give both the same struct");
            return Err(PrepareError::Truth(message));
        }
    }
    let stream = Stream::new(config.seed, Purpose::Simulation);
    let (n, p, m, k) = (truth.state.len(), truth.theta.len(), truth.inputs.len(), truth.outputs.len());
    let mut theta = draw_all("theta", &config.theta, &truth.theta, config.episodes, &stream, 0)?;
    let state = draw_all("initial", &config.initial, &truth.state, config.episodes, &stream, 1)?;
    if m > 0 && truth.control.is_none() {
        return Err(PrepareError::Truth("the truth takes Input but has no fn control that gives it".into()));
    }
    let device = Cpu::<f64>::new(&truth, crate::device::DEFAULT_BUDGET);
    let frames = config.steps + 1;
    let mut states = vec![0.0; config.episodes * frames * n];
    let mut outputs = vec![0.0; config.episodes * frames * k];
    let mut inputs = vec![0.0; config.episodes * frames * m];
    let rows: Vec<u32> = (0..config.episodes as u32).collect();
    let weights = Weights::zeros(&truth.weights, 1);
    let objective = Objective::default();
    let mut current = state;
    for step in 0..frames {
        let time = step as f64 * config.dt;
        let mut u = vec![0.0; config.episodes * 2 * m];
        if let Some(control) = &truth.control {
            for e in 0..config.episodes {
                let arguments = [&current[e * n..(e + 1) * n], &theta[e * p..(e + 1) * p], &[time]].concat();
                let value = single(control, &arguments);
                u[e * 2 * m..e * 2 * m + m].copy_from_slice(&value);
                u[e * 2 * m + m..(e + 1) * 2 * m].copy_from_slice(&value);
                inputs[(e * frames + step) * m..(e * frames + step + 1) * m].copy_from_slice(&value);
            }
        }
        for e in 0..config.episodes {
            let s = &current[e * n..(e + 1) * n];
            states[(e * frames + step) * n..(e * frames + step + 1) * n].copy_from_slice(s);
            let input = &u[e * 2 * m..e * 2 * m + m];
            let arguments = [s, &theta[e * p..(e + 1) * p], input, &[time]].concat();
            outputs[(e * frames + step) * k..(e * frames + step + 1) * k]
                .copy_from_slice(&single(&truth.observe, &arguments));
        }
        if step + 1 == frames {
            break;
        }
        let one = Trajectories {
            count: config.episodes,
            steps: 1,
            start: Start::States(current),
            inputs: u,
            t0: vec![time; config.episodes],
            times: None,
            targets: None,
            residual_scale: None,
        };
        let job = Job {
            trajectories: &one,
            rows: &rows,
            theta: &theta,
            multiplicity: None,
            groups: 1,
            members: &[],
            weights: &weights,
            objective: &objective,
        };
        let rollout = device.simulate(&job)?;
        if rollout.evaluation.failures() > 0 {
            let lines = crate::device::describe_failures(&truth, &job, &rollout.evaluation.status, 3).join("; ");
            return Err(PrepareError::Truth(format!("the truth diverged after step {step}: {lines}")));
        }
        current =
            (0..config.episodes).flat_map(|e| rollout.states[(e * 2 + 1) * n..(e * 2 + 2) * n].to_vec()).collect();
    }
    theta.clear();
    let noise = Stream::new(config.seed, Purpose::Noise);
    let deviations = deviations(config.noise.as_ref(), &truth.outputs)?;
    for (i, value) in outputs.iter_mut().enumerate() {
        *value += deviations[i % k] * noise.normal(i as u32, 0);
    }
    let keep_inputs = model.inputs.len();
    Ok((0..config.episodes)
        .map(|e| Episode {
            name: format!("episode {e}"),
            outputs: outputs[e * frames * k..(e + 1) * frames * k].to_vec(),
            inputs: if keep_inputs > 0 { inputs[e * frames * m..(e + 1) * frames * m].to_vec() } else { Vec::new() },
            time: None,
            len: frames,
            first_step: 0,
            output_count: k,
            cells: 1,
            input_count: keep_inputs,
        })
        .collect())
}

fn load_truth(study: &Study, config: &SimulateConfig) -> Result<Model, PrepareError> {
    let mut spec = ModelSpec { solver: study.spec.solver.clone(), ..ModelSpec::default() };
    spec.model.physics.clone_from(&config.truth);
    spec.model.inputs = crate::model::Interpolation::Hold;
    spec.solver.dt = config.dt;
    spec.solver.substeps = config.substeps;
    if let Some(name) = &config.method {
        let value = toml::Value::String(name.clone());
        spec.solver.method = value.try_into::<Method>().map_err(|_| {
            PrepareError::Truth(format!("unknown method `{name}`; use euler, midpoint, heun, rk4, rk38 or map"))
        })?;
    }
    Ok(Model::load(spec, study.base())?)
}

/// Evaluates a program without weights for one sample.
fn single(program: &crate::program::Program, arguments: &[f64]) -> Vec<f64> {
    crate::device::reference::evaluate_plain(program, arguments)
}

fn draw_all(
    table: &str,
    draws: &BTreeMap<String, Draw>,
    names: &[String],
    episodes: usize,
    stream: &Stream,
    purpose: u32,
) -> Result<Vec<f64>, PrepareError> {
    if let Some(unknown) = draws.keys().find(|k| !names.contains(k)) {
        return Err(PrepareError::Truth(format!("{table}.{unknown}: the truth has {}", names.join(", "))));
    }
    let mut values = Vec::with_capacity(episodes * names.len());
    for e in 0..episodes as u32 {
        for (i, name) in names.iter().enumerate() {
            let index = e * names.len() as u32 + i as u32;
            values.push(match draws.get(name) {
                None => {
                    return Err(PrepareError::Truth(format!(
                        "{table}.{name} is not given; add a number or [low, high]"
                    )));
                }
                Some(Draw::Constant(value)) => *value,
                Some(Draw::Uniform([low, high])) => low + (high - low) * stream.uniform(index, purpose),
                Some(Draw::Named(Distribution::Normal([mean, deviation]))) => {
                    mean + deviation * stream.normal(index, purpose)
                }
            });
        }
    }
    Ok(values)
}

fn deviations(noise: Option<&Noise>, outputs: &[String]) -> Result<Vec<f64>, PrepareError> {
    match noise {
        None => Ok(vec![0.0; outputs.len()]),
        Some(Noise::Same(value)) => Ok(vec![*value; outputs.len()]),
        Some(Noise::PerOutput(map)) => {
            if let Some(unknown) = map.keys().find(|k| !outputs.contains(k)) {
                return Err(PrepareError::Truth(format!("noise.{unknown}: the outputs are {}", outputs.join(", "))));
            }
            Ok(outputs.iter().map(|o| map.get(o).copied().unwrap_or(0.0)).collect())
        }
    }
}
