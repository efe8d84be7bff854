//! Runs that lose nothing: files, checkpoints, locks, faults, and processes killed at any moment.

#[path = "trust/checkpoints.rs"]
mod checkpoints;
mod common;
#[path = "trust/devices.rs"]
mod devices;
#[path = "trust/disks.rs"]
mod disks;
#[path = "trust/files.rs"]
mod files;
#[path = "trust/kills.rs"]
mod kills;
#[path = "trust/lock.rs"]
mod lock;
#[path = "trust/resumed.rs"]
mod resumed;

use greybox::train::Checkpoint;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A study whose phases all write: training, estimates, landscape, what is identified, baselines, report.
struct Small {
    folder: TempDir,
}

impl Small {
    fn new(epochs: usize) -> Small {
        let small = Small { folder: tempfile::tempdir().unwrap() };
        small.write("model.wgsl", common::SPRING);
        small.write("truth.wgsl", &common::SPRING.replace("-theta.k * s.x", "-theta.k * s.x - 0.8 * s.v"));
        small.write(
            "study.toml",
            &format!(
                "[model]\nphysics = \"model.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\n\
                 hidden = [4]\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\n\
                 weight = 0.01\n[data]\nwindow = {{ history = 1, horizon = 4, stride = 4 }}\n[data.simulate]\n\
                 truth = \"truth.wgsl\"\ntheta = {{ k = 1.0 }}\ninitial = {{ x = [-1.0, 1.0], v = 0.0 }}\nepisodes = 20\n\
                 steps = 12\ndt = 0.2\n[train]\nepochs = {epochs}\nbatch = 5\ncheckpoint_every = 1\n\
                 [estimate]\npoints = 21\nbootstrap = 8\n[landscape]\npoints = 31\n[baselines]\n"
            ),
        );
        small
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `greybox run` into a folder of results.
    fn command(&self, out: &str, device: &str) -> Command {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
        command.current_dir(self.folder.path()).args(["run", "study.toml", "--out", out, "--device", device]);
        command.env("XDG_RUNTIME_DIR", cache).env("GREYBOX_CACHE", cache.join("pipelines"));
        // Which schedule is fastest is a matter of clocks, and its bits with it.
        command.env("GREYBOX_TUNE", "off");
        command
    }

    /// Runs it, with a fault if one is named: exit code, stdout and stderr.
    fn run(&self, out: &str, fault: &str, more: &[&str]) -> (i32, String, String) {
        let mut command = self.command(out, "cpu");
        if !fault.is_empty() {
            command.env("GREYBOX_FAULT", fault);
        }
        told(&command.args(more).output().unwrap())
    }

    /// Runs it to its end without a fault.
    fn finish(&self, out: &str) -> String {
        let (code, _, err) = self.run(out, "", &[]);
        assert_eq!(code, 0, "{err}");
        err
    }

    /// What a run has left, by file, without what clocks decide.
    fn results(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        collect(&self.path(out), "", &mut all);
        all
    }
}

/// Exit code (-1: killed), stdout and stderr; none of them tells of a panic.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap_or(-1), out, err)
}

/// Checkpoints hold the history, whose speeds differ, and the keys of their header have no order: they are compared as what
/// they say. The one before is that before the last start. Reports tell how long phases took, records when they began. What
/// else a run leaves is a function of the study.
fn collect(folder: &Path, prefix: &str, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let timed = ["run.lock", "run.json", "network_alone.json", "report.html"];
        let whole = ["checkpoint.safetensors", "network_alone.safetensors"];
        let own = entry.file_name();
        let own = own.to_string_lossy();
        match (entry.path().is_dir(), name.ends_with("metrics.jsonl")) {
            (true, _) => collect(&entry.path(), &format!("{name}/"), all),
            (_, true) => {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                all.insert(name, text.lines().map(timeless).collect::<String>().into());
            }
            _ if timed.contains(&&*own) => {}
            _ if whole.contains(&&*own) => {
                let mut checkpoint = Checkpoint::load(&entry.path()).unwrap().unwrap();
                for metrics in &mut checkpoint.history {
                    (metrics.trajectories_per_s, metrics.recoveries) = (0.0, Vec::new());
                }
                all.insert(name, format!("{checkpoint:?}").into());
            }
            _ if whole.iter().any(|start| own.starts_with(start)) => {}
            _ => {
                all.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
}

fn timeless(line: &str) -> String {
    let mut metrics: serde_json::Value = serde_json::from_str(line).unwrap();
    metrics["trajectories_per_s"] = 0.into();
    metrics.as_object_mut().unwrap().remove("recoveries");
    format!("{metrics}\n")
}

/// Fails unless two runs have left the same files with the same bytes.
#[track_caller]
fn assert_same_results(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    let names = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, bytes) in expected {
        let first =
            found[name].iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(bytes.len().min(found[name].len()));
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[first.saturating_sub(60)..bytes.len().min(first + 60)]).into_owned()
        };
        assert!(found[name] == *bytes, "{name} differs: {} and {}", around(&found[name]), around(bytes));
    }
    let needed = [
        "weights.safetensors",
        "checkpoint.safetensors",
        "network_alone.safetensors",
        "metrics.jsonl",
        "estimates.json",
        "landscape.zarr/zarr.json",
        "identifiability.json",
    ];
    assert!(needed.iter().all(|name| expected.contains_key(*name)), "{:?}", names(expected));
}
