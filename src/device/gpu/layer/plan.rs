//! Plans of the layer schedule: samples of a chunk and intervals of a segment, as pure functions of sizes and limits, and
//! where the arena keeps what.

use super::layout::QUAD_ITERATIONS;
use crate::device::gpu::plan::part_of;

/// Scalars per sample that decide a plan, and counts.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Samples of the batch.
    pub samples: usize,
    /// Intervals.
    pub horizon: usize,
    /// Cells of the grid, or 1.
    pub cells: usize,
    /// What every chunk needs: fixed and work space, stages.
    pub base: usize,
    /// A state.
    pub state: usize,
    /// Frames of an interval; 0 without a reverse pass.
    pub frames: usize,
    /// States and predictions that stay per interval until the host reads them; 0 if it does not.
    pub trail: usize,
}

/// What an adapter and the user allow, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Largest storage buffer.
    pub binding: usize,
    /// Activations, and states for the host: the budget of the device.
    pub frames: usize,
    /// A batch takes at most this part of the memory that it would take otherwise: 1, or more after a breakdown.
    pub parts: usize,
}

/// Chunks of samples, and segments of intervals whose frames, or states for the host, are held at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Samples of a chunk; the last one may have fewer.
    pub chunk: usize,
    /// Intervals of a segment.
    pub segment: usize,
}

/// As many lanes keep any adapter busy.
const ENOUGH_LANES: usize = 1 << 16;

impl Sizes {
    /// States that are kept: one without a reverse pass, all of a segment that the host reads, or for a reverse pass those
    /// at the starts of segments, at the end, and within one segment.
    pub fn kept_states(&self, segment: usize) -> usize {
        match (self.trail, self.frames) {
            (0, 0) => 1,
            (0, _) => self.horizon.div_ceil(segment) + segment,
            _ => segment + 1,
        }
    }

    /// Scalars per sample of the arena.
    pub fn arena(&self, segment: usize) -> usize {
        let predictions = self.trail.saturating_sub(self.state);
        self.base + self.kept_states(segment) * self.state + segment * (predictions + self.frames)
    }
}

impl Plan {
    /// True if the whole batch and horizon are held at once: one forward pass serves the reverse pass.
    pub fn single(&self, sizes: &Sizes) -> bool {
        self.chunk >= sizes.samples && self.segment >= sizes.horizon
    }
}

/// Chooses chunks and segments: the whole horizon if enough lanes fit beside it, else as many samples as fit, and with
/// them as many intervals.
pub fn plan(sizes: &Sizes, allowed: &Allowed) -> Result<Plan, String> {
    let part =
        |bytes: usize, whole: usize, least: usize| part_of(bytes, 4 * sizes.samples * whole, allowed.parts, 4 * least);
    let least = (1..=sizes.horizon).map(|segment| sizes.arena(segment)).min().unwrap_or(0);
    let binding = part(allowed.binding, sizes.arena(sizes.horizon), least);
    let each = sizes.frames + sizes.trail;
    let frames = part(allowed.frames, sizes.horizon * each, each);
    let fitting = |segment: usize| -> usize {
        let by_binding = binding / 4 / sizes.arena(segment).max(1);
        let by_budget = (frames / 4).checked_div(segment * (sizes.frames + sizes.trail)).unwrap_or(usize::MAX);
        by_binding.min(by_budget).min(sizes.samples)
    };
    let whole = fitting(sizes.horizon);
    if whole >= sizes.samples || whole * sizes.cells >= ENOUGH_LANES {
        return Ok(Plan { chunk: whole, segment: sizes.horizon });
    }
    let best = (1..=sizes.horizon).max_by_key(|segment| (fitting(*segment), *segment)).unwrap_or(1);
    let chunk = fitting(best);
    if chunk > 0 {
        return Ok(Plan { chunk, segment: best });
    }
    let frames = 4 * (sizes.frames + sizes.trail);
    Err(match frames > allowed.frames {
        true => format!(
            "states or activations of one interval of one trajectory need {frames} bytes, more than the memory budget allows"
        ),
        false => format!(
            "all that one interval of one trajectory keeps needs {} bytes, more than the limit \
             max_storage_buffer_binding_size = {} bytes",
            4 * least,
            allowed.binding
        ),
    })
}

/// Lanes that a weight gradient takes into the workgroup's memory at a time.
pub const OUTER_DEPTH: usize = 8;

/// Loop iterations of a round: itself, places of nine taps, a quad of rows, four of columns, lanes, lanes again for the bias.
const PER_ROUND: usize = 1 + 2 + 5 * QUAD_ITERATIONS + 2 * OUTER_DEPTH;

/// Partial sums of weight gradients for `lanes` lanes: enough workgroups to fill an adapter, at most 32 MiB of sums; but
/// so many that no thread takes more loop iterations than `iterations`.
pub fn partitions(lanes: usize, weights: usize, iterations: Option<usize>) -> usize {
    let rounds = lanes.div_ceil(OUTER_DEPTH);
    let memory = (32 << 20) / 4 / weights.max(1);
    let least = iterations.map_or(1, |most| rounds.div_ceil((most / PER_ROUND).max(1)));
    rounds.div_ceil(64).min(memory).clamp(1, 512).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { samples: 40, horizon: 10, cells: 100, base: 2000, state: 200, frames: 8000, trail: 0 };
    const ALLOWED: Allowed = Allowed { binding: 128 << 20, frames: 128 << 20, parts: 1 };

    #[test]
    fn a_small_batch_is_held_whole() {
        let plan = plan(&SIZES, &ALLOWED).unwrap();
        assert_eq!(plan, Plan { chunk: 40, segment: 10 });
        assert!(plan.single(&SIZES));
    }

    #[test]
    fn memory_is_never_exceeded_and_everything_is_covered() {
        for samples in [1, 40, 100_000] {
            for horizon in [1, 10, 5000] {
                for (frames, trail) in [(0, 0), (10, 0), (8000, 0), (400_000, 0), (0, 300), (0, 20_000)] {
                    let sizes = Sizes { samples, horizon, frames, trail, ..SIZES };
                    let plan = plan(&sizes, &ALLOWED).unwrap();
                    assert!((1..=samples).contains(&plan.chunk) && (1..=horizon).contains(&plan.segment));
                    assert!(4 * plan.chunk * sizes.arena(plan.segment) <= ALLOWED.binding, "{sizes:?} {plan:?}");
                    assert!(4 * plan.chunk * plan.segment * frames <= ALLOWED.frames, "{sizes:?} {plan:?}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let frames = Sizes { frames: 1 << 26, ..SIZES };
        assert!(plan(&frames, &ALLOWED).unwrap_err().contains("the memory budget"));
        let states = Sizes { state: 1 << 26, ..SIZES };
        assert!(plan(&states, &ALLOWED).unwrap_err().contains("max_storage_buffer_binding_size"));
    }

    #[test]
    fn partial_sums_keep_loops_short() {
        assert_eq!(partitions(10, 100, None), 1);
        assert_eq!(partitions(1 << 20, 100, None), 512);
        let most = partitions(1 << 26, 100, Some(50_000));
        assert!((1usize << 26).div_ceil(OUTER_DEPTH).div_ceil(most) * PER_ROUND <= 50_000);
    }
}
