//! How a command fails: one clear message and an exit code.

use std::process::ExitCode;

/// A failed command.
#[derive(Debug)]
pub enum Failure {
    /// Bad input or a refused operation: exit code 1.
    Error(anyhow::Error),
    /// Results were written, but trajectories diverged: exit code 3.
    Diverged(String),
    /// Stopped by the user with a checkpoint: exit code 130.
    Interrupted(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Error(error.into())
    }
}

impl Failure {
    /// Prints the message and returns the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Error(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(1)
            }
            Failure::Diverged(message) => {
                eprintln!("error: {message}");
                ExitCode::from(3)
            }
            Failure::Interrupted(message) => {
                eprintln!("{message}");
                ExitCode::from(130)
            }
        }
    }
}
