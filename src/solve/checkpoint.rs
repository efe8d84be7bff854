//! Checkpoint plans: what the reverse pass keeps and what it computes again.
//!
//! Keeping every stage ("store all") costs the work of one forward and one reverse pass. Where that does not fit, states
//! are kept every S steps and a segment of S steps is run forward again before it is walked backwards: √T memory for 4/3
//! of the work. The same is done where running again is faster than the way to main memory and back.

/// What the choices cost, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// All stage activations of one step of one tile.
    pub step: usize,
    /// Multiply–adds of one step of one tile, operators of maps counted as one each.
    pub work: usize,
    /// The state of one tile.
    pub state: usize,
    /// Tiles of the batch.
    pub tiles: usize,
    /// Tiles in flight at a time (threads).
    pub workers: usize,
}

/// What a reverse pass keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Activations of all steps of all tiles stay until the reverse pass.
    StoreAll,
    /// Each worker runs one tile forward and backward while its activations are at hand; needs seeds known beforehand.
    OnePass,
    /// States every `steps` steps; segments are computed again.
    Segments {
        /// Steps per segment.
        steps: usize,
    },
}

/// Bytes of activations that stay in the last cache between the passes, on most machines.
const CACHED: usize = 8 << 20;

/// Bytes of activations that stay in the second cache of a core.
const NEAR: usize = 512 << 10;

/// Multiply–adds that a processor does in the time in which a byte goes to main memory and comes back: two cores at 100 G a
/// second and 30 GB/s for three transfers, since a line is read before it is written. Steps with less work per byte of
/// activations are run again rather than kept.
const BALANCE: usize = 10;

/// Chooses a plan for `steps` steps under a budget in bytes. `seeds_known` says that the objective's derivative does not
/// depend on sums over the whole batch.
pub fn plan(steps: usize, costs: Costs, budget: usize, seeds_known: bool) -> Plan {
    let in_flight = costs.workers.min(costs.tiles).max(1);
    let worth_keeping = |tiles: usize| {
        let bytes = tiles.saturating_mul(steps).saturating_mul(costs.step);
        bytes <= budget && (bytes <= CACHED || costs.work / BALANCE >= costs.step)
    };
    if seeds_known && worth_keeping(in_flight) {
        return Plan::OnePass;
    }
    if worth_keeping(costs.tiles) {
        return Plan::StoreAll;
    }
    // Longer segments mean fewer checkpoints but more activations: bytes are least where both take as many, at about √T
    // steps. A segment that stays in the cache of a core is faster, so no more than that is taken unless memory demands it.
    let bytes = |segment: usize| {
        let checkpoints = costs.tiles.saturating_mul(steps.div_ceil(segment)).saturating_mul(costs.state);
        checkpoints.saturating_add(in_flight.saturating_mul(segment).saturating_mul(costs.step + costs.state))
    };
    let least = (1..=steps.max(1)).min_by_key(|s| bytes(*s)).unwrap_or(1);
    let near = (NEAR / costs.step.max(1)).clamp(1, least);
    Plan::Segments { steps: if bytes(near) <= budget { near } else { least } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { step: 1000, work: 100_000, state: 10, tiles: 8, workers: 2 };

    #[test]
    fn everything_is_stored_when_it_fits() {
        assert_eq!(plan(10, COSTS, 80_000, false), Plan::StoreAll);
        assert_eq!(plan(10, COSTS, 20_000, true), Plan::OnePass);
        assert!(matches!(plan(10, COSTS, 79_999, false), Plan::Segments { .. }));
    }

    #[test]
    fn what_is_cheap_to_run_again_is_kept_only_in_a_cache() {
        let cheap = Costs { work: 5000, ..COSTS };
        assert_eq!(plan(1000, cheap, usize::MAX, false), Plan::StoreAll);
        assert!(matches!(plan(10_000, cheap, usize::MAX, false), Plan::Segments { .. }));
        assert_eq!(plan(10_000, COSTS, usize::MAX, false), Plan::StoreAll);
    }

    #[test]
    fn segments_stay_in_the_cache_where_memory_allows() {
        let many = Costs { step: 100 << 10, work: 0, state: 1 << 10, tiles: 1000, workers: 2 };
        assert_eq!(plan(1000, many, usize::MAX, false), Plan::Segments { steps: 5 });
        let Plan::Segments { steps } = plan(1000, many, 1 << 20, false) else { panic!() };
        assert!(steps > 50, "{steps} steps are far from the least memory");
    }

    #[test]
    fn memory_grows_like_the_root_of_the_steps() {
        let bytes = |steps: usize| {
            let Plan::Segments { steps: s } = plan(steps, Costs { step: 10, ..COSTS }, 0, true) else { panic!() };
            COSTS.tiles * steps.div_ceil(s) * COSTS.state + COSTS.workers * s * 20
        };
        let ratio = bytes(40_000) as f64 / bytes(400) as f64;
        assert!((8.0..12.0).contains(&ratio), "memory ratio {ratio} for 100 times the steps");
    }
}
