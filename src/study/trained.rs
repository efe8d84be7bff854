//! Estimates of θ that training itself yields, in its inductive and transductive mode.

use super::estimate::Estimate;
use super::file::{Study, StudyError, setting};
use crate::model::Model;
use crate::train::{Member, Mode, TrainConfig, Trained};

/// Names of the modes, in the place of a criterion.
const MODES: [&str; 2] = ["inductive", "transductive"];

impl Study {
    /// Refuses settings of `[train]` that do not fit the model.
    pub fn require_training(&self, model: &Model) -> Result<(), StudyError> {
        let Some(train) = &self.train else { return Ok(()) };
        let refuse = |(message, remedy): (String, String)| Err(setting(&self.path, message, &remedy));
        if let Some(problem) = train.conflict(model, &model.objective) {
            return refuse(problem);
        }
        let fit = train.transductive();
        let conflict =
            self.estimate.transductive.then(|| fit.problem().or_else(|| fit.conflict(model, &model.objective)));
        conflict
            .flatten()
            .map_or(Ok(()), |(message, remedy)| refuse((format!("estimate.transductive: {message}"), remedy)))
    }
}

/// Whether an estimate comes from training and not from a minimum over θ.
pub fn is_trained(estimate: &Estimate) -> bool {
    MODES.iter().any(|mode| estimate.criterion.starts_with(mode))
}

/// The trained θ, one estimate for each set of members that differ in nothing but their seed: θ of the first of them that
/// did not diverge, and quantiles of 2.5 and 97.5 % over those that did not. None where θ was drawn.
pub fn trained_estimates(model: &Model, config: &TrainConfig, trained: &Trained) -> Vec<Estimate> {
    let (p, all) = (model.theta.len(), if config.keep_best { &trained.best_theta } else { &trained.theta });
    if all.is_empty() {
        return Vec::new();
    }
    let name = if config.mode == Mode::Transductive { MODES[1] } else { MODES[0] };
    let members = config.population.members(config.seed, model);
    let mut estimates = Vec::new();
    for first in (0..members.len()).step_by(config.population.seeds) {
        let sound = (first..first + config.population.seeds).filter(|m| trained.members[*m].diverged().is_none());
        let thetas: Vec<(usize, &[f64])> = sound.map(|m| (m, &all[m * p..(m + 1) * p])).collect();
        let Some((member, theta)) = thetas.first() else { continue };
        let columns: Vec<Vec<f64>> = (0..p)
            .map(|i| {
                let mut column: Vec<f64> = thetas.iter().map(|(_, theta)| theta[i]).collect();
                column.sort_by(f64::total_cmp);
                column
            })
            .collect();
        let count = thetas.len();
        let quantile = |sorted: &Vec<f64>, q: f64| sorted[((count - 1) as f64 * q).round() as usize];
        let mean = |v: &[f64]| v.iter().sum::<f64>() / count as f64;
        let deviation = |v: &Vec<f64>| {
            let mean = mean(v);
            (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count.max(2) - 1) as f64).sqrt()
        };
        let interval = |v: &Vec<f64>| (quantile(v, 0.025), quantile(v, 0.975));
        estimates.push(Estimate {
            criterion: format!("{name}{}", label(model, config, &members[*member])),
            theta: theta.to_vec(),
            value: trained.metrics(*member).and_then(|m| m.objective).unwrap_or(f64::NAN),
            interval: (count > 1).then(|| columns.iter().map(interval).collect()),
            deviation: columns.iter().map(deviation).collect(),
            method: match count {
                1 => "trained with the weights".into(),
                _ => format!("trained with the weights, spread of {count} seeds"),
            },
        });
    }
    estimates
}

/// What tells a set of members from the others.
fn label(model: &Model, config: &TrainConfig, member: &Member) -> String {
    let factor = (!config.population.weights.is_empty()).then(|| format!("penalties x {}", member.factor));
    let held = member.held.iter().map(|(i, value)| format!("{} = {value}", model.theta[*i]));
    factor.into_iter().chain(held).map(|part| format!(", {part}")).collect()
}
