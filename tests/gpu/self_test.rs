//! What adapters are found to be before they are trusted, and how long that is remembered.

use super::{greybox, lavapipe, swiftshader};
use greybox::device::gpu::ACCURATE;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The adapters that `greybox devices` lists with a folder for findings, and what it warns of.
fn devices(vulkan: &Path, cache: &Path) -> (Vec<Value>, String) {
    let output = greybox(vulkan).env("GREYBOX_CACHE", cache).args(["devices", "--json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let adapters: Vec<Value> = lines.filter(|line| line["kind"] != "cpu").collect();
    assert!(!adapters.is_empty(), "{text}\n{}", super::INSTALL);
    (adapters, errors)
}

fn findings(cache: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(cache).unwrap().flatten().map(|entry| entry.path());
    let own = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("self-test-"));
    let mut found: Vec<PathBuf> = files.filter(own).collect();
    found.sort();
    found
}

#[test]
fn adapters_are_measured_once() {
    let cache = tempfile::tempdir().unwrap();
    let (first, _) = devices(&lavapipe(), cache.path());
    for adapter in &first {
        let test = &adapter["self_test"];
        assert!(adapter["refused"].is_null() && test["arithmetic"]["told"] == true, "{adapter}");
        for builtin in test["arithmetic"]["builtins"].as_array().unwrap() {
            assert!(builtin["library"].as_f64().is_some_and(|error| error < ACCURATE), "{adapter}: {builtin}");
        }
        for schedule in super::ALL {
            let error = test["gradients"][schedule.name()].as_f64().unwrap();
            assert!(error > 0.0 && error < 2e-5, "{adapter}");
        }
    }
    let files = findings(cache.path());
    assert_eq!(files.len(), first.len(), "{files:?}");
    // What is found in a file is taken from it: another number in it comes back.
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["arithmetic"]["division"] = 1.25e-7.into();
    std::fs::write(&files[0], changed.to_string()).unwrap();
    let (second, errors) = devices(&lavapipe(), cache.path());
    let divisions = second.iter().filter(|a| a["self_test"]["arithmetic"]["division"] == 1.25e-7);
    assert_eq!(divisions.count(), 1, "{second:?}");
    assert!(!errors.contains("made anew"), "{errors}");
    // What is no finding is not taken, and said.
    std::fs::write(&files[0], &text[..text.len() / 2]).unwrap();
    let (third, errors) = devices(&lavapipe(), cache.path());
    assert!(errors.contains("is not the self-test of") && errors.contains("made anew"), "{errors}");
    assert_eq!(third, first);
}

/// SwiftShader's sine is coarse: kernels use the library's, and whoever evaluates is told.
#[test]
fn coarse_builtins_are_replaced_and_named() {
    let cache = tempfile::tempdir().unwrap();
    let (adapters, _) = devices(&swiftshader(), cache.path());
    let adapter = adapters.iter().find(|a| a["name"].as_str().is_some_and(|n| n.contains("SwiftShader"))).unwrap();
    let sine = &adapter["self_test"]["arithmetic"]["builtins"][0];
    assert_eq!(sine["name"], "sin");
    assert!(sine["builtin"].as_f64().is_none_or(|error| error > 1e-6), "{sine}");
    let golden = super::goldens::golden("pendulum");
    let out = cache.path().join("out.npz");
    let mut command = greybox(&swiftshader());
    command.current_dir(golden).args(["eval", "model.toml", "--weights", "weights.safetensors", "--input", "in.npz"]);
    let output = command.args(["--device", "swiftshader", "--output"]).arg(out).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains(", safe sin, "), "{errors}");
}
