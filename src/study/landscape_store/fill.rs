//! A sweep into the chunks of a store, or into the share of them that a process has taken on.

use super::{Chunk, LandscapeError, LandscapeStore};
use crate::model::{Model, Objective};
use crate::solve::tableau;
use crate::study::landscape::{Landscape, Quantities, measure};
use crate::study::sweep::{Criterion, Sweep};
use std::str::FromStr;

/// Work of a chunk: some seconds of a processor.
const OPERATIONS: f64 = 1e11;
/// Fewest and most points of a chunk by default.
const POINTS: [usize; 2] = [16, 32_768];

/// Points of a chunk that takes some seconds, by the operations of rollouts of `trajectories` with `steps` intervals.
pub fn chunk_points(model: &Model, trajectories: usize, steps: usize) -> usize {
    let solver = &model.spec.solver;
    let evaluations = (trajectories * steps.max(1) * solver.substeps * tableau(solver.method).stages()) as f64;
    // Networks, and what physics may take beside them.
    let operations = 2.0 * model.multiply_adds() as f64 + 200.0 * model.cells() as f64;
    let points = OPERATIONS / (evaluations * operations).max(1.0);
    (points as usize).clamp(POINTS[0], POINTS[1])
}

/// Every `of`-th chunk from chunk `index` on, so that processes share the work without talking to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: usize,
    /// Number of parts.
    pub of: usize,
}

impl Part {
    /// All chunks.
    pub const ALL: Part = Part { index: 0, of: 1 };
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        let remedy = "write I/N with I from 0 to N - 1, for example 0/4, 1/4, 2/4 and 3/4 for four processes";
        match numbers {
            Some((index, of)) if index < of => Ok(Part { index, of }),
            Some((index, of)) => Err(format!("there is no part {index} of {of}\nhelp: {remedy}")),
            None => Err(format!("this is no part of a whole\nhelp: {remedy}")),
        }
    }
}

/// How far a sweep is: chunks of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Computed now.
    pub computed: usize,
    /// There before.
    pub kept: usize,
    /// All of the part.
    pub all: usize,
}

impl LandscapeStore {
    /// Computes the chunks of a part that are missing or damaged. `go_on` is asked before the first chunk and after each.
    pub fn fill(
        &self,
        setting: &Sweep,
        (objective, criteria): (&Objective, &[Criterion]),
        base: &[f64],
        part: Part,
        mut go_on: impl FnMut(Filled) -> bool,
    ) -> Result<Filled, LandscapeError> {
        let shown = Quantities::new(objective, criteria);
        let chunks = (part.index..self.chunks.count()).step_by(part.of);
        let mut filled = Filled { computed: 0, kept: 0, all: chunks.len() };
        for chunk in chunks {
            if !go_on(filled) {
                return Ok(filled);
            }
            if self.is_finished(chunk) {
                filled.kept += 1;
                continue;
            }
            let mut values = Chunk::empty(self.quantities.len(), self.chunks.places());
            let (places, positions): (Vec<usize>, Vec<usize>) = self.chunks.within(chunk).unzip();
            measure(setting, &shown, (&self.axes, base), positions.into_iter(), |i, point| {
                let place = places[i];
                let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
                values.failures[0][place] = number(point.failures);
                if let Some((trajectory, step)) = point.first_failure {
                    values.failures[1][place] = number(trajectory);
                    values.failures[2][place] = number(step as usize);
                }
                for (quantity, value) in values.quantities.iter_mut().zip(point.values.into_iter().flatten()) {
                    quantity[place] = value;
                }
            })?;
            self.write_chunk(chunk, &values)?;
            filled.computed += 1;
        }
        go_on(filled);
        Ok(filled)
    }

    /// Writes a landscape that was computed in memory.
    pub fn write(&self, landscape: &Landscape) -> Result<(), LandscapeError> {
        for chunk in 0..self.chunks.count() {
            let mut values = Chunk::empty(self.quantities.len(), self.chunks.places());
            for (place, position) in self.chunks.within(chunk) {
                values.failures[0][place] = landscape.failures[position] as i32;
                for (to, (_, from)) in values.quantities.iter_mut().zip(&landscape.quantities) {
                    to[place] = from[position];
                }
            }
            self.write_chunk(chunk, &values)?;
        }
        Ok(())
    }
}
