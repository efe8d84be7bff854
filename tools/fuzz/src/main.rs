//! Looks for inputs that make greybox panic, hang or take memory without bound.
//!
//! A worker process changes inputs of a corpus (tokens, numbers, nesting, bytes, fields of archives) and runs them; inputs
//! that do something new join the corpus. This process watches it, keeps the input of a worker that died, and starts another.

mod archive;
mod corpus;
mod memory;
mod mutate;
#[path = "../../../tests/hostile/targets.rs"]
mod targets;
mod worker;

use anyhow::{Context, bail};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use targets::{TARGETS, Target};
use worker::{HUNG, Order};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Most bytes of an input.
const LONGEST: usize = 1 << 18;

/// Feed changed inputs to one kind of reader for some time.
#[derive(Parser)]
struct Arguments {
    /// wgsl, study, npz, weights, checkpoint or csv.
    target: String,
    /// Seconds to run.
    #[arg(default_value = "600")]
    seconds: u64,
    /// Run this input once in place of looking for others.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Seed of the changes.
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Processor seconds that an input may take.
    #[arg(long, default_value = "10")]
    longest: u64,
    /// MiB that may be alive at a time.
    #[arg(long, default_value = "2048")]
    memory: usize,
    /// Folder of findings, with one for each kind of input.
    #[arg(long, default_value = "runs/fuzz")]
    out: PathBuf,
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
    let Some(target) = TARGETS.into_iter().find(|t| t.name == arguments.target) else {
        bail!("no target `{}`; there are {}", arguments.target, names.join(", "));
    };
    let folder = arguments.out.join(target.name);
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    memory::limit(arguments.memory << 20);
    if let Some(path) = &arguments.input {
        let input = fs::read(path).with_context(|| format!("{}", path.display()))?;
        let before = memory::restart();
        let start = Instant::now();
        println!("{}", target.happens(&folder, &input));
        let mebibytes = (memory::peak() - before) as f64 / (1 << 20) as f64;
        println!("{:.3} s, {mebibytes:.1} MiB", start.elapsed().as_secs_f64());
        return Ok(ExitCode::SUCCESS);
    }
    let Arguments { seconds, seed, longest, .. } = arguments;
    match arguments.worker {
        true => {
            worker::run(&Order { target, seconds, seed, longest, folder: &folder })?;
            Ok(ExitCode::SUCCESS)
        }
        false => supervise(&arguments, target, &folder),
    }
}

/// Starts workers until the time is over; says what they found.
fn supervise(arguments: &Arguments, target: Target, folder: &Path) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let (mut seed, mut inputs) = (arguments.seed, 0u64);
    let mut outcomes = [0u64; 3];
    loop {
        let left = arguments.seconds.saturating_sub(start.elapsed().as_secs());
        if left == 0 {
            break;
        }
        let errors = fs::File::create(folder.join("stderr"))?;
        let _ = fs::remove_file(folder.join("progress"));
        let status = Command::new(std::env::current_exe()?)
            .args(["--worker", target.name, &left.to_string(), "--seed", &seed.to_string()])
            .args(["--longest", &arguments.longest.to_string(), "--memory", &arguments.memory.to_string()])
            .arg("--out")
            .arg(&arguments.out)
            .stdout(Stdio::null())
            .stderr(errors)
            .status()?;
        let progress = fs::read_to_string(folder.join("progress")).unwrap_or_default();
        let numbers: Vec<u64> = progress.split(' ').filter_map(|n| n.parse().ok()).collect();
        inputs += numbers.get(1).copied().unwrap_or(0);
        for (most, found) in outcomes.iter_mut().zip(numbers.iter().skip(2)) {
            *most = (*most).max(*found);
        }
        if status.success() {
            continue;
        }
        let errors = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        let kind = match status.code() {
            Some(HUNG) => "hang",
            Some(_) => bail!("the worker ended with {status}: {errors}"),
            None if errors.contains("memory allocation") => "memory",
            None if errors.contains("overflowed its stack") => "stack",
            None => "death",
        };
        // After a death another seed: the same would lead to it again.
        seed = seed.wrapping_add(1);
        let name = folder.join(format!("{kind}-{seed}"));
        fs::copy(folder.join(target.file), &name)?;
        fs::write(name.with_extension("txt"), format!("{status}\n{errors}"))?;
        println!("{}: {kind}: {}", target.name, name.display());
    }
    let mut findings = 0;
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.path().extension().is_some_and(|e| e == "txt") {
            let text = fs::read_to_string(entry.path())?;
            println!("{}: {}: {}", target.name, entry.path().display(), text.lines().next().unwrap_or(""));
            findings += 1;
        }
    }
    let [kinds, bytes, milliseconds] = outcomes;
    println!(
        "{}: {inputs} inputs in {} s, {kinds} kinds of outcome, at most {:.1} MiB and {:.2} processor seconds for one; {findings} findings",
        target.name,
        start.elapsed().as_secs(),
        bytes as f64 / (1 << 20) as f64,
        milliseconds as f64 / 1e3
    );
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
