//! Commands that run the steps of a program, and the kernels that they dispatch.

use super::link::{Linked, Place};
use crate::graph::Function;
use crate::program::Over;
use std::sync::Arc;

/// The kernels; maps are printed, the others are written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "told in shaders/kernels/layer")]
pub enum KernelName {
    Product,
    Outer,
    Stencil,
    Sum,
    Combine,
    Fill,
    Load,
    Begin,
    Prepare,
    Observables,
    Check,
    Residuals,
    Mismatch,
    Targets,
    Seed,
    Reduce,
    Map(usize),
}

impl KernelName {
    /// Those that are the same for all models.
    pub const WRITTEN: [KernelName; 16] = [
        KernelName::Product,
        KernelName::Outer,
        KernelName::Stencil,
        KernelName::Sum,
        KernelName::Combine,
        KernelName::Fill,
        KernelName::Load,
        KernelName::Begin,
        KernelName::Prepare,
        KernelName::Observables,
        KernelName::Check,
        KernelName::Residuals,
        KernelName::Mismatch,
        KernelName::Targets,
        KernelName::Seed,
        KernelName::Reduce,
    ];

    /// Its position among all kernels of a model.
    pub fn index(self) -> usize {
        match self {
            KernelName::Map(map) => Self::WRITTEN.len() + map,
            written => Self::WRITTEN.iter().position(|k| *k == written).unwrap_or_default(),
        }
    }
}

/// A printed map: two steps share it if nothing but places differs.
#[derive(Clone, Debug)]
pub struct Map {
    /// The function.
    pub function: Arc<Function>,
    /// What it is repeated over.
    pub over: Over,
    /// Components of every argument, and whether it is a field.
    pub arguments: Vec<(usize, bool)>,
    /// True if the result is a field.
    pub field: bool,
}

/// Workgroups of a command, from numbers per sample.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// A thread for each.
    Threads(usize),
    /// A workgroup for each.
    Groups(usize),
    /// `blocks` workgroups for `width` lanes.
    Tiles { lanes: usize, width: usize, blocks: usize },
    /// `blocks` workgroups for each partition of the lanes.
    Blocks(usize),
}

/// A step as it is dispatched.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// A kernel with a step of the table.
    Step { kernel: KernelName, step: u32, size: Size, flops: f64 },
    /// A copy.
    Copy { from: Place, output: Place, scalars: usize },
}

/// A program, linked and written to the table.
#[derive(Debug, Default)]
pub struct Commands {
    /// Forward and reverse part.
    pub parts: [Vec<Command>; 2],
    /// Places and sizes.
    pub linked: Linked,
    /// Ports and outputs of the program itself; those of its reverse part stand behind them.
    pub own: [usize; 2],
}

impl Commands {
    /// Place of the cotangent of an output, where the reverse part reads it.
    pub fn cotangent(&self, output: usize) -> Option<Place> {
        self.linked.ports[self.own[0] + output]
    }

    /// Place of the cotangent that the reverse part yields, in the order of the ports that were asked for.
    pub fn derivative(&self, position: usize) -> Place {
        self.linked.outputs[self.own[1] + position]
    }
}
