//! What portability is judged on: every golden and every study of the examples, in every schedule that can run it.

use super::ALL;
use greybox::device::gpu::{Schedule, Source, kernels};
use greybox::model::Model;
use greybox::study::Study;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A model and where it comes from.
pub struct Workload {
    /// Path in the repository without the file's end: `examples/pendulum/study`.
    pub name: String,
    pub model: Model,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tomls(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.map(|e| e.path()).partition(|path| path.is_dir());
    let own = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let mut all: Vec<PathBuf> = own.chain(folders.iter().flat_map(|folder| tomls(folder))).collect();
    all.sort();
    all
}

/// Goldens and studies, these also in their published setting where it has kernels of its own.
pub fn workloads() -> Vec<Workload> {
    let paths = [tomls(&root().join("tests/golden")), tomls(&root().join("examples"))].concat();
    let mut all = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root()).unwrap_or(&path).with_extension("").display().to_string();
        let golden = name.starts_with("tests/golden");
        for (full, suffix) in [(false, ""), (true, ", published setting")] {
            if full && (golden || !std::fs::read_to_string(&path).is_ok_and(|text| text.contains("[full"))) {
                continue;
            }
            let study = Study::open(&path, full).unwrap_or_else(|e| panic!("{e}"));
            let model = study.model().unwrap_or_else(|e| panic!("{e}"));
            all.push(Workload { name: format!("{name}{suffix}"), model });
        }
    }
    all
}

/// The kernels of a model in each schedule that can run it; none for models that run on the CPU only.
pub fn sources(model: &Model) -> Vec<(Schedule, Vec<Source>)> {
    ALL.into_iter().filter_map(|schedule| Some((schedule, kernels(model, Some(schedule)).ok()?.sources))).collect()
}

/// Every kernel of all workloads and of a model with encoders, each text once, named for messages.
pub fn distinct() -> Vec<(String, Source)> {
    let mut models: Vec<(String, Model)> = workloads().into_iter().map(|w| (w.name, w.model)).collect();
    models.push(("a model with encoders".into(), super::regularizers::encoders()));
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for (path, model) in models {
        for (schedule, sources) in sources(&model) {
            for source in sources {
                if seen.insert(source.text.clone()) {
                    all.push((format!("{} of {path}, {}", source.name, schedule.name()), source));
                }
            }
        }
    }
    all
}

/// No kind of kernel is missing.
#[test]
fn every_kernel_is_among_the_workloads() {
    let all = distinct();
    let names: HashSet<&str> = all.iter().map(|(_, source)| source.name.split("_").next().unwrap_or("")).collect();
    let fused = ["forward", "adjoint", "contract", "reduce", "draw", "functional", "adamw"];
    let layers = ["product", "outer", "stencil", "sum", "combine", "fill", "load", "begin", "prepare", "observables"];
    let layers = layers.into_iter().chain(["check", "residuals", "mismatch", "targets", "seed", "map"]);
    assert_eq!(names, fused.into_iter().chain(layers).collect());
}
