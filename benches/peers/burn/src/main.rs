//! The workload of `greybox bench pendulum` in Burn on its wgpu backend: classic rk4, fused operations, autodiff.
//!
//! `burn-pendulum --weights W --input IN` times compile, forward and gradient on a case of `../pendulum.py --make DIR`, and
//! with `--output OUT` writes values and gradients by greybox's names instead. `CUBECL_WGPU_DEFAULT_DEVICE` chooses
//! the adapter, such as `Cpu` for a software one; by default Burn does, a GPU if there is one.
//!
//! A `cubecl.toml` in the current folder with level = "minimal" and file = "kernels.log" under \[profiling.logger\] writes
//! a line per dispatch. With 10 steps and 128³ at batch 64 a forward pass has about 810 and a gradient about 2370, their
//! exact number by the matrix products that tuning picks: a quarter of them fused elementwise work, a fifth slices, a fifth
//! matrix products. Tuning runs 10 to 25 thousand more within the first gradient.

mod files;
mod model;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use burn::tensor::{Device, DeviceKind, Tensor};
use clap::Parser;

use files::{Array, Case};
use model::{Arguments, PENALTY_WEIGHT, STAGES, evaluate};

#[derive(Parser)]
#[command(about = "The pendulum workload of greybox bench in Burn")]
struct Options {
    #[arg(long, value_name = "IN.safetensors")]
    weights: PathBuf,
    #[arg(long, value_name = "IN.npz")]
    input: PathBuf,
    /// Write values and gradients instead of timing.
    #[arg(long, value_name = "OUT.npz")]
    output: Option<PathBuf>,
    #[arg(long, default_value = "orthogonality", value_parser = ["none", "orthogonality"])]
    penalty: String,
    /// Timed repetitions of each phase, after one that does not count.
    #[arg(long, default_value_t = 10)]
    repeats: usize,
    /// One JSON object per line instead of text.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let case = Case::read(&options.weights, &options.input)?;
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    match &options.output {
        Some(path) => {
            let arrays = results(&case, &device, options.penalty == "orthogonality")?;
            files::write(path, &arrays).with_context(|| path.display().to_string())
        }
        None => measure(&case, &device, &options),
    }
}

/// Everything `greybox eval --grad` writes, and the sizes of the terms that may cancel: what a tolerance is relative to.
fn results(case: &Case, device: &Device, orthogonality: bool) -> Result<Vec<(String, Array)>> {
    let arguments = Arguments::new(case, &device.clone().autodiff(), true, true);
    let found = evaluate(&arguments, orthogonality);
    let gradients = found.objective.backward();
    let mut arrays = Vec::new();
    let mut add = |name: &str, array: Array| arrays.push((name.to_string(), array));

    let mut states = vec![arguments.initial.clone()];
    states.extend(found.states);
    add("states", array(Tensor::stack::<3>(states, 1))?);
    add("y_hat", array(found.predicted)?);
    let scalar = |value: f32| Array { shape: vec![], values: vec![value] };
    let loss = found.loss.try_into_scalar::<f32>()?;
    add("loss", scalar(loss));
    add("objective", scalar(found.objective.try_into_scalar::<f32>()?));
    if let (Some(penalty), Some(dots)) = (found.penalty, found.dots) {
        add("penalty/orthogonality", scalar(penalty.try_into_scalar::<f32>()?));
        let size = dots.abs().mean().try_into_scalar::<f32>()?;
        add("scale/penalty/orthogonality", scalar(size));
        add("scale/objective", scalar(loss + PENALTY_WEIGHT as f32 * size));
    }
    let missing = "no gradient";
    add("grad_s0", array(arguments.initial.grad(&gradients).context(missing)?)?);
    add("grad_theta", array(arguments.theta.grad(&gradients).context(missing)?)?);
    for (i, layer) in arguments.layers.iter().enumerate() {
        add(&format!("grad/g.{i}.weight"), array(layer.weight.grad(&gradients).context(missing)?)?.transposed());
        add(&format!("grad/g.{i}.bias"), array(layer.bias.grad(&gradients).context(missing)?)?);
    }
    Ok(arrays)
}

fn array<const D: usize>(tensor: Tensor<D>) -> Result<Array> {
    let shape = tensor.dims().to_vec();
    let data = tensor.try_into_data()?;
    Ok(Array { shape, values: data.iter::<f32>().collect() })
}

/// Prints a line per phase. Both end with a read of the objective and an idle device.
fn measure(case: &Case, device: &Device, options: &Options) -> Result<()> {
    let orthogonality = options.penalty == "orthogonality";
    let differentiable = Arguments::new(case, &device.clone().autodiff(), true, false);
    let plain = Arguments::new(case, device, false, false);
    let forward = || -> Result<()> {
        evaluate(&plain, orthogonality).objective.try_into_scalar::<f32>()?;
        Ok(device.sync()?)
    };
    let gradient = || -> Result<()> {
        let objective = evaluate(&differentiable, orthogonality).objective;
        let gradients = objective.backward();
        for layer in &differentiable.layers {
            layer.weight.grad(&gradients).context("no gradient")?;
            layer.bias.grad(&gradients).context("no gradient")?;
        }
        objective.try_into_scalar::<f32>()?;
        Ok(device.sync()?)
    };
    let name = device.identity().map_or("burn-wgpu".to_string(), |identity| format!("burn-wgpu {}", identity.name));
    // Kernels are compiled and their variants tried when first needed.
    print_line(case, options, &name, "compile", &mut [timed(&gradient)?], None);
    print_line(case, options, &name, "forward", &mut repeated(forward, options.repeats)?, Some(1));
    print_line(case, options, &name, "gradient", &mut repeated(gradient, options.repeats)?, Some(3));
    Ok(())
}

/// Milliseconds of a call.
fn timed(call: impl Fn() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    call()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

fn repeated(call: impl Fn() -> Result<()>, repeats: usize) -> Result<Vec<f64>> {
    call()?;
    (0..repeats.max(1)).map(|_| timed(&call)).collect()
}

/// A line as `greybox bench` prints it; `work` is how many forward passes the phase counts for.
fn print_line(case: &Case, options: &Options, device: &str, phase: &str, ms: &mut [f64], work: Option<usize>) {
    ms.sort_by(f64::total_cmp);
    let middle = ms.len() / 2;
    let median = if ms.len() % 2 == 1 { ms[middle] } else { (ms[middle - 1] + ms[middle]) / 2.0 };
    let (batch, least, most) = (case.batch(), ms[0], ms[ms.len() - 1]);
    let products: usize = case.layers.iter().map(|layer| layer.products()).sum();
    let flops = (2 * products * batch * case.steps() * STAGES) as f64;
    let rate = work.map(|work| work as f64 * flops / median / 1e6);
    if options.json {
        let line = serde_json::json!({
            "workload": "pendulum", "device": device, "phase": phase, "batch": batch, "ms": median, "ms_min": least,
            "ms_max": most, "trajectories_per_s": work.map(|_| batch as f64 / median * 1e3), "gflops": rate,
        });
        println!("{line}");
    } else {
        let rate = rate.map_or(String::new(), |rate| format!("  {rate:7.2} Gflop/s"));
        println!("{device}: {phase:9} batch {batch:6}  {median:9.2} ms  ({least:.2} .. {most:.2}){rate}");
    }
}
