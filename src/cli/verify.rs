//! `greybox verify`: is a landscape complete and undamaged?

use super::Failure;
use super::landscape::LANDSCAPE;
use crate::study::verify;
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;

/// Check that a landscape is complete and undamaged: every chunk, every checksum.
#[derive(Args)]
#[command(after_help = "Example:\n  greybox verify runs/pendulum")]
pub struct VerifyArguments {
    /// The folder landscape.zarr, or the folder of results that holds it.
    path: PathBuf,
}

/// Counts on stdout; an error that names what is missing, if anything is.
pub fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let inner = arguments.path.join(LANDSCAPE);
    let path = if inner.exists() { inner } else { arguments.path.clone() };
    let (store, found) = verify(&path)?;
    let axes: Vec<String> = store.axes().iter().map(|a| format!("{} {}", a.name, a.values.len())).collect();
    println!("{} points ({}), {} quantities", found.points, axes.join(" × "), store.quantities().count());
    println!("{} of {} chunks are finished", found.finished, found.chunks);
    println!("at {} points a trajectory failed", found.failed);
    for (name, points) in &found.not_finite {
        println!("at {points} points where none failed {name} is not finite");
    }
    if found.is_complete() {
        return Ok(());
    }
    let named: Vec<String> = found.problems.iter().map(|problem| format!("  {problem}")).collect();
    let more = match found.more {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    Err(anyhow!(
        "{} is not complete:\n{}{more}\nhelp: give the command that computes it again; it computes what is missing or damaged",
        path.display(),
        named.join("\n")
    )
    .into())
}
