//! Minima of a quantity on a grid of any number of axes, the basins that descend to them, and how deep they are.
//!
//! The points are flooded from the lowest up. A plateau, a connected set of equal values, without lower neighbours is a new
//! minimum, counted once; any other point joins the basin of its lowest neighbour, inside a plateau that of the nearest exit.
//! Where two basins meet first is the lowest saddle between them: the one with the higher minimum ends there, and the rise
//! from its minimum to the saddle is its depth (the persistence of Edelsbrunner, Letscher and Zomorodian, 2002).

use std::collections::VecDeque;

/// The lowest point over which a basin is left for a deeper one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saddle {
    /// Position on the grid.
    pub position: usize,
    /// Value there.
    pub value: f64,
    /// The deeper minimum that is reached, as an index of [`Basins::minima`]; always less than one's own.
    pub beyond: usize,
}

/// A local minimum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// Position on the grid; of a plateau, its first point.
    pub position: usize,
    /// Value there.
    pub value: f64,
    /// The way to a deeper minimum. `None` where there is none: at the deepest minimum of each part that points without a
    /// value do not cut off.
    pub saddle: Option<Saddle>,
    /// Points with this very value around the position: 1, or the size of a plateau.
    pub plateau: usize,
    /// Points that descend to it, itself included.
    pub size: usize,
}

impl Minimum {
    /// Rise from the minimum to its saddle, in units of the quantity; infinite without one.
    pub fn depth(&self) -> f64 {
        self.saddle.map_or(f64::INFINITY, |saddle| saddle.value - self.value)
    }
}

/// All minima of a quantity and where each point descends to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basins {
    /// By value, the deepest first; equal values by position.
    pub minima: Vec<Minimum>,
    /// For each point of the grid its minimum, as an index of `minima`; [`Basins::NOWHERE`] where there is no finite value.
    pub of: Vec<u32>,
}

impl Basins {
    /// In place of an index: the point has no finite value.
    pub const NOWHERE: u32 = u32::MAX;

    /// Minima and basins of `values`, a row-major array of shape `sizes` (the last axis varies fastest). Neighbours differ by
    /// at most one step along each axis, 3ᴺ − 1 for N axes. Values that are not finite are no part of the ground: nothing
    /// descends to or through them. Values beyond the product of `sizes` are ignored, missing ones have no value.
    pub fn new(sizes: &[usize], values: &[f64]) -> Basins {
        let count = sizes.iter().product::<usize>();
        let mut flood = Flood {
            sizes,
            values,
            of: vec![Basins::NOWHERE; count],
            minima: Vec::new(),
            merged: Vec::new(),
            around: Vec::new(),
        };
        let mut order: Vec<u32> = (0..count.min(values.len()) as u32).collect();
        order.retain(|i| values[*i as usize].is_finite());
        order.sort_unstable_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b)));
        for level in order.chunk_by(|a, b| values[*a as usize] == values[*b as usize]) {
            flood.rise(level);
            flood.join(level);
        }
        flood.finish()
    }

    /// Without the minima that are shallower than `depth`: their basins belong to the deeper ones beyond their saddles. For
    /// values with noise, whose every ripple is a minimum.
    pub fn at_least(&self, depth: f64) -> Basins {
        let mut minima: Vec<Minimum> = Vec::new();
        let mut place: Vec<usize> = Vec::with_capacity(self.minima.len());
        for minimum in &self.minima {
            match minimum.saddle.filter(|_| minimum.depth() < depth) {
                Some(saddle) => {
                    let kept = place[saddle.beyond];
                    minima[kept].size += minimum.size;
                    place.push(kept);
                }
                None => {
                    let saddle = minimum.saddle.map(|s| Saddle { beyond: place[s.beyond], ..s });
                    place.push(minima.len());
                    minima.push(Minimum { saddle, ..*minimum });
                }
            }
        }
        let of = self.of.iter().map(|i| place.get(*i as usize).map_or(Basins::NOWHERE, |i| *i as u32)).collect();
        Basins { minima, of }
    }
}

/// Basins while the level rises. Minima are numbered as they are found, which is by value.
struct Flood<'a> {
    sizes: &'a [usize],
    values: &'a [f64],
    of: Vec<u32>,
    minima: Vec<Minimum>,
    /// For each minimum the deeper one that its basin has met, itself while it has met none.
    merged: Vec<usize>,
    around: Vec<usize>,
}

impl Flood<'_> {
    /// Gives the points of a level, all those of one value, their basins.
    fn rise(&mut self, level: &[u32]) {
        let mut queue = VecDeque::new();
        for point in level.iter().map(|i| *i as usize) {
            neighbours(self.sizes, point, &mut self.around);
            let lower = |i: &&usize| self.values[**i] < self.values[point];
            let known = self.around.iter().filter(|i| self.of[**i] != Basins::NOWHERE).filter(lower);
            if let Some(lowest) = known.min_by(|a, b| self.values[**a].total_cmp(&self.values[**b])) {
                let basin = self.of[*lowest];
                queue.push_back((point, basin));
            }
        }
        // All of them first, so that a plateau between two basins is divided evenly.
        queue.iter().for_each(|(point, basin)| self.of[*point] = *basin);
        self.spread(&mut queue);
        for point in level.iter().map(|i| *i as usize) {
            if self.of[point] == Basins::NOWHERE {
                let basin = self.minima.len();
                self.merged.push(basin);
                self.of[point] = basin as u32;
                queue.push_back((point, basin as u32));
                let plateau = self.spread(&mut queue);
                let value = self.values[point];
                self.minima.push(Minimum { position: point, value, saddle: None, plateau, size: 0 });
            }
        }
    }

    /// Spreads basins over the points of the same value, breadth first; returns how many points the queue held in all.
    fn spread(&mut self, queue: &mut VecDeque<(usize, u32)>) -> usize {
        let mut count = 0;
        while let Some((point, basin)) = queue.pop_front() {
            count += 1;
            neighbours(self.sizes, point, &mut self.around);
            for &next in &self.around {
                if self.of[next] == Basins::NOWHERE && self.values.get(next) == Some(&self.values[point]) {
                    self.of[next] = basin;
                    queue.push_back((next, basin));
                }
            }
        }
        count
    }

    /// Joins the basins that meet at this level.
    fn join(&mut self, level: &[u32]) {
        for position in level.iter().map(|i| *i as usize) {
            let value = self.values[position];
            neighbours(self.sizes, position, &mut self.around);
            let met = std::mem::take(&mut self.around);
            for &next in &met {
                if self.of[next] == Basins::NOWHERE {
                    continue;
                }
                let (one, other) = (self.deepest(self.of[position]), self.deepest(self.of[next]));
                if one != other {
                    let (beyond, ends) = (one.min(other), one.max(other));
                    self.minima[ends].saddle = Some(Saddle { position, value, beyond });
                    self.merged[ends] = beyond;
                }
            }
            self.around = met;
        }
    }

    /// The deepest minimum that a basin has met so far; paths are halved on the way.
    fn deepest(&mut self, basin: u32) -> usize {
        let mut at = basin as usize;
        while self.merged[at] != at {
            self.merged[at] = self.merged[self.merged[at]];
            at = self.merged[at];
        }
        at
    }

    fn finish(mut self) -> Basins {
        for basin in self.of.iter().filter(|i| **i != Basins::NOWHERE) {
            self.minima[*basin as usize].size += 1;
        }
        Basins { minima: self.minima, of: self.of }
    }
}

/// The positions around a position of a row-major grid, diagonals included, in increasing order.
fn neighbours(sizes: &[usize], position: usize, around: &mut Vec<usize>) {
    around.clear();
    around.push(0);
    let mut stride: usize = sizes.iter().product();
    for &size in sizes {
        stride /= size;
        let at = position / stride % size;
        let (low, high) = (at.saturating_sub(1), (at + 1).min(size - 1));
        let bases = around.len();
        // Each base is replaced by the ones along this axis; what they replace is drained.
        for base in 0..bases {
            let base = around[base];
            around.extend((low..=high).map(|i| base + i * stride));
        }
        around.drain(..bases);
    }
    around.retain(|i| *i != position);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(rows: usize, columns: usize, value: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let share = |i: usize, n: usize| 2.0 * i as f64 / (n - 1) as f64 - 1.0;
        (0..rows * columns).map(|i| value(share(i / columns, rows), share(i % columns, columns))).collect()
    }

    fn minimum(
        position: usize,
        value: f64,
        saddle: Option<(usize, f64, usize)>,
        plateau: usize,
        size: usize,
    ) -> Minimum {
        let saddle = saddle.map(|(position, value, beyond)| Saddle { position, value, beyond });
        Minimum { position, value, saddle, plateau, size }
    }

    #[test]
    fn neighbours_end_at_the_border_and_include_diagonals() {
        let mut around = Vec::new();
        neighbours(&[3, 4], 0, &mut around);
        assert_eq!(around, [1, 4, 5]);
        neighbours(&[3, 4], 5, &mut around);
        assert_eq!(around, [0, 1, 2, 4, 6, 8, 9, 10]);
        neighbours(&[3, 3, 3, 3], 40, &mut around);
        assert_eq!(around.len(), 80);
        neighbours(&[1, 5], 4, &mut around);
        assert_eq!(around, [3]);
    }

    #[test]
    fn a_bowl_has_one_minimum_and_everything_descends_to_it() {
        let basins = Basins::new(&[21, 31], &on(21, 31, |y, x| (x - 0.2).powi(2) + y * y));
        assert_eq!(basins.minima.len(), 1);
        let found = basins.minima[0];
        assert_eq!((found.position, found.size, found.plateau), (10 * 31 + 18, 21 * 31, 1));
        assert!(found.saddle.is_none() && found.depth() == f64::INFINITY);
        assert!(basins.of.iter().all(|i| *i == 0));
    }

    #[test]
    fn two_pits_meet_at_the_lowest_saddle() {
        let values = [3.0, 1.0, 4.0, 2.5, 2.0, 9.0];
        let basins = Basins::new(&[6], &values);
        assert_eq!(basins.minima, [minimum(1, 1.0, None, 1, 3), minimum(4, 2.0, Some((2, 4.0, 0)), 1, 3)]);
        assert_eq!(basins.minima[1].depth(), 2.0);
        assert_eq!(basins.of, [0, 0, 0, 1, 1, 1]);
        // In a plane the way leads over the pass and not over the ridge: (x² − 1)² has its pass at x = 0.
        let well = |y: f64, x: f64| ((1.5 * x).powi(2) - 1.0).powi(2) + 0.1 * x + y * y;
        let basins = Basins::new(&[41, 61], &on(41, 61, well));
        let [deep, shallow] = basins.minima[..] else { panic!("{:?}", basins.minima) };
        assert_eq!((deep.position, shallow.position), (20 * 61 + 10, 20 * 61 + 50));
        let saddle = shallow.saddle.unwrap();
        assert_eq!((saddle.position / 61, saddle.beyond), (20, 0));
        assert!((saddle.value - 1.0).abs() < 0.01 && (saddle.position % 61).abs_diff(30) <= 1, "{saddle:?}");
        assert_eq!(deep.size + shallow.size, 41 * 61);
        let wrong = (0..41 * 61).filter(|i| (basins.of[*i] == 0) != (i % 61 <= saddle.position % 61)).count();
        assert!(wrong <= 41, "the basins part at the pass: {wrong} points do not");
    }

    /// The trade-off of two parameters whose product alone matters: a valley, not points. On the grid only ripples part it.
    #[test]
    fn an_arc_is_one_basin_once_its_ripples_are_ignored() {
        let values = on(41, 41, |y, x| ((x + 1.0).hypot(y + 1.0) - 1.2).powi(2));
        let all = Basins::new(&[41, 41], &values);
        assert!(all.minima.len() > 3, "the grid cuts the arc: {}", all.minima.len());
        let merged = all.at_least(0.01);
        assert_eq!(merged.minima.len(), 1);
        assert_eq!((merged.minima[0].position, merged.minima[0].size), (all.minima[0].position, 41 * 41));
        assert_eq!(all.at_least(0.0), all);
        assert_eq!(all.minima.iter().map(|m| m.size).sum::<usize>(), 41 * 41);
    }

    #[test]
    fn shallow_minima_join_what_lies_beyond_their_saddles() {
        let basins = Basins::new(&[9], &[0.0, 5.0, 3.0, 4.0, 2.0, 6.0, 1.0, 2.0, 1.5]);
        let found: Vec<(usize, f64)> = basins.minima.iter().map(|m| (m.position, m.depth())).collect();
        assert_eq!(found, [(0, f64::INFINITY), (6, 5.0), (8, 0.5), (4, 3.0), (2, 1.0)]);
        assert_eq!(
            basins.minima.iter().map(|m| m.saddle.map(|s| s.beyond)).collect::<Vec<_>>(),
            [None, Some(0), Some(1), Some(0), Some(3)]
        );
        let kept = basins.at_least(2.0);
        assert_eq!(kept.minima.iter().map(|m| m.position).collect::<Vec<_>>(), [0, 6, 4]);
        assert_eq!(kept.of, [0, 0, 2, 2, 2, 1, 1, 1, 1]);
        assert_eq!(kept.minima.iter().map(|m| m.size).collect::<Vec<_>>(), [2, 4, 3]);
        assert_eq!(basins.at_least(f64::MAX).of, [0; 9]);
    }

    #[test]
    fn a_plateau_counts_once_and_slopes_pass_through() {
        // A flat floor, and a terrace on the way down to it that is no minimum.
        let values = [9.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 3.0];
        let basins = Basins::new(&[8], &values);
        assert_eq!(basins.minima, [minimum(4, 1.0, None, 3, 8)]);
        // A ring of floor around a peak, which is entered at several places of the flood.
        let ring = [1.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(Basins::new(&[3, 3], &ring).minima, [minimum(0, 1.0, None, 8, 9)]);
        // A terrace between two pits is divided in the middle.
        let terrace = Basins::new(&[8], &[0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0]);
        assert_eq!(terrace.of, [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(terrace.minima[1].depth(), 1.0);
        let flat = Basins::new(&[4, 5], &[2.0; 20]);
        assert_eq!(flat.minima, [minimum(0, 2.0, None, 20, 20)]);
        // Two pits of the same value: the first counts as deeper.
        let equal = Basins::new(&[3], &[1.0, 2.0, 1.0]);
        assert_eq!(equal.minima, [minimum(0, 1.0, None, 1, 2), minimum(2, 1.0, Some((1, 2.0, 0)), 1, 1)]);
    }

    #[test]
    fn holes_belong_to_nothing_and_cut_the_ground() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        let basins = Basins::new(&[7], &[3.0, 1.0, nan, 2.0, 5.0, infinity, -infinity]);
        assert_eq!(basins.minima, [minimum(1, 1.0, None, 1, 2), minimum(3, 2.0, None, 1, 2)]);
        let nowhere = Basins::NOWHERE;
        assert_eq!(basins.of, [0, 0, nowhere, 1, 1, nowhere, nowhere]);
        assert_eq!(basins.at_least(f64::MAX), basins, "no saddle, no deeper minimum");
        // In a plane a hole is walked around.
        let mut bowl = on(9, 9, |y, x| x * x + y * y);
        bowl[4 * 9 + 3] = nan;
        let basins = Basins::new(&[9, 9], &bowl);
        assert_eq!((basins.minima.len(), basins.minima[0].size), (1, 80));
        for empty in
            [Basins::new(&[3], &[nan; 3]), Basins::new(&[3], &[]), Basins::new(&[], &[]), Basins::new(&[0, 4], &[])]
        {
            assert!(empty.minima.is_empty());
        }
    }

    #[test]
    fn four_axes_have_pits_in_the_corners_that_differ() {
        let sizes = [5, 4, 6, 3];
        let count: usize = sizes.iter().product();
        let value = |position: usize, corner: usize| {
            let (mut rest, mut corner, mut sum) = (position, corner, 0.0);
            for size in sizes.iter().rev() {
                let (at, to) = (rest % size, corner % size);
                sum += (at as f64 - to as f64).powi(2);
                (rest, corner) = (rest / size, corner / size);
            }
            sum
        };
        let values: Vec<f64> = (0..count).map(|i| value(i, 0).min(value(i, count - 1) + 0.5)).collect();
        let basins = Basins::new(&sizes, &values);
        assert_eq!(basins.minima.iter().map(|m| m.position).collect::<Vec<_>>(), [0, count - 1]);
        assert_eq!(basins.of.iter().filter(|i| **i == 1).count(), basins.minima[1].size);
    }
}
