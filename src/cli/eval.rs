//! `greybox eval`: the black-box contract.

use super::Failure;
use super::device::DeviceArguments;
use crate::data::DataError;
use crate::data::npz::{Array, Arrays, Dim, Element, write_npz};
use crate::device::{self, Job, Precision, Rollout, Start, Trajectories, Wanted, describe_failures, gpu};
use crate::model::{Model, load_weights};
use crate::study::{Stability, Study};
use anyhow::{Context, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Run given inputs through a model: states, predictions, objective and, with --grad, its derivatives.
#[derive(Args)]
#[command(
    after_help = "Example:\n  greybox eval model.toml --weights w.safetensors --input in.npz --output out.npz --grad\n\n\
    IN holds s0 [B, n], theta [B, p] and optionally u [B, T+1, m], t0 [B], times [T+1], y [B, T, k] (NaN = missing).\n\
    With networks that encode, `window` [B, frames, k] takes the place of s0; a static model needs none.\n\
    On a grid n and k are [C, H, W], or [C, W] in one dimension: s0 [B, C, H, W], y [B, T, C, H, W]."
)]
pub struct EvalArguments {
    /// Model or study TOML.
    model: PathBuf,
    /// Weights (safetensors); not needed without networks.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Input arrays (.npz).
    #[arg(long)]
    input: PathBuf,
    /// Output arrays (.npz).
    #[arg(long)]
    output: PathBuf,
    /// Also write derivatives of the objective.
    #[arg(long)]
    grad: bool,
    /// Number of intervals; default: from y, u or times.
    #[arg(long)]
    steps: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
    /// Write down what the adapter is asked to do and what it answers, for tools/browser to repeat.
    #[arg(long, value_name = "FOLDER")]
    trace: Option<PathBuf>,
    /// Take what is read back from this file, which another adapter answered to the trace of the same command.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &EvalArguments) -> Result<(), Failure> {
    let study = Study::open(&arguments.model, false)?;
    let model = study.model()?;
    let stability = Stability::of(&model, &[vec![0.0; model.state.len()]]);
    if let Some(warning) = stability.and_then(|s| s.warning(&model, "solver")) {
        tracing::warn!("{warning}");
    }
    let trace = match (&arguments.answers, &arguments.trace) {
        (Some(path), _) => {
            let trace = gpu::Trace::with_answers(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some(Arc::new(trace))
        }
        (None, Some(_)) => Some(Arc::default()),
        (None, None) => None,
    };
    let device = arguments.device.open_traced(&model, trace.clone())?;
    if device.description().starts_with("gpu") {
        // Which of several adapters it is, and whether it is a software one.
        eprintln!("device: {}", device.description());
    }
    let weights = match &arguments.weights {
        Some(path) => load_weights(path, &model.weights)?,
        None if model.weights.per_member() == 0 => crate::program::Weights::zeros(&model.weights, 1),
        None => {
            let names: Vec<&str> = model.networks.iter().map(|n| n.name.as_str()).collect();
            return Err(anyhow::anyhow!(
                "the model has networks ({}), but no weights are given\nhelp: add --weights FILE.safetensors; `greybox \
                 train` writes weights.safetensors into its folder of results",
                names.join(", ")
            )
            .into());
        }
    };
    let arrays = Arrays::read(&arguments.input)?;
    let (trajectories, theta) =
        read(&model, &arrays, arguments.steps).map_err(|error| match error.is::<DataError>() {
            // It names the file itself.
            true => error,
            false => error.context(format!("{}", arguments.input.display())),
        })?;
    let rows: Vec<u32> = (0..trajectories.count as u32).collect();
    let job = Job::new(&trajectories, &rows, &theta, &weights, &model.objective);
    let rollout = device.simulate(&job)?;
    let gradient = match arguments.grad {
        true => Some(device.gradient(&job, Wanted { weights: true, inputs: true })?),
        false => None,
    };
    if let (Some(trace), Some(path)) = (&trace, &arguments.answers)
        && trace.answers_left() > 0
    {
        let left = trace.answers_left();
        let (words, were) = if left == 1 { ("word", "was") } else { ("words", "were") };
        return Err(anyhow::anyhow!(
            "{}: {left} {words} of the answers {were} not asked for\nhelp: let them come from a trace of this very command",
            path.display()
        )
        .into());
    }
    if let (Some(trace), Some(folder)) = (trace, &arguments.trace) {
        trace.save(folder).with_context(|| format!("cannot write a trace to {}", folder.display()))?;
    }
    let status = gradient.as_ref().map_or(&rollout.evaluation.status, |g| &g.evaluation.status).clone();
    let mut out = outputs(&model, &job, &rollout);
    if let Some(g) = gradient {
        for shape in model.weights.shapes() {
            let values = g.weights[shape.offset..shape.offset + shape.len()].to_vec();
            out.push((format!("grad/{}", shape.name), shape.dimensions.clone(), values));
        }
        let start = model.gathered(&g.start);
        out.push(("grad_s0".into(), [vec![job.samples()], model.shape(model.state.len())].concat(), start));
        out.push(("grad_theta".into(), vec![job.samples(), model.theta.len()], g.theta));
    }
    let element = match arguments.device.precision() {
        Precision::F32 => Element::F32,
        Precision::F64 => Element::F64,
    };
    write(&arguments.output, out, &status, element)?;
    let failed = describe_failures(&model, &job, &status, 10);
    if !failed.is_empty() {
        let list = failed.join("\n  ");
        return Err(Failure::Diverged(format!(
            "trajectories diverged (all outputs are in {}, see `status`):\n  {list}\nhelp: use smaller steps \
             (solver.substeps), or look at the values that the physics and the network reach there",
            arguments.output.display()
        )));
    }
    Ok(())
}

/// Trajectories and θ from the arrays of the contract.
fn read(model: &Model, arrays: &Arrays, steps: Option<usize>) -> anyhow::Result<(Trajectories, Vec<f64>)> {
    let (p, m, k) = (model.theta.len(), model.inputs.len(), model.output_len());
    let (count, start) = start(model, arrays)?;
    if count == 0 {
        let name = if model.has_encoders() {
            "window"
        } else if arrays.get("s0").is_some() {
            "s0"
        } else {
            "u"
        };
        bail!("{name} has no rows; give at least one initial state");
    }
    let theta = match arrays.get("theta") {
        None if p == 0 => Vec::new(),
        _ => arrays.require("theta", &[Dim::Is("B", count), Dim::Is("p", p)])?.values.clone(),
    };
    let observed = [vec![Dim::Is("B", count), Dim::Any("T")], axes(model, "k", model.outputs.len())].concat();
    let y = arrays.get("y").map(|_| arrays.require("y", &observed)).transpose()?;
    let u = match (arrays.get("u"), m) {
        (None, 0) => None,
        (Some(_), 0) => bail!("u is given, but the WGSL has no struct Input; remove u or declare Input"),
        _ => Some(arrays.require("u", &[Dim::Is("B", count), Dim::Any("T + 1"), Dim::Is("m", m)])?),
    };
    let times = arrays.get("times").map(|_| arrays.require("times", &[Dim::Any("T + 1")])).transpose()?;
    let found: Vec<(&str, usize)> = [
        ("--steps", steps),
        ("y", y.map(|a| a.shape[1])),
        ("u", u.map(|a| a.shape[1].saturating_sub(1))),
        ("times", times.map(|a| a.shape[0].saturating_sub(1))),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|v| (name, v)))
    .collect();
    let Some((_, intervals)) = found.first().copied() else {
        bail!("the number of steps is not known; give --steps T, or y, u or times");
    };
    // --steps may cut given arrays short; arrays must agree with each other.
    let longest = found.iter().filter(|(name, _)| *name != "--steps").map(|(_, t)| *t).collect::<Vec<_>>();
    if steps.is_none() && longest.iter().any(|t| *t != intervals) || longest.iter().any(|t| *t < intervals) {
        let list: Vec<String> = found.iter().map(|(name, t)| format!("{name}: T = {t}")).collect();
        bail!("arrays disagree about the number of steps ({}); u and times have T + 1 entries", list.join(", "));
    }
    if intervals == 0 {
        bail!("no steps: y, u or times cover no interval");
    }
    let cut = |values: &[f64], stored: usize, kept: usize, width: usize| -> Vec<f64> {
        values.chunks_exact((stored * width).max(1)).flat_map(|row| row[..kept * width].to_vec()).collect()
    };
    Ok((
        Trajectories {
            count,
            steps: intervals,
            start,
            inputs: u.map_or(Vec::new(), |a| cut(&a.values, a.shape[1], intervals + 1, m)),
            t0: arrays
                .get("t0")
                .map(|_| arrays.require("t0", &[Dim::Is("B", count)]))
                .transpose()?
                .map_or(Vec::new(), |a| a.values.clone()),
            times: times.map(|a| a.values[..intervals + 1].to_vec()),
            targets: y.map(|a| cut(&a.values, a.shape[1], intervals, k)),
            residual_scale: None,
        },
        theta,
    ))
}

/// Where rollouts start: from s0; with networks that encode from `window` [B, frames, k]; a static model from nothing.
fn start(model: &Model, arrays: &Arrays) -> anyhow::Result<(usize, Start)> {
    if model.has_encoders() {
        let (frames, k) = (model.window.frames, model.outputs.len());
        let window = arrays.require("window", &[Dim::Any("B"), Dim::Is("frames", frames), Dim::Is("k", k)])?;
        return Ok((window.shape[0], Start::Observations(window.values.clone())));
    }
    if model.is_static() && arrays.get("s0").is_none() {
        let rows = arrays.require("u", &[Dim::Any("B"), Dim::Any("T + 1"), Dim::Is("m", model.inputs.len())])?.shape[0];
        return Ok((rows, Start::States(vec![0.0; rows * model.integrated_len()])));
    }
    let s0 = arrays.require("s0", &[vec![Dim::Any("B")], axes(model, "n", model.state.len())].concat())?;
    Ok((s0.shape[0], Start::States(model.lift(&s0.values))))
}

/// The axes of a state or an observation: its components, and on a grid the cells of each.
fn axes(model: &Model, name: &'static str, components: usize) -> Vec<Dim<'static>> {
    let Some(grid) = &model.grid else { return vec![Dim::Is(name, components)] };
    let names: &[&str] = if grid.dimensions == 2 { &["H", "W"] } else { &["W"] };
    let cells = names.iter().zip(grid.shape()).map(|(name, size)| Dim::Is(name, size));
    std::iter::once(Dim::Is("C", components)).chain(cells).collect()
}

type Named = (String, Vec<usize>, Vec<f64>);

fn outputs(model: &Model, job: &Job, rollout: &Rollout) -> Vec<Named> {
    let (b, t) = (job.samples(), job.trajectories.steps);
    let terms = &rollout.evaluation.terms[0];
    let mut out: Vec<Named> = vec![
        ("states".into(), [vec![b, t + 1], model.shape(model.state.len())].concat(), model.own_states(&rollout.states)),
        ("y_hat".into(), [vec![b, t], model.shape(model.outputs.len())].concat(), rollout.predictions.clone()),
        ("objective".into(), vec![], vec![terms.objective]),
    ];
    out.extend(terms.loss.map(|loss| ("loss".to_string(), vec![], vec![loss])));
    for (penalty, value) in model.objective.penalties.iter().zip(&terms.penalties) {
        out.push((format!("penalty/{}", penalty.name), vec![], vec![*value]));
    }
    out
}

fn write(path: &Path, out: Vec<Named>, status: &[device::Status], element: Element) -> anyhow::Result<()> {
    let mut arrays: Vec<(String, Array, Element)> = Vec::new();
    for (name, shape, values) in out {
        let array = Array { shape, values };
        arrays.push((name, array, element));
    }
    let codes = status.iter().map(|s| s.code as i32 as f64).collect();
    arrays.push(("status".into(), Array::vector(codes), Element::I32));
    let views: Vec<(&str, &Array, Element)> = arrays.iter().map(|(n, a, e)| (n.as_str(), a, *e)).collect();
    write_npz(path, &views)?;
    Ok(())
}
