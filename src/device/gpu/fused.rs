//! The lane and the tile schedule: whole rollouts and their adjoints in one kernel each.

use super::choice::FusedLayout;
use super::context::Context;
use super::kernel::Kernel;
use super::layout::Layout;
use super::memory::Memory;
use super::source::{self, Schedule, Shape, Source};
use super::{plan, recording};
use crate::device::DeviceError;
use crate::model::Model;
use std::sync::{Arc, Mutex, OnceLock};

/// A model in the lane or the tile schedule on an adapter.
pub struct Fused {
    pub model: Model,
    pub context: Context,
    pub layout: Layout,
    pub schedule: Schedule,
    pub shapes: [Shape; 2],
    pub budget: usize,
    /// Most intervals of a dispatch of the forward and the adjoint kernel.
    pub longest: [usize; 2],
    pub kernels: [OnceLock<Arc<Kernel>>; 7],
    pub memory: Mutex<Memory>,
    pub pace: Mutex<recording::Pace>,
}

/// The kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelName {
    Forward,
    Adjoint,
    Contract,
    Reduce,
    Draw,
    Functional,
    AdamW,
}

impl KernelName {
    /// All of them.
    pub const ALL: [KernelName; 7] = [
        KernelName::Forward,
        KernelName::Adjoint,
        KernelName::Contract,
        KernelName::Reduce,
        KernelName::Draw,
        KernelName::Functional,
        KernelName::AdamW,
    ];
}

impl Fused {
    /// A model as it was laid out.
    pub fn new(model: &Model, context: Context, laid_out: FusedLayout, budget: usize) -> Result<Fused, DeviceError> {
        let FusedLayout { layout, schedule, shapes } = laid_out;
        let mut longest = [usize::MAX; 2];
        for (part, shape) in shapes.into_iter().enumerate() {
            let per_interval = layout.iterations(part, schedule, shape);
            longest[part] = plan::longest(per_interval, context.iterations).map_err(|message| {
                let remedy = "use --schedule tile or layer, fewer solver.substeps, another adapter, or --device cpu";
                context.error(message, remedy)
            })?;
        }
        Ok(Fused {
            model: model.clone(),
            context,
            layout,
            schedule,
            shapes,
            budget,
            longest,
            kernels: Default::default(),
            memory: Mutex::default(),
            pace: Mutex::default(),
        })
    }

    /// A kernel, compiled when it is first asked for.
    pub fn kernel(&self, name: KernelName) -> Result<Arc<Kernel>, DeviceError> {
        let slot = &self.kernels[name as usize];
        if let Some(kernel) = slot.get() {
            return Ok(kernel.clone());
        }
        let source = text(&self.model, &self.layout, self.schedule, self.shapes, name)
            .map_err(|message| self.context.error(message, "simplify the WGSL of the model, or use --device cpu"))?;
        let kernel = Arc::new(Kernel::new(&self.context, &source)?);
        Ok(slot.get_or_init(|| kernel).clone())
    }
}

/// The text of a kernel.
pub fn text(
    model: &Model,
    layout: &Layout,
    schedule: Schedule,
    shapes: [Shape; 2],
    name: KernelName,
) -> Result<Source, String> {
    match name {
        KernelName::Forward => source::rollout(model, layout, schedule, shapes[0], 0),
        KernelName::Adjoint => source::rollout(model, layout, schedule, shapes[1], 1),
        KernelName::Contract => Ok(source::contract(layout)),
        KernelName::Reduce => Ok(source::gradient()),
        KernelName::Draw => Ok(source::draw(layout)),
        KernelName::Functional => Ok(source::functional(layout)),
        KernelName::AdamW => Ok(source::adamw()),
    }
}
