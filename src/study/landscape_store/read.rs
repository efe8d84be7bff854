//! As much of a stored landscape as is held in memory: all of it, or a part that includes where its quantities are least.

use super::{Chunk, Chunks, LandscapeError, LandscapeStore, NONE};
use crate::study::landscape::{Axis, Divergence, Landscape, Whole, evenly, theta_at};

/// What one passage over all chunks tells.
struct Survey {
    /// Points at which a trajectory failed.
    failed: usize,
    /// Position, trajectory and step of the first of them.
    first: Option<(usize, i32, i32)>,
    /// Value and position of the least of each quantity, and of the largest.
    extremes: Vec<[Option<(f64, usize)>; 2]>,
}

impl Survey {
    fn add(&mut self, chunks: &Chunks, chunk: usize, values: &Chunk) {
        for (place, position) in chunks.within(chunk) {
            if values.failures[0][place] > 0 {
                self.failed += 1;
                let [trajectory, step] = [1, 2].map(|array: usize| values.failures[array][place]);
                // Landscapes that were computed in memory know only how many.
                if trajectory != NONE && self.first.is_none_or(|(first, ..)| position < first) {
                    self.first = Some((position, trajectory, step));
                }
            }
            for ([least, largest], quantity) in self.extremes.iter_mut().zip(&values.quantities) {
                let value = quantity[place];
                let beats = |held: &Option<(f64, usize)>, sign: f64| {
                    let better =
                        |(held, at): (f64, usize)| sign * value < sign * held || value == held && position < at;
                    value.is_finite() && held.is_none_or(better)
                };
                if beats(least, 1.0) {
                    *least = Some((value, position));
                }
                if beats(largest, -1.0) {
                    *largest = Some((value, position));
                }
            }
        }
    }
}

impl LandscapeStore {
    /// The landscape if it has at most `most` points, else the part of it at chosen values of each axis: evenly chosen ones
    /// with the ends, and as far as there is room those at which a quantity is least, and the first one largest. `base` gives
    /// the parameters that do not vary.
    pub fn load(&self, base: &[f64], most: usize) -> Result<Landscape, LandscapeError> {
        let points = self.chunks.points();
        let mut survey = Survey { failed: 0, first: None, extremes: vec![[None; 2]; self.quantities.len()] };
        let mut kept: Vec<Vec<usize>> = self.axes.iter().map(|axis| (0..axis.values.len()).collect()).collect();
        let part = points > most;
        if part {
            self.each(|chunk, values| survey.add(&self.chunks, chunk, values))?;
            kept = self.chosen(most, &survey.extremes);
        }
        let places = Places::new(self.chunks.sizes(), &kept);
        let mut quantities: Vec<(String, Vec<f64>)> =
            self.quantities().map(|name| (name.to_string(), vec![f64::NAN; places.count])).collect();
        let mut failures = vec![0.0; places.count];
        self.each(|chunk, values| {
            if !part {
                survey.add(&self.chunks, chunk, values);
            }
            for (place, position) in self.chunks.within(chunk) {
                let Some(to) = places.of(position) else { continue };
                failures[to] = f64::from(values.failures[0][place]);
                for (quantity, from) in quantities.iter_mut().zip(&values.quantities) {
                    quantity.1[to] = from[place];
                }
            }
        })?;
        let first_failure = survey.first.map(|(position, trajectory, step)| Divergence {
            theta: theta_at(&self.axes, base, position),
            sample: usize::try_from(trajectory).unwrap_or(0),
            step: u32::try_from(step).unwrap_or(0),
        });
        let axes: Vec<Axis> = self.axes.iter().zip(&kept).map(|(axis, kept)| axis.picked(kept)).collect();
        let whole = part.then_some(Whole { points, failed: survey.failed });
        Ok(Landscape { axes, quantities, failures, first_failure, whole })
    }

    /// Hands over all chunks, one at a time.
    fn each(&self, mut receive: impl FnMut(usize, &Chunk)) -> Result<(), LandscapeError> {
        for chunk in 0..self.chunks.count() {
            let values = self.read_chunk(chunk).map_err(|gaps| {
                let gap = gaps.first().map_or(String::new(), ToString::to_string);
                LandscapeError::Incomplete { path: self.path.clone(), message: gap }
            })?;
            receive(chunk, &values);
        }
        Ok(())
    }

    /// Places along each axis that make at most `most` points.
    fn chosen(&self, most: usize, extremes: &[[Option<(f64, usize)>; 2]]) -> Vec<Vec<usize>> {
        let sizes = self.chunks.sizes();
        let product = |kept: &[Vec<usize>]| kept.iter().map(Vec::len).product::<usize>();
        let count = |most: usize| sizes.iter().map(|size| (*size).min(most)).product::<usize>();
        // Half of the points, so that there is room for the extremes.
        let mut even = 2;
        while even < most && count(even + 1) <= most / 2 {
            even += 1;
        }
        let mut kept: Vec<Vec<usize>> = sizes.iter().map(|size| evenly(*size, even)).collect();
        let largest = extremes.first().and_then(|[_, largest]| *largest);
        for (_, position) in extremes.iter().filter_map(|[least, _]| *least).chain(largest) {
            let mut with = kept.clone();
            for (axis, place) in self.along(position).into_iter().enumerate() {
                if let Err(before) = with[axis].binary_search(&place) {
                    with[axis].insert(before, place);
                }
            }
            if product(&with) <= most {
                kept = with;
            }
        }
        kept
    }

    /// Where a position lies along each axis.
    fn along(&self, mut position: usize) -> Vec<usize> {
        let mut along = Vec::with_capacity(self.axes.len());
        for size in self.chunks.sizes().iter().rev() {
            along.push(position % size);
            position /= size;
        }
        along.reverse();
        along
    }
}

/// Where positions of a grid are on the grid of the places that are kept along each axis.
struct Places {
    /// For each axis its size and, for each place, its place among the kept ones.
    axes: Vec<(usize, Vec<Option<usize>>)>,
    kept: Vec<usize>,
    count: usize,
}

impl Places {
    fn new(sizes: &[usize], kept: &[Vec<usize>]) -> Places {
        let axis = |(size, kept): (&usize, &Vec<usize>)| {
            let mut places = vec![None; *size];
            kept.iter().enumerate().for_each(|(to, from)| places[*from] = Some(to));
            (*size, places)
        };
        let axes = sizes.iter().zip(kept).map(axis).collect();
        let kept: Vec<usize> = kept.iter().map(Vec::len).collect();
        let count = kept.iter().product();
        Places { axes, kept, count }
    }

    fn of(&self, mut position: usize) -> Option<usize> {
        let (mut to, mut stride) = (0, 1);
        for ((size, places), kept) in self.axes.iter().zip(&self.kept).rev() {
            to += places[position % size]? * stride;
            stride *= kept;
            position /= size;
        }
        Some(to)
    }
}
