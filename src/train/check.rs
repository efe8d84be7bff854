//! What is wrong with the settings of `[train]`, and the remedy: by themselves, and for a model.

use super::config::TrainConfig;
use super::failures::Failures;
use super::mode::{Mode, stage_problem};
use super::parameters::has_box;
use super::prior::Draw;
use crate::model::limits::{MOST_EPOCHS, MOST_SAMPLES, MOST_WEIGHTS, too_large, too_many};
use crate::model::{Model, Objective};

/// What is wrong, and the remedy.
type Problem = Option<(String, String)>;

impl TrainConfig {
    /// What is wrong with a setting, and the remedy.
    pub fn problem(&self) -> Problem {
        self.numbers().or_else(|| self.combination()).or_else(|| self.population.problem())
    }

    /// Numbers out of range.
    fn numbers(&self) -> Problem {
        let positive = |key: &str, value: f64| {
            (!(value.is_finite() && value > 0.0))
                .then(|| (format!("train.{key} = {value} is not a positive number"), "use a positive number".into()))
        };
        let whole =
            |key: &str, value: usize| (value == 0).then(|| (format!("train.{key} is 0"), "use 1 or more".to_string()));
        let not_negative = |key: &str, value: f64| {
            (!(value.is_finite() && value >= 0.0))
                .then(|| (format!("train.{key} = {value} is not a number of at least 0"), "use 0 or more".into()))
        };
        let of_dual = || {
            let dual = self.dual?;
            positive("dual.rate", dual.rate)
                .or_else(|| not_negative("dual.start", dual.start))
                .or_else(|| whole("dual.inner", dual.inner))
        };
        let of_theta = || {
            let [first, last] = self.theta_rate?;
            positive("theta_rate[0]", first).or_else(|| positive("theta_rate[1]", last))
        };
        let most = |key: &str, value: usize, most: usize| {
            too_many(value, most).map(|(message, remedy)| (format!("train.{key}: {message}"), remedy))
        };
        let samples = || {
            let (message, remedy) = too_large(&[(self.batch, "windows"), (self.draws, "draws")], MOST_SAMPLES)?;
            Some((format!("train.batch and train.draws: {message}"), remedy))
        };
        whole("epochs", self.epochs)
            .or_else(|| whole("batch", self.batch))
            .or_else(|| whole("draws", self.draws))
            .or_else(|| most("epochs", self.epochs, MOST_EPOCHS))
            .or_else(samples)
            .or_else(|| most("dual.inner", self.dual.map_or(1, |dual| dual.inner), MOST_EPOCHS))
            .or_else(|| whole("checkpoint_every", self.checkpoint_every))
            .or_else(|| not_negative("checkpoint_seconds", self.checkpoint_seconds))
            .or_else(|| positive("rate[0]", self.rate[0]))
            .or_else(|| positive("rate[1]", self.rate[1]))
            .or_else(|| positive("epsilon", self.epsilon))
            .or_else(|| not_negative("failure_loss", self.failure_loss))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("clip_value", self.clip_value))
            .or_else(|| not_negative("clip_norm", self.clip_norm))
            .or_else(of_dual)
            .or_else(of_theta)
            .or_else(|| {
                self.betas.iter().any(|b| !(0.0..1.0).contains(b)).then(|| {
                    (format!("train.betas = {:?} are not in [0, 1)", self.betas), "use for example [0.9, 0.999]".into())
                })
            })
    }

    /// Settings that do not go together.
    fn combination(&self) -> Problem {
        let trains = "use train.mode = \"inductive\" or \"transductive\"";
        let mode = format!("{:?}", self.mode).to_lowercase();
        let refuse = |message: String, remedy: &str| Some((message, remedy.to_string()));
        match self.mode {
            Mode::Adaptive if !self.stages.is_empty() => {
                refuse("train.stages: mode = \"adaptive\" trains no theta".into(), trains)
            }
            Mode::Adaptive if self.theta_rate.is_some() => {
                refuse("train.theta_rate: mode = \"adaptive\" trains no theta".into(), trains)
            }
            Mode::Adaptive if !self.theta_start.is_empty() => {
                refuse("train.theta_start: mode = \"adaptive\" trains no theta".into(), trains)
            }
            Mode::Adaptive => None,
            _ if self.draws > 1 => refuse(
                format!("train.draws = {}: mode = \"{mode}\" draws no theta", self.draws),
                "remove train.draws, or use train.mode = \"adaptive\"",
            ),
            _ if self.draw != Draw::Random => refuse(
                format!("train.draw: mode = \"{mode}\" draws no theta"),
                "remove train.draw, or use train.mode = \"adaptive\"",
            ),
            Mode::Transductive if !self.population.theta.is_empty() => refuse(
                "train.population.theta holds parameters that mode = \"transductive\" estimates".into(),
                "remove train.population.theta, or use train.mode = \"inductive\" or \"adaptive\"",
            ),
            _ => stage_problem(&self.stages, self.epochs),
        }
    }

    /// What does not fit a model and its objective, and the remedy.
    pub fn conflict(&self, model: &Model, objective: &Objective) -> Problem {
        let specs: Vec<_> = (0..model.theta.len()).map(|i| model.theta_spec(i)).collect();
        let free: Vec<usize> = (0..specs.len()).filter(|i| specs[*i].fixed.is_none()).collect();
        let free_names = || match free.is_empty() {
            true => "remove it; every parameter is fixed".to_string(),
            false => format!("use {}", free.iter().map(|i| model.theta[*i].as_str()).collect::<Vec<_>>().join(", ")),
        };
        let find = |name: &String| free.iter().copied().find(|i| model.theta[*i] == *name);
        for (name, value) in &self.theta_start {
            let Some(i) = find(name) else {
                return Some((format!("train.theta_start: `{name}` is not a free parameter"), free_names()));
            };
            let [low, high] = specs[i].range();
            if !(value.is_finite() && (low..=high).contains(value)) {
                let message = format!("train.theta_start.{name} = {value} lies outside of the bounds [{low}, {high}]");
                return Some((message, "start inside of the bounds, or widen them".into()));
            }
            if self.population.theta.contains_key(name) {
                let message = format!("train.theta_start.{name}: train.population.theta holds this parameter");
                return Some((message, "remove one of both".into()));
            }
        }
        for name in self.population.theta.keys() {
            let Some(i) = find(name) else {
                return Some((format!("train.population.theta: `{name}` is not a free parameter"), free_names()));
            };
            if !has_box(&specs[i]) {
                let remedy = format!("add [theta.{name}] with bounds = [low, high]");
                return Some((format!("train.population.theta: `{name}` has no bounds to put points in"), remedy));
            }
        }
        if let Some(i) = (0..specs.len()).find(|i| !self.trains_theta() && model.encodes_theta(*i)) {
            let message = format!(
                "train.mode: theta is drawn, so the network that makes {} of the window learns nothing",
                model.theta[i]
            );
            return Some((message, "use train.mode = \"inductive\", or remove the network".into()));
        }
        let members = self.population.count();
        let sizes = [(members, "members"), (model.weights.per_member(), "weights")];
        if let Some((message, _)) = too_large(&sizes, MOST_WEIGHTS).filter(|_| members > 1) {
            return Some((format!("train.population: {message}"), "use fewer members, or smaller networks".into()));
        }
        let weighted = objective.penalties.iter().any(|p| p.weight > 0.0);
        let weigh = || "add [[penalty]] with weight > 0".to_string();
        if self.dual.is_some() && !weighted {
            return Some(("train.dual: no penalty has a weight, so there is no R to minimise".into(), weigh()));
        }
        if !self.population.weights.is_empty() && !weighted {
            return Some(("train.population.weights: no penalty has a weight to multiply".into(), weigh()));
        }
        if self.failures != Failures::Error && objective.counts_pairs() {
            let message = "train.failures: a penalty made of pairs of points needs every trajectory";
            return Some((message.into(), "use train.failures = \"error\", or other penalties".into()));
        }
        if self.draw.most_parameters() < model.theta.len() {
            let message = format!("train.draw: a Sobol sequence has {} dimensions", self.draw.most_parameters());
            return Some((message, "use train.draw = \"random\"".into()));
        }
        if self.trains_theta() { self.untrainable(model) } else { None }
    }

    /// Parameters that a mode which trains θ cannot train.
    fn untrainable(&self, model: &Model) -> Problem {
        let held = |i: usize| self.population.theta.contains_key(&model.theta[i]);
        let mut trained =
            (0..model.theta.len()).filter(|i| model.theta_spec(*i).fixed.is_none() && !held(*i)).peekable();
        if trained.peek().is_none() {
            let message = "train.mode: every parameter is fixed or held, there is no theta to train";
            return Some((message.into(), "use train.mode = \"adaptive\", or give a parameter bounds".into()));
        }
        let nowhere = |i: &usize| !has_box(&model.theta_spec(*i)) && !self.theta_start.contains_key(&model.theta[*i]);
        trained.find(nowhere).map(|i| {
            let name = &model.theta[i];
            let remedy = format!("add [theta.{name}] with bounds = [low, high], or train.theta_start.{name} = value");
            (format!("theta.{name} has neither bounds nor a value to start from"), remedy)
        })
    }
}
