//! What can be wrong with data. Every message says what is wrong, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failure to read, understand or cut data.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be opened or is not what its name says.
    #[error("cannot read {}: {reason}\nhelp: {remedy}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decoder said.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A key of the `[data]` table is missing or contradicts another.
    #[error("[data] {key}: {problem}\nhelp: {remedy}")]
    Config {
        /// The key, such as `window.horizon`.
        key: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// An array or column is absent or has the wrong shape.
    #[error("{place}: {problem}\nhelp: {remedy}")]
    Array {
        /// The file.
        place: String,
        /// What is wrong, with the array's name.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A cell of a text table is not a number.
    #[error("{}, line {line}, column {column} ({name}): \"{text}\" is not a number\nhelp: {remedy}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// Column in the file, from 1.
        column: usize,
        /// The column's name.
        name: String,
        /// The text of the cell.
        text: String,
        /// What to do.
        remedy: String,
    },
    /// The numbers themselves cannot be used.
    #[error("{place}: {problem}\nhelp: {remedy}")]
    Values {
        /// The file or episode, and the row.
        place: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Training, validation and test cannot be told apart as asked.
    #[error("split: {problem}\nhelp: {remedy}")]
    Split {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl DataError {
    pub(crate) fn read(path: &Path, reason: impl ToString, remedy: impl Into<String>) -> Self {
        Self::Read { path: path.to_path_buf(), reason: reason.to_string(), remedy: remedy.into() }
    }

    /// A file or folder that the system does not let us read.
    pub(crate) fn unreadable(path: &Path, error: io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                "correct the path; those in a study start from its folder, --data from where the command is called"
            }
            _ => "look at what it is and whether you may read it",
        };
        Self::read(path, error, remedy)
    }

    pub(crate) fn config(key: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Config { key: key.into(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn array(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Array { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn values(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Values { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn split(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Split { problem: problem.into(), remedy: remedy.into() }
    }
}

/// The candidate most like `name`, where one is like enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `present are a, b; did you mean "a"?`: the remedy for an unknown name.
pub(crate) fn present<'a>(kind: &str, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if candidates.is_empty() {
        return format!("there are no {kind}");
    }
    let listed = candidates.iter().map(|candidate| format!("\"{candidate}\"")).collect::<Vec<_>>().join(", ");
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? The {kind} are {listed}"),
        None => format!("the {kind} are {listed}"),
    }
}
