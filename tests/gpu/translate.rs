//! Kernels without an adapter: naga turns each into the languages of all backends, and spirv-val accepts the SPIR-V. Their
//! text does not grow with layers or steps.

use super::ALL;
use super::workloads::distinct;
use crate::common::model;
use greybox::device::gpu::{Schedule, Source, kernels};
use greybox::model::Model;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use std::path::Path;
use std::process::Command;

/// A kernel as naga understands it, within the core of WebGPU.
pub struct Parsed {
    pub module: Module,
    pub info: ModuleInfo,
    name: String,
}

impl Parsed {
    pub fn new(source: &Source) -> Result<Parsed, String> {
        let module = naga::front::wgsl::parse_str(&source.text).map_err(|e| e.emit_to_string(&source.text))?;
        // No capability beyond the core of WebGPU.
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module).map_err(|e| e.emit_to_string(&source.text))?;
        match module.entry_points.as_slice() {
            [entry] if entry.name == source.name => Ok(Parsed { module, info, name: source.name.clone() }),
            _ => Err("not one entry point of the kernel's name".into()),
        }
    }

    /// SPIR-V that spirv-val accepts. The file is written over.
    pub fn spirv(&self, file: &Path) -> Result<(), String> {
        // As wgpu asks for it on Vulkan 1.1.
        let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
        let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: self.name.clone() };
        let words =
            spv::write_vec(&self.module, &self.info, &options, Some(&pipeline)).map_err(|e| format!("SPIR-V: {e}"))?;
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        std::fs::write(file, bytes).map_err(|e| e.to_string())?;
        let output = Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(file).output();
        let output = output.map_err(|e| format!("spirv-val: {e}; on Debian: apt-get install spirv-tools"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("spirv-val: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    pub fn hlsl(&self) -> Result<(), String> {
        let mut text = String::new();
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V5_1, ..hlsl::Options::default() };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, self.name.clone())) };
        let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
        writer.write(&self.module, &self.info, None).map_err(|e| format!("HLSL: {e}"))?;
        said(&text, "HLSL", "numthreads")
    }

    pub fn msl(&self) -> Result<(), String> {
        let options = msl::Options { lang_version: (2, 1), ..msl::Options::default() };
        let entry_point = Some((ShaderStage::Compute, self.name.clone()));
        let pipeline = msl::PipelineOptions { entry_point, ..msl::PipelineOptions::default() };
        let (text, _) =
            msl::write_string(&self.module, &self.info, &options, &pipeline).map_err(|e| format!("MSL: {e}"))?;
        said(&text, "MSL", "kernel void")
    }

    pub fn glsl(&self) -> Result<(), String> {
        // GL counts the bindings of each kind on their own.
        let mut binding_map = glsl::BindingMap::default();
        let mut counts = [0u8; 2];
        let mut globals: Vec<_> =
            self.module.global_variables.iter().filter_map(|(_, g)| Some((g.binding?, g.space))).collect();
        globals.sort_by_key(|(binding, _)| *binding);
        for (binding, space) in globals {
            let count = &mut counts[usize::from(space == AddressSpace::Uniform)];
            binding_map.insert(binding, *count);
            *count += 1;
        }
        let options = glsl::Options { version: glsl::Version::new_gles(310), binding_map, ..glsl::Options::default() };
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: self.name.clone(),
            multiview: None,
        };
        let mut text = String::new();
        let policies = BoundsCheckPolicies::default();
        glsl::Writer::new(&mut text, &self.module, &self.info, &options, &pipeline, policies)
            .and_then(|mut writer| writer.write())
            .map_err(|e| format!("GLSL: {e}"))?;
        said(&text, "GLSL", "#version 310 es")
    }
}

fn said(text: &str, language: &str, words: &str) -> Result<(), String> {
    if text.contains(words) { Ok(()) } else { Err(format!("{language}: no `{words}`")) }
}

#[test]
fn every_backend_gets_its_language() {
    let folder = tempfile::tempdir().unwrap();
    let all = distinct();
    for (name, source) in &all {
        let parsed = Parsed::new(source).unwrap_or_else(|e| panic!("{name}: {e}"));
        let results = [parsed.spirv(&folder.path().join("kernel.spv")), parsed.hlsl(), parsed.msl(), parsed.glsl()];
        for result in results {
            result.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    println!("{} kernels in four languages", all.len());
}

fn sources(model: &Model, schedule: Schedule) -> Vec<Source> {
    let kernels = kernels(model, Some(schedule)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(kernels.schedule, schedule);
    kernels.sources
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
