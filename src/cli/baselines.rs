//! The baselines of a study: physics alone fitted, network alone trained, all of them compared on the test windows.

use super::Failure;
use super::folder::{record_device, write_json};
use super::interrupt::Stop;
use super::pipeline::Pipeline;
use super::progress::Progress;
use crate::data::Windows;
use crate::device::{Device, Precision};
use crate::program::Weights;
use crate::study::{
    Estimate, EstimateConfig, ForecastError, Sweep, Units, estimate, fit_physics, forecast_error, network_settings,
    persistence_error, thin, trajectories, windows_for,
};
use crate::train::{Trained, Training};
use serde::Serialize;
use std::time::Instant;

/// A forecaster and its errors.
#[derive(Serialize)]
pub struct Baseline {
    /// What it is.
    pub name: &'static str,
    /// Where its θ comes from, or what else must be known.
    pub how: String,
    /// θ, where it has one.
    pub theta: Option<Vec<f64>>,
    /// Errors of the members of a population that differ in their seed; one for what has no seed.
    pub members: Vec<ForecastError>,
}

/// Computes the baselines and writes `baselines.json`; `None` without `[baselines]`.
pub fn baselines(
    pipeline: &mut Pipeline,
    trained: &Trained,
    weights: &Weights,
    estimates: &[Estimate],
) -> Result<Option<Vec<Baseline>>, Failure> {
    let start = Instant::now();
    let Some(reduced) = pipeline.study.reduced(&pipeline.model)? else { return Ok(None) };
    let (physics, network) = (pipeline.open_device(&reduced.physics)?, pipeline.open_device(&reduced.network)?);
    let units = units(pipeline);
    let windows = pipeline.test_windows();
    let mut all = vec![hybrid(pipeline, trained, weights, estimates, &units)?];
    let seed = pipeline.study.train.as_ref().map_or(0, |t| t.seed);
    let fitted = fit_physics(physics.as_ref(), &pipeline.prepared.dataset, &pipeline.study.estimate, seed)?;
    let none = Weights::zeros(&reduced.physics.weights, 1);
    let own = windows_for(&reduced.physics, windows);
    all.push(Baseline {
        name: "physics alone",
        how: match reduced.physics.theta.as_slice() {
            [] => "no parameters".into(),
            names => format!("{}, by the loss on training windows", values(names, &fitted.theta)),
        },
        members: vec![forecast_error(physics.as_ref(), &none, &fitted.theta, &own, &units)?],
        theta: Some(fitted.theta),
    });
    all.push(network_alone(pipeline, network.as_ref(), &units)?);
    [physics, network].iter().for_each(|device| pipeline.note_recoveries(Some(&**device)));
    if let Some(error) = persistence_error(windows, &units) {
        all.push(Baseline {
            name: "persistence",
            how: "the last observation, for all steps".into(),
            theta: None,
            members: vec![error],
        });
    }
    for one in &all {
        eprintln!("{}: RMSE {}{}", one.name, short(&one.members, |e| e.overall), failed(one));
    }
    let table = serde_json::json!({ "windows": windows.count, "outputs": pipeline.model.outputs, "forecasts": all });
    let path = pipeline.out.join("baselines.json");
    write_json(&path, &table)?;
    pipeline.timings.push(("baselines".into(), start.elapsed().as_secs_f64()));
    Ok(Some(all))
}

/// The study's own model: with the weights of every seed, or with those that were chosen, where they come from elsewhere or
/// the members differ in more than their seed.
fn hybrid(
    pipeline: &Pipeline,
    trained: &Trained,
    weights: &Weights,
    estimates: &[Estimate],
    units: &Units,
) -> Result<Baseline, Failure> {
    let model = &pipeline.model;
    let p = model.theta.len();
    let train = pipeline.study.train.as_ref();
    let keep_best = train.is_some_and(|t| t.keep_best);
    let (all, own) = if keep_best { (&trained.best, &trained.best_theta) } else { (&trained.last, &trained.theta) };
    let first = trained.first();
    let of_training = weights.values == all.member(first);
    let seeds_only = train.is_none_or(|t| t.population.seeds == all.members);
    let who: Vec<usize> = match of_training && seeds_only {
        true => (0..all.members).filter(|m| trained.members.get(*m).is_none_or(|s| s.diverged().is_none())).collect(),
        false => vec![first],
    };
    let middle: Vec<f64> = (0..p).map(|i| model.theta_spec(i).at(0.5)).collect();
    let with_weights = of_training && own.len() == all.members * p && p > 0;
    let (common, how) = match () {
        _ if (0..p).any(|i| model.encodes_theta(i)) => (middle, "theta made of each window".to_string()),
        _ if with_weights => (Vec::new(), trained_with_weights(pipeline, own, &who)),
        _ => estimated(pipeline, weights, estimates)?.unwrap_or((middle, "no free parameters".into())),
    };
    let error = |m: &usize| {
        let values = if of_training { all.member(*m).to_vec() } else { weights.values.clone() };
        let theta = if with_weights { &own[m * p..(m + 1) * p] } else { &common };
        let alone = Weights { members: 1, values };
        forecast_error(pipeline.device.as_ref(), &alone, theta, pipeline.test_windows(), units)
    };
    let members = who.iter().map(error).collect::<Result<_, _>>()?;
    Ok(Baseline { name: "hybrid", how, theta: (!common.is_empty()).then_some(common), members })
}

/// θ of the members `who` out of `[members, p]`, in words: the median, and the range of several.
fn trained_with_weights(pipeline: &Pipeline, theta: &[f64], who: &[usize]) -> String {
    let names = &pipeline.model.theta;
    let of = |i: usize| spread(who.iter().map(|m| theta[m * names.len() + i]));
    let pairs: Vec<String> = names.iter().enumerate().map(|(i, name)| format!("{name} = {}", of(i))).collect();
    format!("{}, trained with the weights", pairs.join(", "))
}

/// θ by the first criterion: the estimate of the report, or, where the criterion sees the test targets, the same on the
/// training windows. `None` if there is nothing to estimate.
fn estimated(
    pipeline: &Pipeline,
    weights: &Weights,
    estimates: &[Estimate],
) -> Result<Option<(Vec<f64>, String)>, Failure> {
    let names = &pipeline.model.theta;
    let criteria = pipeline.study.criteria(&pipeline.model)?;
    let Some(criterion) = criteria.first() else { return Ok(None) };
    let Some(found) = estimates.iter().find(|e| e.criterion == criterion.name) else { return Ok(None) };
    let sees_targets =
        criterion.objective.loss_weight > 0.0 || !criterion.objective.observables.observations.is_empty();
    if !sees_targets {
        return Ok(Some((found.theta.clone(), format!("{}, by {}", values(names, &found.theta), criterion.name))));
    }
    let data = &pipeline.prepared.dataset;
    let config = EstimateConfig { bootstrap: 0, ..pipeline.study.estimate.clone() };
    let all = trajectories(&data.train, &data.residual_scale);
    let (chosen, block) = thin(&all, &data.train.blocks(), config.trajectories);
    let sweep = Sweep::new(pipeline.device.as_ref(), weights, &chosen, &block);
    let seed = pipeline.study.train.as_ref().map_or(0, |t| t.seed);
    let found = estimate(&sweep, std::slice::from_ref(criterion), &config, seed)?;
    Ok(found.into_iter().next().map(|e| {
        let how = format!("{}, by {} on training windows", values(names, &e.theta), criterion.name);
        (e.theta, how)
    }))
}

/// Trains the network alone, or continues from its checkpoint.
fn network_alone(pipeline: &Pipeline, device: &dyn Device, units: &Units) -> Result<Baseline, Failure> {
    let model = device.model();
    let data = &pipeline.prepared.dataset;
    let config = network_settings(pipeline.study.section(&pipeline.study.train, "train")?);
    let [train, validation, test] =
        [&data.train, &data.validation, pipeline.test_windows()].map(|w| windows_for(model, w));
    let [train, validation] = [&train, &validation].map(|w: &Windows| trajectories(w, &data.residual_scale));
    let (path, run) = (pipeline.out.join("network_alone.safetensors"), pipeline.identity(&model.source, &[]));
    pipeline.give_up(&path)?;
    let training = Training {
        device,
        config: &config,
        objective: &model.objective,
        train: &train,
        validation: Some(&validation),
        single: pipeline.arguments.device.precision() == Precision::F32,
        checkpoint: Some((&path, &run)),
    };
    let stop = Stop::listen();
    eprintln!("network alone: {} weights, {} epochs", model.weights.per_member(), config.epochs);
    let state = training.resume()?;
    let done = state.as_ref().map_or(0, |c| c.epoch);
    if state.as_ref().is_none_or(|c| c.goes_on(&config)) {
        record_device(&pipeline.out.join("network_alone.json"), done, device, pipeline.arguments.device.memory)?;
    }
    let progress = Progress::new(config.epochs, done, model);
    let trained = training.run_from(state, |m| {
        progress.show(m);
        !stop.asked()
    })?;
    progress.finish();
    if trained.interrupted {
        let done = trained.history.len();
        let command = pipeline.same_command();
        return Err(Failure::Interrupted(format!(
            "stopped after epoch {done} of the network alone; {command} continues"
        )));
    }
    let weights = if config.keep_best { trained.best } else { trained.last };
    let theta: Vec<f64> = (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect();
    let error = |m: usize| {
        let alone = Weights { members: 1, values: weights.member(m).to_vec() };
        forecast_error(device, &alone, &theta, &test, units)
    };
    let members = (0..weights.members).map(error).collect::<Result<_, _>>()?;
    Ok(Baseline { name: "network alone", how: "trained as the hybrid, physics = 0".into(), theta: None, members })
}

/// Units of the loss and of the data. `scale` brought the data to the units of the model.
fn units(pipeline: &Pipeline) -> Units {
    let scale = pipeline.study.data.as_ref().map(|d| &d.scale);
    let to_data = pipeline.model.outputs.iter().map(|o| 1.0 / scale.and_then(|s| s.get(o)).copied().unwrap_or(1.0));
    Units { residual_scale: pipeline.prepared.dataset.residual_scale.clone(), to_data: to_data.collect() }
}

/// Names with values.
fn values(names: &[String], theta: &[f64]) -> String {
    let pairs: Vec<String> =
        names.iter().zip(theta).map(|(name, value)| format!("{name} = {}", crate::report::number(*value))).collect();
    pairs.join(", ")
}

/// The median of the members, and their range if there are several.
pub fn short(members: &[ForecastError], of: impl Fn(&ForecastError) -> f64) -> String {
    spread(members.iter().map(of))
}

/// The median of values, and their range if there are several.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let number = crate::report::number;
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    match all[..] {
        [] => "–".into(),
        [one] => number(one),
        [least, .., most] => format!("{} ({} … {})", number(median(&all)), number(least), number(most)),
    }
}

/// Of sorted values.
pub fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// How many forecasts failed, in words.
pub fn failed(one: &Baseline) -> String {
    match one.members.iter().map(|e| e.failures).max() {
        None | Some(0) => String::new(),
        Some(count) => format!(", {count} windows left the finite numbers and are left out"),
    }
}
