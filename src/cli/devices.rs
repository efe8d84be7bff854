//! `greybox devices`: what can run rollouts here.

use super::Failure;
use crate::device::{cpu, gpu};
use clap::Args;
use serde::Serialize;

/// List the CPU device and all graphics adapters with their limits.
#[derive(Args)]
#[command(after_help = "Example:\n  greybox devices --json")]
pub struct DevicesArguments {
    /// One JSON object per device and line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct CpuLine {
    name: &'static str,
    kind: &'static str,
    threads: usize,
    simd: String,
    precisions: [&'static str; 2],
    runs: &'static str,
}

#[derive(Serialize)]
struct AdapterLine<'a> {
    #[serde(flatten)]
    adapter: &'a gpu::Adapter,
    runs: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_test: Option<&'a gpu::SelfTest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// What an adapter can run.
fn runs(adapter: &gpu::Adapter) -> &'static str {
    match adapter.schedules.is_empty() {
        true => "nothing: a limit is below what kernels need",
        false => "all models, f32: schedules lane and tile without grids, layer for any",
    }
}

/// Runs the command.
pub fn run(arguments: &DevicesArguments) -> Result<(), Failure> {
    let threads = rayon::current_num_threads();
    let own = CpuLine {
        name: "cpu",
        kind: "cpu",
        threads,
        simd: cpu::simd(),
        precisions: ["f32", "f64"],
        runs: "all models",
    };
    let adapters = gpu::adapters();
    if arguments.json {
        println!("{}", serde_json::to_string(&own)?);
        for (index, adapter) in adapters.iter().enumerate() {
            let found = gpu::self_test(&index.to_string());
            let (self_test, refused) = (found.as_ref().ok(), found.as_ref().err().map(|error| error.to_string()));
            println!("{}", serde_json::to_string(&AdapterLine { adapter, runs: runs(adapter), self_test, refused })?);
        }
        return Ok(());
    }
    println!("cpu");
    println!("  threads     {threads}");
    println!("  simd        {}", own.simd);
    println!("  precisions  f32, f64");
    println!("  runs        {}", own.runs);
    for (index, a) in adapters.iter().enumerate() {
        println!("\n{index}: {} ({}, {})", a.name, a.backend, a.kind);
        println!("  driver                {}", a.driver);
        println!("  subgroups             {} to {}", a.subgroups[0], a.subgroups[1]);
        println!("  storage buffers       {} per stage", a.max_storage_buffers_per_shader_stage);
        println!("  largest buffer        {} MiB", a.max_buffer_size >> 20);
        println!("  largest binding       {} MiB", a.max_storage_buffer_binding_size >> 20);
        println!("  workgroup memory      {} bytes", a.max_compute_workgroup_storage_size);
        println!("  workgroup threads     {}", a.max_compute_invocations_per_workgroup);
        println!(
            "  features              {}",
            if a.features.is_empty() { "none".into() } else { a.features.join(", ") }
        );
        println!("  runs                  {}", runs(a));
        match gpu::self_test(&index.to_string()) {
            Ok(found) => print(&found),
            Err(error) => println!("  refused               {error}"),
        }
    }
    if adapters.is_empty() {
        println!("\nno graphics adapter was found");
    }
    Ok(())
}

/// What the self-test found.
fn print(found: &gpu::SelfTest) {
    let arithmetic = &found.arithmetic;
    for builtin in &arithmetic.builtins {
        let error = match builtin.builtin.is_finite() {
            true => format!("off by {:.1e}", builtin.builtin),
            false => "wrong for arguments out of range".to_string(),
        };
        let used = match builtin.is_coarse() {
            true => format!("; replaced, off by {:.1e}", builtin.library),
            false => "; used as it is".to_string(),
        };
        println!("  {:<21} {error}{used}", builtin.name);
    }
    let operators =
        [("division", arithmetic.division), ("sqrt", arithmetic.sqrt), ("inverseSqrt", arithmetic.inverse_sqrt)];
    for (name, error) in operators {
        println!("  {name:<21} off by {error:.1e}");
    }
    println!("  {:<21} {}", "fma", if arithmetic.fused { "rounds once" } else { "rounds twice" });
    let overflow = if arithmetic.overflows { "yields infinities" } else { "is not seen in products" };
    println!("  {:<21} {overflow}", "overflow");
    for (schedule, error) in &found.gradients {
        println!("  {:<21} off by {error:.1e}, schedule {schedule}", "gradient");
    }
    for note in found.notes() {
        println!("  {:<21} {note}", "note");
    }
}
