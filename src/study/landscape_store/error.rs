//! Why a store of a landscape could not be read or filled.

use crate::device::DeviceError;
use crate::store::WriteError;
use std::path::{Path, PathBuf};

/// Why a store of a landscape could not be read or filled.
#[derive(Debug, thiserror::Error)]
pub enum LandscapeError {
    /// It holds the landscape of something else.
    #[error(
        "{} holds another landscape: it differs in {}\nhelp: choose another folder with --out, or move {} away",
        path.display(),
        differs.join(", "),
        path.display()
    )]
    Foreign {
        /// The store.
        path: PathBuf,
        /// What tells them apart.
        differs: Vec<String>,
    },
    /// There is none, or its description cannot be read.
    #[error("{}: {message}\nhelp: {remedy}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A part of an array is missing or damaged.
    #[error("{}: {message}\nhelp: give the command that computes the landscape again; it computes what is missing", path.display())]
    Incomplete {
        /// The store.
        path: PathBuf,
        /// What is missing.
        message: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An array could not be written.
    #[error("{}: {message}", path.display())]
    Array {
        /// The store.
        path: PathBuf,
        /// What the storage said, with what helps.
        message: String,
    },
    /// The device refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl LandscapeError {
    pub(super) fn array(path: &Path, reason: impl std::fmt::Display) -> LandscapeError {
        LandscapeError::Array { path: path.into(), message: reason.to_string() }
    }
}
