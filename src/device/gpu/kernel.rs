//! Kernels: WGSL checked by naga, bindings read off the text, pipelines made and dispatched.

use super::cache::DiskCache;
use super::context::{Context, PARAMS_STRIDE};
use super::memory::{Memory, Slot};
use super::source::Source;
use super::trace::Trace;
use crate::device::DeviceError;
use crate::graph::with_builtins;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

/// A compiled kernel.
pub struct Kernel {
    /// Its name.
    pub name: String,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    bindings: Vec<u32>,
    trace: Option<Arc<Trace>>,
}

/// What a text binds: (binding, buffer kind), of the globals that its entry point uses.
pub fn bindings(source: &Source) -> Result<Vec<(u32, wgpu::BufferBindingType)>, String> {
    let module = naga::front::wgsl::parse_str(&source.text).map_err(|e| e.emit_to_string(&source.text))?;
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(&source.text))?;
    let entry = module.entry_points.iter().position(|e| e.name == source.name).ok_or("no entry point")?;
    let used = info.get_entry_point(entry);
    let mut found = Vec::new();
    for (_, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
        let Some(binding) = &variable.binding else { continue };
        let kind = match variable.space {
            naga::AddressSpace::Uniform => wgpu::BufferBindingType::Uniform,
            naga::AddressSpace::Storage { access } => {
                wgpu::BufferBindingType::Storage { read_only: !access.contains(naga::StorageAccess::STORE) }
            }
            _ => continue,
        };
        found.push((binding.binding, kind));
    }
    found.sort_by_key(|(binding, _)| *binding);
    Ok(found)
}

impl Kernel {
    /// Compiles a kernel. A refused text is kept in a file that the error names.
    pub fn new(context: &Context, source: &Source) -> Result<Kernel, DeviceError> {
        let start = Instant::now();
        let text = with_builtins(&source.text, &context.builtins);
        let refused = |message: String| {
            let path = std::env::temp_dir().join(format!("greybox-{}.wgsl", source.name));
            let kept = match std::fs::write(&path, &text) {
                Ok(()) => format!("its text is kept in {}", path.display()),
                Err(reason) => format!("its text could not be kept in {}: {reason}", path.display()),
            };
            context.error(
                format!("the kernel {} was refused; {kept}\n{message}", source.name),
                "use --device cpu, and report the text and this message",
            )
        };
        let reflected = bindings(source).map_err(refused)?;
        let uniform_size = NonZeroU64::new(PARAMS_STRIDE);
        let entries: Vec<wgpu::BindGroupLayoutEntry> = reflected
            .iter()
            .map(|(binding, kind)| {
                let uniform = *kind == wgpu::BufferBindingType::Uniform;
                wgpu::BindGroupLayoutEntry {
                    binding: *binding,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: *kind,
                        has_dynamic_offset: uniform,
                        min_binding_size: if uniform { uniform_size } else { None },
                    },
                    count: None,
                }
            })
            .collect();
        let name = source.name.as_str();
        let made = context.scoped(name, || {
            let device = &context.device;
            let layout = device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
            });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                ..Default::default()
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(name),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every row is written before it is read.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: context.cache.as_ref().map(DiskCache::pipelines),
            });
            (layout, pipeline)
        });
        let (layout, pipeline) = made.map_err(|error| match error {
            DeviceError::Failed { message, .. } => refused(message),
            other => other,
        })?;
        let trace = context.trace.clone();
        if let Some(trace) = &trace {
            trace.kernel(&pipeline, name, &text, &reflected);
        }
        let bindings = reflected.into_iter().map(|(binding, _)| binding).collect();
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        tracing::debug!(kernel = name, milliseconds, "compiled");
        if let Some(cache) = &context.cache {
            cache.save();
        }
        Ok(Kernel { name: source.name.clone(), pipeline, layout, bindings, trace })
    }

    /// Binds the parameters, and buffers by the numbers of their bindings from 1; those that the kernel does not use are
    /// left out.
    pub fn bind(&self, context: &Context, memory: &Memory, slots: &[Slot]) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry> = self
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupEntry {
                binding: *binding,
                resource: match binding {
                    0 => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: memory.get(Slot::Params),
                        offset: 0,
                        size: NonZeroU64::new(PARAMS_STRIDE),
                    }),
                    other => memory.get(slots[*other as usize - 1]).as_entire_binding(),
                },
            })
            .collect();
        let layout = &self.layout;
        let group = context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&self.name),
            layout,
            entries: &entries,
        });
        if let Some(trace) = &self.trace {
            trace.group(&group, &self.pipeline, &entries);
        }
        group
    }

    /// Records a dispatch with the parameters at a position of the params buffer.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass, group: &wgpu::BindGroup, params: usize, size: [u32; 3]) {
        let offset = (params as u64 * PARAMS_STRIDE) as u32;
        if let Some(trace) = &self.trace {
            trace.dispatch(&self.pipeline, group, offset, size);
        }
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, group, &[offset]);
        pass.dispatch_workgroups(size[0], size[1], size[2]);
    }
}
