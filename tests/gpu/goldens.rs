//! The contract through the command, on three adapters and in all schedules: what `greybox eval --grad` writes against
//! independent float64 results.

use super::{SCHEDULES, greybox, lavapipe, swiftshader};
use crate::common::{Tolerance, compare};
use greybox::data::npz::Arrays;
use greybox::device::gpu::Schedule;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub const CASES: [&str; 6] =
    ["pendulum", "lotka_volterra", "hamiltonian", "driven_oscillator", "held_input", "queue_map"];

pub const GRIDS: [&str; 3] = ["reaction_diffusion", "advection", "grid_mixed"];

/// Evaluates a golden with derivatives on an adapter, with further arguments; the worst error relative to the largest entry
/// of an array, or what is wrong.
pub fn evaluate(
    case: &str,
    adapter: &str,
    vulkan: &Path,
    schedule: Schedule,
    further: &[&OsStr],
) -> Result<f64, String> {
    let at = |name: &str| golden(case).join(name);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let out = folder.path().join("out.npz");
    let mut command = greybox(vulkan);
    command.arg("eval").arg(at("model.toml")).arg("--weights").arg(at("weights.safetensors"));
    command.arg("--input").arg(at("in.npz")).arg("--output").arg(&out).arg("--grad");
    command.args(["--device", adapter, "--schedule", schedule.name()]).args(further);
    let output = command.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("{}\n{}", String::from_utf8_lossy(&output.stderr), super::INSTALL));
    }
    let expected = Arrays::read(&at("expected.npz")).map_err(|e| e.to_string())?;
    let found = Arrays::read(&out).map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    let mut worst = 0.0f64;
    for (array, expected) in expected.iter() {
        let Some(found) = found.get(array).filter(|found| found.shape == expected.shape) else {
            wrong.push(format!("{array} is not written, or of another shape"));
            continue;
        };
        let tolerance = Tolerance { relative: 2e-4, absolute: 0.0 };
        wrong.extend(compare(array, &found.values, &expected.values, tolerance).err());
        let largest = expected.values.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let pairs = found.values.iter().zip(&expected.values);
        worst = pairs.fold(worst, |m, (f, e)| m.max((f - e).abs() / largest));
    }
    if expected.iter().count() < 8 {
        wrong.push("too few arrays are expected".into());
    }
    if found.get("status").is_none_or(|status| status.values.iter().any(|s| *s != 0.0)) {
        wrong.push("not all trajectories are well".into());
    }
    if wrong.is_empty() { Ok(worst) } else { Err(wrong.join("\n")) }
}

/// The folder of a golden.
pub fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

/// Evaluates cases in some schedules and says all that is wrong.
fn check(adapter: &str, vulkan: &Path, cases: &[&str], schedules: &[Schedule]) {
    let mut wrong = Vec::new();
    for case in cases {
        for schedule in schedules {
            let label = format!("{case} on {adapter}, {}", schedule.name());
            match evaluate(case, adapter, vulkan, *schedule, &[]) {
                Ok(worst) => println!("{label}: worst relative error {worst:.1e}"),
                Err(message) => wrong.push(format!("{label}: {message}")),
            }
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
    let goldens = golden("pendulum");
    let out = tempfile::tempdir().unwrap();
    let mut command = greybox(&PathBuf::from("/nonexistent"));
    command.current_dir(&goldens).args(["eval", "model.toml", "--weights", "weights.safetensors", "--input", "in.npz"]);
    let output = command.arg("--output").arg(out.path().join("out.npz")).args(["--device", "gpu"]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), super::INSTALL);
}
