//! Choices that were made before, kept in files: one of the user for all studies, and one beside a run's checkpoint, so that
//! the run continues as it began.

use super::cache::replace;
use super::choice::Choice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the files.
const VERSION: u32 = 1;

/// Entries that a file keeps at most; it is begun anew where there would be more.
const MOST: usize = 1000;

/// A choice and why it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The choice.
    pub choice: Choice,
    /// Why, in words.
    pub reason: String,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    version: u32,
    choices: BTreeMap<String, Chosen>,
}

/// What a file says about a key. A file that cannot be read is ignored, with a warning.
pub fn find(path: &Path, key: &str) -> Option<Chosen> {
    read(path)
        .unwrap_or_else(|reason| {
            tracing::warn!("{}: no choices of schedules ({reason}); it is ignored and written anew", path.display());
            BTreeMap::new()
        })
        .remove(key)
}

/// Adds a choice to a file. Where that fails the choice is not kept, which costs a measurement and never a run.
pub fn keep(path: &Path, key: &str, chosen: &Chosen) {
    let mut choices = read(path).unwrap_or_default();
    if choices.get(key) == Some(chosen) {
        return;
    }
    if choices.len() >= MOST {
        choices.clear();
    }
    choices.insert(key.to_string(), chosen.clone());
    let written = serde_json::to_vec_pretty(&File { version: VERSION, choices })
        .map_err(|reason| reason.to_string())
        .and_then(|text| replace(path, &text).map_err(|reason| reason.to_string()));
    if let Err(reason) = written {
        tracing::warn!("{}: the schedule that was chosen is not kept: {reason}", path.display());
    }
}

/// The choices of a file, none if there is no file.
fn read(path: &Path) -> Result<BTreeMap<String, Chosen>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(reason) => return Err(reason.to_string()),
    };
    let file: File = serde_json::from_slice(&text).map_err(|reason| reason.to_string())?;
    match file.version {
        VERSION => Ok(file.choices),
        other => Err(format!("version {other}, not {VERSION}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu::Schedule;

    #[test]
    fn choices_are_kept_by_key_and_broken_files_are_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache").join("schedules.json");
        let chosen = |most, reason: &str| Chosen {
            choice: Choice { schedule: Schedule::Tile, most },
            reason: reason.to_string(),
        };
        assert_eq!(find(&path, "a"), None);
        keep(&path, "a", &chosen(None, "first"));
        keep(&path, "b", &chosen(Some(4), "second"));
        keep(&path, "a", &chosen(Some(8), "third"));
        assert_eq!(find(&path, "a"), Some(chosen(Some(8), "third")));
        assert_eq!(find(&path, "b"), Some(chosen(Some(4), "second")));
        let whole = std::fs::read_to_string(&path).unwrap();
        let broken =
            ["", "{", "[]", &whole[..whole.len() / 2], &whole.replace("tile", "tiles"), &whole.replace(": 1", ": 2")];
        for content in broken {
            std::fs::write(&path, content).unwrap();
            assert_eq!(find(&path, "a"), None, "{content}");
            keep(&path, "b", &chosen(None, "again"));
            assert_eq!(find(&path, "b"), Some(chosen(None, "again")));
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside the file");
    }
}
