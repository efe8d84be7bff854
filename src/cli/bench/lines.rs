//! What a benchmark reports: one line per workload, device, batch and phase.

use super::measure::Spread;
use super::peak::Peak;
use crate::device::StepCost;
use serde::Serialize;

/// A timed phase. Fields of the JSON contract first; what a line has nothing to say about is null there and absent elsewhere.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Name of the workload, or `peak`.
    pub workload: String,
    /// What ran it, in full.
    pub device: String,
    /// Phase, or `peak_product` and `peak_copy`; `peak_product_end` once more at the end of the run.
    pub phase: &'static str,
    /// Trajectories of a batch, of a landscape all those at one θ; rows of a product.
    pub batch: usize,
    /// Times in milliseconds.
    #[serde(flatten)]
    pub spread: Spread,
    /// Trajectories per second.
    pub trajectories_per_s: Option<f64>,
    /// Useful work in Gflop/s: the products of the networks, forward and twice that in reverse.
    pub gflops: Option<f64>,
    /// Name of the device in tables.
    pub target: String,
    /// Intervals of a trajectory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Hidden layers of every network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Vec<usize>>,
    /// Values of θ of a landscape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// Values of θ per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_per_s: Option<f64>,
    /// Gflop/s over those of the device's product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_peak: Option<f64>,
    /// Bytes read and written per time, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_per_s: Option<f64>,
    /// GB/s over those of the device's copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_copy: Option<f64>,
    /// How many times as fast as `cpu f32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_to_cpu_f32: Option<f64>,
    /// Most memory that the process held meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_bytes: Option<usize>,
    /// Of a training step that stays on the device.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cost: Option<StepCost>,
    /// Of a gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// Bytes of a gradient.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// States, activations and checkpoints, as the device plans them.
    pub planned: usize,
    /// The trajectories themselves.
    pub data: usize,
    /// The most that the process has held meanwhile, where the system tells it.
    pub peak: Option<usize>,
    /// What the reverse pass keeps.
    pub keeps: String,
}

/// What was not timed, and why.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Name of the workload, or `peak`.
    pub workload: String,
    /// Name of the device in tables.
    pub device: String,
    /// Always `left_out`.
    pub phase: &'static str,
    /// The phases.
    pub left_out: String,
    /// Trajectories of the batch.
    pub batch: usize,
    /// Why.
    pub reason: String,
}

/// One or the other.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A timed phase.
    Timed(Box<Line>),
    /// Phases that were not timed.
    LeftOut(LeftOut),
}

impl Entry {
    /// The line of a timed phase.
    pub fn timed(&self) -> Option<&Line> {
        match self {
            Entry::Timed(line) => Some(line),
            Entry::LeftOut(_) => None,
        }
    }
}

impl Line {
    /// A line with the fields of the contract, all others absent.
    pub fn new(workload: &str, device: &str, phase: &'static str, batch: usize, spread: Spread) -> Line {
        Line {
            workload: workload.into(),
            device: device.into(),
            phase,
            batch,
            spread,
            trajectories_per_s: None,
            gflops: None,
            target: String::new(),
            steps: None,
            hidden: Vec::new(),
            points: None,
            points_per_s: None,
            share_of_peak: None,
            gb_per_s: None,
            share_of_copy: None,
            speed_to_cpu_f32: None,
            process_bytes: None,
            cost: None,
            memory: None,
        }
    }

    /// The lines of a peak.
    pub fn of_peak(target: &str, device: &str, peak: &Peak) -> [Line; 2] {
        let line = |phase, batch, spread| Line {
            target: target.into(),
            process_bytes: peak.peak_bytes,
            ..Line::new("peak", device, phase, batch, spread)
        };
        [
            Line { gflops: Some(peak.gflops()), ..line("peak_product", peak.rows, peak.product) },
            Line { gb_per_s: Some(peak.gb_per_s()), ..line("peak_copy", 1, peak.copy) },
        ]
    }

    /// Rates of `trajectories` that took `flops` together, and their share of a peak.
    pub fn rated(self, trajectories: usize, flops: f64, peak: Option<&Peak>) -> Line {
        let gflops = flops / self.spread.ms * 1e-6;
        Line {
            trajectories_per_s: Some(trajectories as f64 / self.spread.ms * 1e3),
            gflops: Some(gflops),
            share_of_peak: peak.map(|peak| gflops / peak.gflops()),
            ..self
        }
    }

    /// True for the same work on any device.
    pub fn same_work(&self, other: &Line) -> bool {
        let key = |line: &Line| (line.phase, line.batch, line.points, line.steps);
        self.workload == other.workload && self.hidden == other.hidden && key(self) == key(other)
    }
}
