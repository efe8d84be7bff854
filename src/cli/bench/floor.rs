//! The least that a workload can cost: arithmetic and bytes, and the time they take on this processor and on some GPUs.
//!
//! A *floor* is the larger of two times: all multiply–adds of the networks at the peak of the arithmetic units, and the bytes
//! that any implementation must move at the peak of memory. Nothing reaches it; how far off a schedule stays is what the other
//! phases measure. For GPUs the peaks are those of data sheets, so these floors are predictions and no measurements.

use super::peak::{self, Peak};
use super::phases::Case;
use crate::cli::Failure;
use crate::device::cpu::Cpu;
use crate::device::{DEFAULT_BUDGET, Precision};
use serde::Serialize;

/// A chip: its rate of f32 multiply–adds as two operations each, without matrix units, and of memory.
#[derive(Clone, Serialize)]
struct Chip {
    name: String,
    gflops: f64,
    gb_per_s: f64,
    measured: bool,
}

/// Lanes × 2 × clock, and the width of memory, from the makers' data sheets: 132 multiprocessors of 128 lanes at 1.98 GHz; 96
/// compute units of 64 lanes at 2.5 GHz (twice as much where two instructions pair up, which ours are not counted on to do); 10
/// cores of 128 lanes at 1.4 GHz.
fn gpus() -> [Chip; 3] {
    let chip = |name: &str, lanes: f64, ghz: f64, gb_per_s: f64| Chip {
        name: name.into(),
        gflops: lanes * 2.0 * ghz,
        gb_per_s,
        measured: false,
    };
    [
        chip("H100", 132.0 * 128.0, 1.98, 3350.0),
        chip("RX 7900 XTX", 96.0 * 64.0, 2.5, 960.0),
        chip("M3", 10.0 * 128.0, 1.4, 100.0),
    ]
}

fn this_processor(peak: &Peak) -> Chip {
    Chip { name: "this CPU".into(), gflops: peak.gflops(), gb_per_s: peak.gb_per_s(), measured: true }
}

/// What a phase of a workload costs at least.
#[derive(Serialize)]
struct Floor<'a> {
    workload: &'a str,
    hidden: Vec<Vec<usize>>,
    batch: usize,
    steps: usize,
    phase: &'static str,
    /// Of the networks' products, in 10⁹ operations.
    gflop: f64,
    /// Operators of physics and activations per multiply–add.
    operators: f64,
    /// Trajectories, θ and weights read, results written.
    mb: f64,
    /// Activations of all stages, which a gradient that runs nothing again writes and reads; 0 of a forward pass.
    kept_mb: f64,
    ms: Vec<(String, f64)>,
    /// The same with the way of all activations to memory and back.
    kept_ms: Vec<(String, f64)>,
}

/// Prints the floors of all cases.
pub fn run(cases: &[Case], json: bool) -> Result<(), Failure> {
    let effort = super::Effort { repeats: None, seconds: super::PEAK_SECONDS };
    let peak = peak::cpu(Precision::F32, peak::copy(effort)?, effort)?;
    let chips: Vec<Chip> = gpus().into_iter().chain([this_processor(&peak)]).collect();
    if json {
        println!("{}", serde_json::to_string(&chips)?);
    } else {
        for chip in &chips {
            let how = if chip.measured { "measured: product 4096×128×128, copy" } else { "data sheet" };
            println!("{}: {:.1} Gflop/s, {:.0} GB/s ({how})", chip.name, chip.gflops, chip.gb_per_s);
        }
        let names: String = chips.iter().map(|chip| format!(" {} µs |", chip.name)).collect();
        println!("\n| workload | batch | phase | Gflop | operators per multiply–add | MB | MB kept |{names}");
        println!("|---|--:|---|--:|--:|--:|--:|{}", "--:|".repeat(chips.len()));
    }
    for case in cases {
        for batch in case.batches() {
            for gradient in [false, true] {
                let floor = of(case, batch, gradient, &chips);
                if json {
                    println!("{}", serde_json::to_string(&floor)?);
                } else {
                    row(&floor);
                }
            }
        }
    }
    Ok(())
}

fn of<'a>(case: &'a Case, batch: usize, gradient: bool, chips: &[Chip]) -> Floor<'a> {
    let model = &case.model;
    // Forward, and as much again for the cotangents of activations and of weights.
    let passes = if gradient { 3.0 } else { 1.0 };
    let gflop = passes * case.flops(batch) * 1e-9;
    let each =
        model.state_len() + model.theta.len() + (case.steps + 1) * model.inputs.len() + case.steps * model.output_len();
    let weights = case.weights.values.len() * if gradient { 2 } else { 1 };
    let bytes = 4.0 * (batch * each + weights) as f64;
    let device = Cpu::<f32>::new(model, DEFAULT_BUDGET);
    let kept = if gradient { (device.frame_bytes_per_sample() * case.steps * batch) as f64 } else { 0.0 };
    let time = |bytes: f64, chip: &Chip| (1e3 * gflop / chip.gflops).max(1e-6 * bytes / chip.gb_per_s);
    let times = |bytes: f64| chips.iter().map(|chip| (chip.name.clone(), time(bytes, chip))).collect();
    Floor {
        workload: case.workload.name,
        hidden: case.hidden(),
        batch,
        steps: case.steps,
        phase: if gradient { "gradient" } else { "forward" },
        gflop,
        operators: model.evolve.operators() as f64 / model.multiply_adds().max(1) as f64,
        mb: 1e-6 * bytes,
        kept_mb: 1e-6 * kept,
        ms: times(bytes),
        kept_ms: times(bytes + 2.0 * kept),
    }
}

fn row(floor: &Floor) {
    let layers: Vec<String> =
        floor.hidden.iter().map(|n| n.iter().map(usize::to_string).collect::<Vec<_>>().join(",")).collect();
    print!(
        "| {} {}, {} steps | {} | {} | {:.3} | {:.3} | {:.2} | {:.1} |",
        floor.workload,
        layers.join("; "),
        floor.steps,
        floor.batch,
        floor.phase,
        floor.gflop,
        floor.operators,
        floor.mb,
        floor.kept_mb
    );
    for ((_, ms), (_, kept)) in floor.ms.iter().zip(&floor.kept_ms) {
        match floor.kept_mb > 0.0 && kept > ms {
            true => print!(" {:.1} ({:.1} kept) |", 1e3 * ms, 1e3 * kept),
            false => print!(" {:.1} |", 1e3 * ms),
        }
    }
    println!();
}
