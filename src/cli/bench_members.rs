//! `greybox bench WORKLOAD --members P`: does a population train as fast as one large batch?
//!
//! P members with B windows per step, against one member with P·B windows per step: the same number of steps, of samples and
//! of draws of θ. What a population does more is P optimisers and P sets of packed weights in place of one.

use super::Failure;
use super::bench::{BenchArguments, median};
use super::workload::{Work, load};
use crate::device::Precision;
use crate::train::{Population, TrainConfig, Training};
use std::time::Instant;

/// Steps of a run that is timed.
const STEPS: usize = 40;

/// Runs the command.
pub fn run(arguments: &BenchArguments, members: usize) -> Result<(), Failure> {
    let model = load(arguments)?;
    let device = arguments.device.open(&model)?;
    let (batch, steps) = (arguments.batch(), if model.is_static() { 1 } else { arguments.steps() });
    // An epoch is eight steps.
    let small = Work::new(&model, 8 * batch, steps);
    let large = Work::new(&model, 8 * batch * members, steps);
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
            single: arguments.device.precision() == Precision::F32,
            checkpoint: None,
        };
        let start = Instant::now();
        training.run(|_| true)?;
        Ok((STEPS * members * arguments.batch()) as f64 / start.elapsed().as_secs_f64())
    };
    let mut rates = [Vec::new(), Vec::new()];
    // Taken in turn, so that both see the same machine; the first turn does not count.
    for turn in 0..=arguments.repeats {
        let both = [run(&small, batch, members)?, run(&large, batch * members, 1)?];
        if turn > 0 {
            rates.iter_mut().zip(both).for_each(|(list, rate)| list.push(rate));
        }
    }
    rates.iter_mut().for_each(|list| list.sort_by(f64::total_cmp));
    let [population, single] = [median(&rates[0]), median(&rates[1])];
    let (workload, name) = (&arguments.workload, device.description());
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "workload": workload, "device": name, "phase": "training", "members": members,
                "batch": batch, "population_trajectories_per_s": population, "single_trajectories_per_s": single,
                "ratio": population / single })
        );
        return Ok(());
    }
    println!("{workload} on {name}: {STEPS} training steps, medians of {} runs taken in turn", arguments.repeats);
    println!("{members:>6} members, {batch:>7} windows each: {population:>12.0} trajectories/s");
    println!("     1 member,  {:>7} windows:      {single:>12.0} trajectories/s", batch * members);
    println!("ratio {:.3}", population / single);
    Ok(())
}
