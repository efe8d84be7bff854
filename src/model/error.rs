//! Errors of building a model.

use crate::physics::PhysicsError;
use crate::store::WriteError;
use std::path::PathBuf;

/// Why a model could not be built; every message says what is wrong, where, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The WGSL was refused.
    #[error(transparent)]
    Physics(#[from] Box<PhysicsError>),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file could not be read.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: std::io::Error,
    },
    /// A value of the TOML does not fit the rest of the model.
    #[error("{key}: {message}\nhelp: {remedy}")]
    Setting {
        /// The TOML key.
        key: String,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// A weights file does not fit the model.
    #[error("{path}: {message}\nhelp: {remedy}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}

impl ModelError {
    /// A setting that does not fit.
    pub fn setting(key: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        ModelError::Setting { key: key.into(), message: message.into(), remedy: remedy.into() }
    }
}
