//! An opened adapter: device and queue, buffers, and every error turned into one of ours.

use super::adapters::{driver, wait};
use super::cache::DiskCache;
use super::stamps::Stamps;
use super::trace::Trace;
use crate::device::{Breakdown, Care, DeviceError};
use crate::store::fault::{self, Point};
use std::sync::{Arc, Mutex};

/// Submissions are sized to take about this long, far below any watchdog; software adapters have none.
const TARGET_SECONDS: [f64; 2] = [0.05, 2.0];

/// Bytes between the parameters of two dispatches: WebGPU's default alignment of dynamic offsets.
pub const PARAMS_STRIDE: u64 = 256;

/// An opened adapter.
pub struct Context {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// Name and backend, for messages.
    pub name: String,
    /// Driver and its version.
    pub driver: String,
    /// True if threads of the processor do the work.
    pub software: bool,
    /// Loop iterations that a thread may take in one dispatch, where the driver ends loops by itself.
    pub iterations: Option<usize>,
    /// The limits it was opened with: WebGPU's defaults, so that a study that runs here runs on any adapter.
    pub limits: wgpu::Limits,
    /// Pipelines kept between runs.
    pub cache: Option<DiskCache>,
    /// Builtins that are accurate here, so that kernels call them and not the library.
    pub builtins: Vec<String>,
    /// Where everything asked of it is written down.
    pub trace: Option<Arc<Trace>>,
    /// How carefully it works.
    pub care: Care,
    /// Submissions that no download has accounted for.
    pub(super) stamps: Mutex<Stamps>,
    /// The first breakdown that the driver told of.
    pub(super) broken: Broken,
}

type Broken = Arc<Mutex<Option<(Breakdown, String)>>>;

/// What helps where memory is short.
const LESS: &str = "use a smaller batch (train.batch), a shorter window, less --memory, or --device cpu";

/// What helps where a device breaks down.
const AGAIN: &str = "give the same command again: training continues from its checkpoint; if it happens again, update the \
                     driver, choose another adapter (`greybox devices` lists them), or use --device cpu";

impl Context {
    /// Opens an adapter with WebGPU's default limits.
    pub fn open(adapter: &wgpu::Adapter, care: Care) -> Result<Context, DeviceError> {
        let info = adapter.get_info();
        let name = format!("{} ({})", info.name, info.backend);
        if fault::hit(Point::AdapterGone) {
            let (message, remedy) = ("it cannot be opened: a fault on purpose".into(), AGAIN.into());
            return Err(DeviceError::Unavailable { device: name, message, remedy });
        }
        let driver = driver(&info);
        let limits = default_limits();
        let have = adapter.limits();
        if let Some((limit, need, found)) = too_small(&limits, &have) {
            return Err(DeviceError::Unavailable {
                device: name,
                message: format!("its limit {limit} is {found}, kernels need {need}"),
                remedy: "update its driver, choose another adapter (`greybox devices` lists them), or use --device cpu"
                    .into(),
            });
        }
        let wanted = wgpu::DeviceDescriptor {
            label: Some("greybox"),
            required_features: adapter.features() & wgpu::Features::PIPELINE_CACHE,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = wait(adapter.request_device(&wanted)).map_err(|reason| DeviceError::Unavailable {
            device: name.clone(),
            message: format!("it cannot be opened: {reason}"),
            remedy: "see that no other program has it exclusively, choose another adapter, or use --device cpu".into(),
        })?;
        let broken = Broken::default();
        let slot = broken.clone();
        device.set_device_lost_callback(move |_, message| {
            if let Ok(mut slot) = slot.lock() {
                let message = if message.is_empty() { "the driver gives no reason".into() } else { message };
                slot.get_or_insert((Breakdown::Lost, message));
            }
        });
        // Errors outside of a scope must not abort the program: they end the next wait.
        let slot = broken.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let breakdown = match error {
                wgpu::Error::OutOfMemory { .. } => Breakdown::OutOfMemory,
                _ => Breakdown::Refused,
            };
            if let Ok(mut slot) = slot.lock() {
                slot.get_or_insert((breakdown, error.to_string()));
            }
        }));
        let software = info.device_type == wgpu::DeviceType::Cpu;
        // Mesa's llvmpipe ends all loops of a thread, without a word, after 65 535 iterations in total (gallivm's
        // LP_MAX_TGSI_LOOP_ITERATIONS). The rest is for loops that are not counted.
        let iterations = info.name.to_lowercase().contains("llvmpipe").then_some(50_000);
        let cache = DiskCache::open(&device, &info);
        let stamps = Mutex::new(Stamps::new(&device, &queue));
        Ok(Context {
            device,
            queue,
            name,
            driver,
            software,
            iterations,
            limits,
            cache,
            builtins: Vec::new(),
            trace: None,
            care,
            stamps,
            broken,
        })
    }

    /// The same with builtins that kernels may call, and a trace.
    pub fn with(self, builtins: Vec<String>, trace: Option<Arc<Trace>>) -> Context {
        Context { builtins, trace, ..self }
    }

    /// How long a submission should take.
    pub fn target_seconds(&self) -> f64 {
        TARGET_SECONDS[usize::from(self.software)] * self.care.haste()
    }

    /// An error of this device.
    pub fn error(&self, message: impl Into<String>, remedy: impl Into<String>) -> DeviceError {
        DeviceError::Failed { device: self.name.clone(), message: message.into(), remedy: remedy.into() }
    }

    /// The device broke down.
    pub(super) fn breakdown(&self, breakdown: Breakdown, message: impl Into<String>) -> DeviceError {
        let remedy = if breakdown == Breakdown::OutOfMemory { LESS } else { AGAIN };
        DeviceError::Broken { device: self.name.clone(), breakdown, message: message.into(), remedy: remedy.into() }
    }

    /// Runs something that makes resources; validation and memory errors come back as errors.
    pub fn scoped<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T, DeviceError> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = make();
        let internal = wait(internal.pop());
        let (memory, validation) = (wait(memory.pop()), wait(validation.pop()));
        if let Some(error) = memory {
            return Err(self.breakdown(Breakdown::OutOfMemory, format!("{what}: {error}")));
        }
        // What a lost device refuses says nothing of what was asked for.
        self.alive()?;
        match validation.or(internal) {
            Some(error) => Err(self.error(format!("{what}: {error}"), "use --device cpu, and report this text")),
            None => Ok(made),
        }
    }

    /// A buffer of `bytes`, checked against the limits first. `what` names it, `remedy` says how to need less.
    pub fn buffer(
        &self,
        what: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
        remedy: &str,
    ) -> Result<wgpu::Buffer, DeviceError> {
        let size = bytes.next_multiple_of(16).max(16);
        let binding = self.limits.max_storage_buffer_binding_size;
        let limit = match usage.contains(wgpu::BufferUsages::STORAGE) {
            true => ("max_storage_buffer_binding_size", binding.min(self.limits.max_buffer_size)),
            false => ("max_buffer_size", self.limits.max_buffer_size),
        };
        if size > limit.1 {
            let message = format!("{what} need {size} bytes, more than the limit {} = {} bytes", limit.0, limit.1);
            return Err(self.error(message, remedy));
        }
        if fault::hit(Point::OutOfMemory) {
            return Err(self.breakdown(Breakdown::OutOfMemory, format!("{what} need {size} bytes: a fault on purpose")));
        }
        let descriptor = wgpu::BufferDescriptor { label: Some(what), size, usage, mapped_at_creation: false };
        let buffer = self.scoped(what, || self.device.create_buffer(&descriptor))?;
        if let Some(trace) = self.trace.as_ref().filter(|_| !usage.contains(wgpu::BufferUsages::MAP_READ)) {
            trace.buffer(&buffer, what);
        }
        Ok(buffer)
    }

    /// A storage buffer that can be written from and read by the host.
    pub fn storage(&self, what: &str, bytes: u64, remedy: &str) -> Result<wgpu::Buffer, DeviceError> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        self.buffer(what, bytes, usage, remedy)
    }

    /// Writes to a buffer, from an offset in bytes, before what is submitted next.
    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, content: &[u8]) {
        if let Some(trace) = &self.trace {
            trace.write(buffer, offset, content);
        }
        self.queue.write_buffer(buffer, offset, content);
    }
}

/// The limits that kernels are planned for.
pub fn default_limits() -> wgpu::Limits {
    let mut limits = wgpu::Limits::downlevel_defaults();
    // Compute on storage buffers alone: what WebGPU promises for it, and no more than any downlevel adapter has of the rest.
    let webgpu = wgpu::Limits::default();
    limits.max_storage_buffers_per_shader_stage = webgpu.max_storage_buffers_per_shader_stage;
    limits.max_storage_buffer_binding_size = webgpu.max_storage_buffer_binding_size;
    limits.max_buffer_size = webgpu.max_buffer_size;
    limits.max_compute_workgroup_storage_size = webgpu.max_compute_workgroup_storage_size;
    limits.max_compute_invocations_per_workgroup = webgpu.max_compute_invocations_per_workgroup;
    limits.max_compute_workgroup_size_x = webgpu.max_compute_workgroup_size_x;
    limits.max_compute_workgroups_per_dimension = webgpu.max_compute_workgroups_per_dimension;
    limits
}

/// The first limit that kernels need and an adapter does not have.
pub fn too_small(need: &wgpu::Limits, have: &wgpu::Limits) -> Option<(&'static str, u64, u64)> {
    let pairs = [
        (
            "max_storage_buffers_per_shader_stage",
            need.max_storage_buffers_per_shader_stage as u64,
            have.max_storage_buffers_per_shader_stage as u64,
        ),
        ("max_storage_buffer_binding_size", need.max_storage_buffer_binding_size, have.max_storage_buffer_binding_size),
        ("max_buffer_size", need.max_buffer_size, have.max_buffer_size),
        (
            "max_compute_workgroup_storage_size",
            need.max_compute_workgroup_storage_size as u64,
            have.max_compute_workgroup_storage_size as u64,
        ),
        (
            "max_compute_invocations_per_workgroup",
            need.max_compute_invocations_per_workgroup as u64,
            have.max_compute_invocations_per_workgroup as u64,
        ),
    ];
    pairs.into_iter().find(|(_, need, have)| need > have)
}
