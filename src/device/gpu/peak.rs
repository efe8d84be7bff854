//! What an adapter can do at best: a tiled matrix product and a copy, to measure kernels by.

use super::adapters::choose;
use super::context::{Context, PARAMS_STRIDE};
use super::kernel::Kernel;
use super::memory::{Memory, Slot};
use super::params::Params;
use super::source::Source;
use crate::device::{Care, DeviceError};
use std::time::Instant;

/// Rows, columns and depth of the product: several workgroups for each processor of a large GPU.
const PRODUCT: [usize; 3] = [4096, 512, 512];

/// Rows and columns that a workgroup of the product computes.
const TILE: usize = 64;

/// Bytes that are copied: more than caches of GPUs hold, and half of the largest binding that WebGPU promises.
const COPY: usize = 64 << 20;

/// Threads of a workgroup of the copy, and workgroups of a row of them.
const THREADS: usize = 256;
const ROW: usize = 1024;

/// Seconds of a submission.
const SUBMISSION: f64 = 0.02;

/// An adapter with the kernels of both.
pub struct PeakMeter {
    context: Context,
    memory: Memory,
    kernels: [Kernel; 2],
    /// Dispatches of a submission.
    together: [usize; 2],
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeakKind {
    /// A matrix product in f32.
    Product,
    /// A copy.
    Copy,
}

fn sources() -> [Source; 2] {
    let source = |name: &str, text: &str| Source {
        name: name.into(),
        text: [include_str!("../../../shaders/lib/params.wgsl"), text].join("\n"),
    };
    [
        source("peak_product", include_str!("../../../shaders/kernels/peak_product.wgsl")),
        source("peak_copy", include_str!("../../../shaders/kernels/peak_copy.wgsl")),
    ]
}

/// Parameters and workgroups of a dispatch.
fn dispatch(kind: PeakKind) -> (Params, [u32; 3]) {
    let [rows, columns, depth] = PRODUCT;
    let (samples, stride, chunk, size) = match kind {
        PeakKind::Product => (rows, columns, depth, [columns / TILE, rows / TILE, 1]),
        PeakKind::Copy => {
            let groups = (COPY / 16).div_ceil(THREADS);
            (COPY / 16, ROW * THREADS, 0, [ROW, groups.div_ceil(ROW), 1])
        }
    };
    let params = Params { samples: samples as u32, stride: stride as u32, chunk: chunk as u32, ..Params::default() };
    (params, size.map(|s| s as u32))
}

impl PeakMeter {
    /// Opens an adapter by name, as [`super::Gpu::open`] does, and finds out how much work takes a few milliseconds.
    pub fn open(name: &str) -> Result<PeakMeter, DeviceError> {
        let context = Context::open(&choose(name)?, Care::Usual)?;
        let [product, copy] = sources();
        let kernels = [Kernel::new(&context, &product)?, Kernel::new(&context, &copy)?];
        let mut memory = Memory::default();
        let [rows, columns, depth] = PRODUCT;
        // Operands of the product, and what is copied: both kernels read and write the same buffers. Ones keep sums exact.
        let ones = bytemuck::cast_slice::<f32, u8>(&[1.0; 1]).repeat(rows * depth);
        memory.reserve(&context, Slot::Data, COPY)?;
        memory.write(&context, Slot::Data, &ones)?;
        memory.write(&context, Slot::Weights, &ones[..4 * depth * columns])?;
        memory.reserve(&context, Slot::Results, COPY)?;
        memory.reserve(&context, Slot::Params, PARAMS_STRIDE as usize)?;
        let mut meter = PeakMeter { context, memory, kernels, together: [1; 2] };
        for kind in [PeakKind::Product, PeakKind::Copy] {
            // The first submission pays for what drivers put off.
            meter.run(kind)?;
            let start = Instant::now();
            meter.run(kind)?;
            let fitting = SUBMISSION / start.elapsed().as_secs_f64().max(1e-6);
            meter.together[kind as usize] = (fitting as usize).clamp(1, 1000);
        }
        Ok(meter)
    }

    /// What runs, for reports.
    pub fn description(&self) -> String {
        let software = if self.context.software { ", a software adapter" } else { "" };
        format!("gpu f32, {}{software}", self.context.name)
    }

    /// Runs one submission and waits for it; returns how many products or copies it held.
    pub fn run(&mut self, kind: PeakKind) -> Result<usize, DeviceError> {
        let (params, size) = dispatch(kind);
        self.memory.write(&self.context, Slot::Params, bytemuck::bytes_of(&params))?;
        let slots: &[Slot] = match kind {
            PeakKind::Product => &[Slot::Data, Slot::Weights, Slot::Results],
            PeakKind::Copy => &[Slot::Data, Slot::Results],
        };
        let (kernel, together) = (&self.kernels[kind as usize], self.together[kind as usize]);
        let group = kernel.bind(&self.context, &self.memory, slots);
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for _ in 0..together {
            kernel.dispatch(&mut pass, &group, 0, size);
        }
        drop(pass);
        let submission = self.context.submit(encoder)?;
        self.context.wait_for(Some(submission))?;
        Ok(together)
    }

    /// Work of one product in floating-point operations, or of one copy in bytes read and written.
    pub fn work(kind: PeakKind) -> f64 {
        match kind {
            PeakKind::Product => 2.0 * PRODUCT.iter().product::<usize>() as f64,
            PeakKind::Copy => 2.0 * COPY as f64,
        }
    }

    /// Rows of the product.
    pub fn rows() -> usize {
        PRODUCT[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu::kernel::bindings;

    #[test]
    fn kernels_are_valid_and_sizes_fit_their_tiles() {
        for source in sources() {
            assert!(bindings(&source).expect("valid WGSL").len() >= 3, "{}", source.name);
        }
        assert!(PRODUCT[0].is_multiple_of(TILE) && PRODUCT[1].is_multiple_of(TILE) && PRODUCT[2].is_multiple_of(16));
        let (params, size) = dispatch(PeakKind::Copy);
        assert!(size[1] < 65_536 && (size[0] * size[1]) as usize * THREADS >= params.samples as usize);
    }

    /// Every entry of the product of ones is the depth; a copy of ones is ones.
    #[test]
    fn what_is_measured_is_what_was_asked_for() {
        let mut meter = match PeakMeter::open("gpu") {
            Ok(meter) => meter,
            Err(DeviceError::Unavailable { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        let words = (PRODUCT[0] * PRODUCT[1]) as u64;
        for (kind, expected) in [(PeakKind::Product, PRODUCT[2] as f32), (PeakKind::Copy, 1.0)] {
            meter.run(kind).expect("a run");
            let found = meter.context.download(&[(meter.memory.get(Slot::Results), 0, words)]).expect("results");
            assert!(found[0].iter().all(|word| f32::from_bits(*word) == expected), "{kind:?}");
        }
    }
}
