//! An opened adapter: device and queue, buffers, uploads, downloads, and every error turned into one of ours.

use super::adapters::wait;
use super::cache::DiskCache;
use super::trace::Trace;
use crate::device::DeviceError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a submission may take before it counts as hung. Software adapters are slow, so it is generous.
const PATIENCE: Duration = Duration::from_secs(300);

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
    lost: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// Opens an adapter with WebGPU's default limits.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Context, DeviceError> {
        let info = adapter.get_info();
        let name = format!("{} ({})", info.name, info.backend);
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
        let lost: Arc<Mutex<Option<String>>> = Arc::default();
        let slot = lost.clone();
        device.set_device_lost_callback(move |_, message| {
            if let Ok(mut slot) = slot.lock() {
                slot.get_or_insert(format!("the device was lost: {message}"));
            }
        });
        // Errors outside of a scope must not abort the program: they end the next wait.
        let slot = lost.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if let Ok(mut slot) = slot.lock() {
                slot.get_or_insert(error.to_string());
            }
        }));
        let software = info.device_type == wgpu::DeviceType::Cpu;
        // Mesa's llvmpipe ends all loops of a thread, without a word, after 65 535 iterations in total (gallivm's
        // LP_MAX_TGSI_LOOP_ITERATIONS). The rest is for loops that are not counted.
        let iterations = info.name.to_lowercase().contains("llvmpipe").then_some(50_000);
        let cache = DiskCache::open(&device, &info);
        Ok(Context {
            device,
            queue,
            name,
            software,
            iterations,
            limits,
            cache,
            builtins: Vec::new(),
            trace: None,
            lost,
        })
    }

    /// The same with builtins that kernels may call, and a trace.
    pub fn with(self, builtins: Vec<String>, trace: Option<Arc<Trace>>) -> Context {
        Context { builtins, trace, ..self }
    }

    /// How long a submission should take.
    pub fn target_seconds(&self) -> f64 {
        TARGET_SECONDS[usize::from(self.software)]
    }

    /// An error of this device.
    pub fn error(&self, message: impl Into<String>, remedy: impl Into<String>) -> DeviceError {
        DeviceError::Failed { device: self.name.clone(), message: message.into(), remedy: remedy.into() }
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
            let remedy = "use a smaller batch (train.batch), a shorter window, or --device cpu";
            return Err(self.error(format!("{what}: out of memory: {error}"), remedy));
        }
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

    /// Waits for a submission, or for everything submitted so far.
    pub fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<(), DeviceError> {
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(PATIENCE) });
        self.alive()?;
        polled.map(|_| ()).map_err(|reason| {
            self.error(
                format!("it did not finish: {reason}"),
                "use a smaller batch or fewer steps; a hung driver needs a restart; the checkpoint is intact",
            )
        })
    }

    fn alive(&self) -> Result<(), DeviceError> {
        match self.lost.lock().ok().and_then(|slot| slot.clone()) {
            Some(message) => Err(self.error(
                message,
                "run the same command again: training continues from its checkpoint; if it happens again, use --device cpu",
            )),
            None => Ok(()),
        }
    }

    /// Reads ranges of buffers back: the words of each, in order.
    pub fn download(&self, ranges: &[(&wgpu::Buffer, u64, u64)]) -> Result<Vec<Vec<u32>>, DeviceError> {
        let total: u64 = ranges.iter().map(|(_, _, words)| words * 4).sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer("results", total, usage, "use fewer samples or steps at a time")?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, offset, words) in ranges.iter().filter(|(_, _, words)| *words > 0) {
            encoder.copy_buffer_to_buffer(buffer, offset * 4, &staging, at, words * 4);
            at += words * 4;
        }
        self.queue.submit([encoder.finish()]);
        let outcome: Arc<Mutex<Option<String>>> = Arc::default();
        let slot = outcome.clone();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            if let (Err(reason), Ok(mut slot)) = (result, slot.lock()) {
                *slot = Some(reason.to_string());
            }
        });
        self.wait_for(None)?;
        if let Some(reason) = outcome.lock().ok().and_then(|slot| slot.clone()) {
            return Err(
                self.error(format!("results cannot be read: {reason}"), "run the command again, or use --device cpu")
            );
        }
        let view = staging.get_mapped_range(..).map_err(|e| self.error(e.to_string(), "run the command again"))?;
        let mut words: Vec<u32> = bytemuck::pod_collect_to_vec(&view[..total as usize]);
        drop(view);
        if let Some(trace) = &self.trace {
            let remedy = "let them come from a trace of this very command";
            trace.download(ranges, &mut words).map_err(|message| self.error(message, remedy))?;
        }
        let mut rest = words.as_slice();
        let mut parts = Vec::with_capacity(ranges.len());
        for (_, _, words) in ranges {
            let (part, tail) = rest.split_at(*words as usize);
            parts.push(part.to_vec());
            rest = tail;
        }
        Ok(parts)
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
