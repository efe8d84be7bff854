//! Checkpoint files: weights, moments, counters and history, with a checksum over all of it. The one before is kept beside
//! the newest and takes its place if that is damaged.

use super::checkpoint_error::CheckpointError;
use super::metrics::EpochMetrics;
use super::optimiser::AdamW;
use super::state::{Checkpoint, MemberState};
use crate::program::Weights;
use crate::store::{Checksum, WriteError, write_keeping};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Format of the files. Those of greybox 0.1.0 carry no number and no checksum, and count as 1.
const FORMAT: u32 = 2;

impl Checkpoint {
    /// Writes the checkpoint. A crash at any moment leaves it or the one before, which stays beside it.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let failed = |reason| CheckpointError::Write(WriteError::write(path, reason));
        let other = |e: &dyn std::error::Error| failed(std::io::Error::other(e.to_string()));
        let arrays: [(&str, &Vec<f64>); 8] = [
            ("weights", &self.weights.values),
            ("best", &self.best.values),
            ("first_moment", &self.optimiser.first),
            ("second_moment", &self.optimiser.second),
            ("theta", &self.theta),
            ("best_theta", &self.best_theta),
            ("theta_first_moment", &self.theta_optimiser.first),
            ("theta_second_moment", &self.theta_optimiser.second),
        ];
        let bytes: Vec<(&str, usize, Vec<u8>)> =
            arrays.iter().map(|(n, v)| (*n, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
        let mut views = BTreeMap::new();
        for (name, count, data) in &bytes {
            views.insert(*name, TensorView::new(Dtype::F64, vec![*count], data).map_err(|e| other(&e))?);
        }
        let history = serde_json::to_string(&self.history).map_err(|e| other(&e))?;
        let members = serde_json::to_string(&self.members).map_err(|e| other(&e))?;
        let facts = [
            ("format", FORMAT.to_string()),
            ("greybox", env!("CARGO_PKG_VERSION").to_string()),
            ("study", self.study.clone()),
            ("epoch", self.epoch.to_string()),
            ("steps", self.optimiser.steps.to_string()),
            ("theta_steps", self.theta_optimiser.steps.to_string()),
            ("single", self.optimiser.single.to_string()),
            ("members", members),
            ("history", history),
        ];
        let mut facts: HashMap<String, String> = facts.map(|(name, fact)| (name.to_string(), fact)).into();
        let sum = checksum(&facts, views.iter().map(|(name, view)| (*name, view.data())));
        facts.insert("checksum".into(), sum);
        let file = safetensors::serialize(views, Some(facts)).map_err(|e| other(&e))?;
        Ok(write_keeping(path, &beside(path, "previous"), &file)?)
    }

    /// Reads a checkpoint; `None` if there is none. Where the newest is damaged the one before is read, with a warning.
    pub fn load(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some((checkpoint, damage)) = sound(path)? else { return Ok(None) };
        if let Some(message) = damage {
            let (path, epoch) = (path.display(), checkpoint.epoch);
            tracing::warn!("{path} is damaged: {message}; the checkpoint before is read, of epoch {epoch}");
        }
        Ok(Some(checkpoint))
    }

    /// The checkpoint of a run, which `study` tells from others; `None` if there is none, an error if there is one of
    /// another run. `study` is a list `NAME=VALUE NAME=VALUE …`, whose names say what differs.
    pub fn load_of(path: &Path, study: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        Checkpoint::load(path)?.map(|checkpoint| checkpoint.of(path, study)).transpose()
    }

    /// The same for a run that goes on from there: a damaged one is set aside.
    pub(super) fn take(path: &Path, study: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some((checkpoint, damage)) = sound(path)? else { return Ok(None) };
        let checkpoint = checkpoint.of(path, study)?;
        if let Some(message) = damage {
            // Else the next checkpoint would keep it as the previous one.
            let aside = beside(path, "damaged");
            std::fs::rename(path, &aside).map_err(|reason| WriteError::write(&aside, reason))?;
            let (path, aside, epoch) = (path.display(), aside.display(), checkpoint.epoch);
            tracing::warn!(
                "{path} is damaged: {message}; it is kept as {aside}, and the run goes on from the checkpoint before, of epoch \
                 {epoch}"
            );
        }
        Ok(Some(checkpoint))
    }

    fn of(self, path: &Path, study: &str) -> Result<Checkpoint, CheckpointError> {
        match self.study == study {
            true => Ok(self),
            false => Err(CheckpointError::OtherRun { path: path.into(), differ: differences(&self.study, study) }),
        }
    }

    /// Removes a checkpoint and the one before, if there are any.
    pub fn remove(path: &Path) -> Result<(), CheckpointError> {
        for path in [&beside(path, "previous"), path] {
            match std::fs::remove_file(path) {
                Err(reason) if reason.kind() != ErrorKind::NotFound => {
                    return Err(WriteError::write(path, reason).into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The names of what differs between two lists `NAME=VALUE NAME=VALUE …`.
fn differences(a: &str, b: &str) -> String {
    let (a, b) = (a.split(' ').collect::<Vec<_>>(), b.split(' ').collect::<Vec<_>>());
    let only = |one: &[&str], other: &[&str]| -> Vec<String> {
        let missing = one.iter().filter(|entry| !other.contains(entry));
        missing.map(|entry| entry.split('=').next().unwrap_or(entry).replace('_', " ")).collect()
    };
    let mut names = [only(&a, &b), only(&b, &a)].concat();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// `NAME.ENDING` beside a file NAME.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Of all that a file holds but for the checksum itself.
fn checksum<'a>(facts: &HashMap<String, String>, arrays: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut sum = Checksum::new();
    for (name, fact) in facts.iter().filter(|(name, _)| *name != "checksum").collect::<BTreeMap<_, _>>() {
        sum.add(name.as_bytes());
        sum.add(fact.as_bytes());
    }
    for (name, data) in arrays.collect::<BTreeMap<_, _>>() {
        sum.add(name.as_bytes());
        sum.add(data);
    }
    sum.digits()
}

/// The newest checkpoint that is sound, and what is wrong with a newer one.
fn sound(path: &Path) -> Result<Option<(Checkpoint, Option<String>)>, CheckpointError> {
    let previous = beside(path, "previous");
    let whole = |found: Option<Checkpoint>| found.map(|checkpoint| (checkpoint, None));
    match read(path) {
        Ok(None) => read(&previous).map(whole),
        Err(CheckpointError::Damaged { path, message }) => match read(&previous) {
            Ok(Some(before)) => Ok(Some((before, Some(message)))),
            _ => Err(CheckpointError::Damaged { path, message }),
        },
        found => found.map(whole),
    }
}

/// Reads one file; `None` if there is none.
fn read(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(reason) if reason.kind() == ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(CheckpointError::Read { path: path.into(), reason }),
    };
    let damaged = |message: String| CheckpointError::Damaged { path: path.into(), message };
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let facts = header.metadata().clone().unwrap_or_default();
    let tensors = file.tensors();
    let sum = checksum(&facts, tensors.iter().map(|(name, view)| (name.as_str(), view.data())));
    // Damage may look like another format.
    if facts.get("checksum").is_some_and(|told| *told != sum) {
        return Err(damaged("its checksum is not that of its content".into()));
    }
    match facts.get("format") {
        Some(format) if *format == FORMAT.to_string() => {}
        None if !facts.contains_key("history") => return Err(CheckpointError::Foreign { path: path.into() }),
        found => {
            let found = found.map_or("1", String::as_str).into();
            return Err(CheckpointError::Format { path: path.into(), found, reads: FORMAT });
        }
    }
    let fact = |name: &str| facts.get(name).ok_or_else(|| damaged(format!("it has no `{name}`")));
    fact("checksum")?;
    let number = |name: &str| fact(name)?.parse::<u64>().map_err(|e| damaged(format!("{name}: {e}")));
    let array = |name: &str| -> Result<Vec<f64>, CheckpointError> {
        let tensor = file.tensor(name).map_err(|e| damaged(e.to_string()))?;
        if tensor.dtype() != Dtype::F64 {
            return Err(damaged(format!("`{name}` is stored as {:?}", tensor.dtype())));
        }
        let chunks = tensor.data().chunks_exact(8);
        Ok(chunks.map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect())
    };
    let history: Vec<EpochMetrics> = serde_json::from_str(fact("history")?).map_err(|e| damaged(e.to_string()))?;
    let members: Vec<MemberState> = serde_json::from_str(fact("members")?).map_err(|e| damaged(e.to_string()))?;
    let weights = |name: &str| Ok::<_, CheckpointError>(Weights { members: members.len(), values: array(name)? });
    let single = fact("single")? == "true";
    let read = Checkpoint {
        study: fact("study")?.clone(),
        epoch: number("epoch")? as usize,
        weights: weights("weights")?,
        best: weights("best")?,
        optimiser: AdamW {
            first: array("first_moment")?,
            second: array("second_moment")?,
            steps: number("steps")?,
            single,
        },
        theta: array("theta")?,
        best_theta: array("best_theta")?,
        theta_optimiser: AdamW {
            first: array("theta_first_moment")?,
            second: array("theta_second_moment")?,
            steps: number("theta_steps")?,
            single,
        },
        members,
        history,
    };
    read.disagreement().map_or(Ok(Some(read)), |problem| Err(damaged(problem)))
}
