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
                eprintln!("error: {}", chain(&error));
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

/// An error and its causes in one text. Many messages name their cause themselves, and contexts often repeat a path; what
/// has been said is not said again.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.is_empty() || cause.starts_with(&said) {
            cause
        } else if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::chain;
    use anyhow::anyhow;

    #[test]
    fn nothing_is_said_twice() {
        let text = |inner: &'static str, outer: &'static str| chain(&anyhow!(inner).context(outer));
        assert_eq!(text("no such file", "a.npz: no such file\nhelp: look"), "a.npz: no such file\nhelp: look");
        assert_eq!(text("a.npz: no array", "a.npz"), "a.npz: no array");
        assert_eq!(text("no rows", "a.npz"), "a.npz: no rows");
    }
}
