//! `greybox simulate`: writes the data set of `[data.simulate]`.

use super::Failure;
use crate::data::npz::{Array, Element, write_npz};
use crate::study::{Study, simulate_episodes};
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;

/// Simulate a study's data set and write it, for use with other tools or as a fixed file.
#[derive(Args)]
#[command(after_help = "Example:\n  greybox simulate study.toml --output data.npz\n\n\
    FILE holds outputs [episodes, steps + 1, k] (on a grid [episodes, steps + 1, C, H, W]) and, with struct Input, inputs\n  \
    [episodes, steps + 1, m]. Read it back with\n  \
    [data]\n  path = \"data.npz\"\n  outputs = \"outputs\"\n  inputs = \"inputs\"")]
pub struct SimulateArguments {
    /// Study TOML with a table [data.simulate].
    study: PathBuf,
    /// The file to write (.npz).
    #[arg(long)]
    output: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &SimulateArguments) -> Result<(), Failure> {
    if arguments.output.extension().is_none_or(|e| e != "npz") {
        let message = "the data set is written as .npz, which the name does not say";
        return Err(anyhow!("--output {}: {message}\nhelp: name it data.npz", arguments.output.display()).into());
    }
    let study = Study::open(&arguments.study, false)?;
    let model = study.model()?;
    let data = study.section(&study.data, "data")?;
    let config = data.simulate.as_ref().ok_or_else(|| {
        anyhow!("{}: there is no [data.simulate]\nhelp: add the table; see examples/", arguments.study.display())
    })?;
    let episodes = simulate_episodes(&study, config, &model)?.episodes;
    let frames = config.steps + 1;
    let m = model.inputs.len();
    let stack =
        |shape: Vec<usize>, values: Vec<f64>| Array { shape: [vec![episodes.len(), frames], shape].concat(), values };
    let outputs =
        stack(model.shape(model.outputs.len()), episodes.iter().flat_map(|e| e.outputs.iter().copied()).collect());
    let inputs = stack(vec![m], episodes.iter().flat_map(|e| e.inputs.iter().copied()).collect());
    let mut arrays = vec![("outputs", &outputs, Element::F64)];
    if m > 0 {
        arrays.push(("inputs", &inputs, Element::F64));
    }
    write_npz(&arguments.output, &arrays)?;
    println!("{}: {} episodes of {frames} frames", arguments.output.display(), episodes.len());
    println!("  outputs  {}", model.outputs.join(", "));
    if m > 0 {
        println!("  inputs   {}", model.inputs.join(", "));
    }
    Ok(())
}
