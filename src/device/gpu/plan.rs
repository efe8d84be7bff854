//! Plans: how many trajectories and intervals a dispatch computes, as pure functions of sizes and limits.

use super::source::{Schedule, Shape};

/// Sizes that decide a plan; rows and counts, not bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Samples of the batch.
    pub samples: usize,
    /// Intervals.
    pub horizon: usize,
    /// Rows that stay per interval: states and predictions; 0 if they are not kept.
    pub trail: usize,
    /// States.
    pub states: usize,
    /// Frame rows of an interval; 0 without a reverse pass.
    pub frame: usize,
    /// Frame rows before the first interval.
    pub frame_before: usize,
    /// Samples of a workgroup.
    pub group: usize,
}

/// What an adapter and the user allow, in bytes and counts.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Largest storage buffer.
    pub binding: usize,
    /// Largest buffer of frames: the budget of the device, or the binding if that is smaller.
    pub frames: usize,
    /// Workgroups of a dispatch.
    pub workgroups: usize,
    /// Samples that keep the adapter busy.
    pub busy: usize,
    /// A batch takes at most this part of the memory that it would take otherwise: 1, or more after a breakdown.
    pub parts: usize,
}

/// What is left of `allowed` bytes for a batch that would take `whole` and shall take a part of it, but at least `least`.
pub fn part_of(allowed: usize, whole: usize, parts: usize, least: usize) -> usize {
    if parts <= 1 { allowed } else { allowed.min(allowed.min(whole).div_ceil(parts).max(least)) }
}

/// Chunks of samples, and segments of intervals whose frames are held at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Samples of a chunk; the last one may have fewer.
    pub chunk: usize,
    /// Distance of rows, in samples.
    pub stride: usize,
    /// Intervals of a segment.
    pub segment: usize,
}

impl Plan {
    /// True if the whole batch and horizon are held at once: one forward pass serves the reverse pass.
    pub fn single(&self, sizes: &Sizes) -> bool {
        self.chunk >= sizes.samples && self.segment >= sizes.horizon
    }
}

/// Samples that keep an adapter busy: a GPU, a software adapter.
pub const BUSY: [usize; 2] = [1024, 128];

/// Strides are multiples of this, so that every workgroup writes whole rows.
pub const ALIGN: usize = 64;

/// Chooses chunks and segments: the whole batch and horizon if they fit; else as many samples as fit with the whole horizon,
/// if they keep the adapter busy, for segments cost one more forward pass, which finds their first states; else as many
/// samples as fit with one interval, and as many intervals as fit with them.
pub fn plan(sizes: &Sizes, allowed: &Allowed) -> Result<Plan, String> {
    let whole = sizes.samples.next_multiple_of(ALIGN);
    let trail_rows = (sizes.trail * (sizes.horizon + 1)).max(sizes.states);
    let least_frame = sizes.frame_before + sizes.frame;
    let fits = |rows: usize, bytes: usize| match rows {
        0 => usize::MAX,
        rows => bytes / 4 / rows / ALIGN * ALIGN,
    };
    let part =
        |bytes: usize, rows: usize, least: usize| part_of(bytes, 4 * whole * rows, allowed.parts, 4 * ALIGN * least);
    let binding = part(allowed.binding, trail_rows, trail_rows);
    let frames = part(allowed.frames, sizes.frame_before + sizes.horizon * sizes.frame, least_frame);
    let by_limit = [
        (fits(trail_rows, binding), "states and predictions", "max_storage_buffer_binding_size", trail_rows),
        (fits(least_frame, frames), "activations of one interval", "the memory budget", least_frame),
        (
            allowed.workgroups.saturating_mul(sizes.group) / ALIGN * ALIGN,
            "workgroups",
            "max_compute_workgroups_per_dimension",
            0,
        ),
    ];
    let (most, what, limit, rows) = by_limit.into_iter().min_by_key(|l| l.0).expect("three limits");
    if most == 0 {
        return Err(format!(
            "{what} of {ALIGN} trajectories need {} bytes, more than {limit} allows",
            rows * ALIGN * 4
        ));
    }
    let with_horizon = fits(sizes.frame_before + sizes.frame * sizes.horizon, frames);
    let chunk = match with_horizon >= allowed.busy {
        true => whole.min(most).min(with_horizon),
        false => whole.min(most),
    };
    let per_row = 4 * chunk;
    let room = (frames / per_row).saturating_sub(sizes.frame_before);
    let segment = room.checked_div(sizes.frame).unwrap_or(sizes.horizon).clamp(1, sizes.horizon.max(1));
    Ok(Plan { chunk: chunk.min(sizes.samples), stride: chunk, segment })
}

/// The largest workgroup that fits into workgroup memory, for `rows` rows, and of at most so many trajectories.
pub fn shape(schedule: Schedule, rows: usize, most: Option<usize>, memory: usize) -> Result<Shape, String> {
    let choices: &[usize] = match schedule {
        Schedule::Lane => &[64, 32, 16, 8, 4],
        _ => &[32, 16, 8, 4],
    };
    let allowed = |samples: usize| samples <= most.unwrap_or(usize::MAX) && rows * samples * 4 <= memory;
    let samples = choices.iter().copied().find(|samples| allowed(*samples)).ok_or_else(|| {
        format!(
            "the {} schedule needs {} bytes of workgroup memory for {rows} values of 4 trajectories, the limit max_compute_workgroup_storage_size is {memory}",
            schedule.name(),
            rows * 16
        )
    })?;
    Ok(Shape { samples, threads: if schedule == Schedule::Lane { samples } else { 64 } })
}

/// Samples that the contraction takes into the workgroup's memory at a time.
pub const CONTRACTION_DEPTH: usize = 8;

/// Partial sums of weight gradients: enough workgroups to fill an adapter, not more than the rounds there are, and at
/// most 32 MiB of them; but so many that no thread takes more loop iterations than `iterations`.
pub fn partitions(blocks: usize, calls: usize, samples: usize, weights: usize, iterations: Option<usize>) -> usize {
    // Of a round: itself, rows staged, samples, samples again for the bias.
    const PER_ROUND: usize = 4 + 2 * CONTRACTION_DEPTH;
    let rounds = calls * samples.div_ceil(CONTRACTION_DEPTH);
    let memory = (32 << 20) / 4 / weights.max(1);
    let least = iterations.map_or(1, |most| (rounds * PER_ROUND).div_ceil(most));
    256usize.div_ceil(blocks.max(1)).min(rounds.div_ceil(16)).min(memory).clamp(1, 64).max(least)
}

/// Intervals that a dispatch may take under a limit on loop iterations, `per_interval` for one of them.
pub fn longest(per_interval: usize, iterations: Option<usize>) -> Result<usize, String> {
    match iterations.map(|most| most / per_interval.max(1)) {
        None => Ok(usize::MAX),
        Some(0) => Err(format!(
            "one interval takes {per_interval} loop iterations of a thread; this adapter's compiler ends loops after 65535"
        )),
        Some(intervals) => Ok(intervals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes =
        Sizes { samples: 4096, horizon: 10, trail: 5, states: 2, frame: 4000, frame_before: 0, group: 8 };
    const ALLOWED: Allowed =
        Allowed { binding: 128 << 20, frames: 128 << 20, workgroups: 65_535, parts: 1, busy: 1024 };

    #[test]
    fn a_part_of_the_memory_makes_smaller_tiles_down_to_the_smallest() {
        let bytes = |sizes: &Sizes, plan: &Plan| 4 * plan.stride * (sizes.frame_before + plan.segment * sizes.frame);
        for (samples, horizon) in [(1000, 10), (1000, 1), (10, 10), (1, 1)] {
            let sizes = Sizes { samples, horizon, ..SIZES };
            let whole = plan(&sizes, &ALLOWED).unwrap();
            let half = plan(&sizes, &Allowed { parts: 2, ..ALLOWED }).unwrap();
            if whole.stride > ALIGN || whole.segment > 1 {
                let parts = (bytes(&sizes, &half), bytes(&sizes, &whole));
                assert!(
                    2 * parts.0 <= parts.1 + 8 * ALIGN * (sizes.frame + sizes.frame_before),
                    "{half:?} of {whole:?}"
                );
                assert!(parts.0 < parts.1, "{half:?} of {whole:?}");
            } else {
                assert_eq!(half, whole);
            }
        }
    }

    #[test]
    fn a_small_batch_is_held_whole() {
        let sizes = Sizes { samples: 50, ..SIZES };
        let plan = plan(&sizes, &ALLOWED).unwrap();
        assert_eq!(plan, Plan { chunk: 50, stride: 64, segment: 10 });
        assert!(plan.single(&sizes));
    }

    #[test]
    fn memory_is_never_exceeded_and_everything_is_covered() {
        for samples in [1, 63, 64, 1000, 4096, 200_000] {
            for horizon in [1, 10, 5000] {
                for frame in [0, 10, 4000, 400_000] {
                    let sizes = Sizes { samples, horizon, frame, ..SIZES };
                    let plan = plan(&sizes, &ALLOWED).unwrap();
                    assert!(plan.chunk >= 1 && plan.chunk <= samples && plan.segment >= 1 && plan.segment <= horizon);
                    assert!(plan.stride.is_multiple_of(ALIGN) && plan.stride >= plan.chunk);
                    assert!(frame * plan.segment * plan.stride * 4 <= ALLOWED.frames, "{sizes:?} {plan:?}");
                    assert!(5 * (horizon + 1) * plan.stride * 4 <= ALLOWED.binding, "{sizes:?} {plan:?}");
                    assert!(plan.stride.div_ceil(8) <= ALLOWED.workgroups);
                }
            }
        }
        let much = Sizes { frame: 1 << 22, ..SIZES };
        assert!(plan(&much, &ALLOWED).unwrap_err().contains("activations"));
    }

    #[test]
    fn the_horizon_is_held_whole_where_enough_samples_fit_with_it() {
        let few = Sizes { frame: 3000, ..SIZES };
        assert_eq!(plan(&few, &ALLOWED).unwrap(), Plan { chunk: 1088, stride: 1088, segment: 10 });
        assert_eq!(plan(&SIZES, &ALLOWED).unwrap(), Plan { chunk: 4096, stride: 4096, segment: 2 });
        let software = Allowed { busy: 128, ..ALLOWED };
        assert_eq!(plan(&SIZES, &software).unwrap(), Plan { chunk: 832, stride: 832, segment: 10 });
    }

    #[test]
    fn workgroups_shrink_with_the_rows_they_need() {
        assert_eq!(shape(Schedule::Tile, 280, None, 16_384).unwrap().samples, 8);
        assert_eq!(shape(Schedule::Tile, 540, None, 16_384).unwrap().samples, 4);
        assert_eq!(shape(Schedule::Lane, 60, None, 16_384).unwrap().samples, 64);
        assert_eq!(shape(Schedule::Lane, 60, Some(16), 16_384).unwrap().samples, 16);
        assert!(shape(Schedule::Tile, 1025, None, 16_384).unwrap_err().contains("max_compute_workgroup_storage_size"));
    }
}
