//! The `greybox` command.

mod eval;
mod failure;

pub use failure::Failure;

use clap::{Parser, Subcommand};

/// Train hybrid differential equations and map how well their physics parameters are identified.
#[derive(Parser)]
#[command(name = "greybox", version, about, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Eval(eval::EvalArguments),
}

/// Runs the command line; returns the exit code.
pub fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Eval(a) => eval::run(a),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
