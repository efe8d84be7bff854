//! `greybox landscape` by several processes, killed ones among them, and `greybox verify`; the result as xarray reads it.

use crate::common::skipped;
use greybox::model::save_weights;
use greybox::program::Weights;
use greybox::study::Study;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WGSL: &str = "struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32, m: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -(theta.k * s.x + theta.c * s.v) / theta.m); }
";

/// 6 × 40 points in 60 chunks; m does not vary.
const TOML: &str = "[study]
title = \"A spring\"
[model]
physics = \"model.wgsl\"
[theta]
k = { bounds = [0.5, 2.0], unit = \"N/m\" }
c = { bounds = [0.1, 10.0], scale = \"log\" }
m = { fixed = 1.5 }
[net.g]
kind = \"mlp\"
hidden = [4]
[solver]
method = \"rk4\"
dt = 0.2
[[penalty]]
kind = \"least_action\"
weight = 0.01
[data]
window = { history = 1, horizon = 4, stride = 4 }
[data.simulate]
truth = \"model.wgsl\"
theta = { k = 1.3, c = 0.3, m = 1.5 }
initial = { x = [-1.0, 1.0], v = 0.0 }
episodes = 12
steps = 12
dt = 0.2
[landscape]
points = [6, 40]
chunk = 4
";

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.at("model.wgsl"), WGSL).unwrap();
        std::fs::write(folder.at("study.toml"), TOML).unwrap();
        folder.weights("w", 0.1);
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn weights(&self, name: &str, value: f64) {
        let model = Study::open(&self.at("study.toml"), false).unwrap().model().unwrap();
        let weights = Weights { members: 1, values: vec![value; model.weights.per_member()] };
        save_weights(&self.at(&format!("{name}.safetensors")), &model.weights, &weights, 0, false).unwrap();
    }

    /// A process that computes a landscape into `out`.
    fn landscape(&self, out: &str, more: &[&str]) -> Command {
        let mut command = self.command(&["landscape", "study.toml", "--device", "cpu", "--out", out]);
        if !more.contains(&"--weights") {
            command.args(["--weights", "w.safetensors"]);
        }
        command.args(more);
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
        command.args(arguments).current_dir(self.0.path()).env_remove("GREYBOX_FAULT");
        command
    }

    fn verify(&self, out: &str) -> (i32, String, String) {
        run(&mut self.command(&["verify", out]))
    }

    /// All files of a landscape by their names.
    fn files(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        fn walk(root: &Path, folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    walk(root, &path, all);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                    all.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        let (root, mut all) = (self.at(out).join("landscape.zarr"), BTreeMap::new());
        walk(&root, &root, &mut all);
        all
    }

    /// What one undisturbed process writes.
    fn undisturbed(&self) -> BTreeMap<String, Vec<u8>> {
        let (code, out, err) = run(&mut self.landscape("whole", &[]));
        assert!(code == 0 && out.trim_end().ends_with("landscape.zarr"), "{out}{err}");
        assert!(err.contains("landscape of 240 points: 60 chunks of 60 computed, 0 were there"), "{err}");
        self.files("whole")
    }
}

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap_or(-1), out, err)
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    files.keys().collect()
}

#[track_caller]
fn same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(names(found), names(expected));
    let differ: Vec<&String> = found.keys().filter(|name| found[*name] != expected[*name]).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// Numbers before words of a text.
fn count(text: &str, before: &str) -> usize {
    let words: Vec<&str> =
        text[..text.find(before).unwrap_or_else(|| panic!("no `{before}` in {text}"))].split_whitespace().collect();
    words.last().unwrap().parse().unwrap()
}

#[test]
fn a_landscape_whose_process_dies_at_any_moment_is_continued() {
    let folder = Folder::new();
    let expected = folder.undisturbed();
    for (i, fault) in
        ["die-before-rename:2", "die-writing:70", "die-after-rename:150", "die-before-rename:280"].iter().enumerate()
    {
        let out = format!("out{i}");
        let (code, ..) = run(folder.landscape(&out, &[]).env("GREYBOX_FAULT", fault));
        assert_eq!(code, -1, "{fault}: the process dies");
        let (code, told, err) = folder.verify(&out);
        assert_ne!(code, 0, "{fault}: {told}{err}");
        assert!(err.contains("help: "), "{err}");
        let (code, _, err) = run(&mut folder.landscape(&out, &[]));
        assert_eq!(code, 0, "{err}");
        if i > 0 {
            let kept = count(&err, " were there");
            assert!(kept > 0 && kept < 60 && count(&err, " chunks of 60 computed") == 60 - kept, "{fault}: {err}");
        }
        same(&folder.files(&out), &expected);
        let (code, told, _) = folder.verify(&out);
        assert_eq!((code, count(&told, " of 60 chunks are finished")), (0, 60), "{told}");
    }
}

#[test]
fn four_processes_share_a_landscape_and_one_is_killed() {
    let folder = Folder::new();
    let expected = folder.undisturbed();
    let start = |part: usize, fault: &str| -> Child {
        let mut command = folder.landscape("out", &["--shard", &format!("{part}/4")]);
        command.env("GREYBOX_FAULT", fault).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Every process may be the one that makes the store; the third is killed once it has written its first number. Were it
    // too fast for that, it dies by itself at its 60th file, with most of its chunks to come.
    let (mut killed, others) = (start(2, "die-before-rename:60"), [start(0, ""), start(1, ""), start(3, "")]);
    let first = folder.at("out/landscape.zarr/rmse/c/0/2");
    let begun = Instant::now();
    while !first.exists() && killed.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was written");
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    assert!(!killed.wait().unwrap().success(), "it was killed before it was done");
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    let (code, told, err) = folder.verify("out");
    let finished = count(&told, " of 60 chunks are finished");
    assert!(code == 1 && (45..60).contains(&finished), "{told}{err}");
    assert!(err.contains("chunk 5/8 is missing"), "the last chunk of the third part: {err}");
    let (code, _, err) = run(&mut folder.landscape("out", &["--shard", "2/4"]));
    let kept = count(&err, " were there");
    assert!(code == 0 && kept == finished - 45 && count(&err, " chunks of 15 computed") == 15 - kept, "{err}");
    same(&folder.files("out"), &expected);
    assert_eq!(folder.verify("out").0, 0);
    assert!(!folder.at("out/landscape-rmse.svg").exists(), "parts draw nothing");
    assert!(folder.at("whole/landscape-rmse.svg").exists());
}

#[test]
fn damage_is_found_by_its_checksum_and_repaired() {
    let folder = Folder::new();
    let expected = folder.undisturbed();
    let file = |name: &str| folder.at("whole/landscape.zarr").join(name);
    let mut bytes = std::fs::read(file("rmse/c/2/1")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file("rmse/c/2/1"), bytes).unwrap();
    std::fs::write(file("objective/c/0/0"), "").unwrap();
    std::fs::remove_file(file("failures/c/4/3")).unwrap();
    let (code, told, err) = folder.verify("whole");
    assert_eq!((code, count(&told, " of 60 chunks are finished")), (1, 57), "{err}");
    for part in ["rmse/c/2/1 is damaged", "objective/c/0/0 is damaged", "failures/c/4/3 is missing", "help: "] {
        assert!(err.contains(part), "`{part}` is not in {err}");
    }
    let (code, _, err) = run(&mut folder.landscape("whole", &[]));
    assert!(code == 0 && err.contains("3 chunks of 60 computed, 57 were there"), "{err}");
    same(&folder.files("whole"), &expected);
    // A number that no checksum objects to, but the other arrays do.
    let swapped = std::fs::read(file("first_failed_step/c/0/0")).unwrap();
    std::fs::write(file("failures/c/1/1"), swapped).unwrap();
    let (code, _, err) = folder.verify("whole");
    assert!(code == 1 && err.contains("chunk 1/1: at 4 points failures contradicts"), "{err}");
}

#[test]
fn a_landscape_of_something_else_is_refused_or_makes_room() {
    let folder = Folder::new();
    folder.weights("other", 0.2);
    let expected = folder.undisturbed();
    let refused = |more: &[&str], part: &str| {
        let (code, _, err) = run(&mut folder.landscape("whole", more));
        assert!(code == 1 && err.contains(part) && err.contains("help: "), "{err}");
        same(&folder.files("whole"), &expected);
    };
    let other = ["--weights", "other.safetensors"];
    refused(&[&["--shard", "0/2"], &other[..]].concat(), "differs in weights");
    refused(&["--shard", "0/2", "--set", "landscape.points=[6, 41]"], "differs in axes");
    refused(&["--shard", "0/2", "--set", "theta.m.fixed=2.0"], "other parameters");
    for shard in ["2/2", "0/0", "1", "a/b", "1/2/3"] {
        let (code, _, err) = run(&mut folder.landscape("whole", &["--shard", shard]));
        assert!(code == 2 && err.contains("help: write I/N"), "{shard}: {err}");
    }
    refused(&["--set", "landscape.chunk=0"], "landscape.chunk is 0");
    let (code, _, err) = run(&mut folder.landscape("whole", &other));
    assert!(code == 0 && err.contains("note: ") && err.contains("landscape.1.zarr"), "{err}");
    assert_ne!(folder.files("whole"), expected);
    std::fs::remove_dir_all(folder.at("whole/landscape.zarr")).unwrap();
    std::fs::rename(folder.at("whole/landscape.1.zarr"), folder.at("whole/landscape.zarr")).unwrap();
    same(&folder.files("whole"), &expected);
    let (code, _, err) = folder.verify("nowhere");
    assert!(code == 1 && err.contains("nowhere") && err.contains("help: "), "{err}");
}

/// Python with the packages of tests/python/requirements.txt, as scripts/test installs it. Where the script has run it must
/// be there; elsewhere the test may go without.
fn python() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("GREYBOX_PYTHON") {
        return Some(given.into());
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    own.exists().then_some(own)
}

#[test]
fn xarray_opens_a_landscape() {
    let Some(python) = python() else {
        return skipped("xarray: no Python with it; scripts/test installs it into target/python");
    };
    let folder = Folder::new();
    folder.undisturbed();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_landscape.py");
    let store = folder.at("whole/landscape.zarr");
    let read = |words: &[&str]| -> serde_json::Value {
        let (code, out, err) = run(Command::new(&python).arg(&script).arg(&store).args(words));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let found = read(&["rmse", "k=1.31", "c=0.3"]);
    let opened = greybox::study::LandscapeStore::open(&store).unwrap();
    let own = opened.load(&[0.0, 0.0, 1.5], 1000).unwrap();
    let place = (nearest(&own.axes[0].values, 1.31), nearest(&own.axes[1].values, 0.3));
    assert_eq!(found["at"], serde_json::json!({ "k": own.axes[0].values[place.0], "c": own.axes[1].values[place.1] }));
    assert_eq!(found["value"].as_f64().unwrap(), own.quantity("rmse").unwrap()[place.0 * 40 + place.1]);
    assert_eq!(found["sizes"], serde_json::json!({ "k": 6, "c": 40 }));
    let coordinates = serde_json::json!({ "k": own.axes[0].values, "c": own.axes[1].values });
    assert_eq!(found["coordinates"], coordinates);
    assert_eq!(found["units"], serde_json::json!({ "k": "N/m", "c": null }));
    assert_eq!(found["quantities"]["penalty_least_action"], "penalty/least_action");
    assert_eq!((&found["types"]["rmse"], &found["types"]["failures"]), (&"float64".into(), &"int32".into()));
    assert!(found["dimensions"].as_object().unwrap().values().all(|d| *d == serde_json::json!(["k", "c"])));
    for (name, values) in &own.quantities {
        let array = name.replace('/', "_");
        let sum: f64 = values.iter().sum();
        assert!((found["sums"][&array].as_f64().unwrap() - sum).abs() <= 1e-9 * sum.abs(), "{name}");
        assert_eq!(found["missing"][&array], 0, "{name}");
    }
    assert_eq!(found["sums"]["first_failed_step"], -240.0);
    assert_eq!(found["attributes"]["title"], "A spring");
    assert_eq!(found["fixed"], serde_json::json!({ "m": 1.5 }));
}

fn nearest(values: &[f64], value: f64) -> usize {
    let distance = |i: &usize| (values[*i] - value).abs();
    (0..values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
}
