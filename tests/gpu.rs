//! The GPU device, on software adapters: the contract, agreement with the CPU device, bits that depend on nothing they
//! should not, training that stays on the adapter, kernels in every backend's language and in a browser, refusals.
//!
//! An adapter that is not installed fails these tests; what to install is told.

#[path = "gpu/agreement.rs"]
mod agreement;
#[path = "gpu/browser.rs"]
mod browser;
#[path = "gpu/budget.rs"]
mod budget;
#[path = "gpu/command.rs"]
mod command;
mod common;
#[path = "gpu/compositions.rs"]
mod compositions;
#[path = "gpu/errors.rs"]
mod errors;
#[path = "gpu/failures.rs"]
mod failures;
#[path = "gpu/goldens.rs"]
mod goldens;
#[path = "gpu/invariants.rs"]
mod invariants;
#[path = "gpu/layers.rs"]
mod layers;
#[path = "gpu/populations.rs"]
mod populations;
#[path = "gpu/portability.rs"]
mod portability;
#[path = "gpu/precision.rs"]
mod precision;
#[path = "gpu/regularizers.rs"]
mod regularizers;
#[path = "gpu/self_test.rs"]
mod self_test;
#[path = "gpu/training.rs"]
mod training;
#[path = "gpu/translate.rs"]
mod translate;
#[path = "gpu/tuning.rs"]
mod tuning;
#[path = "gpu/workloads.rs"]
mod workloads;

use common::Tolerance;
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Gradient, Job, Rollout, Wanted, cpu::Cpu};
use greybox::model::Model;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCHEDULES: [Schedule; 2] = [Schedule::Lane, Schedule::Tile];
const ALL: [Schedule; 3] = [Schedule::Lane, Schedule::Tile, Schedule::Layer];
const BOTH: Wanted = Wanted { weights: true, inputs: true };

/// More memory than any test of this crate needs.
const BUDGET: usize = 64 << 20;

const INSTALL: &str = "these tests run on three software adapters, Mesa's Vulkan and GL and SwiftShader; on Debian: \
                       apt-get install mesa-vulkan-drivers libegl1 libgl1-mesa-dri chromium";

/// The Vulkan adapter of this machine with a model: Mesa's software adapter where there is no hardware.
fn open(model: &Model, schedule: Schedule) -> Gpu {
    open_within(model, schedule, BUDGET)
}

fn open_within(model: &Model, schedule: Schedule, budget: usize) -> Gpu {
    Gpu::open("vulkan", model, Some(schedule), budget).unwrap_or_else(|e| panic!("{e}\n{INSTALL}"))
}

/// A Vulkan driver's description; fails with what to install where there is none.
fn driver(folder: &str, prefix: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).ok().into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(prefix) && name.ends_with(".json")
    });
    found.unwrap_or_else(|| panic!("no {prefix}*.json in {folder}; {INSTALL}"))
}

fn lavapipe() -> PathBuf {
    driver("/usr/share/vulkan/icd.d", "lvp_icd")
}

fn swiftshader() -> PathBuf {
    driver("/usr/lib/chromium", "vk_swiftshader_icd")
}

/// The command, seeing one Vulkan driver, with its pipelines kept in a folder of the tests.
fn greybox(vulkan: &Path) -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
    command.env("VK_ICD_FILENAMES", vulkan).env_remove("VK_DRIVER_FILES");
    command.env("XDG_RUNTIME_DIR", folder).env("GREYBOX_CACHE", folder.join("pipelines"));
    // Schedules by the widths of the networks, whatever the machine is doing.
    command.env("GREYBOX_TUNE", "off");
    command
}

/// Everything that a device computes for a job, by name.
fn results(model: &Model, rollout: &Rollout, gradient: &Gradient) -> Vec<(String, Vec<f64>)> {
    let mut all = vec![
        ("states".to_string(), rollout.states.clone()),
        ("predictions".to_string(), rollout.predictions.clone()),
        ("gradient of theta".to_string(), gradient.theta.clone()),
        ("gradient of the start".to_string(), gradient.start.clone()),
    ];
    for (i, (of_rollout, of_gradient)) in rollout.evaluation.terms.iter().zip(&gradient.evaluation.terms).enumerate() {
        for (pass, terms) in [("simulate", of_rollout), ("gradient", of_gradient)] {
            all.push((format!("loss of group {i}, {pass}"), terms.loss.into_iter().collect()));
            all.push((format!("objective of group {i}, {pass}"), vec![terms.objective]));
            for (penalty, value) in model.objective.penalties.iter().zip(&terms.penalties) {
                all.push((format!("{} of group {i}, {pass}", penalty.name), vec![*value]));
            }
        }
    }
    for (member, weights) in gradient.weights.chunks_exact(model.weights.per_member().max(1)).enumerate() {
        for shape in model.weights.shapes() {
            let values = weights[shape.offset..shape.offset + shape.len()].to_vec();
            all.push((format!("gradient of {}, member {member}", shape.name), values));
        }
    }
    all
}

fn compute(device: &dyn Device, job: &Job) -> (Rollout, Gradient) {
    let rollout = device.simulate(job).unwrap_or_else(|e| panic!("{}: {e}", device.description()));
    let gradient = device.gradient(job, BOTH).unwrap_or_else(|e| panic!("{}: {e}", device.description()));
    (rollout, gradient)
}

/// The adapter and the CPU in f64 with one model.
struct Judge<'a> {
    model: &'a Model,
    cpu: Cpu<f64>,
    gpus: Vec<(Schedule, Gpu)>,
    relative: f64,
}

impl<'a> Judge<'a> {
    fn new(model: &'a Model, schedules: &[Schedule]) -> Judge<'a> {
        let gpus = schedules.iter().map(|schedule| (*schedule, open(model, *schedule))).collect();
        Judge { model, cpu: Cpu::new(model, 1 << 26), gpus, relative: 1e-5 }
    }

    fn within(self, relative: f64) -> Judge<'a> {
        Judge { relative, ..self }
    }

    /// Fails unless both agree. Every array is judged by its own largest entry, and one of zeros alone must be met exactly.
    fn agree(&self, name: &str, job: &Job) {
        let (rollout, gradient) = compute(&self.cpu, job);
        let expected = results(self.model, &rollout, &gradient);
        for (schedule, gpu) in &self.gpus {
            let (own_rollout, own_gradient) = compute(gpu, job);
            let found = results(self.model, &own_rollout, &own_gradient);
            let mut worst = (0.0, "");
            for ((array, found), (_, expected)) in found.iter().zip(&expected) {
                let label = format!("{name}, {}: {array}", schedule.name());
                let tolerance = Tolerance { relative: self.relative, absolute: 0.0 };
                common::assert_close(&label, found, expected, tolerance);
                let largest = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
                let error = found.iter().zip(expected).fold(0.0f64, |m, (f, e)| m.max((f - e).abs())) / largest;
                if error > worst.0 {
                    worst = (error, array);
                }
            }
            println!("{name}, {}: worst relative error {:.1e} ({})", schedule.name(), worst.0, worst.1);
            for (found, expected) in own_rollout.evaluation.sums.iter().zip(&rollout.evaluation.sums) {
                assert_eq!((found.present, found.stage_count), (expected.present, expected.stage_count), "{name}");
            }
            assert_eq!(own_rollout.evaluation.status, rollout.evaluation.status, "{name}");
            assert_eq!(own_gradient.evaluation.status, gradient.evaluation.status, "{name}");
            let evaluation = gpu.evaluate(job).unwrap();
            assert_eq!(evaluation, own_rollout.evaluation, "{name}: evaluate and simulate take the same steps");
        }
    }
}

/// The judgement of one job in all schedules.
fn agree(name: &str, model: &Model, job: &Job) {
    Judge::new(model, &ALL).agree(name, job);
}
