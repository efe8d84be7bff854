//! What f32 costs: rollouts and gradients in f32, on the CPU and on adapters, against the CPU in f64, over the number of
//! steps.

use super::goldens::golden;
use super::greybox;
use greybox::data::npz::{Array, Arrays, Element, write_npz};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Goldens without inputs, and numbers of intervals.
const WORKLOADS: [(&str, &[usize]); 6] = [
    ("pendulum", &[10, 100, 1000]),
    ("lotka_volterra", &[10, 100, 1000]),
    ("hamiltonian", &[10, 100, 1000]),
    ("reaction_diffusion", &[10, 100]),
    ("advection", &[10, 100]),
    ("grid_mixed", &[10, 100]),
];

/// States and all derivatives of a rollout of some intervals whose observations are zeros; nothing where it diverges.
fn evaluate(case: &str, steps: usize, vulkan: &Path, device: &[&str]) -> Option<Arrays> {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.npz", "out.npz"].map(|name| folder.path().join(name));
    let at = |name: &str| golden(case).join(name);
    let given = Arrays::read(&at("in.npz")).unwrap_or_else(|e| panic!("{e}"));
    let y = given.get("y").expect("observations");
    let shape: Vec<usize> = [&[y.shape[0], steps], &y.shape[2..]].concat();
    let zeros = Array { values: vec![0.0; shape.iter().product()], shape };
    let arrays = [("s0", given.get("s0").expect("states")), ("theta", given.get("theta").expect("θ")), ("y", &zeros)];
    write_npz(&input, &arrays.map(|(name, array)| (name, array, Element::F64))).unwrap();
    let mut command = greybox(vulkan);
    command.arg("eval").arg(at("model.toml")).arg("--weights").arg(at("weights.safetensors"));
    command.arg("--input").arg(&input).arg("--output").arg(&output).args(["--grad", "--device"]).args(device);
    let result = command.output().unwrap();
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success() || errors.contains("diverged"), "{case}, {device:?}: {errors}");
    result.status.success().then(|| Arrays::read(&output).unwrap_or_else(|e| panic!("{e}")))
}

/// Errors of the states and, the largest of all arrays, of the derivatives: relative to the largest entry of an array.
fn errors(found: &Arrays, exact: &Arrays) -> [f64; 2] {
    let mut worst = [0.0f64; 2];
    for (name, exact) in exact.iter().filter(|(name, _)| *name == "states" || name.starts_with("grad")) {
        let found = &found.get(name).unwrap_or_else(|| panic!("no {name}")).values;
        let largest = exact.values.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let slot = &mut worst[usize::from(name != "states")];
        *slot = found.iter().zip(&exact.values).fold(*slot, |m, (f, e)| m.max((f - e).abs() / largest));
    }
    worst
}

/// The table of all workloads, with a column of states and of derivatives for the CPU and each adapter.
pub fn table(adapters: &[(&str, &str, PathBuf)]) -> String {
    let mut text = String::from("| model | intervals | CPU |");
    adapters.iter().for_each(|(heading, ..)| {
        let _ = write!(text, " {heading} |");
    });
    let _ = writeln!(text, "\n| --- | --: | --: |{}", " --: |".repeat(adapters.len()));
    for (case, all) in WORKLOADS {
        for steps in all {
            let _ = write!(text, "| {case} | {steps} |");
            let vulkan = &adapters[0].2;
            let Some(exact) = evaluate(case, *steps, vulkan, &["cpu", "--precision", "f64"]) else {
                let _ = writeln!(text, " diverges |{}", " |".repeat(adapters.len()));
                continue;
            };
            let devices = adapters.iter().map(|(_, device, vulkan)| (*device, vulkan));
            for (device, vulkan) in std::iter::once(("cpu", vulkan)).chain(devices) {
                let _ = match evaluate(case, *steps, vulkan, &[device]) {
                    Some(found) => {
                        let [states, derivatives] = errors(&found, &exact);
                        write!(text, " {states:.0e}, {derivatives:.0e} |")
                    }
                    None => write!(text, " diverges |"),
                };
            }
            text.push('\n');
        }
    }
    text
}

/// The cost stays within the contract's tolerance over ten times the intervals of a golden.
#[test]
fn single_precision_keeps_the_contract_over_a_hundred_intervals() {
    let vulkan = super::lavapipe();
    let exact = evaluate("pendulum", 100, &vulkan, &["cpu", "--precision", "f64"]).expect("it stays finite");
    for device in ["cpu", "llvmpipe"] {
        let found = evaluate("pendulum", 100, &vulkan, &[device]).expect("it stays finite");
        let errors = errors(&found, &exact);
        assert!(errors.iter().all(|e| *e > 0.0 && *e < 2e-4), "{device}: {errors:?}");
    }
}
