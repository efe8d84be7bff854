//! The contract through the command, on three adapters and in all schedules: what `greybox eval --grad` writes against
//! independent float64 results.

use super::{SCHEDULES, greybox, lavapipe, swiftshader};
use crate::common::{Tolerance, compare};
use greybox::data::npz::Arrays;
use greybox::device::gpu::Schedule;
use std::path::{Path, PathBuf};

const CASES: [&str; 6] = ["pendulum", "lotka_volterra", "hamiltonian", "driven_oscillator", "held_input", "queue_map"];

const GRIDS: [&str; 3] = ["reaction_diffusion", "advection", "grid_mixed"];

/// Evaluates cases in some schedules and says all that is wrong.
fn check(adapter: &str, vulkan: &Path, cases: &[&str], schedules: &[Schedule]) {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.npz");
    let mut wrong = Vec::new();
    for case in cases {
        let at = |name: &str| goldens.join(case).join(name);
        let expected = Arrays::read(&at("expected.npz")).unwrap_or_else(|e| panic!("{e}"));
        for schedule in schedules {
            let label = format!("{case} on {adapter}, {}", schedule.name());
            let _ = std::fs::remove_file(&out);
            let mut command = greybox(vulkan);
            command.arg("eval").arg(at("model.toml")).arg("--weights").arg(at("weights.safetensors"));
            command.arg("--input").arg(at("in.npz")).arg("--output").arg(&out).arg("--grad");
            command.args(["--device", adapter, "--schedule", schedule.name()]);
            let output = command.output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{label}: {errors}\n{}", super::INSTALL);
            let found = Arrays::read(&out).unwrap_or_else(|e| panic!("{e}"));
            let mut worst = 0.0f64;
            for (array, expected) in expected.iter() {
                let name = format!("{label}: {array}");
                let Some(found) = found.get(array) else {
                    wrong.push(format!("{name} is not written"));
                    continue;
                };
                assert_eq!(found.shape, expected.shape, "{name}");
                let tolerance = Tolerance { relative: 2e-4, absolute: 0.0 };
                wrong.extend(compare(&name, &found.values, &expected.values, tolerance).err());
                let largest = expected.values.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
                let pairs = found.values.iter().zip(&expected.values);
                worst = pairs.fold(worst, |m, (f, e)| m.max((f - e).abs() / largest));
            }
            println!("{label}: worst relative error {worst:.1e} of {} arrays", expected.iter().count());
            assert!(expected.iter().count() >= 8, "{case}: too few arrays");
            let status = &found.get("status").expect("a status").values;
            assert!(status.iter().all(|s| *s == 0.0), "{label}: {status:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn on_vulkan_by_mesa() {
    check("llvmpipe", &lavapipe(), &CASES, &SCHEDULES);
}

/// Found by its backend although a Vulkan driver is there too.
#[test]
fn on_gl_by_mesa() {
    check("gl", &lavapipe(), &CASES, &SCHEDULES);
}

#[test]
fn on_vulkan_by_swiftshader() {
    check("swiftshader", &swiftshader(), &CASES, &SCHEDULES);
}

#[test]
fn grids_on_vulkan_by_mesa() {
    check("llvmpipe", &lavapipe(), &GRIDS, &[Schedule::Layer]);
}

#[test]
fn grids_on_gl_by_mesa() {
    check("gl", &lavapipe(), &GRIDS, &[Schedule::Layer]);
}

#[test]
fn grids_on_vulkan_by_swiftshader() {
    check("swiftshader", &swiftshader(), &GRIDS, &[Schedule::Layer]);
}

#[test]
fn any_model_layer_by_layer() {
    check("llvmpipe", &lavapipe(), &CASES, &[Schedule::Layer]);
}

/// Without Vulkan, `gpu` is GL.
#[test]
fn gl_serves_where_it_is_alone() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pendulum");
    let out = tempfile::tempdir().unwrap();
    let mut command = greybox(&PathBuf::from("/nonexistent"));
    command.current_dir(&goldens).args(["eval", "model.toml", "--weights", "weights.safetensors", "--input", "in.npz"]);
    let output = command.arg("--output").arg(out.path().join("out.npz")).args(["--device", "gpu"]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), super::INSTALL);
}
