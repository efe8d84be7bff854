//! Checkpoint plans: what the reverse pass keeps and what it computes again.
//!
//! Keeping every stage ("store all") costs the work of one forward and one reverse pass. Where that does not fit, states
//! are kept every S steps and a segment of S steps is run forward again before it is walked backwards: √T memory for 4/3
//! of the work.

/// Bytes that the choices cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// All stage activations of one step of one tile.
    pub step: usize,
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

/// Chooses a plan for `steps` steps under a budget in bytes. `seeds_known` says that the objective's derivative does not
/// depend on sums over the whole batch.
pub fn plan(steps: usize, costs: Costs, budget: usize, seeds_known: bool) -> Plan {
    let in_flight = costs.workers.min(costs.tiles).max(1);
    if seeds_known && in_flight.saturating_mul(steps).saturating_mul(costs.step) <= budget {
        return Plan::OnePass;
    }
    if costs.tiles.saturating_mul(steps).saturating_mul(costs.step) <= budget {
        return Plan::StoreAll;
    }
    // Longer segments mean fewer checkpoints but more activations; take the longest that fits, at least one step, and no
    // longer than needed once checkpoints are the smaller part.
    let bytes = |segment: usize| {
        let checkpoints = costs.tiles.saturating_mul(steps.div_ceil(segment)).saturating_mul(costs.state);
        checkpoints.saturating_add(in_flight.saturating_mul(segment).saturating_mul(costs.step + costs.state))
    };
    let balanced = (steps as f64).sqrt().ceil() as usize;
    let fits = |s: &usize| bytes(*s) <= budget;
    // Within the budget the shortest segment that keeps both parts small is best for the caches.
    let best = (1..=steps.max(1)).take_while(|s| *s <= 4 * balanced).find(fits);
    let least = (1..=steps.max(1)).min_by_key(|s| bytes(*s)).unwrap_or(1);
    Plan::Segments { steps: best.unwrap_or(least) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { step: 1000, state: 10, tiles: 8, workers: 2 };

    #[test]
    fn everything_is_stored_when_it_fits() {
        assert_eq!(plan(10, COSTS, 80_000, false), Plan::StoreAll);
        assert_eq!(plan(10, COSTS, 20_000, true), Plan::OnePass);
        assert!(matches!(plan(10, COSTS, 79_999, false), Plan::Segments { .. }));
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
