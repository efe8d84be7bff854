//! What a second start finds: the same run, another one, another device, another process.

use super::{Small, assert_same_results, common};
use greybox::store::RunLock;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

#[test]
fn another_run_is_refused_by_name_and_given_up_only_when_told() {
    let small = Small::new(3);
    small.finish("out");
    let before = small.results("out");
    let refused = |more: &[&str], differ: &str| {
        let (code, _, err) = small.run("out", "", more);
        assert_eq!(code, 1, "{err}");
        let expected = [format!("checkpoint.safetensors is of another run: {differ} differ"), "--restart".into()];
        expected.iter().for_each(|part| assert!(err.contains(part), "`{part}` is not in {err}"));
        assert_same_results(&small.results("out"), &before);
    };
    refused(&["--set", "train.epochs=4"], "train");
    refused(&["--seed", "7"], "train");
    refused(&["--set", "solver.substeps=2", "--set", "data.simulate.seed=3"], "data, model");
    let truth = std::fs::read_to_string(small.path("truth.wgsl")).unwrap();
    small.write("truth.wgsl", &truth.replace("0.8", "0.7"));
    refused(&[], "data");
    small.write("truth.wgsl", &truth);
    // What comes after the training may change, and so may the layout of the file.
    let text = std::fs::read_to_string(small.path("study.toml")).unwrap();
    small.write("study.toml", &format!("# a remark\n{text}"));
    let (code, _, err) = small.run("out", "", &["--set", "landscape.points=7"]);
    assert!(code == 0 && err.contains("continuing from epoch 3 of 3"), "{err}");
    let (code, _, err) = small.run("out", "", &["--set", "train.epochs=4", "--restart"]);
    assert!(code == 0 && !err.contains("continuing"), "{err}");
    let metrics = std::fs::read_to_string(small.path("out/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 4);
}

#[test]
fn a_split_in_a_file_and_the_axes_of_retrained_networks_tell_runs_apart() {
    let small = Small::new(2);
    small.write("split.json", "{\"train\": [0, 1, 2, 3, 4, 5], \"validation\": [6, 7], \"test\": [8, 9, 10]}");
    let split = ["--set", "data.split={file=\"split.json\"}"];
    let (code, _, err) = small.run("out", "", &split);
    assert_eq!(code, 0, "{err}");
    small.write("split.json", "{\"train\": [8, 9, 10, 3, 4, 5], \"validation\": [6, 7], \"test\": [0, 1, 2]}");
    let (code, _, err) = small.run("out", "", &split);
    assert!(code == 1 && err.contains("of another run: data differ"), "{err}");

    small.write(
        "model.wgsl",
        &common::SPRING.replace("k: f32", "k: f32, c: f32").replace("s.x)", "s.x - theta.c * s.v)"),
    );
    let more = |axis: &str| {
        let axes = format!("landscape={{ axes = [\"{axis}\"], retrain = {{ points = 2, epochs = 1 }} }}");
        let free = ["--set", "theta.c={ bounds = [0.1, 1.0] }", "--set", &axes].map(String::from);
        small.run("two", "", &free.each_ref().map(String::as_str))
    };
    let (code, _, err) = more("k");
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = more("c");
    assert!(code == 1 && err.contains("of another run: landscape.axes differ"), "{err}");
}

#[test]
fn who_began_anew_is_told_how_to_go_on() {
    // Far more epochs than a moment has room for.
    let small = Small::new(100_000);
    let mut child = small.command("out", "cpu").arg("--restart").stderr(std::process::Stdio::piped()).spawn().unwrap();
    interrupt(&child, &small.path("out/checkpoint.safetensors"));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert!(err.contains("; the same command without --restart continues from out/checkpoint.safetensors"), "{err}");
}

/// What follows a training is computed again in any case, so nothing is gained by going on with it.
#[test]
fn an_interrupt_behind_training_ends_the_program_at_once() {
    let small = Small::new(2);
    let mut command = small.command("out", "cpu");
    let mut child =
        command.args(["--set", "estimate.points=100000"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    interrupt(&child, &small.path("out/best.safetensors"));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert!(!err.contains("stopping after this epoch"), "{err}");
    small.finish("out");
}

/// Sends SIGTERM a moment after a file has come to be.
fn interrupt(child: &Child, file: &Path) {
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} does not come", file.display());
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let small = Small::new(2);
    std::fs::create_dir(small.path("out")).unwrap();
    let lock = RunLock::take(&small.path("out")).unwrap();
    let (code, _, err) = small.run("out", "", &[]);
    let owner = format!("out is in use by process {} on ", std::process::id());
    assert!(code == 1 && err.contains(&owner) && err.contains("help: "), "{code}: {err}");
    // On an adapter the schedule that is chosen would be written there.
    let (code, err) = small.on_adapter("out", "", &[]);
    assert!(code == 1 && err.contains(&owner), "{code}: {err}");
    assert_eq!(small.results("out").len(), 0);
    drop(lock);
    small.finish("out");
}

#[test]
fn the_record_of_devices_tells_when_one_takes_over_from_another() {
    let small = Small::new(4);
    let (code, _, err) = small.run("out", "die-after-rename:3", &["--set", "train.checkpoint_every=2"]);
    assert_eq!(code, -1, "{err}");
    let (code, _, err) = small.run("out", "", &["--set", "train.checkpoint_every=2", "--precision", "f64"]);
    assert!(code == 0 && err.contains("note: before epoch 2 this ran on cpu f32, "), "{err}");
    let text = std::fs::read_to_string(small.path("out/run.json")).unwrap();
    let ran: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list: Vec<(u64, &str)> = ran
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["epoch"].as_u64().unwrap(), &entry["device"].as_str().unwrap()[..7]))
        .collect();
    assert_eq!(list, [(0, "cpu f32"), (2, "cpu f64")]);
    assert!(ran[0]["since"].as_str().unwrap().ends_with('Z') && ran[0]["greybox"] == env!("CARGO_PKG_VERSION"));
}

#[test]
fn half_a_line_of_metrics_is_made_whole() {
    let small = Small::new(3);
    small.finish("out");
    let before = small.results("out");
    let text = std::fs::read_to_string(small.path("out/metrics.jsonl")).unwrap();
    for left in [&text[..text.len() / 2], "", "{\"epoch\":"] {
        small.write("out/metrics.jsonl", left);
        small.finish("out");
        assert_same_results(&small.results("out"), &before);
    }
}

#[test]
fn a_fault_that_does_not_exist_is_refused() {
    let small = Small::new(2);
    let (code, _, err) = small.run("out", "die-befor-rename", &[]);
    let parts = ["GREYBOX_FAULT: there is no point \"die-befor-rename\"", "die-before-rename ", "disk-full"];
    assert!(code == 1 && parts.iter().all(|part| err.contains(part)), "{code}: {err}");
    assert!(!small.path("out").exists());
}
