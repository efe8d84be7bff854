//! The command line of `greybox bench`.

use super::workloads::{BUILT_INS, BuiltIn};
use crate::cli::device::DeviceArguments;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// The penalty of a benchmark.
#[derive(Clone, Copy, ValueEnum)]
pub enum PenaltyName {
    /// Orthogonality with weight 1e-2: a penalty that couples the whole batch.
    Orthogonality,
    /// The loss alone.
    None,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// From the text of the study to the first gradient.
    Compile,
    /// Loss and penalties of a batch.
    Forward,
    /// Their derivatives with respect to all weights.
    Gradient,
    /// A gradient and the optimiser's step.
    TrainStep,
    /// Loss and penalties at many values of θ.
    Landscape,
}

impl Phase {
    /// Its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Compile => "compile",
            Phase::Forward => "forward",
            Phase::Gradient => "gradient",
            Phase::TrainStep => "train_step",
            Phase::Landscape => "landscape",
        }
    }
}

/// Widths of the hidden layers of every network: `128,128,128`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden(pub Vec<usize>);

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Hidden, String> {
        text.split(',').map(at_least_one).collect::<Result<Vec<usize>, String>>().map(Hidden)
    }
}

/// Time compiling, forward passes, gradients, training steps and landscapes, beside the peak of each device.
#[derive(Args)]
#[command(
    after_help = "Devices: --device takes several with commas between, also cpu-f32 and cpu-f64; all stands for the CPU in \
    f32 and f64 and every adapter, software adapters too, whose times say nothing about GPUs.\n\nExamples:\n  greybox bench pendulum --batch 1024 --steps 50 --hidden 128,128,128 --json\n  \
    greybox bench pendulum --device all --batch 50,4096 --figures figures\n  \
    greybox bench pendulum --hidden 16,16,16/64,64,64/256,256 --batch 50,4096,65536\n  \
    greybox bench reaction-diffusion --grid 64 --batch 4\n  \
    greybox bench all --device cpu,gpu --seconds 1\n  \
    greybox bench examples/toy --members 64 --batch 32"
)]
pub struct BenchArguments {
    /// pendulum, lotka-volterra, hamiltonian, reaction-diffusion, several of them, all, or study files whose models are used.
    #[arg(required = true, value_name = "WORKLOAD")]
    pub workloads: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// Trajectories, one number or several with commas between; default: 1024, reaction-diffusion 20.
    #[arg(long, value_delimiter = ',', value_parser = at_least_one)]
    batch: Vec<usize>,
    /// Intervals per trajectory; default: 50, reaction-diffusion 15.
    #[arg(long, value_parser = at_least_one)]
    steps: Option<usize>,
    /// Cells along every axis of the grid; default: the workload's (reaction-diffusion: 32).
    #[arg(long, value_parser = at_least_one)]
    pub grid: Option<usize>,
    /// Widths or channels of the hidden layers of every network, several choices with slashes between; default: the
    /// workload's (pendulum: 128,128,128, lotka-volterra: 32,32, hamiltonian: 64,64, reaction-diffusion: 16,16).
    #[arg(long, value_delimiter = '/')]
    hidden: Vec<Hidden>,
    /// The penalty; default: the workload's (reaction-diffusion: none, hamiltonian: least action, others: orthogonality).
    #[arg(long, value_enum)]
    pub penalty: Option<PenaltyName>,
    /// What is timed; default: everything.
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// Values of θ in a landscape, one number or several; default: 256, on grids 16.
    #[arg(long, value_delimiter = ',', value_parser = at_least_one)]
    points: Vec<usize>,
    /// Trajectories at each θ of a landscape; default: 8, on grids 4.
    #[arg(long, value_parser = at_least_one)]
    pub point_trajectories: Option<usize>,
    /// Timed repetitions of each phase, after one that does not count; default: as many as --seconds allow, at least 3.
    #[arg(long, value_parser = at_least_one)]
    pub repeats: Option<usize>,
    /// Time for the repetitions of each phase.
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub seconds: f64,
    /// Leave a batch out where the one before it lets expect that a repetition takes more seconds than this.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub longest: f64,
    /// Compare the training of so many members, of `--batch` windows each, with that of one member on as many windows.
    #[arg(long, value_parser = at_least_one)]
    pub members: Option<usize>,
    /// Time nothing but the peak of the processor: print flops, bytes and the least time on it and on some GPUs.
    #[arg(long)]
    pub floor: bool,
    /// One JSON object per line and phase.
    #[arg(long)]
    pub json: bool,
    /// Draw time over batch, over the width of the hidden layers and over the points of a landscape into a folder.
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
}

impl BenchArguments {
    /// The workloads by name; `all` stands for those built in.
    pub fn names(&self) -> Vec<String> {
        let all = || BUILT_INS.iter().map(|built_in| built_in.name.to_string()).collect();
        let of = |name: &String| if name == "all" { all() } else { vec![name.clone()] };
        self.workloads.iter().flat_map(of).collect()
    }

    /// Batches of a workload, increasing.
    pub fn batches(&self, built_in: &BuiltIn) -> Vec<usize> {
        increasing(&self.batch, built_in.batch)
    }

    /// Intervals of a trajectory.
    pub fn steps(&self, built_in: &BuiltIn) -> usize {
        self.steps.unwrap_or(built_in.steps)
    }

    /// Hidden layers to compare; `None` for those of the workload.
    pub fn hidden(&self) -> Vec<Option<&Hidden>> {
        if self.hidden.is_empty() { vec![None] } else { self.hidden.iter().map(Some).collect() }
    }

    /// Numbers of points of a landscape, increasing, and the trajectories at each.
    pub fn landscape(&self, on_grid: bool) -> (Vec<usize>, usize) {
        let [points, trajectories] = if on_grid { [16, 4] } else { [256, 8] };
        (increasing(&self.points, points), self.point_trajectories.unwrap_or(trajectories))
    }

    /// True if a phase is asked for.
    pub fn times(&self, phase: Phase) -> bool {
        self.phases.is_empty() || self.phases.contains(&phase)
    }
}

fn increasing(given: &[usize], default: usize) -> Vec<usize> {
    let mut all = if given.is_empty() { vec![default] } else { given.to_vec() };
    all.sort_unstable();
    all.dedup();
    all
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("use 1 or more".into()),
        Ok(value) => Ok(value),
        Err(_) => Err(format!("`{}` is not a whole number", text.trim())),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("use a number of seconds above 0".into()),
    }
}
