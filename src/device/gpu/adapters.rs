//! The adapters that wgpu sees, with the limits that decide which kernels they could run.

use super::context::{default_limits, too_small};
use crate::device::DeviceError;
use serde::Serialize;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One adapter under one backend; a GPU may appear once per backend.
#[derive(Clone, Debug, Serialize)]
pub struct Adapter {
    /// Name, as `--device` will take it.
    pub name: String,
    /// vulkan, metal, dx12 or gl.
    pub backend: String,
    /// discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Driver and its version.
    pub driver: String,
    /// Smallest and largest subgroup.
    pub subgroups: [u32; 2],
    /// Storage buffers that a compute shader can bind.
    pub max_storage_buffers_per_shader_stage: u32,
    /// Largest buffer, in bytes.
    pub max_buffer_size: u64,
    /// Largest binding of a storage buffer, in bytes.
    pub max_storage_buffer_binding_size: u64,
    /// Workgroup memory, in bytes.
    pub max_compute_workgroup_storage_size: u32,
    /// Threads per workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Optional abilities that kernels could use.
    pub features: Vec<&'static str>,
    /// Schedules that it can run; none if a limit is below what kernels need.
    pub schedules: Vec<&'static str>,
}

/// Backends that a GPU's own driver serves; GL is looked at only where they are not enough, as its libraries take time
/// and write to the terminal.
const NATIVE: [wgpu::Backends; 3] = [wgpu::Backends::VULKAN, wgpu::Backends::METAL, wgpu::Backends::DX12];

fn native() -> wgpu::Backends {
    NATIVE.into_iter().fold(wgpu::Backends::empty(), |all, backend| all | backend)
}

/// The adapters of some backends, in wgpu's order; empty where there is none.
fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    if wgpu::Instance::enabled_backend_features().is_empty() {
        return Vec::new();
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // No debug layers and no validation beside wgpu's own; incomplete drivers stay out.
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    wait(instance.enumerate_adapters(backends))
}

/// All adapters with what kernels can run there; empty where there is none.
pub fn adapters() -> Vec<Adapter> {
    enumerate(native() | wgpu::Backends::GL).iter().map(describe).collect()
}

/// True if some adapter is more than threads of the processor.
pub fn has_hardware() -> bool {
    enumerate(native()).iter().any(|a| a.get_info().device_type != wgpu::DeviceType::Cpu)
}

/// The adapter of a name: `gpu` for the best one, an index, or a part of `NAME (backend)` whatever its case; of several
/// that fit the best is taken.
pub fn choose(name: &str) -> Result<wgpu::Adapter, DeviceError> {
    let unavailable = |message: &str, remedy: String| DeviceError::Unavailable {
        device: name.to_string(),
        message: message.into(),
        remedy,
    };
    let wanted = name.to_lowercase();
    let mut all = enumerate(native());
    let mut fitting = fitting(&wanted, &all);
    if fitting.is_empty() {
        all = enumerate(native() | wgpu::Backends::GL);
        fitting = self::fitting(&wanted, &all);
    }
    if all.is_empty() {
        return Err(unavailable(
            "no graphics adapter was found",
            "install a Vulkan driver (on Debian: apt-get install mesa-vulkan-drivers), or use --device cpu".into(),
        ));
    }
    fitting.into_iter().rev().max_by_key(score).ok_or_else(|| {
        let infos = all.iter().map(wgpu::Adapter::get_info).enumerate();
        let list: Vec<String> = infos.map(|(i, a)| format!("{i}: {} ({})", a.name, a.backend)).collect();
        unavailable("there is no such adapter", format!("use cpu, gpu, or one of\n  {}", list.join("\n  ")))
    })
}

/// Adapters that a name in lower case may mean.
fn fitting(wanted: &str, all: &[wgpu::Adapter]) -> Vec<wgpu::Adapter> {
    let fits = |index: usize, adapter: &wgpu::Adapter| {
        let info = adapter.get_info();
        let full = format!("{} ({})", info.name, info.backend).to_lowercase();
        match wanted.parse::<usize>() {
            Ok(number) => number == index,
            Err(_) => wanted == "gpu" || full.contains(wanted),
        }
    };
    all.iter().enumerate().filter(|(i, a)| fits(*i, a)).map(|(_, a)| a.clone()).collect()
}

/// Kind before backend: discrete GPUs first, software last; GL behind the others. The first listed wins among equals.
fn score(adapter: &wgpu::Adapter) -> (u32, u32) {
    let info = adapter.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 4,
        wgpu::DeviceType::IntegratedGpu => 3,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 1,
        wgpu::DeviceType::Cpu => 0,
    };
    (kind, if info.backend == wgpu::Backend::Gl { 0 } else { 1 })
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let of_interest = [
        ("subgroup", wgpu::Features::SUBGROUP),
        ("shader-f16", wgpu::Features::SHADER_F16),
        ("shader-f64", wgpu::Features::SHADER_F64),
        ("shader-int64", wgpu::Features::SHADER_INT64),
        ("float32-atomic", wgpu::Features::SHADER_FLOAT32_ATOMIC),
        ("cooperative-matrix", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ("timestamp-query", wgpu::Features::TIMESTAMP_QUERY),
        ("pipeline-cache", wgpu::Features::PIPELINE_CACHE),
    ];
    Adapter {
        driver: driver(&info),
        name: info.name,
        backend: info.backend.to_string(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        },
        subgroups: [info.subgroup_min_size, info.subgroup_max_size],
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
        max_buffer_size: limits.max_buffer_size,
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        features: of_interest.iter().filter(|(_, f)| features.contains(*f)).map(|(name, _)| *name).collect(),
        schedules: match too_small(&default_limits(), &limits) {
            None => vec!["lane", "tile", "layer"],
            Some(_) => Vec::new(),
        },
    }
}

/// An adapter's driver and its version.
pub fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_string()
}

/// Runs a future to its end. Native wgpu's futures are ready at once, so there is nothing to be woken by.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
