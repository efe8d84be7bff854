//! The layer schedule: one dispatch per operation over all samples of a chunk, activations in storage.
//!
//! It runs every model: those on grids, and per-sample networks of any width. `link` turns programs into steps over an
//! arena, `table` into what kernels read and `command` into what runs them, `layout` holds it all; `plan` cuts a batch into
//! chunks and segments, `source` assembles the kernels, `recording` submits dispatches; `prepare` makes a job ready, `forward`
//! and `reverse` record the passes of a chunk, `job` answers the device's calls.

mod command;
mod forward;
mod job;
mod layout;
mod link;
mod params;
mod plan;
mod prepare;
mod recording;
mod reverse;
mod source;
mod table;

use super::context::Context;
use super::kernel::Kernel;
use super::memory::Memory;
use super::recording::Pace;
use super::source::Source;
use crate::device::DeviceError;
use crate::model::Model;
use command::KernelName;
use layout::Layout;
use std::sync::{Arc, Mutex, OnceLock};

/// A model in the layer schedule on an adapter.
pub struct Layers {
    pub(super) model: Model,
    pub(super) context: Context,
    layout: Layout,
    budget: usize,
    kernels: Vec<OnceLock<Arc<Kernel>>>,
    memory: Mutex<Memory>,
    pace: Mutex<Pace>,
}

impl Layers {
    /// Lays a model out for an adapter. `budget` limits activations, in bytes.
    pub fn new(model: &Model, context: Context, budget: usize) -> Result<Layers, DeviceError> {
        let layout = Layout::new(model);
        let iterations = layout.iterations();
        if context.iterations.is_some_and(|most| iterations > most) {
            let message = format!(
                "a thread takes {iterations} loop iterations in one dispatch; this adapter's compiler ends loops after 65535"
            );
            return Err(
                context.error(message, "use narrower layers or a smaller grid, another adapter, or --device cpu")
            );
        }
        let kernels = (0..layout.kernel_count()).map(|_| OnceLock::new()).collect();
        Ok(Layers {
            model: model.clone(),
            context,
            layout,
            budget,
            kernels,
            memory: Mutex::default(),
            pace: Mutex::default(),
        })
    }

    fn kernel(&self, name: KernelName) -> Result<Arc<Kernel>, DeviceError> {
        let slot = &self.kernels[name.index()];
        if let Some(kernel) = slot.get() {
            return Ok(kernel.clone());
        }
        let text = source::source(&self.layout, name)
            .map_err(|message| self.context.error(message, "simplify the WGSL of the model, or use --device cpu"))?;
        let kernel = Arc::new(Kernel::new(&self.context, &text)?);
        Ok(slot.get_or_init(|| kernel).clone())
    }
}

/// All kernels of a model, made without an adapter, and what was planned, in a line.
pub fn kernels(model: &Model) -> Result<(Vec<Source>, String), String> {
    let layout = Layout::new(model);
    let sources = layout.kernel_names().map(|name| source::source(&layout, name)).collect::<Result<Vec<_>, _>>()?;
    Ok((sources, layout.summary()))
}
