//! The `greybox` command.

mod baseline_figures;
mod baselines;
mod bench;
mod check;
mod device;
mod devices;
mod eval;
mod failure;
mod figures;
mod film;
mod fit;
mod folder;
mod forecast;
mod identify;
mod identify_figures;
mod identify_words;
mod identity;
mod interrupt;
mod landscape;
mod landscape_figures;
mod lean;
mod members;
mod penalties;
mod pipeline;
mod progress;
mod retrain;
mod row_figures;
mod run;
mod simulate;
mod slice_figures;
mod verify;

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
    Run(run::RunArguments),
    /// Train only; continues an interrupted training.
    Train(run::RunArguments),
    /// Estimate the parameters with the weights of a finished training.
    Estimate(run::PhaseArguments),
    Landscape(landscape::LandscapeArguments),
    /// Estimate, landscape and report of a finished training.
    Report(run::PhaseArguments),
    Eval(eval::EvalArguments),
    Check(check::CheckArguments),
    Verify(verify::VerifyArguments),
    Simulate(simulate::SimulateArguments),
    Penalties(penalties::PenaltiesArguments),
    Bench(bench::BenchArguments),
    Devices(devices::DevicesArguments),
}

/// Runs the command line; returns the exit code.
pub fn main() -> std::process::ExitCode {
    leave_with_readers();
    let arguments = Arguments::parse();
    log();
    // A misspelt fault would let a test pass that tests nothing.
    if let Err(error) = crate::store::fault::check() {
        return Failure::from(error).report();
    }
    let result = match &arguments.command {
        Command::Run(a) => run::run(a),
        Command::Train(a) => run::train(a),
        Command::Estimate(a) => run::estimate(a),
        Command::Landscape(a) => landscape::run(a),
        Command::Report(a) => run::report(a),
        Command::Eval(a) => eval::run(a),
        Command::Check(a) => check::run(a),
        Command::Verify(a) => verify::run(a),
        Command::Simulate(a) => simulate::run(a),
        Command::Penalties(a) => penalties::run(a),
        Command::Bench(a) => bench::run(a),
        Command::Devices(a) => devices::run(a),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Ends the program without a word when the reader of its output goes away, as `head` does: that is no bug to be traced.
fn leave_with_readers() {
    /// What shells say of programs that such a signal ends.
    const BROKEN_PIPE: i32 = 128 + 13;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let print = |text: &str| text.starts_with("failed printing to") && text.contains("Broken pipe");
        if info.payload_as_str().is_some_and(print) {
            std::process::exit(BROKEN_PIPE);
        }
        usual(info);
    }));
}

/// Sends what the library has to say to stderr: warnings, or as much as `GREYBOX_LOG` asks for (error … trace).
fn log() {
    use tracing_subscriber::{Layer, filter, fmt, layer::SubscriberExt, util::SubscriberInitExt};
    let level = std::env::var("GREYBOX_LOG").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(filter::LevelFilter::WARN);
    // Other crates' messages are for their makers.
    let own = filter::filter_fn(move |m| m.target().starts_with("greybox") && *m.level() <= level);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).without_time().with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(own)).init();
}
