//! Why a checkpoint could not be written, read or used, and what to do.

use crate::store::WriteError;
use std::path::PathBuf;

/// Why a checkpoint could not be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be written; the one before is intact.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It could not be read.
    #[error("cannot read {}: {reason}\nhelp: look at what it is and whether you may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A part of it is missing or has changed since it was written.
    #[error("{} is damaged: {message}\nhelp: there is no earlier one to go on from; begin anew with --restart, or choose another folder with --out", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A safetensors file of another kind.
    #[error("{} is no checkpoint of greybox, but another safetensors file\nhelp: move it away, or choose another folder with --out", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written in another format.
    #[error("{} has checkpoint format {found}, this greybox reads {reads}\nhelp: go on with the version of greybox that wrote it, begin anew with --restart, or choose another folder with --out", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
        /// The format of this program.
        reads: u32,
    },
    /// It belongs to another run.
    #[error("{} is of another run: {differ} differ\nhelp: choose another folder with --out, or begin anew with --restart, which gives up what that run has reached", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What differs, in words.
        differ: String,
    },
}
