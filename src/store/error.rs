//! Why a file could not be written, and what helps.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a file or folder could not be made. What stood there before is intact.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}: {reason}\nhelp: {}", path.display(), remedy(reason))]
pub struct WriteError {
    act: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}

impl WriteError {
    /// A file that could not be written.
    pub fn write(path: &Path, reason: io::Error) -> WriteError {
        WriteError { act: "write", path: path.into(), reason }
    }

    /// A folder that could not be made.
    pub(super) fn folder(path: &Path, reason: io::Error) -> WriteError {
        WriteError { act: "make the folder", path: path.into(), reason }
    }
}

/// What to do about an error of the system.
fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free space and give the same command again; what was there before is intact"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to, with --out or --output"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => {
            "choose a folder that exists, with --out or --output, where nothing of another kind is in the way"
        }
        // Said by whoever fills the file.
        ErrorKind::InvalidData => "correct the value; what was there before is intact",
        _ => "look after the disk and give the same command again; what was there before is intact",
    }
}
