//! Kernels without an adapter: naga turns each into the languages of all backends, spirv-val accepts the SPIR-V, and they
//! stay within what WebGPU promises everywhere. Their text does not grow with layers or steps.

use super::ALL;
use crate::common::model;
use greybox::device::gpu::{Schedule, Source, kernels};
use greybox::model::Model;
use greybox::study::Study;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

fn study(path: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let study = Study::open(&path, false).unwrap_or_else(|e| panic!("{e}"));
    study.model().unwrap_or_else(|e| panic!("{e}"))
}

fn sources(model: &Model, schedule: Schedule) -> Vec<Source> {
    let kernels = kernels(model, Some(schedule)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(kernels.schedule, schedule);
    kernels.sources
}

/// Every kernel of the goldens and the example studies, each text once.
fn all() -> Vec<(String, Source)> {
    let studies = [
        "tests/golden/pendulum/model.toml",
        "tests/golden/lotka_volterra/model.toml",
        "tests/golden/hamiltonian/model.toml",
        "tests/golden/driven_oscillator/model.toml",
        "tests/golden/held_input/model.toml",
        "tests/golden/queue_map/model.toml",
        "examples/pendulum/study.toml",
        "examples/lotka-volterra/study.toml",
    ];
    let grids = ["reaction_diffusion", "advection", "grid_mixed"].map(|name| format!("tests/golden/{name}/model.toml"));
    let plain = studies.iter().flat_map(|path| ALL.map(|schedule| (path.to_string(), schedule)));
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut models: Vec<(String, Model, Schedule)> = plain
        .chain(grids.map(|path| (path, Schedule::Layer)))
        .map(|(path, schedule)| (path.clone(), study(&path), schedule))
        .collect();
    models.extend(ALL.map(|schedule| ("a model with encoders".into(), super::regularizers::encoders(), schedule)));
    for (path, model, schedule) in models {
        for source in sources(&model, schedule) {
            if seen.insert(source.text.clone()) {
                all.push((format!("{} of {path}, {}", source.name, schedule.name()), source));
            }
        }
    }
    let names: HashSet<&str> = all.iter().map(|(_, source)| source.name.split("_").next().unwrap_or("")).collect();
    let fused = ["forward", "adjoint", "contract", "reduce", "draw", "functional", "adamw"];
    let layers = ["product", "outer", "stencil", "sum", "combine", "fill", "load", "begin", "prepare", "observables"];
    let layers = layers.into_iter().chain(["check", "residuals", "mismatch", "targets", "seed", "map"]);
    assert_eq!(names, fused.into_iter().chain(layers).collect());
    all
}

fn parse(name: &str, source: &Source) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(&source.text).unwrap_or_else(|e| panic!("{name}: {e}"));
    // No capability beyond the core of WebGPU.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {:?}", e.into_inner()));
    assert_eq!(module.entry_points.len(), 1, "{name}");
    assert_eq!(module.entry_points[0].name, source.name, "{name}");
    (module, info)
}

#[test]
fn spirv_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (index, (name, source)) in all().iter().enumerate() {
        let (module, info) = parse(name, source);
        // As wgpu asks for it on Vulkan 1.1.
        let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
        let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: source.name.clone() };
        let words = spv::write_vec(&module, &info, &options, Some(&pipeline)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder.path().join(format!("{index}.spv"));
        std::fs::write(&path, words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        files.push((name.clone(), path));
    }
    for (name, path) in files {
        let output = Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(path).output();
        let output = output.unwrap_or_else(|e| panic!("spirv-val: {e}; on Debian: apt-get install spirv-tools"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn other_backends_get_their_languages() {
    for (name, source) in all() {
        let (module, info) = parse(&name, &source);
        let entry = (ShaderStage::Compute, source.name.to_string());
        let mut text = String::new();
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V5_1, ..hlsl::Options::default() };
        let pipeline = hlsl::PipelineOptions { entry_point: Some(entry.clone()) };
        let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
        writer.write(&module, &info, None).unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
        assert!(text.contains("numthreads"), "{name}");
        let options = msl::Options { lang_version: (2, 1), ..msl::Options::default() };
        let pipeline = msl::PipelineOptions { entry_point: Some(entry), ..msl::PipelineOptions::default() };
        let (text, _) =
            msl::write_string(&module, &info, &options, &pipeline).unwrap_or_else(|e| panic!("{name}: MSL: {e}"));
        assert!(text.contains("kernel void"), "{name}");
        // GL counts the bindings of each kind on their own.
        let mut binding_map = glsl::BindingMap::default();
        let mut counts = [0u8; 2];
        let mut globals: Vec<_> =
            module.global_variables.iter().filter_map(|(_, g)| Some((g.binding?, g.space))).collect();
        globals.sort_by_key(|(binding, _)| *binding);
        for (binding, space) in globals {
            let count = &mut counts[usize::from(space == AddressSpace::Uniform)];
            binding_map.insert(binding, *count);
            *count += 1;
        }
        let options = glsl::Options { version: glsl::Version::new_gles(310), binding_map, ..glsl::Options::default() };
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: source.name.clone(),
            multiview: None,
        };
        let mut text = String::new();
        glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
            .and_then(|mut writer| writer.write())
            .unwrap_or_else(|e| panic!("{name}: GLSL: {e}"));
        assert!(text.starts_with("#version 310 es"), "{name}");
    }
}

#[test]
fn kernels_stay_within_the_limits_that_every_adapter_has() {
    for (name, source) in all() {
        let (module, info) = parse(&name, &source);
        let used = info.get_entry_point(0);
        let (mut storage, mut uniform, mut workgroup) = (0, 0, 0);
        for (handle, global) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
            let _ = handle;
            match global.space {
                AddressSpace::Storage { .. } => storage += 1,
                AddressSpace::Uniform => uniform += 1,
                AddressSpace::WorkGroup => workgroup += module.types[global.ty].inner.size(module.to_ctx()),
                _ => {}
            }
            assert!(global.binding.is_none_or(|b| b.group == 0 && b.binding <= 8), "{name}: {:?}", global.binding);
        }
        assert!(storage <= 8, "{name}: {storage} storage buffers");
        assert!(uniform <= 1, "{name}: {uniform} uniform buffers");
        assert!(workgroup <= 16_384, "{name}: {workgroup} bytes of workgroup memory");
        let threads = module.entry_points[0].workgroup_size;
        assert!(threads.iter().product::<u32>() <= 256 && threads[0] <= 256, "{name}: {threads:?} threads");
        // Drivers have stumbled over both.
        for word in ["continuing", "break if"] {
            assert!(!source.text.contains(word), "{name}: `{word}`");
        }
    }
}

fn spring(hidden: &str, substeps: usize, method: &str) -> Model {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = {hidden}\n\
         [net.h]\nkind = \"gradient\"\nhidden = {hidden}\n\
         [solver]\nmethod = \"{method}\"\ndt = 0.1\nsubsteps = {substeps}\n"
    );
    let wgsl = "struct State { x: f32, v: f32 }\nstruct Theta { k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }\n\
                fn features_h(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }\n\
                fn rhs(f: State, g: array<f32, 2>, h: array<f32, 2>) -> State {\n\
                    return State(f.x + g[0] + h[0], f.v + g[1] + h[1]); }";
    model(&toml, wgsl)
}

fn lines(model: &Model, schedule: Schedule) -> Vec<usize> {
    sources(model, schedule).iter().map(|source| source.text.lines().count()).collect()
}

#[test]
fn texts_do_not_grow_with_layers_widths_stages_or_steps() {
    for schedule in ALL {
        let base = lines(&spring("[8, 8]", 1, "rk4"), schedule);
        let deep = lines(&spring("[8, 8, 8, 8, 8]", 1, "rk4"), schedule);
        for (two, five) in base.iter().zip(&deep) {
            assert!(two.abs_diff(*five) < 60, "{}: {base:?} and {deep:?}", schedule.name());
        }
        println!("lines of two and of five hidden layers, {}: {base:?} {deep:?}", schedule.name());
        assert_eq!(lines(&spring("[8, 8]", 50, "rk4"), schedule), base, "steps");
        assert_eq!(lines(&spring("[8, 8]", 1, "euler"), schedule), base, "stages");
        assert_eq!(lines(&spring("[16, 31]", 1, "rk4"), schedule), base, "widths");
    }
}

#[test]
fn the_summary_tells_what_fits_a_workgroup() {
    let kernels = kernels(&spring("[8, 8]", 1, "rk4"), None).unwrap_or_else(|e| panic!("{e}"));
    let summary = kernels.summary;
    assert!(summary.starts_with("schedule lane, ") && summary.contains("bytes of workgroup memory"), "{summary}");
    let wide = greybox::device::gpu::kernels(&spring("[900, 900]", 1, "rk4"), Some(Schedule::Tile));
    let message = wide.err().expect("such layers do not fit");
    assert!(message.contains("max_compute_workgroup_storage_size"), "{message}");
}
