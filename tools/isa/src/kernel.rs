//! WGSL to SPIR-V as wgpu's Vulkan backend does it, a module per entry point, and the resources a kernel binds.

use anyhow::{Result, anyhow, bail};
use naga::back::{pipeline_constants::process_overrides, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

/// A compute entry point, ready for the driver.
pub struct Kernel {
    /// Its name in the file.
    pub entry: String,
    /// Its module.
    pub spirv: Vec<u32>,
    /// The buffers of the module, each at its group and binding.
    pub buffers: Vec<Buffer>,
    /// Bytes of immediate data (push constants).
    pub immediates: u32,
    /// Whether it speaks to its subgroup.
    pub uses_subgroups: bool,
}

/// A bound buffer.
pub struct Buffer {
    pub group: u32,
    pub binding: u32,
    pub uniform: bool,
}

/// What decides which checks are compiled in.
#[derive(Clone, Copy)]
pub struct Target {
    /// The device itself keeps accesses within their buffers, so wgpu adds no checks of them.
    pub buffers_are_robust: bool,
    /// As with `wgpu::ShaderRuntimeChecks::unchecked()`.
    pub unchecked: bool,
}

/// Every compute entry point of a file.
pub fn compile(source: &str, target: Target) -> Result<Vec<Kernel>> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| anyhow!("{}", e.emit_to_string(source)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|e| anyhow!("{}", e.emit_to_string(source)))?;
    let entries = module.entry_points.iter().filter(|entry| entry.stage == ShaderStage::Compute);
    let kernels = entries.map(|entry| kernel(&module, &info, &entry.name, target)).collect::<Result<Vec<_>>>()?;
    if kernels.is_empty() {
        bail!("no compute entry point");
    }
    Ok(kernels)
}

fn kernel(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str, target: Target) -> Result<Kernel> {
    let (module, info) =
        process_overrides(module, info, Some((ShaderStage::Compute, entry)), &naga::back::PipelineConstants::default())
            .map_err(|e| anyhow!("entry point {entry}: {e}"))?;
    let stage = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry.to_string() };
    let spirv = spv::write_vec(&module, &info, &options(target), Some(&stage))?;
    let mut kernel = Kernel {
        entry: entry.to_string(),
        uses_subgroups: uses_subgroups(&spirv),
        spirv,
        buffers: Vec::new(),
        immediates: 0,
    };
    for (_, variable) in module.global_variables.iter() {
        let name = variable.name.as_deref().unwrap_or("a variable");
        match (variable.space, &variable.binding) {
            (AddressSpace::Uniform | AddressSpace::Storage { .. }, Some(place)) => kernel.buffers.push(Buffer {
                group: place.group,
                binding: place.binding,
                uniform: variable.space == AddressSpace::Uniform,
            }),
            (AddressSpace::Immediate, _) => kernel.immediates = module.types[variable.ty].inner.size(module.to_ctx()),
            (AddressSpace::Private | AddressSpace::WorkGroup, _) => {}
            (space, _) => bail!("entry point {entry}: {name} is in {space:?}; only buffers can be bound"),
        }
    }
    Ok(kernel)
}

/// Those of wgpu-hal for a device of Vulkan 1.3, with the group and binding of the source.
fn options(target: Target) -> spv::Options<'static> {
    let restrict = |when| if when { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: restrict(!target.unchecked),
            buffer: restrict(!target.unchecked && !target.buffers_are_robust),
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        // As greybox asks of wgpu: its kernels write workgroup memory before they read it.
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: !target.unchecked,
        emit_int_div_checks: !target.unchecked,
        ..spv::Options::default()
    }
}

/// Looks for a capability of the `GroupNonUniform` family among the instructions that open a module.
fn uses_subgroups(spirv: &[u32]) -> bool {
    const HEADER: usize = 5;
    const OP_CAPABILITY: u32 = 17;
    const LENGTH: usize = 2;
    spirv[HEADER..]
        .chunks_exact(LENGTH)
        .take_while(|words| words[0] == (LENGTH as u32) << 16 | OP_CAPABILITY)
        .any(|words| (61..=68).contains(&words[1]))
}
