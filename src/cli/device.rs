//! Choosing a device: the arguments that commands share.

use crate::device::{self, DEFAULT_BUDGET, Device, DeviceError, Precision, Request, gpu};
use crate::model::Model;
use clap::{Args, ValueEnum};
use std::path::Path;
use std::sync::Arc;

/// Arithmetic of the CPU device.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PrecisionName {
    /// Single precision.
    F32,
    /// Double precision, on the CPU device.
    F64,
}

/// Schedule of an adapter's kernels.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScheduleName {
    /// Layer for models on grids; else the fastest in small measurements where much work follows, or by the widths of the
    /// networks: lane up to 16, tile from 17.
    Auto,
    /// A thread per trajectory.
    Lane,
    /// A workgroup per few trajectories.
    Tile,
    /// A dispatch per operation over all trajectories: any model.
    Layer,
}

impl From<ScheduleName> for Option<gpu::Schedule> {
    fn from(name: ScheduleName) -> Option<gpu::Schedule> {
        match name {
            ScheduleName::Auto => None,
            ScheduleName::Lane => Some(gpu::Schedule::Lane),
            ScheduleName::Tile => Some(gpu::Schedule::Tile),
            ScheduleName::Layer => Some(gpu::Schedule::Layer),
        }
    }
}

/// What runs the rollouts.
#[derive(Args, Clone, Debug)]
pub struct DeviceArguments {
    /// auto, cpu, gpu, or an adapter's index, name or backend as `greybox devices` lists them.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Arithmetic; adapters compute in f32.
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: PrecisionName,
    /// Schedule of an adapter's kernels.
    #[arg(long, value_enum, default_value = "auto")]
    pub schedule: ScheduleName,
    /// Megabytes for activations and checkpoints; where they do not suffice, steps are computed again.
    #[arg(long, value_name = "MB", default_value_t = DEFAULT_BUDGET >> 20, value_parser = megabytes)]
    pub memory: usize,
}

fn megabytes(text: &str) -> Result<usize, String> {
    match text.trim().parse::<usize>() {
        Ok(0) => Err("use 1 or more".into()),
        Ok(value) if value <= usize::MAX >> 20 => Ok(value),
        _ => Err("not a whole number of megabytes".into()),
    }
}

impl DeviceArguments {
    /// The precision asked for.
    pub fn precision(&self) -> Precision {
        match self.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::F64 => Precision::F64,
        }
    }

    /// Bytes for activations and checkpoints.
    pub fn budget(&self) -> usize {
        self.memory << 20
    }

    /// Opens the device with a model, for what is soon done.
    pub fn open(&self, model: &Model) -> Result<Box<dyn Device>, DeviceError> {
        self.open_request(model, gpu::Tuning::default(), None)
    }

    /// Opens the device, an adapter, with a trace of what it is asked to do.
    pub fn open_traced(&self, model: &Model, trace: Option<Arc<gpu::Trace>>) -> Result<Box<dyn Device>, DeviceError> {
        self.open_request(model, gpu::Tuning::default(), trace)
    }

    /// Opens the device with a model; how an adapter finds its schedule is told.
    pub fn open_tuned(&self, model: &Model, tuning: &gpu::Tuning) -> Result<Box<dyn Device>, DeviceError> {
        self.open_request(model, tuning.clone(), None)
    }

    fn open_request(
        &self,
        model: &Model,
        tuning: gpu::Tuning,
        trace: Option<Arc<gpu::Trace>>,
    ) -> Result<Box<dyn Device>, DeviceError> {
        let (name, precision) = (self.device.clone(), self.precision());
        let (schedule, budget) = (self.schedule.into(), self.budget());
        device::open(&Request { name, precision, schedule, tuning, budget, trace }, model)
    }
}

/// Name of the record of schedules in a folder of results.
const SCHEDULES: &str = "schedules.json";

/// How the devices of a run find their schedules, for batches of so many trajectories. Schedules are part of the bits, so
/// they are recorded beside the checkpoint. A checkpoint without a record was trained by the schedule of the widths.
/// Who has the folder `keeps` the record.
pub fn tuning(folder: &Path, checkpoint: &str, samples: usize, keeps: bool) -> gpu::Tuning {
    let record = folder.join(SCHEDULES);
    let measure = record.exists() || !folder.join(checkpoint).exists();
    gpu::Tuning { measure, samples, record: Some(record), keeps }
}
