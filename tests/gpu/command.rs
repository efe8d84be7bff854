//! The command on every adapter: the kernels that only training uses, with the losses of the CPU, and long rollouts.

use super::{greybox, lavapipe, swiftshader};
use crate::common::{Tolerance, assert_close};
use greybox::data::npz::{Array, Arrays, Element, write_npz};
use std::path::{Path, PathBuf};

pub const WGSL: &str = "struct State { x: f32, v: f32 }
struct Theta { k: f32, m: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x / theta.m); }
fn features(s: State, theta: Theta) -> array<f32, 3> { return array<f32, 3>(s.x, s.v, theta.k); }
";

pub const TOML: &str = "[model]
physics = \"model.wgsl\"
[theta]
k = { bounds = [0.5, 2.0] }
m = { bounds = [0.5, 2.0], prior = { normal = [1.0, 0.3] } }
[net.g]
kind = \"mlp\"
hidden = [6, 20]
[solver]
method = \"rk4\"
dt = 0.2
[[penalty]]
kind = \"orthogonality\"
weight = 0.01
[data]
window = { history = 1, horizon = 4, stride = 4 }
[data.simulate]
truth = \"truth.wgsl\"
theta = { k = 1.0, m = 1.0 }
initial = { x = [-1.0, 1.0], v = 0.0 }
episodes = 6
steps = 12
dt = 0.2
[train]
epochs = 5
batch = 5
draws = 3
rate = [1e-2, 1e-3]
";

fn adapters() -> [(&'static str, PathBuf); 3] {
    [("llvmpipe", lavapipe()), ("gl", lavapipe()), ("swiftshader", swiftshader())]
}

/// Training and validation losses of every epoch.
fn losses(folder: &Path, vulkan: &Path, device: &str) -> Vec<f64> {
    let out = folder.join(device);
    let mut command = greybox(vulkan);
    command.current_dir(folder).args(["train", "study.toml", "--device", device, "--out"]).arg(&out);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{device}: {errors}\n{}", super::INSTALL);
    let metrics = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let losses: Vec<f64> = lines.flat_map(|m| ["loss", "validation"].map(|key| m[key].as_f64().unwrap())).collect();
    assert_eq!(losses.len(), 10, "{metrics}");
    losses
}

#[test]
fn every_adapter_trains_as_the_cpu_does() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("study.toml", TOML);
    write("model.wgsl", WGSL);
    write("truth.wgsl", &WGSL.replace("/ theta.m)", "/ theta.m - 0.8 * s.v)"));
    let expected = losses(folder.path(), &lavapipe(), "cpu");
    assert!(expected[8] < expected[0], "it learns: {expected:?}");
    for (device, vulkan) in adapters() {
        let found = losses(folder.path(), &vulkan, device);
        assert_close(device, &found, &expected, Tolerance { relative: 1e-3, absolute: 0.0 });
        let worst = found.iter().zip(&expected).fold(0.0f64, |m, (f, e)| m.max((f / e - 1.0).abs()));
        println!("training on {device}: worst relative difference of losses {worst:.1e}");
    }
}

/// More loop iterations than Mesa's compiler allows a thread: the rest of the states would be zeros, without a word.
#[test]
fn long_rollouts_reach_their_end_on_every_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (model, _) = TOML.split_once("[net.g]").unwrap();
    write("model.toml", &format!("{model}[solver]\nmethod = \"rk4\"\ndt = 0.02\nsubsteps = 5\n"));
    write("model.wgsl", WGSL.split_once("fn features").unwrap().0);
    let array = |values: [f64; 4]| Array { shape: vec![2, 2], values: values.to_vec() };
    let arrays =
        [("s0", &array([1.0, 0.0, -0.5, 0.3]), Element::F64), ("theta", &array([1.0, 0.8, 0.6, 1.2]), Element::F64)];
    write_npz(&folder.path().join("in.npz"), &arrays).unwrap();
    let states = |vulkan: &Path, device: &[&str]| {
        let mut command = greybox(vulkan);
        command.current_dir(folder.path()).args(["eval", "model.toml", "--input", "in.npz", "--output", "out.npz"]);
        let output = command.args(["--steps", "600", "--device"]).args(device).output().unwrap();
        assert!(output.status.success(), "{device:?}: {}", String::from_utf8_lossy(&output.stderr));
        Arrays::read(&folder.path().join("out.npz")).unwrap().get("states").expect("states").values.clone()
    };
    let expected = states(&lavapipe(), &["cpu", "--precision", "f64"]);
    for (device, vulkan) in adapters() {
        let found = states(&vulkan, &[device]);
        assert_close(device, &found, &expected, Tolerance { relative: 1e-4, absolute: 0.0 });
    }
}
