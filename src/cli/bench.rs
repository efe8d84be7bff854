//! `greybox bench`: times of compiling, forward passes, gradients and training steps.

use super::device::DeviceArguments;
use super::workload::{BUILT_INS, BuiltIn, PENDULUM, Work, load};
use super::{Failure, bench_members};
use crate::device::{DescentState, Device, Precision, StepCost, Wanted};
use crate::model::{Model, Objective, initialise};
use crate::program::Weights;
use crate::solve::tableau;
use crate::train::{AdamW, TrainConfig, clip};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::time::Instant;

/// The penalty of a benchmark.
#[derive(Clone, Copy, ValueEnum)]
pub enum PenaltyName {
    /// Orthogonality with weight 1e-2: a penalty that couples the whole batch.
    Orthogonality,
    /// The loss alone.
    None,
}

/// Time the phases of training on random trajectories.
#[derive(Args)]
#[command(after_help = "Examples:\n  greybox bench pendulum --batch 1024 --steps 50 --hidden 128,128,128 --json\n  \
    greybox bench reaction-diffusion --grid 64 --batch 4\n  \
    greybox bench examples/toy --members 64 --batch 32")]
pub struct BenchArguments {
    /// pendulum, reaction-diffusion, or a study file whose model is used.
    pub workload: String,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// Trajectories; default: 1024, reaction-diffusion 20.
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Intervals per trajectory; default: 50, reaction-diffusion 15.
    #[arg(long, value_parser = at_least_one)]
    steps: Option<usize>,
    /// Cells along every axis of the grid; default: the workload's (reaction-diffusion: 32).
    #[arg(long, value_parser = at_least_one)]
    pub grid: Option<usize>,
    /// Widths or channels of the hidden layers of every network; default: the workload's (pendulum: 128,128,128,
    /// reaction-diffusion: 16,16).
    #[arg(long, value_delimiter = ',', value_parser = at_least_one)]
    pub hidden: Option<Vec<usize>>,
    /// The penalty; default: the workload's (pendulum: orthogonality, reaction-diffusion: none).
    #[arg(long, value_enum)]
    pub penalty: Option<PenaltyName>,
    /// Timed repetitions of each phase, after one that does not count.
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub repeats: usize,
    /// Compare the training of so many members, of `--batch` windows each, with that of one member on as many windows.
    #[arg(long, value_parser = at_least_one)]
    members: Option<usize>,
    /// One JSON object per line and phase.
    #[arg(long)]
    pub json: bool,
}

impl BenchArguments {
    /// The workload, if it is built in.
    pub fn built_in(&self) -> Option<&'static BuiltIn> {
        BUILT_INS.into_iter().find(|built_in| built_in.name == self.workload)
    }

    /// Trajectories of a job.
    pub fn batch(&self) -> usize {
        self.batch.unwrap_or_else(|| self.built_in().unwrap_or(&PENDULUM).batch)
    }

    /// Intervals of a trajectory.
    pub fn steps(&self) -> usize {
        self.steps.unwrap_or_else(|| self.built_in().unwrap_or(&PENDULUM).steps)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("use 1 or more".into()),
        Ok(value) => Ok(value),
        Err(_) => Err("not a whole number".into()),
    }
}

/// One phase.
#[derive(Serialize)]
struct Line<'a> {
    workload: &'a str,
    device: &'a str,
    phase: &'static str,
    batch: usize,
    ms: f64,
    ms_min: f64,
    ms_max: f64,
    trajectories_per_s: Option<f64>,
    gflops: Option<f64>,
    /// Of a training step that stays on the device.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    cost: Option<StepCost>,
    /// Of a gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
}

/// Bytes of a gradient.
#[derive(Clone, Serialize)]
struct Memory {
    /// States, activations and checkpoints, as the device plans them.
    planned: usize,
    /// The trajectories themselves.
    data: usize,
    /// The most that the process has held so far, where the system tells it.
    peak: Option<usize>,
    keeps: String,
}

/// The most memory that this process has had resident.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? << 10)
}

/// Runs the command.
pub fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    if let Some(members) = arguments.members {
        return bench_members::run(arguments, members);
    }
    let sample = load(arguments)?;
    let (batch, steps) = (arguments.batch(), arguments.steps());
    let work = Work::new(&sample, batch, steps);
    let mut weights = initialise(&sample.weights, &sample.networks, 1, 0);
    let open = || -> Result<Box<dyn Device>, Failure> {
        let model = load(arguments)?;
        let device = arguments.device.open(&model)?;
        device.gradient(&work.job(&weights, &sample.objective), WEIGHTS)?;
        Ok(device)
    };
    // A compilation is long and steady: a few repetitions tell all.
    let (compile, device) = measure(arguments.repeats.min(3), false, open)?;
    let job = work.job(&weights, &sample.objective);
    let (forward, evaluation) = measure(arguments.repeats, true, || Ok(device.evaluate(&job)?))?;
    if evaluation.failures() > 0 {
        eprintln!("warning: {} of {} random trajectories diverged", evaluation.failures(), batch);
    }
    let (gradient, _) = measure(arguments.repeats, true, || Ok(device.gradient(&job, WEIGHTS)?))?;
    let memory = device.memory(&job).map(|plan| Memory {
        planned: plan.bytes,
        data: work.bytes(),
        peak: peak_memory(),
        keeps: plan.keeps,
    });
    let (train, cost) = match resident(device.as_ref(), &work, &weights, &sample.objective, arguments.repeats)? {
        Some((times, cost)) => (times, Some(cost)),
        None => (host_steps(device.as_ref(), &work, &mut weights, &sample, arguments)?, None),
    };
    let solver = &sample.spec.solver;
    let evaluations = batch * steps * solver.substeps * tableau(solver.method).stages();
    let flops = 2.0 * evaluations as f64 * sample.multiply_adds() as f64;
    let description = device.description();
    let line = |phase, times: Vec<f64>, flops: Option<f64>| {
        let ms = median(&times);
        Line {
            workload: &arguments.workload,
            device: &description,
            phase,
            batch,
            ms,
            ms_min: times[0],
            ms_max: times[times.len() - 1],
            trajectories_per_s: flops.map(|_| batch as f64 / ms * 1e3),
            gflops: flops.map(|f| f / ms * 1e-6),
            cost: None,
            memory: None,
        }
    };
    let lines = [
        line("compile", compile, None),
        line("forward", forward, Some(flops)),
        Line { memory, ..line("gradient", gradient, Some(3.0 * flops)) },
        Line { cost, ..line("train_step", train, Some(3.0 * flops)) },
    ];
    print(&lines, arguments)
}

/// Steps that the device takes by itself: milliseconds of each, by eights, and what one costs.
fn resident(
    device: &dyn Device,
    work: &Work,
    weights: &Weights,
    objective: &Objective,
    repeats: usize,
) -> Result<Option<(Vec<f64>, StepCost)>, Failure> {
    const TOGETHER: usize = 8;
    let config = TrainConfig { batch: work.rows.len(), ..TrainConfig::default() };
    let setup = config.descent(&work.trajectories, objective);
    let Some(descent) = device.descent(setup) else { return Ok(None) };
    let mut descent = descent?;
    let zeros = vec![0.0; weights.values.len()];
    let state = DescentState { weights: weights.values.clone(), first: zeros.clone(), second: zeros, steps: 0 };
    descent.load(&state)?;
    let order = work.rows.repeat(TOGETHER);
    let (times, _) = measure(repeats, true, || Ok(descent.epoch(&order, config.rate[0])?))?;
    let cost = descent.cost()?;
    let times = times.into_iter().map(|t| t / TOGETHER as f64).collect();
    Ok(Some((times, cost)))
}

/// Steps that the host takes with the device's gradients.
fn host_steps(
    device: &dyn Device,
    work: &Work,
    weights: &mut Weights,
    model: &Model,
    arguments: &BenchArguments,
) -> Result<Vec<f64>, Failure> {
    let config = TrainConfig::default();
    let single = arguments.device.precision() == Precision::F32;
    let mut optimiser = AdamW::new(weights.values.len(), single);
    let (times, ()) = measure(arguments.repeats, true, || {
        let mut result = device.gradient(&work.job(weights, &model.objective), WEIGHTS)?;
        clip(&mut result.weights, config.clip_value, config.clip_norm);
        optimiser.step(&mut weights.values, &result.weights, &config, config.rate[0]);
        Ok(())
    })?;
    Ok(times)
}

const WEIGHTS: Wanted = Wanted { weights: true, inputs: false };

fn print(lines: &[Line], arguments: &BenchArguments) -> Result<(), Failure> {
    if arguments.json {
        for line in lines {
            println!("{}", serde_json::to_string(line)?);
        }
        return Ok(());
    }
    let Line { workload, device, batch, .. } = &lines[0];
    println!("{workload} on {device}: {batch} trajectories of {} steps", arguments.steps());
    println!("{:<11} {:>10} {:>10} {:>10} {:>14} {:>9}", "phase", "ms", "least", "most", "trajectories/s", "GFLOP/s");
    let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    for l in lines {
        let (rate, gflops) = (number(l.trajectories_per_s, 0), number(l.gflops, 1));
        println!("{:<11} {:>10.3} {:>10.3} {:>10.3} {rate:>14} {gflops:>9}", l.phase, l.ms, l.ms_min, l.ms_max);
    }
    if let Some(memory) = lines.iter().find_map(|l| l.memory.as_ref()) {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        let peak = memory.peak.map_or(String::new(), |peak| format!("; the process held {:.1} MB at most", mb(peak)));
        println!(
            "memory of a gradient: {:.1} MB planned ({}), {:.1} MB of trajectories{peak}",
            mb(memory.planned),
            memory.keeps,
            mb(memory.data)
        );
    }
    if let Some(cost) = lines.iter().find_map(|l| l.cost) {
        println!(
            "a training step: {} dispatches, {:.1} MB of buffers read and written, {:.2} Gflop, one read by the host per {} \
             steps",
            cost.dispatches,
            cost.bytes as f64 / 1e6,
            cost.flops / 1e9,
            cost.steps_per_readback
        );
    }
    Ok(())
}

/// Milliseconds of each repetition, increasing, and the last result.
fn measure<R>(
    repeats: usize,
    warm_up: bool,
    mut body: impl FnMut() -> Result<R, Failure>,
) -> Result<(Vec<f64>, R), Failure> {
    if warm_up {
        body()?;
    }
    let mut times = Vec::with_capacity(repeats);
    let mut last = None;
    for _ in 0..repeats.max(1) {
        // What the last repetition holds must not count as memory of this one.
        drop(last.take());
        let start = Instant::now();
        last = Some(body()?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times, last.expect("at least one repetition")))
}

/// The median of increasing numbers.
pub fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}
