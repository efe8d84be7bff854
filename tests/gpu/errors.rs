//! What cannot run is refused: one message with a remedy, an exit code other than 0, never a panic.

use super::{BUDGET, SCHEDULES, greybox, lavapipe, open};
use crate::common::{Case, model};
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Precision, Request};
use greybox::model::Model;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn eval(vulkan: &Path, folder: &Path) -> Command {
    let mut command = greybox(vulkan);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pendulum"));
    command.args(["eval", "model.toml", "--weights", "weights.safetensors", "--input", "in.npz", "--grad"]);
    command.arg("--output").arg(folder.join("out.npz"));
    command
}

#[track_caller]
fn refused(command: &mut Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}\n{text}", output.status);
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(text.matches("error:").count(), 1, "one message\n{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn devices_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str], parts: &[&str]| {
        refused(eval(&lavapipe(), folder.path()).args(arguments), parts);
        assert!(!folder.path().join("out.npz").exists());
    };
    // Adapters are listed as --device takes them.
    let listed = ["no such adapter", "help: use cpu, gpu, or one of", "\n  0: llvmpipe", "(vulkan)", "(gl)"];
    call(&["--device", "abacus"], &[&["device `abacus`"], listed.as_slice()].concat());
    call(&["--device", "7"], &[&["device `7`"], listed.as_slice()].concat());
    call(&["--device", "gpu", "--precision", "f64"], &["f32", "help: use --precision f32, or --device cpu"]);
    call(&["--device", "llvmpipe", "--precision", "f64"], &["f32", "help: "]);
    call(&["--device", "cpu", "--schedule", "lane"], &["schedule", "help: remove --schedule, or use --device gpu"]);
    call(&["--device", "gpu", "--schedule", "warp"], &["warp", "auto, lane, tile, layer"]);
}

#[test]
fn without_any_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = PathBuf::from("/nonexistent");
    let hidden = |command: &mut Command| {
        // libglvnd's way of naming the libraries behind EGL.
        command.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent").env("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent");
    };
    for device in ["gpu", "vulkan", "0"] {
        let mut command = eval(&nowhere, folder.path());
        hidden(&mut command);
        let parts = ["no graphics adapter was found", "apt-get install mesa-vulkan-drivers", "--device cpu"];
        refused(command.args(["--device", device]), &parts);
    }
    // The default falls back to the CPU, and `devices` says that there is nothing else.
    let mut command = eval(&nowhere, folder.path());
    hidden(&mut command);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("error") && !text.contains("gpu"), "{text}");
    let mut command = greybox(&nowhere);
    hidden(&mut command);
    let output = command.arg("devices").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("no graphics adapter was found"), "{text}");
}

#[test]
fn adapters_are_listed() {
    let output = greybox(&lavapipe()).args(["devices", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let backends: Vec<&str> = lines[1..].iter().map(|line| line["backend"].as_str().unwrap()).collect();
    assert_eq!(lines[0]["name"], "cpu");
    assert!(backends.contains(&"vulkan") && backends.contains(&"gl"), "{backends:?}: {}", super::INSTALL);
    for line in &lines[1..] {
        assert_eq!((line["kind"].as_str(), line["schedules"].as_array().map(Vec::len)), (Some("software"), Some(3)));
    }
}

/// Coupled oscillators, as many as asked for.
fn chain(states: usize, hidden: &str) -> (String, String) {
    let names: Vec<String> = (0..states).map(|i| format!("x{i}")).collect();
    let fields: Vec<String> = names.iter().map(|n| format!("{n}: f32")).collect();
    let mut rates = String::new();
    for i in 0..states {
        let _ = write!(rates, "{}sin(s.x{}) - s.x{i}", if i > 0 { ", " } else { "" }, (i + 1) % states);
    }
    let wgsl = format!(
        "struct State {{ {} }}\nfn physics(s: State) -> State {{ return State({rates}); }}\n\
         fn features(s: State) -> array<f32, 2> {{ return array<f32, 2>(s.x0, s.x1); }}\n",
        fields.join(", ")
    );
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = {hidden}\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n"
    );
    (toml, wgsl)
}

fn built((toml, wgsl): &(String, String)) -> Model {
    model(toml, wgsl)
}

#[test]
fn a_model_too_large_for_workgroup_memory_names_the_limit_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let too_large = chain(160, "[4]");
    std::fs::write(folder.path().join("study.toml"), &too_large.0).unwrap();
    std::fs::write(folder.path().join("t.wgsl"), &too_large.1).unwrap();
    for schedule in SCHEDULES {
        let Err(error) = Gpu::open("vulkan", &built(&too_large), Some(schedule), BUDGET) else {
            panic!("160 states fit the {} schedule", schedule.name());
        };
        let error = error.to_string();
        for part in ["max_compute_workgroup_storage_size", "16384", schedule.name(), "\nhelp: ", "--device cpu"] {
            assert!(error.contains(part), "`{part}` is not in\n{error}");
        }
        let mut command = greybox(&lavapipe());
        command.current_dir(folder.path()).args(["eval", "study.toml", "--input", "in.npz", "--output", "out.npz"]);
        command.args(["--device", "gpu"]);
        refused(command.args(["--schedule", schedule.name()]), &["max_compute_workgroup_storage_size", "help: "]);
    }
    // Fewer states and wide layers run, with fewer trajectories per workgroup.
    let model = built(&chain(12, "[64]"));
    super::agree("12 states", &model, &Case::random(&model, 9, 2, 1, 0.7).job(&model));
}

#[test]
fn the_schedule_is_chosen_by_the_widest_layer() {
    for (hidden, schedule) in [("[16]", "lane"), ("[17]", "tile"), ("[4, 40, 4]", "tile")] {
        let model = built(&chain(2, hidden));
        let request = Request { schedule: None, budget: BUDGET, ..Request::new("vulkan", Precision::F32) };
        let gpu = greybox::device::open(&request, &model).unwrap_or_else(|e| panic!("{e}\n{}", super::INSTALL));
        let found = gpu.description();
        assert!(
            found.starts_with("gpu f32, ")
                && found.ends_with(&format!("schedule {schedule} (by the widths of the networks)")),
            "{found}"
        );
    }
}

#[test]
fn jobs_that_do_not_fit_the_model_are_refused() {
    let model = built(&chain(2, "[4]"));
    let gpu = open(&model, Schedule::Lane);
    let mut case = Case::random(&model, 4, 3, 1, 0.7);
    case.trajectories.t0.pop();
    let error = gpu.simulate(&case.job(&model)).unwrap_err().to_string();
    assert!(error.contains("t0: 3 values") && error.contains("\nhelp: "), "{error}");
    case.trajectories.t0 = vec![f64::NAN; 4];
    let error = gpu.gradient(&case.job(&model), super::BOTH).unwrap_err().to_string();
    assert!(error.contains("t0: a non-finite value"), "{error}");
}

#[test]
fn a_lost_adapter_is_an_error_of_every_later_job() {
    let model = built(&chain(2, "[4]"));
    let case = Case::random(&model, 4, 3, 1, 0.7);
    let gpu = open(&model, Schedule::Lane);
    super::compute(&gpu, &case.job(&model));
    gpu.lose();
    for _ in 0..2 {
        let errors = [
            gpu.simulate(&case.job(&model)).unwrap_err(),
            gpu.evaluate(&case.job(&model)).unwrap_err(),
            gpu.gradient(&case.job(&model), super::BOTH).unwrap_err(),
        ];
        for error in errors.map(|e| e.to_string()) {
            assert!(error.contains("lost") && error.contains("\nhelp: "), "{error}");
        }
    }
}

/// A folder of kept pipelines that is spoilt, or cannot be one, costs a compilation and not the run.
#[test]
fn a_spoilt_pipeline_cache_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let run = |cache: &Path| {
        let mut command = eval(&lavapipe(), folder.path());
        let output = command.args(["--device", "vulkan"]).env("GREYBOX_CACHE", cache).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(folder.path().join("out.npz")).unwrap()
    };
    // Beside the pipelines lies what was found out about the adapter.
    let found_out = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("self-test"));
    let files = || std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let first = run(&cache);
    assert_eq!(files().iter().filter(|path| !found_out(path)).count(), 1, "one adapter's pipelines");
    assert_eq!(run(&cache), first);
    for content in [b"".as_slice(), b"no pipelines", &[0xff; 4096]] {
        files().iter().for_each(|path| std::fs::write(path, content).unwrap());
        assert_eq!(run(&cache), first);
    }
    std::fs::write(folder.path().join("file"), "no folder").unwrap();
    assert_eq!(run(&folder.path().join("file")), first);
}
