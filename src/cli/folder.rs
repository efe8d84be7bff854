//! A folder of results: held by one process, with a record of what ran in it, and metrics line by line.

use super::Failure;
use super::pipeline::Pipeline;
use crate::device::Device;
use crate::store::{RunLock, WriteError, clean, make_folder, write};
use crate::train::{Checkpoint, EpochMetrics};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

/// Writes a value as JSON.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    Ok(write(path, serde_json::to_string_pretty(value)?.as_bytes())?)
}

/// Makes a folder of results and keeps other processes out of it while the lock lives.
pub(super) fn own_folder(folder: &Path) -> Result<RunLock, Failure> {
    make_folder(folder)?;
    let lock = RunLock::take(folder)?;
    clean(folder);
    Ok(lock)
}

impl Pipeline {
    /// Makes the folder of results and keeps other processes out of it; to be called before anything is written there.
    pub(super) fn hold(&self) -> Result<(), Failure> {
        if self.lock.get().is_none() {
            let _ = self.lock.set(own_folder(&self.out)?);
        }
        Ok(())
    }

    /// Makes the folder of results for one of several processes that share it; one that has it alone keeps them out.
    pub(super) fn share(&self) -> Result<(), Failure> {
        if self.lock.get().is_none() {
            make_folder(&self.out)?;
            let _ = self.lock.set(RunLock::share(&self.out)?);
        }
        Ok(())
    }

    /// Removes a checkpoint where the run was told to begin anew.
    pub(super) fn give_up(&self, checkpoint: &Path) -> Result<(), Failure> {
        if self.restart {
            Checkpoint::remove(checkpoint)?;
        }
        Ok(())
    }

    /// The command that continues this one, in words: with `--restart` it would begin anew.
    pub(super) fn same_command(&self) -> &'static str {
        if self.restart { "the same command without --restart" } else { "the same command" }
    }

    /// What all devices of this process have survived.
    pub(super) fn all_recoveries(&self) -> Vec<String> {
        let noted = self.recoveries.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().cloned().chain(self.device.recoveries()).collect()
    }

    /// Notes the breakdowns that a device has survived which is given up now; reports tell of them.
    pub(super) fn note_recoveries(&self, device: Option<&dyn Device>) {
        let mut all = self.recoveries.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(device.iter().flat_map(|device| device.recoveries()));
    }
}

/// What ran from some epoch on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ran {
    /// Epochs done before.
    epoch: usize,
    /// Version of greybox.
    greybox: String,
    /// The device's description: arithmetic, adapter and schedule.
    device: String,
    /// Driver and version of an adapter.
    driver: Option<String>,
    /// Megabytes it might use.
    memory: usize,
    /// When it began.
    since: String,
}

impl Ran {
    /// What decides about bits: numbers of threads do not, and memory only where it cuts a batch into chunks, on adapters.
    fn kind(&self) -> (&str, Vec<&str>, Option<(&str, usize)>) {
        let device = self.device.split(", ").filter(|part| !part.ends_with(" threads")).collect();
        (&self.greybox, device, self.driver.as_deref().map(|driver| (driver, self.memory)))
    }

    fn words(&self) -> String {
        let memory = self.memory;
        let driver = self.driver.as_ref().map_or(String::new(), |name| format!(", driver {name}, {memory} MB"));
        format!("{}{driver}, greybox {}", self.device, self.greybox)
    }
}

/// Adds the device to the list in the file of a training that goes on from an epoch, with the megabytes that it may use.
/// Says so where it is another device than before.
pub(super) fn record_device(path: &Path, epoch: usize, device: &dyn Device, memory: usize) -> Result<(), Failure> {
    let text = if epoch > 0 { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    // What cannot be read is written anew.
    let mut all: Vec<Ran> = serde_json::from_slice(&text).unwrap_or_default();
    // A run that ended before its first checkpoint has left nothing.
    all.retain(|ran| ran.epoch < epoch);
    let now = Ran {
        epoch,
        greybox: env!("CARGO_PKG_VERSION").into(),
        device: device.description(),
        driver: device.driver().map(str::to_string),
        memory,
        since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
    };
    match all.last() {
        Some(before) if before.kind() == now.kind() => return Ok(()),
        Some(before) => eprintln!(
            "note: before epoch {epoch} this ran on {}, now on {}: bits differ from those of a run on one of them",
            before.words(),
            now.words()
        ),
        None => {}
    }
    all.push(now);
    write_json(path, &all)
}

/// `metrics.jsonl`: a line for each epoch.
pub(super) struct MetricsFile {
    path: PathBuf,
    file: File,
    failed: Option<WriteError>,
}

impl MetricsFile {
    /// Begins with the epochs that are done: a process that was killed has left lines of epochs that the checkpoint does
    /// not know, or half a line.
    pub(super) fn begin(path: PathBuf, done: &[EpochMetrics]) -> Result<MetricsFile, Failure> {
        let lines = done.iter().map(line).collect::<Result<String, _>>()?;
        write(&path, lines.as_bytes())?;
        let open = OpenOptions::new().append(true).open(&path);
        let file = open.map_err(|reason| WriteError::write(&path, reason))?;
        Ok(MetricsFile { path, file, failed: None })
    }

    /// Adds an epoch; false if that failed.
    pub(super) fn add(&mut self, metrics: &EpochMetrics) -> bool {
        let written = line(metrics).map_err(std::io::Error::from).and_then(|line| self.file.write_all(line.as_bytes()));
        if let Err(reason) = written {
            self.failed.get_or_insert(WriteError::write(&self.path, reason));
        }
        self.failed.is_none()
    }

    /// The first failure.
    pub(super) fn end(self) -> Result<(), WriteError> {
        self.failed.map_or(Ok(()), Err)
    }
}

fn line(metrics: &EpochMetrics) -> serde_json::Result<String> {
    Ok(serde_json::to_string(metrics)? + "\n")
}
