//! What a study asks about θ: criteria to minimise, axes to vary, and that every parameter has a box. All of it can be
//! refused before the long training that it comes after.

use super::coordinates::Coordinates;
use super::file::{Study, StudyError, setting};
use super::landscape::{Axis, PENALTIES, Points};
use super::landscape_store::{MOST_OF_CHUNK, MOST_POINTS};
use super::retrain::{RetrainConfig, across};
use super::sweep::Criterion;
use crate::model::{Model, Objective};

/// Axes of a landscape unless the study names more.
const MOST_AXES: usize = 4;
/// Most points of an axis, whose values are held in memory.
const MOST_ON_AXIS: usize = 10_000_000;

impl Study {
    /// Refuses parameters that can neither be drawn nor taken as known, nor trained from a given value.
    pub fn require_boxes(&self, model: &Model) -> Result<(), StudyError> {
        let trained = |name: &String| {
            self.train.as_ref().is_some_and(|train| train.trains_theta() && train.theta_start.contains_key(name))
        };
        let unknown = |i: &usize| !model.theta_spec(*i).range()[0].is_finite() && !trained(&model.theta[*i]);
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
                sum if sum.contains('+') && self.summands(objective, sum).is_some() => {
                    let counts = self.summands(objective, sum).unwrap_or_default();
                    let weight = |i: usize| if counts.contains(&i) { objective.penalties[i].weight } else { 0.0 };
                    let largest = counts.iter().map(|i| weight(*i)).fold(0.0, f64::max);
                    objective.reweighted(0.0, |i, _| match largest > 0.0 {
                        true => weight(i) / largest,
                        false => f64::from(u8::from(counts.contains(&i))),
                    })
                }
                _ => {
                    let known: Vec<&str> = objective.penalties.iter().map(|p| p.name.as_str()).collect();
                    let message = format!("estimate.criteria: `{name}` is no penalty of this study");
                    let remedy = format!(
                        "use one of {}, or A + B",
                        [&known[..], &[PENALTIES, "loss", "objective"]].concat().join(", ")
                    );
                    return Err(setting(&self.path, message, &remedy));
                }
            };
            Ok(Criterion { name, objective })
        };
        names.into_iter().map(criterion).collect()
    }

    /// Positions of the penalties that `A + B` names; `None` where one of them is none.
    fn summands(&self, objective: &Objective, sum: &str) -> Option<Vec<usize>> {
        sum.split('+').map(|name| objective.penalties.iter().position(|p| p.name == name.trim())).collect()
    }

    /// The axes of the landscape: those that the study names, else the free parameters, of more than four the first.
    pub fn axes(&self, model: &Model) -> Result<Vec<Axis>, StudyError> {
        let is_free = |i: &usize| {
            let [low, high] = model.theta_spec(*i).range();
            low < high
        };
        let free: Vec<usize> = (0..model.theta.len()).filter(is_free).collect();
        let names = |indices: &[usize]| {
            let names: Vec<&str> = indices.iter().map(|i| model.theta[*i].as_str()).collect();
            names.join(", ")
        };
        let find = |name: &String| {
            let found = free.iter().copied().find(|i| model.theta[*i] == *name);
            found.ok_or_else(|| {
                let remedy = match free.is_empty() {
                    true => "remove it; no parameter has bounds".to_string(),
                    false => format!("use {}", names(&free)),
                };
                setting(&self.path, format!("landscape.axes: `{name}` is not a free parameter"), &remedy)
            })
        };
        let indices: Vec<usize> = match self.landscape.axes.as_slice() {
            [] => free.iter().copied().take(MOST_AXES).collect(),
            given => given.iter().map(find).collect::<Result<_, _>>()?,
        };
        if let Some(twice) = (1..indices.len()).find(|i| indices[..*i].contains(&indices[*i])) {
            let message = format!("landscape.axes names {} twice", model.theta[indices[twice]]);
            return Err(setting(&self.path, message, "name every parameter once"));
        }
        if let Some(chunk) = self.landscape.chunk.filter(|chunk| *chunk > MOST_OF_CHUNK) {
            let message = format!("landscape.chunk is {chunk}, more than {MOST_OF_CHUNK} points");
            return Err(setting(&self.path, message, "give fewer points, or leave it out"));
        }
        if self.landscape.chunk == Some(0) {
            return Err(setting(&self.path, "landscape.chunk is 0".into(), "give at least 1 point, or leave it out"));
        }
        let by_default = match indices.len() {
            0 | 1 => 101,
            2 => 21,
            3 => 11,
            _ => 7,
        };
        let given = ("landscape.points", &self.landscape.points, by_default);
        let points = self.points(given, &indices, model, &names(&indices))?;
        Ok(indices.iter().zip(points).map(|(index, points)| Axis::across(model, *index, points)).collect())
    }

    /// The axes of the retrained landscape, those of the landscape with other points; none where none is asked for.
    pub fn retrain_axes(&self, model: &Model) -> Result<Vec<Axis>, StudyError> {
        let Some(retrain) = &self.landscape.retrain else { return Ok(Vec::new()) };
        let axes = self.axes(model)?;
        let refused = |message: &str, remedy: &str| Err(setting(&self.path, message.into(), remedy));
        if axes.is_empty() || axes.len() > 2 {
            let message = format!("landscape.retrain: the landscape has {} axes", axes.len());
            return refused(&message, "name one or two free parameters in landscape.axes");
        }
        let indices: Vec<usize> = axes.iter().map(|a| a.index).collect();
        let names = axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
        let given = ("landscape.retrain.points", &retrain.points, RetrainConfig::POINTS);
        let points = self.points(given, &indices, model, &names)?;
        let axes = across(model, &axes, |place, _| points[place]);
        let train = self.section(&self.train, "train")?;
        if model.objective.needs_points() {
            let message = "landscape.retrain: a penalty is a function of pairs, which are not compared";
            return refused(message, "remove dependence and independence, or landscape.retrain");
        }
        match retrain.training(train, &axes).problem() {
            Some((message, remedy)) => refused(&format!("landscape.retrain: {message}"), &remedy),
            None => Ok(axes),
        }
    }

    /// Points of each axis by a setting and its default, with all of them below [`MOST_POINTS`].
    fn points(
        &self,
        (key, given, by_default): (&str, &Option<Points>, usize),
        axes: &[usize],
        model: &Model,
        names: &str,
    ) -> Result<Vec<usize>, StudyError> {
        let refused = |message: String, remedy: String| Err(setting(&self.path, format!("{key}: {message}"), &remedy));
        let points = match given {
            None => vec![by_default; axes.len()],
            Some(Points::Every(points)) => vec![*points; axes.len()],
            Some(Points::Each(points)) if points.len() == axes.len() => points.clone(),
            Some(Points::Each(points)) => {
                let message = format!("{} numbers for {} axes", points.len(), axes.len());
                return refused(message, format!("give one number, or one for each of {names}"));
            }
            Some(Points::Named(points)) => {
                if let Some(name) = points.keys().find(|name| axes.iter().all(|i| model.theta[*i] != **name)) {
                    let axes = if names.is_empty() { "none" } else { names };
                    return refused(format!("`{name}` is no axis"), format!("the axes are {axes}; see landscape.axes"));
                }
                axes.iter().map(|i| points.get(&model.theta[*i]).copied().unwrap_or(by_default)).collect()
            }
        };
        if let Some(few) = points.iter().find(|points| **points < 2) {
            let remedy =
                "give at least 2, the ends of the box; leave a parameter out of landscape.axes to keep it fixed";
            return refused(format!("{few} on an axis"), remedy.into());
        }
        if let Some(many) = points.iter().find(|points| **points > MOST_ON_AXIS) {
            return refused(format!("{many} on an axis are more than {MOST_ON_AXIS}"), "give fewer points".into());
        }
        let all = points.iter().try_fold(1usize, |all, points| all.checked_mul(*points));
        if all.is_none_or(|all| all > MOST_POINTS) {
            let product: Vec<String> = points.iter().map(usize::to_string).collect();
            let remedy = "give fewer points per axis, or name fewer parameters in landscape.axes";
            return refused(format!("{} points are more than {MOST_POINTS}", product.join(" × ")), remedy.into());
        }
        Ok(points)
    }
}
