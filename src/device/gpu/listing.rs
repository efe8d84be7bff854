//! All kernels of a model, made without an adapter: for reading, for translation, for other compilers.

use super::choice::{Choice, FusedLayout, LaidOut, lay_out_wanted};
use super::fused::{KernelName, text};
use super::layout::Layout;
use super::source::{Schedule, Shape, Source};
use super::{CPU_ONLY, context, layer, unsupported};
use crate::model::Model;

/// The kernels of a model.
pub struct Kernels {
    /// The schedule chosen.
    pub schedule: Schedule,
    /// Texts.
    pub sources: Vec<Source>,
    /// What was planned, in a line.
    pub summary: String,
}

/// The kernels of a model for WebGPU's default limits.
pub fn kernels(model: &Model, schedule: Option<Schedule>) -> Result<Kernels, String> {
    if let Some(what) = unsupported(model) {
        return Err(format!("{what} run on the CPU only; {CPU_ONLY}"));
    }
    let memory = context::default_limits().max_compute_workgroup_storage_size as usize;
    let laid_out = lay_out_wanted(model, schedule.map(Choice::from), memory);
    match laid_out.map_err(|(message, remedy)| format!("{message}; {remedy}"))?.0 {
        LaidOut::Layer => {
            let (sources, summary) = layer::kernels(model)?;
            Ok(Kernels { schedule: Schedule::Layer, sources, summary })
        }
        LaidOut::Fused(fused) => {
            let FusedLayout { layout, schedule, shapes } = *fused;
            let all = KernelName::ALL.map(|name| text(model, &layout, schedule, shapes, name));
            let sources = all.into_iter().collect::<Result<Vec<Source>, String>>()?;
            Ok(Kernels { schedule, sources, summary: summary(&layout, schedule, shapes) })
        }
    }
}

fn summary(layout: &Layout, schedule: Schedule, shapes: [Shape; 2]) -> String {
    let [forward, reverse] = shapes.map(|s| s.samples);
    let bytes = |part: usize| 4 * layout.work_rows()[part] * shapes[part].samples;
    format!(
        "schedule {}, {forward} and {reverse} trajectories per workgroup, {} and {} bytes of workgroup memory (forward, \
         reverse), {} bytes of activations per trajectory and interval",
        schedule.name(),
        bytes(0),
        bytes(1),
        4 * layout.frame_rows().0
    )
}
