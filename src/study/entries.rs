//! How many independent observations a set of windows holds.

use super::sweep::kept;
use crate::data::Windows;
use std::collections::HashSet;

/// Present entries among the frames that at most `most` windows predict, evenly chosen, each counted once: windows that
/// overlap predict the same observation several times, which tells nothing new. An upper limit: neighbours in time may still
/// depend on each other.
pub fn independent_entries(windows: &Windows, most: usize) -> f64 {
    let width = windows.outputs;
    let mut seen: HashSet<(u32, u32)> = HashSet::new();
    let mut entries = 0;
    for w in kept(windows.count, most) {
        for step in 0..windows.horizon {
            let frame = windows.start[w] + (windows.history + step) as u32;
            if seen.insert((windows.episode[w], frame)) {
                let at = (w * windows.horizon + step) * width;
                entries += windows.future[at..at + width].iter().filter(|y| !y.is_nan()).count();
            }
        }
    }
    entries as f64
}
