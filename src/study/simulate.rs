//! Data sets made by integrating a known truth, with or without a controller, on the study's grid if it has one.

use super::draw::{deviations, draw_all};
use super::file::Study;
use super::prepare::PrepareError;
use super::stability::Stability;
use crate::data::{Episode, SimulateConfig};
use crate::device::reference::evaluate_plain;
use crate::device::{DEFAULT_BUDGET, Device, Job, Rollout, Trajectories, cpu::Cpu, describe_failures};
use crate::model::{Method, Model, ModelSpec, Objective};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};

/// Most bytes of rollouts held at a time, beside the data set itself.
const ROLLOUT_BYTES: usize = 128 << 20;

/// A simulated data set and where it came from.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The recordings, with noise.
    pub episodes: Vec<Episode>,
    /// What they were simulated from.
    pub truth: Truth,
}

/// The system behind a simulated data set.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The true model.
    pub model: Model,
    /// Its parameters `[episodes, p]`.
    theta: Vec<f64>,
    /// Standard deviation of the noise, one per output.
    deviations: Vec<f64>,
    noise: Stream,
}

impl Truth {
    /// ds/dt of an episode, from a state and time. Truths with inputs are not meant.
    pub fn rate(&self, episode: usize, state: &[f64], time: f64) -> Vec<f64> {
        let p = self.model.theta.len();
        let theta = &self.theta[episode * p..(episode + 1) * p];
        let mut rate = evaluate_plain(&self.model.evolve, &[state, theta, &[time]].concat());
        // Behind ds/dt stand the observables of penalties.
        rate.truncate(state.len());
        rate
    }

    /// A frame without its noise, which is a function of its place: `frames` is the number of frames of an episode.
    pub fn without_noise(&self, episode: usize, frames: usize, frame: usize, outputs: &[f64]) -> Vec<f64> {
        let first = (episode * frames + frame) * outputs.len();
        outputs.iter().enumerate().map(|(i, y)| y - self.noise_at(first + i)).collect()
    }

    fn noise_at(&self, position: usize) -> f64 {
        let channel = position / self.model.cells() % self.deviations.len();
        match self.deviations[channel] {
            0.0 => 0.0,
            deviation => deviation * self.noise.normal(position as u32, (position as u64 >> 32) as u32),
        }
    }
}

/// Integrates the truth. A controller sees the state at every step and its input is held over the step.
pub fn simulate_episodes(study: &Study, config: &SimulateConfig, model: &Model) -> Result<Simulated, PrepareError> {
    config.validate()?;
    let truth = load_truth(study, config)?;
    config.check_size(truth.state_len() + truth.output_len() + truth.inputs.len())?;
    for (what, ours, theirs) in [("outputs", &model.outputs, &truth.outputs), ("inputs", &model.inputs, &truth.inputs)]
    {
        if what == "outputs" && ours != theirs || what == "inputs" && !ours.is_empty() && ours != theirs {
            let message = format!("the truth has the {what} {theirs:?}, the model {ours:?}; give both the same struct");
            return Err(PrepareError::Truth(message));
        }
    }
    match (config.is_static(), truth.is_static()) {
        (true, false) => {
            let message = "inputs are drawn for a static truth, and this one has time\nhelp: remove inputs and give the truth \
                           a fn control, or set [solver] method = \"static\"";
            return Err(PrepareError::Truth(message.into()));
        }
        (false, true) => {
            let message = "a static truth has no inputs to be evaluated at\nhelp: give inputs = { NAME = [low, high] }";
            return Err(PrepareError::Truth(message.into()));
        }
        _ => {}
    }
    if !truth.is_static() && !truth.inputs.is_empty() && truth.control.is_none() {
        return Err(PrepareError::Truth("the truth takes Input but has no fn control that gives it".into()));
    }
    if config.input_noise.is_some() && model.inputs.is_empty() {
        let message = "input_noise: the model has no inputs\nhelp: remove it, or use noise for the outputs";
        return Err(PrepareError::Truth(message.into()));
    }
    let stream = Stream::new(config.seed, Purpose::Simulation);
    let theta = draw_all("theta", &config.theta, &truth.theta, None, config.episodes, &stream)?;
    // Parameters vary from episode to episode; the first ones tell their size.
    let thetas = theta.chunks(truth.theta.len().max(1)).take(16).map(<[f64]>::to_vec).collect();
    let thetas = if truth.theta.is_empty() { vec![Vec::new()] } else { thetas };
    let stability = Stability::at(&truth, &[vec![0.0; truth.state.len()]], thetas);
    if let Some(warning) = stability.and_then(|s| s.warning(&truth, "data.simulate")) {
        tracing::warn!("{warning}");
    }
    let start = match truth.is_static() {
        true => Vec::new(),
        false => draw_all("initial", &config.initial, &truth.state, Some(&truth), config.episodes, &stream)?,
    };
    let input_deviations = deviations("input_noise", config.input_noise.as_ref(), &truth.inputs)?;
    let deviations = deviations("noise", config.noise.as_ref(), &truth.outputs)?;
    let noise = Stream::new(config.seed, Purpose::Noise);
    let truth = Truth { model: truth, theta, deviations, noise };
    let run = Run { truth: &truth, config, device: Cpu::<f64>::new(&truth.model, DEFAULT_BUDGET) };
    let (mut outputs, mut inputs) = match truth.model.control {
        _ if truth.model.is_static() => {
            let rows = draw_all("inputs", &config.inputs, &truth.model.inputs, None, config.episodes, &stream)?;
            (run.rows(&rows)?, rows)
        }
        Some(_) => run.controlled(start)?,
        None => (run.free(&start)?, Vec::new()),
    };
    for (position, value) in outputs.iter_mut().enumerate() {
        *value += truth.noise_at(position);
    }
    let of_inputs = Stream::new(config.seed, Purpose::InputNoise);
    for (position, value) in inputs.iter_mut().enumerate() {
        let place = (position as u32, (position as u64 >> 32) as u32);
        *value += match input_deviations[position % input_deviations.len()] {
            0.0 => 0.0,
            deviation => deviation * of_inputs.normal(place.0, place.1),
        };
    }
    let frames = config.steps + 1;
    let (k, m, keep) = (truth.model.output_len(), truth.model.inputs.len(), model.inputs.len());
    let episodes = (0..config.episodes)
        .map(|e| Episode {
            name: format!("episode {e}"),
            outputs: outputs[e * frames * k..(e + 1) * frames * k].to_vec(),
            inputs: if keep > 0 { inputs[e * frames * m..(e + 1) * frames * m].to_vec() } else { Vec::new() },
            time: None,
            len: frames,
            first_step: 0,
            output_count: truth.model.outputs.len(),
            cells: truth.model.cells(),
            input_count: keep,
        })
        .collect();
    Ok(Simulated { episodes, truth })
}

/// A simulation in progress.
struct Run<'a> {
    truth: &'a Truth,
    config: &'a SimulateConfig,
    device: Cpu<f64>,
}

impl Run<'_> {
    /// The outputs `[episodes, k]` of a static truth at inputs `[episodes, m]`.
    fn rows(&self, inputs: &[f64]) -> Result<Vec<f64>, PrepareError> {
        let (model, count) = (&self.truth.model, self.config.episodes);
        // Inputs stand at both ends of the interval that ends in the row.
        let both = inputs.chunks_exact(model.inputs.len().max(1)).flat_map(|u| [u, u].concat()).collect();
        let start = vec![0.0; count * model.integrated_len()];
        // Rows are observed at time 0.
        let t0 = vec![-model.spec.solver.dt; count];
        let rows = Trajectories { inputs: both, t0, ..Trajectories::from_states(count, 1, start) };
        Ok(self.simulate(&rows, 0, 0)?.predictions)
    }

    /// Whole rollouts, some episodes at a time. Outputs `[episodes, frames, k]`.
    fn free(&self, start: &[f64]) -> Result<Vec<f64>, PrepareError> {
        let (model, config) = (&self.truth.model, self.config);
        let (n, k, frames) = (model.state_len(), model.output_len(), config.steps + 1);
        let chunk = (ROLLOUT_BYTES / (8 * frames * (n + k))).clamp(1, config.episodes);
        let mut outputs = Vec::with_capacity(config.episodes * frames * k);
        for first in (0..config.episodes).step_by(chunk) {
            let count = chunk.min(config.episodes - first);
            let states = start[first * n..(first + count) * n].to_vec();
            let part = Trajectories::from_states(count, config.steps, states);
            let rollout = self.simulate(&part, first, 0)?;
            for e in 0..count {
                outputs.extend(self.observed(first + e, &start[(first + e) * n..(first + e + 1) * n], &[], 0.0));
                outputs.extend_from_slice(&rollout.predictions[e * config.steps * k..(e + 1) * config.steps * k]);
            }
        }
        Ok(outputs)
    }

    /// One step after another, with the input that the controller chooses. Outputs `[episodes, frames, k]` and inputs
    /// `[episodes, frames, m]`.
    fn controlled(&self, start: Vec<f64>) -> Result<(Vec<f64>, Vec<f64>), PrepareError> {
        let (model, config) = (&self.truth.model, self.config);
        let (n, p, m, k) = (model.state_len(), model.theta.len(), model.inputs.len(), model.output_len());
        let frames = config.steps + 1;
        let mut outputs = vec![0.0; config.episodes * frames * k];
        let mut inputs = vec![0.0; config.episodes * frames * m];
        let mut current = start;
        for step in 0..frames {
            let time = step as f64 * config.dt;
            let mut held = Vec::with_capacity(config.episodes * 2 * m);
            for e in 0..config.episodes {
                let (s, theta) = (&current[e * n..(e + 1) * n], &self.truth.theta[e * p..(e + 1) * p]);
                let u = model.control.as_ref().map_or(Vec::new(), |c| evaluate_plain(c, &[s, theta, &[time]].concat()));
                let frame = e * frames + step;
                inputs[frame * m..(frame + 1) * m].copy_from_slice(&u);
                outputs[frame * k..(frame + 1) * k].copy_from_slice(&self.observed(e, s, &u, time));
                held.extend([u.clone(), u].concat());
            }
            if step + 1 == frames {
                break;
            }
            let one = Trajectories {
                inputs: held,
                t0: vec![time; config.episodes],
                ..Trajectories::from_states(config.episodes, 1, current)
            };
            let rollout = self.simulate(&one, 0, step)?;
            current = rollout.states.chunks(2 * n).flat_map(|pair| pair[n..].to_vec()).collect();
        }
        Ok((outputs, inputs))
    }

    /// Rollouts of consecutive episodes from `first` on, which begin at frame `frame`.
    fn simulate(&self, part: &Trajectories, first: usize, frame: usize) -> Result<Rollout, PrepareError> {
        let model = &self.truth.model;
        let (p, rows) = (model.theta.len(), part.rows());
        let theta = &self.truth.theta[first * p..(first + part.count) * p];
        let (weights, objective) = (Weights::zeros(&model.weights, 1), Objective::default());
        let job = Job::new(part, &rows, theta, &weights, &objective);
        let rollout = self.device.simulate(&job)?;
        if rollout.evaluation.failures() > 0 {
            let lines = describe_failures(model, &job, &rollout.evaluation.status, 3).join("; ");
            let place = format!("counted from episode {first}, step {frame}");
            return Err(PrepareError::Truth(format!(
                "the truth diverged ({place}): {lines}\nhelp: use more data.simulate.substeps, or other initial values"
            )));
        }
        Ok(rollout)
    }

    fn observed(&self, episode: usize, state: &[f64], input: &[f64], time: f64) -> Vec<f64> {
        let p = self.truth.model.theta.len();
        let theta = &self.truth.theta[episode * p..(episode + 1) * p];
        evaluate_plain(&self.truth.model.observe, &[state, theta, input, &[time]].concat())
    }
}

fn load_truth(study: &Study, config: &SimulateConfig) -> Result<Model, PrepareError> {
    let mut spec =
        ModelSpec { solver: study.spec.solver.clone(), grid: study.spec.grid.clone(), ..ModelSpec::default() };
    spec.model.physics.clone_from(&config.truth);
    spec.solver.substeps = config.substeps;
    if let Some(name) = &config.method {
        let value = toml::Value::String(name.clone());
        spec.solver.method = value.try_into::<Method>().map_err(|_| {
            PrepareError::Truth(format!("unknown method `{name}`; use euler, midpoint, heun, rk4, rk38 or map"))
        })?;
    }
    // A static truth has neither a time between frames nor one to hold inputs over.
    if spec.solver.method != Method::Static {
        spec.model.inputs = crate::model::Interpolation::Hold;
        spec.solver.dt = config.dt;
    }
    Ok(Model::load(spec, study.base())?)
}
