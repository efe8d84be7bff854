//! `greybox bench WORKLOAD --members P`: does a population train as fast as one large batch?
//!
//! P members with B windows per step, against one member with P·B windows per step: the same number of steps, of samples and
//! of draws of θ. What a population does more is P optimisers and P sets of packed weights in place of one.

use super::arguments::BenchArguments;
use super::measure::quantile;
use super::phases::Case;
use super::targets::Target;
use super::work::Work;
use super::workloads::Workload;
use crate::cli::Failure;
use crate::device::Precision;
use crate::train::{Population, TrainConfig, Training};
use anyhow::anyhow;
use std::time::Instant;

/// Steps of a run that is timed.
const STEPS: usize = 40;

/// Runs of each, unless the command says how many.
const REPEATS: usize = 10;

/// Runs the command.
pub fn run(arguments: &BenchArguments, members: usize) -> Result<(), Failure> {
    let (names, hidden) = (arguments.names(), arguments.hidden());
    let case = Case::new(arguments, Workload { name: &names[0], hidden: hidden[0] })?;
    let (targets, batches) = (Target::all(&arguments.device)?, case.batches());
    if [names.len(), hidden.len(), targets.len(), batches.len()] != [1; 4] {
        return Err(anyhow!(
            "--members compares populations of one workload on one device\nhelp: give one workload, one --device, one --batch \
             and one choice of --hidden"
        )
        .into());
    }
    let (model, batch, repeats) = (&case.model, batches[0], arguments.repeats.unwrap_or(REPEATS));
    let device = targets[0].open(model, batch * members)?;
    // An epoch is eight steps.
    let windows = |count| Work::drawn(model, case.workload.sizes(), [count, count], case.steps);
    let (small, large) = (windows(8 * batch), windows(8 * batch * members));
    let objective = &model.objective;
    let run = |work: &Work, batch: usize, seeds: usize| -> Result<f64, Failure> {
        let config = TrainConfig {
            epochs: STEPS / 8,
            batch,
            population: Population { seeds, ..Population::default() },
            ..TrainConfig::default()
        };
        let training = Training {
            device: device.as_ref(),
            config: &config,
            objective,
            train: &work.trajectories,
            validation: None,
            single: targets[0].precision() == Precision::F32,
            checkpoint: None,
        };
        let start = Instant::now();
        training.run(|_| true)?;
        Ok((STEPS * members * case.batches()[0]) as f64 / start.elapsed().as_secs_f64())
    };
    let mut rates = [Vec::new(), Vec::new()];
    // Taken in turn, so that both see the same machine; the first turn does not count.
    for turn in 0..=repeats {
        let both = [run(&small, batch, members)?, run(&large, batch * members, 1)?];
        if turn > 0 {
            rates.iter_mut().zip(both).for_each(|(list, rate)| list.push(rate));
        }
    }
    rates.iter_mut().for_each(|list| list.sort_by(f64::total_cmp));
    let [population, single] = [quantile(&rates[0], 0.5), quantile(&rates[1], 0.5)];
    let (workload, name) = (case.workload.name, device.description());
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "workload": workload, "device": name, "phase": "training", "members": members,
                "batch": batch, "population_trajectories_per_s": population, "single_trajectories_per_s": single,
                "ratio": population / single })
        );
        return Ok(());
    }
    println!("{workload} on {name}: {STEPS} training steps, medians of {repeats} runs taken in turn");
    println!("{members:>6} members, {batch:>7} windows each: {population:>12.0} trajectories/s");
    println!("     1 member,  {:>7} windows:      {single:>12.0} trajectories/s", batch * members);
    println!("ratio {:.3}", population / single);
    Ok(())
}
