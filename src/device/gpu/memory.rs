//! Buffers of a device, kept from job to job and grown when a job needs more.

use super::context::Context;
use crate::device::DeviceError;

/// The buffers of rollouts and gradients, by the order of their bindings where they have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "told where kernels bind them")]
pub enum Slot {
    Table,
    Weights,
    Data,
    Batch,
    Seeds,
    Results,
    Trail,
    Frame,
    Partials,
    Gradient,
    Norms,
    Params,
    Blocks,
    Order,
    Priors,
    Key,
    Penalties,
    Moments,
    Places,
    Reports,
    Halted,
}

const COUNT: usize = 21;

const NAMES: [&str; COUNT] = [
    "the table of the model",
    "packed weights",
    "trajectories",
    "samples and their parameters",
    "seeds of the groups",
    "sums and cotangents of samples",
    "states and predictions",
    "activations",
    "partial weight gradients",
    "weight gradients",
    "norms of gradients",
    "parameters of dispatches",
    "blocks of weight gradients",
    "the order of windows",
    "priors of parameters",
    "the key of random numbers",
    "penalties",
    "weights and moments",
    "places of weights",
    "reports of steps",
    "the stop flag",
];

const LESS: &str = "use fewer or shorter windows, a smaller batch, or --device cpu";

/// Buffers by slot.
#[derive(Default)]
pub struct Memory {
    buffers: [Option<wgpu::Buffer>; COUNT],
}

impl Memory {
    /// Makes room for `bytes` in a slot; what it held may be lost.
    pub fn reserve(&mut self, context: &Context, slot: Slot, bytes: usize) -> Result<(), DeviceError> {
        let place = slot as usize;
        if self.buffers[place].as_ref().is_some_and(|b| b.size() >= bytes as u64) {
            return Ok(());
        }
        self.buffers[place] = None;
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = match slot {
            Slot::Params => context.buffer(NAMES[place], bytes as u64, uniform, LESS)?,
            _ => context.storage(NAMES[place], bytes as u64, LESS)?,
        };
        self.buffers[place] = Some(buffer);
        Ok(())
    }

    /// Writes content to a slot, from its start.
    pub fn write(&mut self, context: &Context, slot: Slot, content: &[u8]) -> Result<(), DeviceError> {
        self.reserve(context, slot, content.len())?;
        if !content.is_empty() {
            context.write(self.get(slot), 0, content);
        }
        Ok(())
    }

    /// The buffer of a slot that was reserved.
    pub fn get(&self, slot: Slot) -> &wgpu::Buffer {
        self.buffers[slot as usize].as_ref().expect("slots are reserved before use")
    }
}
