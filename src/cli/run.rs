//! `greybox run`, `train`, `estimate`, `report`.

use super::Failure;
use super::baselines::baselines;
use super::figures::{Results, write_report};
use super::folder::write_json;
use super::forecast::print_forecasts;
use super::pipeline::{Folder, Pipeline, StudyArguments, require_free};
use crate::study::{Estimate, trained_estimates};
use clap::Args;
use std::path::PathBuf;

/// Simulate or load data, train, estimate θ, compute the landscape, write the report. Continues an interrupted run.
#[derive(Args)]
#[command(after_help = "Examples:\n  greybox run examples/pendulum/study.toml\n  \
    greybox run study.toml --data recording.npz --set train.epochs=20 --out runs/try")]
pub struct RunArguments {
    #[command(flatten)]
    study: StudyArguments,
    /// Train from the beginning and give up what an earlier run has reached in the folder of results. To continue a run that
    /// was begun so, leave it out.
    #[arg(long)]
    restart: bool,
}

/// One phase on an existing training.
#[derive(Args)]
#[command(after_help = "Example:\n  greybox train study.toml && greybox estimate study.toml")]
pub struct PhaseArguments {
    #[command(flatten)]
    pub(super) study: StudyArguments,
    /// Weights to use in place of those of the finished training.
    #[arg(long)]
    weights: Option<PathBuf>,
}

/// The whole road.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let mut pipeline = Pipeline::open(&arguments.study, Folder::Own)?;
    pipeline.restart = arguments.restart;
    let trained = pipeline.train()?;
    finish(&mut pipeline, trained, None)
}

/// Training only.
pub fn train(arguments: &RunArguments) -> Result<(), Failure> {
    let mut pipeline = Pipeline::open(&arguments.study, Folder::Own)?;
    pipeline.restart = arguments.restart;
    let trained = pipeline.train()?;
    if let Some(last) = trained.history.last() {
        println!("loss {:.6e}", last.loss);
    }
    let config = pipeline.study.section(&pipeline.study.train, "train")?;
    print_estimates(&pipeline, &trained_estimates(&pipeline.model, config, &trained), &[]);
    println!("{}", pipeline.out.join("weights.safetensors").display());
    Ok(())
}

/// Everything behind training, from its checkpoint.
pub fn report(arguments: &PhaseArguments) -> Result<(), Failure> {
    let mut pipeline = Pipeline::open(&arguments.study, Folder::Read)?;
    let trained = pipeline.trained()?;
    finish(&mut pipeline, trained, arguments.weights.as_deref())
}

/// Estimates only.
pub fn estimate(arguments: &PhaseArguments) -> Result<(), Failure> {
    let mut pipeline = Pipeline::open(&arguments.study, Folder::Read)?;
    require_free(&pipeline)?;
    // Weights of a file come without a θ that was trained with them.
    let (weights, of_training) = match &arguments.weights {
        Some(path) => (crate::model::load_weights(path, &pipeline.model.weights)?, Vec::new()),
        None => {
            let trained = pipeline.trained()?;
            (pipeline.chosen(&trained, None)?, pipeline.trained_estimates(&trained)?)
        }
    };
    let (estimates, oracles) = estimates(&mut pipeline, &weights, of_training)?;
    print_estimates(&pipeline, &estimates, &oracles);
    Ok(())
}

/// The weights that a phase uses.
pub(super) fn weights(pipeline: &Pipeline, arguments: &PhaseArguments) -> Result<crate::program::Weights, Failure> {
    match &arguments.weights {
        Some(path) => Ok(crate::model::load_weights(path, &pipeline.model.weights)?),
        None => pipeline.chosen(&pipeline.trained()?, None),
    }
}

fn finish(
    pipeline: &mut Pipeline,
    trained: crate::train::Trained,
    weights: Option<&std::path::Path>,
) -> Result<(), Failure> {
    pipeline.hold()?;
    let of_training = if weights.is_none() { pipeline.trained_estimates(&trained)? } else { Vec::new() };
    let weights = pipeline.chosen(&trained, weights)?;
    let (estimates, oracles) = estimates(pipeline, &weights, of_training)?;
    let middle = (0..pipeline.model.theta.len()).map(|i| pipeline.model.theta_spec(i).at(0.5)).collect();
    let base: Vec<f64> = estimates.first().map_or(middle, |e| e.theta.clone());
    let landscape = pipeline.landscape(&weights, &base)?;
    save_estimates(pipeline, &estimates, &oracles)?;
    let baselines = baselines(pipeline, &trained, &weights, &estimates)?;
    let identifiability = pipeline.identifiability(&weights, &estimates, &oracles, landscape.as_ref())?;
    let forecasts = pipeline.forecasts(&weights, &base)?;
    let retrained = pipeline.retrain(&weights, &base)?;
    let results =
        Results { trained, weights, estimates, oracles, landscape, identifiability, forecasts, baselines, retrained };
    let path = write_report(pipeline, &results)?;
    print_estimates(pipeline, &results.estimates, &results.oracles);
    print_forecasts(&results.forecasts);
    println!("{}", path.display());
    Ok(())
}

/// Of each estimate, θ with a perfect correction, where that is known.
type Oracles = Vec<Option<Vec<f64>>>;

/// The estimates that training yielded, then those by every criterion, and the oracle of each.
fn estimates(
    pipeline: &mut Pipeline,
    weights: &crate::program::Weights,
    of_training: Vec<Estimate>,
) -> Result<(Vec<Estimate>, Oracles), Failure> {
    let mut estimates = of_training;
    estimates.extend(pipeline.encoded(weights)?);
    let mut oracles = vec![None; estimates.len()];
    estimates.extend(pipeline.estimate(weights)?);
    oracles.extend(pipeline.oracles(&pipeline.study.criteria(&pipeline.model)?));
    Ok((estimates, oracles))
}

/// Further estimates on stderr, the first one on stdout as `theta NAME = VALUE`.
fn print_estimates(pipeline: &Pipeline, estimates: &[Estimate], oracles: &[Option<Vec<f64>>]) {
    let free = pipeline.free();
    for (estimate, oracle) in estimates.iter().zip(oracles.iter().chain(std::iter::repeat(&None))) {
        for &i in &free {
            let ends = estimate.interval.as_ref().map(|v| v[i]);
            let interval =
                ends.map_or(String::new(), |(low, high)| format!(", 95 % [{}, {}]", short(low), short(high)));
            let oracle = oracle.as_ref().map_or(String::new(), |o| format!(", perfect correction {}", short(o[i])));
            let (name, value) = (&pipeline.model.theta[i], short(estimate.theta[i]));
            eprintln!("{name} by {}: {value}{interval}{oracle}", estimate.criterion);
        }
    }
    if let Some(first) = estimates.first() {
        for &i in &free {
            println!("theta {} = {}", pipeline.model.theta[i], first.theta[i]);
        }
    }
}

/// Five significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e6).contains(&value.abs()) {
        let digits = if value == 0.0 { 4 } else { (4 - value.abs().log10().floor() as i32).clamp(0, 8) as usize };
        return format!("{value:.digits$}");
    }
    format!("{value:.4e}")
}

/// Values of θ by name.
fn named(pipeline: &Pipeline, theta: &[f64]) -> serde_json::Map<String, serde_json::Value> {
    pipeline.model.theta.iter().zip(theta).map(|(name, value)| (name.clone(), (*value).into())).collect()
}

fn save_estimates(pipeline: &Pipeline, estimates: &[Estimate], oracles: &[Option<Vec<f64>>]) -> Result<(), Failure> {
    let rows: Vec<serde_json::Value> = estimates
        .iter()
        .zip(oracles)
        .map(|(e, oracle)| {
            let theta = named(pipeline, &e.theta);
            serde_json::json!({ "criterion": e.criterion, "theta": theta, "value": e.value, "interval": e.interval,
                "oracle": oracle.as_ref().map(|o| named(pipeline, o)), "method": e.method })
        })
        .collect();
    write_json(&pipeline.out.join("estimates.json"), &rows)
}
