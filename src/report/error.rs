//! What can go wrong while a report is made.

use crate::store::WriteError;

/// Why a figure or a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
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
