//! Recordings of the layer schedule: dispatches with their parameters, submitted in parts that no watchdog minds.

use super::Layers;
use super::command::{Command, KernelName, Size};
use super::layout::THREADS;
use super::link::Place;
use super::params::Params;
use crate::device::DeviceError;
use crate::device::gpu::context::PARAMS_STRIDE;
use crate::device::gpu::kernel::Kernel;
use crate::device::gpu::memory::{Memory, Slot};
use crate::device::gpu::recording::Flight;
use std::sync::Arc;
use std::time::Instant;

/// Dispatches of a submission, at most.
const CAPACITY: usize = 1024;

/// What starting a dispatch costs, in floating-point operations.
const OVERHEAD: f64 = 1e5;

/// Workgroups of a row; `linear` of `shaders/lib/layer.wgsl` has the same number.
const ROW: usize = 65_535;

/// Dispatches in the making and in flight, for a job whose buffers do not change.
pub struct Recording<'a> {
    layers: &'a Layers,
    memory: &'a Memory,
    params: Vec<u8>,
    dispatches: Vec<(KernelName, [u32; 3])>,
    kernels: Vec<Option<(Arc<Kernel>, wgpu::BindGroup)>>,
    flight: Flight,
    flops: f64,
    pending: f64,
    since: Instant,
}

impl<'a> Recording<'a> {
    /// An empty recording over buffers that were reserved; the one of parameters too.
    pub fn new(layers: &'a Layers, memory: &'a Memory) -> Recording<'a> {
        Recording {
            layers,
            memory,
            params: Vec::new(),
            dispatches: Vec::new(),
            kernels: layers.kernels.iter().map(|_| None).collect(),
            flight: Flight::default(),
            flops: 0.0,
            pending: 0.0,
            since: Instant::now(),
        }
    }

    /// Bytes of the buffer of parameters.
    pub const BYTES: usize = CAPACITY * PARAMS_STRIDE as usize;

    /// Adds a dispatch; what was recorded is submitted where it is enough.
    pub fn push<P: bytemuck::Pod>(
        &mut self,
        kernel: KernelName,
        params: P,
        size: [u32; 3],
        flops: f64,
    ) -> Result<(), DeviceError> {
        if size.contains(&0) {
            return Ok(());
        }
        if self.kernels[kernel.index()].is_none() {
            let start = Instant::now();
            let compiled = self.layers.kernel(kernel)?;
            let group = self.bind(kernel, &compiled);
            // Compiling is not part of the adapter's pace.
            self.since += start.elapsed();
            self.kernels[kernel.index()] = Some((compiled, group));
        }
        let start = self.params.len();
        self.params.extend_from_slice(bytemuck::bytes_of(&params));
        self.params.resize(start + PARAMS_STRIDE as usize, 0);
        self.dispatches.push((kernel, size));
        self.pending += flops + OVERHEAD;
        let target = self.layers.context.target_seconds();
        let seconds = self.layers.pace.lock().map_or(f64::INFINITY, |p| p.seconds(self.pending, 1.0));
        if self.dispatches.len() >= CAPACITY || seconds >= target { self.submit() } else { Ok(()) }
    }

    /// Adds a kernel with a thread for each of `threads` numbers.
    pub fn threads(&mut self, kernel: KernelName, params: Params, threads: usize) -> Result<(), DeviceError> {
        self.push(kernel, params, rows(threads.div_ceil(THREADS)), 4.0 * threads as f64)
    }

    /// Adds a kernel with a workgroup for each sample, which looks at so many numbers.
    pub fn samples(&mut self, kernel: KernelName, params: Params, numbers: usize) -> Result<(), DeviceError> {
        let samples = params.samples as usize;
        self.push(kernel, params, rows(samples), 4.0 * (samples * numbers) as f64)
    }

    /// Adds a weighted sum of arrays of `scalars`.
    pub fn combine(
        &mut self,
        base: Params,
        output: Place,
        scalars: usize,
        terms: &[(Place, f64)],
    ) -> Result<(), DeviceError> {
        let mut params = Params { output: output.word(), numbers: scalars as u32, terms: terms.len() as u32, ..base };
        for (i, (place, factor)) in terms.iter().enumerate() {
            params.places[i / 4][i % 4] = place.word();
            params.factors[i / 4][i % 4] = *factor as f32;
        }
        match scalars {
            0 => Ok(()),
            _ => self.threads(KernelName::Combine, params, scalars * base.stride as usize),
        }
    }

    /// Adds the commands of a part of a program; weight gradients only with `weights`.
    pub fn commands(&mut self, base: Params, commands: &[Command], weights: bool) -> Result<(), DeviceError> {
        let samples = base.samples as usize;
        // Steps that read weights work member by member, the others on all samples at once.
        let (pieces, longest) = (base.pieces.max(1), base.longest as usize);
        for command in commands {
            match *command {
                Command::Copy { from, output, scalars } => self.combine(base, output, scalars, &[(from, 1.0)])?,
                Command::Step { kernel: KernelName::Outer, .. } if !weights => {}
                Command::Step { kernel, step, size, flops } => {
                    let size = match size {
                        Size::Threads(each) => rows((each * samples).div_ceil(THREADS)),
                        Size::Groups(each) => rows(each * samples),
                        Size::Tiles { lanes, width, blocks } => {
                            let [x, y, _] = rows((lanes * longest).div_ceil(width) * blocks);
                            [x, y, pieces]
                        }
                        Size::Blocks(blocks) => [blocks as u32, base.partitions, pieces],
                    };
                    self.push(kernel, Params { step, ..base }, size, flops * samples as f64)?;
                }
            }
        }
        Ok(())
    }

    /// Clears a buffer, behind what was recorded.
    pub fn clear(&mut self, slot: Slot) -> Result<(), DeviceError> {
        self.submit()?;
        let mut encoder = self.layers.context.device.create_command_encoder(&Default::default());
        encoder.clear_buffer(self.memory.get(slot), 0, None);
        if let Some(trace) = &self.layers.context.trace {
            trace.clear(self.memory.get(slot));
        }
        self.layers.context.submit(encoder).map(drop)
    }

    /// Submits what was recorded.
    fn submit(&mut self) -> Result<(), DeviceError> {
        if self.dispatches.is_empty() {
            return Ok(());
        }
        let context = &self.layers.context;
        context.write(self.memory.get(Slot::Params), 0, &self.params);
        let mut encoder = context.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for (position, (name, size)) in self.dispatches.iter().enumerate() {
            if let Some((kernel, group)) = &self.kernels[name.index()] {
                kernel.dispatch(&mut pass, group, position, *size);
            }
        }
        drop(pass);
        self.flight.push(context, context.submit(encoder)?)?;
        self.flops += std::mem::take(&mut self.pending);
        self.params.clear();
        self.dispatches.clear();
        Ok(())
    }

    /// Submits the rest and waits for all of it.
    pub fn finish(&mut self) -> Result<(), DeviceError> {
        self.submit()?;
        self.layers.context.wait_for(None)?;
        if let Ok(mut pace) = self.layers.pace.lock() {
            pace.measured(self.since.elapsed().as_secs_f64(), std::mem::take(&mut self.flops));
        }
        self.since = Instant::now();
        Ok(())
    }

    /// Binds a kernel's buffers, in the order of its bindings.
    fn bind(&self, name: KernelName, kernel: &Kernel) -> wgpu::BindGroup {
        let slots: &[Slot] = match name {
            KernelName::Reduce => &[Slot::Partials, Slot::Gradient, Slot::Norms],
            _ => &[
                Slot::Table,
                Slot::Frame,
                Slot::Weights,
                Slot::Data,
                Slot::Batch,
                Slot::Results,
                Slot::Seeds,
                Slot::Partials,
            ],
        };
        kernel.bind(&self.layers.context, self.memory, slots)
    }
}

/// So many workgroups in rows.
fn rows(groups: usize) -> [u32; 3] {
    match groups {
        0..=ROW => [groups as u32, 1, 1],
        _ => [ROW as u32, groups.div_ceil(ROW) as u32, 1],
    }
}
