//! What a hybrid model is worth: the same study with its physics alone and with its network alone.

use super::estimate::{Estimate, estimate};
use super::estimate_config::EstimateConfig;
use super::file::{Study, StudyError, setting};
use super::prepare::trajectories;
use super::sweep::{Criterion, Sweep, thin};
use crate::data::{Dataset, Windows};
use crate::device::{Device, DeviceError};
use crate::model::{EncodeSpec, Encodes, Model, ModelSpec};
use crate::physics::{members, without_features, without_networks, without_physics};
use crate::program::Weights;
use crate::train::{Coordinates, Draw, Mode, Population, TrainConfig};
use serde::Deserialize;
use std::path::PathBuf;

/// `[baselines]`: forecasts of the test windows by the hybrid model, its physics alone, its network alone, and the last
/// observation. Without the table there are none.
///
/// - *physics alone* has the right-hand side `physics`; its θ is fitted to the training windows by the loss alone.
/// - *network alone* has a `physics` that returns zero, also in features and wherever `rhs` calls it; networks, sizes and
///   settings of the training are those of the study, θ stands in the middle of its box.
///
/// Where a network enters otherwise than by being added to physics, zero physics may not be what "no physics" means: then
/// `network` names a WGSL file of its own, and likewise `physics`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselinesConfig {
    /// WGSL of the physics alone, relative to the study.
    pub physics: Option<PathBuf>,
    /// WGSL of the network alone, relative to the study.
    pub network: Option<PathBuf>,
}

/// Windows that a fit of physics without a grid uses at least, where there are as many.
const LIGHT_WINDOWS: usize = 1000;

/// The reduced models of a study.
pub struct Reduced {
    /// Without networks.
    pub physics: Model,
    /// Without physics.
    pub network: Model,
}

impl Study {
    /// Compiles physics alone and network alone; `None` without `[baselines]`.
    pub fn reduced(&self, model: &Model) -> Result<Option<Reduced>, StudyError> {
        let Some(config) = &self.baselines else { return Ok(None) };
        let physics =
            self.variant(model, "physics", &config.physics, without_networks(&model.source), |spec, text| {
                spec.nets.clear();
                spec.encode = None;
                text
            })?;
        let network =
            self.variant(model, "network", &config.network, without_physics(&model.source), |spec, mut text| {
                // θ means nothing here: it is neither drawn nor made of the window.
                for (name, theta) in &mut spec.theta {
                    let index = model.theta.iter().position(|other| other == name);
                    theta.fixed = index.map(|i| model.theta_spec(i).at(0.5));
                }
                spec.nets.retain(|name, net| {
                    let stays = net.encodes != Some(Encodes::Theta);
                    if !stays {
                        text = without_features(&text, name);
                    }
                    stays
                });
                if spec.nets.values().all(|net| net.encodes.is_none()) {
                    spec.encode = None;
                }
                text
            })?;
        if network.networks.is_empty() {
            let message = "[baselines]: the study has no network, so that it is physics alone".to_string();
            return Err(setting(&self.path, message, "remove [baselines], or add [net.NAME]"));
        }
        Ok(Some(Reduced { physics, network }))
    }

    /// A model of the study's settings without penalties, of a file's text or of one made from the study's own.
    fn variant(
        &self,
        model: &Model,
        name: &str,
        file: &Option<PathBuf>,
        made: String,
        change: impl FnOnce(&mut ModelSpec, String) -> String,
    ) -> Result<Model, StudyError> {
        let mut spec = ModelSpec { penalties: Vec::new(), ..self.spec.clone() };
        let text = match file {
            None => made,
            Some(file) => {
                let path = self.base().join(file);
                std::fs::read_to_string(&path).map_err(|reason| {
                    let message = format!("baselines.{name} = \"{}\": {reason}", file.display());
                    setting(&self.path, message, "give the path of a WGSL file, relative to the study")
                })?
            }
        };
        let declared = members(&text, "Theta");
        spec.theta.retain(|name, _| declared.contains(name));
        let text = change(&mut spec, text);
        let shown = file.as_deref().unwrap_or(&self.spec.model.physics).display().to_string();
        let found = Model::compile(spec, &shown, &text).map_err(|error| {
            let message = format!("[baselines]: the model with its {name} alone does not compile: {error}");
            setting(&self.path, message, &format!("write it in a WGSL file and name that: baselines.{name} = \"FILE\""))
        })?;
        if found.outputs == model.outputs && found.inputs == model.inputs {
            return Ok(found);
        }
        let message = format!(
            "[baselines]: the model with its {name} alone observes {} and has the inputs [{}]",
            found.outputs.join(", "),
            found.inputs.join(", ")
        );
        let remedy = format!("declare Output and Input as the study does: {}", model.outputs.join(", "));
        Err(setting(&self.path, message, &remedy))
    }
}

/// The settings with which the network alone is trained: those of the study, less what concerns θ and penalties. Where dual
/// ascent takes several steps on each batch there are as many more epochs, which makes the same number of steps.
pub fn network_settings(config: &TrainConfig) -> TrainConfig {
    TrainConfig {
        mode: Mode::Adaptive,
        draw: Draw::Random,
        draws: 1,
        theta: Coordinates::default(),
        theta_rate: None,
        theta_start: Default::default(),
        epochs: config.epochs.saturating_mul(config.dual.map_or(1, |dual| dual.inner)),
        dual: None,
        stages: Vec::new(),
        population: Population { seeds: config.population.seeds, ..Population::default() },
        ..config.clone()
    }
}

/// Windows as a reduced model sees them.
pub fn windows_for(model: &Model, windows: &Windows) -> Windows {
    let encode = if model.has_encoders() { model.window } else { EncodeSpec::default() };
    Windows { encode, states: model.integrated_len(), ..windows.clone() }
}

/// θ of a model of physics by the loss on the training windows; the middle of the box where nothing is free.
pub fn fit_physics(
    device: &dyn Device,
    dataset: &Dataset,
    config: &EstimateConfig,
    seed: u64,
) -> Result<Estimate, DeviceError> {
    let model = device.model();
    let windows = windows_for(model, &dataset.train);
    let all = trajectories(&windows, &dataset.residual_scale);
    let mut config = config.clone();
    if model.grid.is_none() {
        // Physics without networks costs little, and a baseline must not be weak for want of search.
        config.trajectories = config.trajectories.max(LIGHT_WINDOWS);
        (config.starts, config.steps) = (config.starts.max(8), config.steps.max(100));
    }
    let (chosen, block) = thin(&all, &windows.blocks(), config.trajectories);
    let weights = Weights::zeros(&model.weights, 1);
    let criteria = [Criterion { name: "loss".into(), objective: model.objective.reweighted(1.0, |_, _| 0.0) }];
    let found = estimate(&Sweep::new(device, &weights, &chosen, &block), &criteria, &config, seed)?;
    Ok(found.into_iter().next().unwrap_or_else(|| Estimate {
        criterion: "loss".into(),
        theta: (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect(),
        value: f64::NAN,
        interval: None,
        deviation: vec![0.0; model.theta.len()],
        method: "nothing is free".into(),
    }))
}
