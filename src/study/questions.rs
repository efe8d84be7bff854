//! What a study asks about θ: criteria to minimise, axes to vary, and that every parameter has a box. All of it can be
//! refused before the long training that it comes after.

use super::coordinates::Coordinates;
use super::file::{Study, StudyError, setting};
use super::landscape::{Axis, PENALTIES};
use super::sweep::Criterion;
use crate::model::Model;

impl Study {
    /// Refuses parameters that can neither be drawn nor taken as known.
    pub fn require_boxes(&self, model: &Model) -> Result<(), StudyError> {
        let unknown = |i: &usize| !model.theta_spec(*i).range()[0].is_finite();
        match (0..model.theta.len()).find(unknown) {
            None => Ok(()),
            Some(i) => {
                let name = &model.theta[i];
                let remedy = format!("add [theta.{name}] with bounds = [low, high], or with fixed = value");
                Err(setting(&self.path, format!("theta.{name} has neither bounds nor a fixed value"), &remedy))
            }
        }
    }

    /// Refuses settings of `[estimate]` that this model cannot be estimated with.
    pub fn require_estimation(&self, model: &Model) -> Result<(), StudyError> {
        let free = Coordinates::of(model).len();
        self.estimate.problem(free).map_or(Ok(()), |(message, remedy)| Err(setting(&self.path, message, &remedy)))
    }

    /// What is minimised: penalties alone, the loss alone, or the whole objective.
    pub fn criteria(&self, model: &Model) -> Result<Vec<Criterion>, StudyError> {
        let objective = &model.objective;
        let names: Vec<String> = match self.estimate.criteria.as_slice() {
            [] if objective.penalties.is_empty() => vec!["objective".into()],
            [] => objective.penalties.iter().map(|p| p.name.clone()).collect(),
            given => given.to_vec(),
        };
        let criterion = |name: String| {
            let objective = match name.as_str() {
                _ if objective.penalties.iter().any(|p| p.name == name) => {
                    objective.reweighted(0.0, |_, p| if p.name == name { 1.0 } else { 0.0 })
                }
                PENALTIES => objective.penalties_alone().ok_or_else(|| {
                    let message = "estimate.criteria: no penalty has a weight".to_string();
                    setting(&self.path, message, "give [[penalty]] weight = …, or name one penalty")
                })?,
                "loss" => objective.reweighted(1.0, |_, _| 0.0),
                "objective" => objective.clone(),
                _ => {
                    let known: Vec<&str> = objective.penalties.iter().map(|p| p.name.as_str()).collect();
                    let message = format!("estimate.criteria: `{name}` is no penalty of this study");
                    let remedy =
                        format!("use one of {}", [&known[..], &[PENALTIES, "loss", "objective"]].concat().join(", "));
                    return Err(setting(&self.path, message, &remedy));
                }
            };
            Ok(Criterion { name, objective })
        };
        names.into_iter().map(criterion).collect()
    }

    /// The axes of the landscape: those that the study names, else the first one or two free parameters.
    pub fn axes(&self, model: &Model) -> Result<Vec<Axis>, StudyError> {
        let config = &self.landscape;
        let is_free = |i: &usize| {
            let [low, high] = model.theta_spec(*i).range();
            low < high
        };
        let free: Vec<usize> = (0..model.theta.len()).filter(is_free).collect();
        let find = |name: &String| {
            let found = free.iter().copied().find(|i| model.theta[*i] == *name);
            found.ok_or_else(|| {
                let names: Vec<&str> = free.iter().map(|i| model.theta[*i].as_str()).collect();
                let remedy = match names.is_empty() {
                    true => "remove it; no parameter has bounds".to_string(),
                    false => format!("use {}", names.join(", ")),
                };
                setting(&self.path, format!("landscape.axes: `{name}` is not a free parameter"), &remedy)
            })
        };
        let indices: Vec<usize> = match config.axes.as_slice() {
            [] => free.iter().copied().take(2).collect(),
            [_] | [_, _] => config.axes.iter().map(find).collect::<Result<_, _>>()?,
            more => {
                let message = format!("landscape.axes names {} parameters", more.len());
                return Err(setting(&self.path, message, "name one or two"));
            }
        };
        if matches!(indices[..], [a, b] if a == b) {
            let message = format!("landscape.axes names {} twice", model.theta[indices[0]]);
            return Err(setting(&self.path, message, "name one parameter, or two different ones"));
        }
        let points = config.points.unwrap_or(if indices.len() == 1 { 101 } else { 21 });
        Ok(indices.iter().map(|index| Axis::across(model, *index, points)).collect())
    }
}
