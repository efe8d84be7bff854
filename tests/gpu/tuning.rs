//! Schedules chosen by measurement: kept in the user's cache and beside checkpoints, overruled, and never silent.

use super::command::{TOML, WGSL};
use super::{greybox, lavapipe};
use std::path::Path;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("study.toml", &TOML.replace("epochs = 5", "epochs = 1"));
        write("model.wgsl", WGSL);
        write("truth.wgsl", &WGSL.replace("/ theta.m)", "/ theta.m - 0.8 * s.v)"));
        Bench { folder }
    }

    /// Trains into a folder; whether it went well, and what was said on stderr.
    fn train(&self, out: &str, tune: &str, options: &[&str]) -> (bool, String) {
        let mut command = greybox(&lavapipe());
        command.current_dir(self.folder.path()).env("GREYBOX_TUNE", tune);
        command.env("GREYBOX_CACHE", self.folder.path().join("cache"));
        command.args(["train", "study.toml", "--device", "llvmpipe", "--out", out]).args(options);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The schedule of a training, as it is told, with its reason.
    fn schedule(&self, out: &str, tune: &str, options: &[&str]) -> String {
        let (well, errors) = self.train(out, tune, options);
        assert!(well, "{errors}");
        let line = errors.lines().find(|line| line.starts_with("device: ")).unwrap_or_else(|| panic!("{errors}"));
        line.split_once("schedule ").unwrap_or_else(|| panic!("{line}")).1.to_string()
    }

    fn file(&self, folder: &str) -> std::path::PathBuf {
        self.folder.path().join(folder).join("schedules.json")
    }
}

/// The choices of a file: key, choice, reason.
fn choices(path: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    let entries = file["choices"].as_object().unwrap().iter();
    entries.map(|(key, entry)| (key.clone(), text(&entry["choice"]), text(&entry["reason"]))).collect()
}

#[test]
fn a_schedule_is_measured_once_and_a_run_keeps_it() {
    let bench = Bench::new();
    let told = bench.schedule("first", "", &[]);
    let [(key, choice, reason)] = <[_; 1]>::try_from(choices(&bench.file("cache"))).expect("one model");
    assert!(key.starts_with("llvmpipe") && key.ends_with("64 trajectories"), "{key}");
    assert!(reason.starts_with("measured") && ["lane", "tile", "layer"].iter().all(|s| reason.contains(s)), "{reason}");
    assert_eq!(told, format!("{choice} ({reason})"));
    assert_eq!(choices(&bench.file("first")), choices(&bench.file("cache")));

    // What the cache says holds for new runs, and for those begun by it whatever it says later.
    let edit = |choice: &str| {
        let file = serde_json::json!({ "version": 1, "choices": { &key: { "choice": choice, "reason": "by hand" } } });
        std::fs::write(bench.file("cache"), file.to_string()).unwrap();
    };
    edit("lane");
    assert_eq!(bench.schedule("second", "", &[]), "lane (by hand)");
    edit("layer");
    assert_eq!(bench.schedule("second", "", &[]), "lane (by hand)");
    assert_eq!(bench.schedule("second", "off", &[]), "lane (by hand)");
    assert_eq!(bench.schedule("second", "", &["--schedule", "tile"]), "tile (asked for)");
    assert_eq!(bench.schedule("second", "", &[]), "lane (by hand)", "what was asked for once is not kept");
    // A checkpoint of before there were records was trained by the schedule of the widths.
    std::fs::remove_file(bench.file("second")).unwrap();
    assert_eq!(bench.schedule("second", "", &[]), "tile (by the widths of the networks)");
}

#[test]
fn a_broken_cache_is_written_anew_and_the_variable_overrules() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.file("cache").parent().unwrap()).unwrap();
    std::fs::write(bench.file("cache"), "{ \"version\": 1, \"choices\": 7 }").unwrap();
    assert_eq!(bench.schedule("off", "off", &[]), "tile (by the widths of the networks)");
    let (well, errors) = bench.train("on", "on", &[]);
    assert!(well && errors.contains("schedules.json") && errors.contains("written anew"), "{errors}");
    assert_eq!(choices(&bench.file("cache")), choices(&bench.file("on")));
    let (well, errors) = bench.train("other", "maybe", &[]);
    assert!(
        !well && errors.contains("GREYBOX_TUNE is `maybe`") && errors.contains("help: set it to on or off"),
        "{errors}"
    );
}
