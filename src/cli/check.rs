//! `greybox check`: what the engine understood.

use super::Failure;
use super::device::ScheduleName;
use crate::data::DataConfig;
use crate::device::cpu::Cpu;
use crate::device::gpu;
use crate::device::{DEFAULT_BUDGET, Job, Trajectories};
use crate::model::{Model, Prior, Scale};
use crate::program::{Operation, Program, Weights};
use crate::solve::{Plan, TimeGrid, tableau};
use crate::store;
use crate::study::{Stability, Study};
use crate::train::TrainConfig;
use clap::Args;
use std::path::PathBuf;

/// Read a study, compile its model and say what the engine understood.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  greybox check study.toml\n  greybox check study.toml --wgsl kernels --schedule tile"
)]
pub struct CheckArguments {
    /// Model or study TOML.
    study: PathBuf,
    /// Check the published setting, the full table of the study.
    #[arg(long)]
    full: bool,
    /// Write the kernels that adapters run, one NAME.wgsl each, into this folder.
    #[arg(long, value_name = "FOLDER")]
    wgsl: Option<PathBuf>,
    /// Schedule of the kernels.
    #[arg(long, value_enum, default_value = "auto")]
    schedule: ScheduleName,
}

/// Runs the command.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let study = Study::open(&arguments.study, arguments.full)?;
    let model = study.model()?;
    study.require_training(&model)?;
    study.require_estimation(&model)?;
    study.criteria(&model)?;
    study.axes(&model)?;
    study.reduced(&model)?;
    study.forecasters(&model)?;
    study.retrain_axes(&model)?;
    if let Some(data) = &study.data {
        data.validate(false)?;
    }
    let mut lines: Vec<(&str, String)> = vec![
        ("study", study.path.display().to_string()),
        ("physics", study.base().join(&model.spec.model.physics).display().to_string()),
        ("state", model.state.join(", ")),
    ];
    lines.extend((0..model.theta.len()).map(|i| ("theta", theta(&model, i))));
    if !model.inputs.is_empty() {
        let how = format!("{:?}", model.spec.model.inputs).to_lowercase();
        lines.push(("inputs", format!("{} ({how})", model.inputs.join(", "))));
    }
    lines.push(("outputs", model.outputs.join(", ")));
    let start = if model.encode.is_some() { "read off the first observation" } else { "must be given (no fn initial)" };
    lines.push(("start", start.into()));
    lines.extend(networks(&model));
    if let Some(grid) = &model.grid {
        let boundary = format!("{:?}", grid.boundary).to_lowercase();
        let size = grid.shape().iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        lines.push(("grid", format!("{size} cells of {}, boundary {boundary}", grid.spacing)));
    }
    lines.push(("solver", solver(&model)));
    if let Some(stability) = Stability::of(&model, &[vec![0.0; model.state.len()]]) {
        lines.push(("stability", stability.summary(&model)));
        if let Some(warning) = stability.warning(&model, "solver") {
            tracing::warn!("{warning}");
        }
    }
    lines.push(("objective", objective(&model)));
    lines.push(("evolve", program(&model.evolve)));
    lines.push(("observe", program(&model.observe)));
    if let Some(data) = &study.data {
        lines.extend(data_lines(data));
    }
    if let Some(train) = &study.train {
        lines.push(("train", train_line(train)));
    }
    lines.push(("memory", memory(&study, &model)));
    lines.extend(kernels(arguments, &model)?);
    for (i, (key, value)) in lines.iter().enumerate() {
        let repeated = i > 0 && lines[i - 1].0 == *key;
        println!("{:<10} {value}", if repeated { "" } else { key });
    }
    Ok(())
}

/// The kernels for adapters: schedule, workgroups, frames; with --wgsl also written to files.
fn kernels(arguments: &CheckArguments, model: &Model) -> Result<Vec<(&'static str, String)>, Failure> {
    let kernels = match gpu::kernels(model, arguments.schedule.into()) {
        Ok(kernels) => kernels,
        Err(message) => return Ok(vec![("kernels", format!("none: {message}"))]),
    };
    let mut lines = vec![("kernels", kernels.summary.clone())];
    if let Some(folder) = &arguments.wgsl {
        store::make_folder(folder)?;
        for source in &kernels.sources {
            let path = folder.join(format!("{}.wgsl", source.name));
            store::write(&path, source.text.as_bytes())?;
            lines.push(("kernels", format!("{} ({} lines)", path.display(), source.text.lines().count())));
        }
    }
    Ok(lines)
}

fn theta(model: &Model, index: usize) -> String {
    let (name, spec) = (&model.theta[index], model.theta_spec(index));
    let unit = spec.unit.as_ref().map_or(String::new(), |u| format!(" {u}"));
    let mut parts = match (spec.fixed, spec.bounds) {
        (Some(value), _) => vec![format!("fixed at {value}{unit}")],
        (None, Some([low, high])) => vec![format!("in [{low}, {high}]{unit}")],
        (None, None) => vec!["no [theta] entry: give it bounds or a fixed value to train".to_string()],
    };
    if spec.fixed.is_none() && spec.bounds.is_some() {
        parts.push(match spec.prior {
            Some(Prior::Normal([mean, deviation])) => format!("prior normal({mean}, {deviation})"),
            _ => "prior uniform".into(),
        });
        parts.push(format!("scale {}", if spec.scale == Scale::Log { "log" } else { "linear" }));
    }
    format!("{name} {}", parts.join(", "))
}

fn networks(model: &Model) -> Vec<(&'static str, String)> {
    if model.networks.is_empty() {
        return vec![("networks", "none".into())];
    }
    let line = |network: &crate::model::Network| {
        let sizes: Vec<String> = network.sizes.iter().map(usize::to_string).collect();
        let ids = network
            .layers
            .iter()
            .flat_map(|l| [Some(l.weight), l.bias])
            .flatten()
            .chain(network.layers.iter().flat_map(|l| l.norm).flatten());
        let parameters: usize = ids.map(|id| model.weights.shape(id).len()).sum();
        let (kind, activation) = (format!("{:?}", network.kind), format!("{:?}", network.activation));
        let text = format!(
            "{} {} {}, {}, {}, activation {}, {}",
            network.name,
            kind.to_lowercase(),
            sizes.join(" > "),
            count(network.sizes[0], "feature"),
            count(network.outputs(), "output"),
            snake(&activation),
            count(parameters, "parameter")
        );
        ("networks", text)
    };
    model.networks.iter().map(line).collect()
}

/// `LeakyRelu` as the TOML writes it, `leaky_relu`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn solver(model: &Model) -> String {
    let (spec, scheme) = (&model.spec.solver, tableau(model.spec.solver.method));
    if scheme.map {
        return format!("map, one application per interval of {}", spec.dt);
    }
    let (order, stages, steps) = (scheme.order, scheme.stages(), spec.substeps);
    let step = spec.dt / steps as f64;
    let (stages, steps) = (count(stages, "stage"), count(steps, "step"));
    format!("{}, order {order}, {stages}, {steps} of {step} per interval of {}", scheme.name, spec.dt)
}

/// A number of things: `1 step`, `2 steps`.
fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn objective(model: &Model) -> String {
    let penalties = model.objective.penalties.iter().map(|p| match p.name == p.kind {
        true => format!("{} * {}", p.weight, p.kind),
        false => format!("{} * {} ({})", p.weight, p.kind, p.name),
    });
    std::iter::once("loss".to_string()).chain(penalties).collect::<Vec<_>>().join(" + ")
}

/// Operations of each map, and the matrix products.
fn program(program: &Program) -> String {
    let maps: Vec<String> = program
        .values
        .iter()
        .filter_map(|v| match &v.operation {
            Operation::Map { function, .. } => Some(function.operations().to_string()),
            _ => None,
        })
        .collect();
    let products = program.values.iter().filter(|v| matches!(v.operation, Operation::Affine { .. })).count();
    let of_grid = |wanted: fn(&Operation) -> bool| program.values.iter().filter(|v| wanted(&v.operation)).count();
    let stencils = of_grid(|operation| matches!(operation, Operation::Stencil { .. }));
    let convolutions = of_grid(|operation| matches!(operation, Operation::Conv { .. }));
    let on_grid = match program.grid {
        Some(_) => format!(", {}, {}", count(stencils, "stencil"), count(convolutions, "convolution")),
        None => String::new(),
    };
    let maps = if maps.is_empty() { "no maps".into() } else { format!("maps of {} operations", maps.join(", ")) };
    format!("{}, {}{on_grid}, {maps}", count(program.values.len(), "value"), count(products, "affine layer"))
}

fn data_lines(data: &DataConfig) -> Vec<(&'static str, String)> {
    let source = match (&data.simulate, &data.path) {
        (Some(s), _) => format!(
            "simulated from {}: {} episodes of {} steps of {}, seed {}",
            s.truth.display(),
            s.episodes,
            s.steps,
            s.dt,
            s.seed
        ),
        (None, Some(path)) => format!("{}", path.display()),
        (None, None) => "given by --data".into(),
    };
    let w = &data.window;
    let windows = format!("windows of {} + {} frames every {}", w.history, w.horizon, count(w.stride, "frame"));
    let split = match &data.split.file {
        Some(file) => format!("split by {}", file.display()),
        None => format!("split {:?}", data.split.ratios.unwrap_or(crate::data::config::SplitConfig::DEFAULT_RATIOS)),
    };
    vec![("data", source), ("data", windows), ("data", split)]
}

fn train_line(train: &TrainConfig) -> String {
    let [first, last] = train.rate;
    let mode = format!("{:?}", train.mode).to_lowercase();
    format!(
        "{mode}, {}, {} epochs, batches of {} x {}, rate {first} to {last}, weight decay {}, clips {} and {}, seed {}",
        count(train.population.count(), "member"),
        train.epochs,
        train.batch,
        count(train.draws, "draw"),
        train.weight_decay,
        train.clip_value,
        train.clip_norm,
        train.seed
    )
}

/// The checkpoint plan of a training batch on the CPU in f32.
fn memory(study: &Study, model: &Model) -> String {
    let train = study.train.clone().unwrap_or_default();
    let steps = study.data.as_ref().map_or(DataConfig::default().window.horizon, |d| d.window.horizon);
    let rows = vec![0; train.batch.saturating_mul(train.draws).min(1 << 24)];
    let nothing = Trajectories::from_states(1, steps, Vec::new());
    let weights = Weights::zeros(&model.weights, 1);
    let job = Job::new(&nothing, &rows, &[], &weights, &model.objective);
    let device = Cpu::<f32>::new(model, DEFAULT_BUDGET);
    let solver = &model.spec.solver;
    let plan = match device.plan(&job, &TimeGrid::uniform(steps, solver.dt, solver.substeps)) {
        Plan::StoreAll => "all activations are kept".to_string(),
        Plan::OnePass => "each tile runs forward and backward at once".to_string(),
        Plan::Segments { steps } => format!("states are kept every {steps} steps, the steps between are run again"),
    };
    format!(
        "{} bytes per step and tile (cpu f32); {} trajectories of {steps} steps in {} MiB: {plan}",
        device.frame_bytes(),
        rows.len(),
        DEFAULT_BUDGET >> 20
    )
}
