//! What a second start finds: the same run, another one, another device, another process.

use super::{Small, assert_same_results};
use greybox::store::RunLock;

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
fn a_folder_in_use_is_left_alone() {
    let small = Small::new(2);
    std::fs::create_dir(small.path("out")).unwrap();
    let lock = RunLock::take(&small.path("out")).unwrap();
    let (code, _, err) = small.run("out", "", &[]);
    let owner = format!("out is in use by process {} on ", std::process::id());
    assert!(code == 1 && err.contains(&owner) && err.contains("help: "), "{code}: {err}");
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
