//! `[forecast]`: long rollouts of what was learned, judged by quantities that the true system keeps, such as its energy.
//!
//! Every model of the table is a WGSL file of its own that takes some of the study's trained networks, so that networks
//! trained one way, say on pairs of a static model, can be integrated, and several of them compared from the same starts.

use super::file::{Study, StudyError, setting};
use super::prepare::PrepareError;
use crate::data::simulate_config::{Distribution, Draw};
use crate::device::reference::evaluate_plain;
use crate::device::{Device, DeviceError, Job, StatusCode, Trajectories};
use crate::model::limits::{MOST_STEPS, MOST_SUBSTEPS, MOST_VALUES, too_large, too_many};
use crate::model::{Method, Model, ModelSpec, Objective, SolverSpec};
use crate::program::{Operation, Value, Weights};
use crate::rng::{Purpose, Stream};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[forecast]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastConfig {
    /// What is integrated, by the name that the report gives it.
    pub models: BTreeMap<String, ForecastModel>,
    /// First states, drawn once for all models: state member -> a number, `[low, high]`, or
    /// `{ normal = [mean, standard deviation] }`.
    pub initial: BTreeMap<String, Draw>,
    /// Number of starts.
    pub starts: usize,
    /// Intervals of a rollout.
    pub steps: usize,
    /// Length of an interval.
    pub dt: f64,
    /// Integration steps per interval; default 1.
    #[serde(default = "one")]
    pub substeps: usize,
    /// Integration method; default rk4.
    #[serde(default = "rk4")]
    pub method: Method,
    /// Outputs that the true system keeps.
    pub conserved: Vec<String>,
    /// Seed of the starts; default 0.
    #[serde(default)]
    pub seed: u64,
}

/// `[forecast.models.NAME]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastModel {
    /// Its WGSL file, relative to the study.
    pub physics: PathBuf,
    /// Networks of the study that it takes; default none.
    #[serde(default)]
    pub networks: Vec<String>,
}

fn one() -> usize {
    1
}

fn rk4() -> Method {
    Method::Rk4
}

/// A model of the table, compiled.
#[derive(Clone, Debug)]
pub struct Forecaster {
    /// Its name in the table.
    pub name: String,
    /// The model; its weights are some of the study's.
    pub model: Model,
}

/// The rollouts of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Name of the model.
    pub name: String,
    /// Times of the frames, `steps + 1`.
    pub time: Vec<f64>,
    /// States `[starts, steps + 1, n]`; not finite behind a failure.
    pub states: Vec<f64>,
    /// Rollouts that left the finite numbers.
    pub failures: usize,
    /// The conserved quantities.
    pub drifts: Vec<Drift>,
}

/// A conserved quantity along the rollouts of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The output.
    pub name: String,
    /// Its values `[starts, steps + 1]`.
    pub values: Vec<f64>,
    /// Mean over starts and frames of its squared deviation from the value at the start; infinite after a failure.
    pub mean_square: f64,
    /// Its mean square at the start, for scale.
    pub scale: f64,
    /// Largest deviation.
    pub largest: f64,
}

impl Drift {
    /// Judges values `[starts, frames]`. Whatever is not finite counts as infinitely far away.
    pub fn of(name: &str, values: Vec<f64>, frames: usize) -> Drift {
        let paths = || values.chunks(frames.max(1));
        let distance = |v: f64, first: f64| if v.is_finite() { (v - first).abs() } else { f64::INFINITY };
        let distances: Vec<f64> = paths().flat_map(|path| path.iter().map(move |v| distance(*v, path[0]))).collect();
        let mean_square = distances.iter().map(|d| d * d).sum::<f64>() / distances.len().max(1) as f64;
        let starts = values.len() / frames.max(1);
        let scale = paths().map(|path| path[0] * path[0]).sum::<f64>() / starts.max(1) as f64;
        let largest = distances.iter().copied().fold(0.0, f64::max);
        Drift { name: name.into(), values, mean_square, scale, largest }
    }
}

impl Study {
    /// Compiles the models of `[forecast]`; none without the table. Everything that is wrong with them is refused here,
    /// before the long training that comes first.
    pub fn forecasters(&self, model: &Model) -> Result<Vec<Forecaster>, PrepareError> {
        let Some(config) = &self.forecast else { return Ok(Vec::new()) };
        self.check_forecast(config)?;
        let compile = |(name, given): (&String, &ForecastModel)| self.forecaster(config, model, name, given);
        let all = config.models.iter().map(compile).collect::<Result<Vec<Forecaster>, PrepareError>>()?;
        if let Some(other) = all.iter().find(|f| f.model.state != all[0].model.state) {
            let states = |f: &Forecaster| format!("{} ({})", f.name, f.model.state.join(", "));
            let message = format!("forecast.models: {} and {} have other states", states(&all[0]), states(other));
            return Err(setting(&self.path, message, "give all the same struct State: they share starts").into());
        }
        let numbers = all.iter().map(|f| f.model.state.len() + f.model.outputs.len()).sum();
        let sizes = [(config.starts, "starts"), (config.steps + 1, "frames"), (numbers, "numbers in a frame")];
        if let Some((message, remedy)) = too_large(&sizes, MOST_VALUES) {
            return Err(setting(&self.path, format!("forecast.starts: {message}"), &remedy).into());
        }
        config.starts(&all[0].model.state).map_err(|m| setting(&self.path, m.0, &m.1))?;
        Ok(all)
    }

    fn check_forecast(&self, config: &ForecastConfig) -> Result<(), StudyError> {
        let refuse = |key: &str, message: String, remedy: &str| {
            Err(setting(&self.path, format!("forecast.{key}: {message}"), remedy))
        };
        for (key, value) in [("starts", config.starts), ("steps", config.steps), ("substeps", config.substeps)] {
            if value == 0 {
                return refuse(key, "is 0".into(), "give at least 1");
            }
        }
        for (key, value, most) in [("steps", config.steps, MOST_STEPS), ("substeps", config.substeps, MOST_SUBSTEPS)] {
            if let Some((message, remedy)) = too_many(value, most) {
                return refuse(key, message, &remedy);
            }
        }
        if !(config.dt.is_finite() && config.dt > 0.0) {
            return refuse("dt", format!("is {}", config.dt), "give a time above 0");
        }
        if config.method == Method::Static {
            return refuse("method", "a static model has no rollouts".into(), "use rk4, rk38, heun, midpoint or euler");
        }
        if config.models.is_empty() {
            return refuse("models", "nothing to integrate".into(), "add [forecast.models.NAME] physics = \"….wgsl\"");
        }
        if config.conserved.is_empty() {
            return refuse("conserved", "nothing to judge by".into(), "name outputs that the true system keeps");
        }
        if self.spec.grid.is_some() {
            return refuse("models", "forecasts of fields are not supported".into(), "remove [forecast], or [grid]");
        }
        Ok(())
    }

    fn forecaster(
        &self,
        config: &ForecastConfig,
        model: &Model,
        name: &str,
        given: &ForecastModel,
    ) -> Result<Forecaster, PrepareError> {
        let key = format!("forecast.models.{name}");
        let refuse = |message: String, remedy: String| -> PrepareError {
            setting(&self.path, format!("{key}: {message}"), &remedy).into()
        };
        let listed = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
        let mut spec = ModelSpec::default();
        for network in &given.networks {
            let Some(net) = self.spec.nets.get(network) else {
                let known: Vec<String> = self.spec.nets.keys().cloned().collect();
                return Err(refuse(
                    format!("the study has no network `{network}`"),
                    format!("it has {}", listed(&known)),
                ));
            };
            spec.nets.insert(network.clone(), net.clone());
        }
        spec.model.physics.clone_from(&given.physics);
        spec.solver = SolverSpec { method: config.method, dt: config.dt, substeps: config.substeps };
        let found = Model::load(spec, self.base())?;
        if let Some(missing) = config.conserved.iter().find(|c| !found.outputs.contains(c)) {
            let remedy = format!("return it from fn observe, or name one of {}", listed(&found.outputs));
            return Err(refuse(format!("forecast.conserved: no output `{missing}`"), remedy));
        }
        if !found.inputs.is_empty() {
            let message = "it takes Input, which nobody knows beyond the data".to_string();
            return Err(refuse(message, "write the forecast without Input".into()));
        }
        if let Some(theta) = found.theta.iter().find(|t| !model.theta.contains(t)) {
            let remedy = format!("the study's are {}", listed(&model.theta));
            return Err(refuse(format!("its Theta has `{theta}`, which the study does not estimate"), remedy));
        }
        let learned = |v: &Value| matches!(v.operation, Operation::Affine { .. } | Operation::AffineT { .. });
        if found.observe.values.iter().any(learned) {
            let message = "a network takes part in fn observe".to_string();
            return Err(refuse(message, "compute what is conserved from the state alone".into()));
        }
        for shape in found.weights.shapes() {
            let ours = model.weights.shapes().iter().find(|s| s.name == shape.name);
            if ours.is_none_or(|s| s.dimensions != shape.dimensions) {
                let trained = ours.map_or(Vec::new(), |s| s.dimensions.clone());
                let message = format!("`{}` is {:?} here and {trained:?} as trained", shape.name, shape.dimensions);
                return Err(refuse(message, "give the network as many features and outputs as in the study".into()));
            }
        }
        Ok(Forecaster { name: name.into(), model: found })
    }
}

impl ForecastConfig {
    /// First states `[starts, n]`, or a message and its remedy.
    fn starts(&self, states: &[String]) -> Result<Vec<f64>, (String, String)> {
        if let Some(unknown) = self.initial.keys().find(|k| !states.contains(k)) {
            let remedy = format!("the states are {}", states.join(", "));
            return Err((format!("forecast.initial.{unknown}: no such state"), remedy));
        }
        let stream = Stream::new(self.seed, Purpose::Starts);
        let draw = |start: usize, member: usize| {
            let name = &states[member];
            let index = (start * states.len() + member) as u32;
            let form = "give a number, [low, high] or { normal = [mean, standard deviation] }".to_string();
            let given =
                self.initial.get(name).ok_or_else(|| (format!("forecast.initial.{name} is missing"), form.clone()))?;
            if let Some(problem) = given.problem() {
                return Err((format!("forecast.initial.{name} {problem}"), form));
            }
            match given {
                Draw::Constant(value) => Ok(*value),
                Draw::Uniform([low, high]) => Ok(low + (high - low) * stream.uniform(index, 0)),
                Draw::Named(Distribution::Normal([mean, deviation])) => Ok(mean + deviation * stream.normal(index, 0)),
                _ => Err((format!("forecast.initial.{name} is a distribution of fields"), form)),
            }
        };
        (0..self.starts).flat_map(|s| (0..states.len()).map(move |m| (s, m))).map(|(s, m)| draw(s, m)).collect()
    }

    /// Integrates one model with the trained weights, of which it takes its own, at θ `[p]` of the study.
    pub fn run(
        &self,
        forecaster: &Forecaster,
        device: &dyn Device,
        trained: (&Model, &Weights),
        theta: &[f64],
    ) -> Result<Forecast, DeviceError> {
        let model = &forecaster.model;
        let weights = part(trained, model);
        let named = |name: &String| trained.0.theta.iter().position(|t| t == name).map_or(f64::NAN, |i| theta[i]);
        let theta: Vec<f64> = model.theta.iter().map(named).collect();
        // Checked when the models were compiled.
        let starts = self.starts(&model.state).unwrap_or_default();
        let trajectories = Trajectories::from_states(self.starts, self.steps, starts);
        let (rows, objective) = (trajectories.rows(), Objective::default());
        let thetas = theta.repeat(self.starts);
        let rollout = device.simulate(&Job::new(&trajectories, &rows, &thetas, &weights, &objective))?;
        let (n, frames) = (model.state_len(), self.steps + 1);
        let mut states = rollout.states;
        // What stands behind a failure differs between devices.
        for (path, status) in states.chunks_mut(n * frames).zip(&rollout.evaluation.status) {
            if status.code == StatusCode::NonFiniteState {
                path[(status.step as usize + 1).min(frames) * n..].fill(f64::NAN);
            }
        }
        let time: Vec<f64> = (0..frames).map(|k| k as f64 * self.dt).collect();
        let observed: Vec<Vec<f64>> = states
            .chunks(n)
            .enumerate()
            .map(|(i, s)| evaluate_plain(&model.observe, &[s, &theta, &[time[i % frames]]].concat()))
            .collect();
        let drift = |name: &String| {
            let output = model.outputs.iter().position(|o| o == name).unwrap_or(0);
            Drift::of(name, observed.iter().map(|y| y[output]).collect(), frames)
        };
        Ok(Forecast {
            name: forecaster.name.clone(),
            drifts: self.conserved.iter().map(drift).collect(),
            failures: rollout.evaluation.failures(),
            time,
            states,
        })
    }
}

/// The weights of a model that takes some networks of another, by their names. Of a population the first member's.
fn part((whole, trained): (&Model, &Weights), model: &Model) -> Weights {
    let mut weights = Weights::zeros(&model.weights, 1);
    let values = trained.member(0);
    for shape in model.weights.shapes() {
        if let Some(ours) = whole.weights.shapes().iter().find(|s| s.name == shape.name) {
            let (to, from) = (shape.offset..shape.offset + shape.len(), ours.offset..ours.offset + ours.len());
            weights.values[to].copy_from_slice(&values[from]);
        }
    }
    weights
}
