//! What can go wrong while a report is made.

use std::path::PathBuf;

/// Why a figure or a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error("cannot write {}: {reason}\nhelp: check that the folder exists, is writable and has space left, or choose another with --out", path.display())]
    Write {
        /// The file that was being written.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// The SVG backend refused a drawing operation.
    #[error(
        "cannot draw the figure '{figure}': {message}\nhelp: this is a defect of greybox, please report it with the study that causes it"
    )]
    Draw {
        /// The title of the figure.
        figure: String,
        /// What the backend said.
        message: String,
    },
}
