//! Whether a store is complete and undamaged.

use super::{GROUP, Gap, LandscapeError, LandscapeStore, NONE};
use std::path::Path;

/// What was found in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Points of the grid.
    pub points: usize,
    /// Chunks it is cut into.
    pub chunks: usize,
    /// Those of which every array has its part, with the right checksum.
    pub finished: usize,
    /// Points of finished chunks at which a trajectory failed.
    pub failed: usize,
    /// Points of finished chunks at which no trajectory failed and a quantity that is finite elsewhere is not, by quantity.
    pub not_finite: Vec<(String, usize)>,
    /// Files that are missing or damaged, and contradictions between arrays: the first 40.
    pub problems: Vec<String>,
    /// Problems beyond these.
    pub more: usize,
}

/// Problems that are named; the others are counted.
const NAMED: usize = 40;

impl Verified {
    fn tell(&mut self, problem: String) {
        match self.problems.len() < NAMED {
            true => self.problems.push(problem),
            false => self.more += 1,
        }
    }

    /// Nothing is missing or wrong.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.finished == self.chunks
    }
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match &self.damage {
            None => write!(f, "{} is missing", self.file),
            Some(damage) => write!(f, "{} is damaged: {damage}", self.file),
        }
    }
}

/// Reads all of a store.
pub fn verify(path: &Path) -> Result<(LandscapeStore, Verified), LandscapeError> {
    let store = LandscapeStore::open(path)?;
    let found = store.verify();
    Ok((store, found))
}

impl LandscapeStore {
    /// Reads all of it: every checksum, and whether failures and values agree.
    pub fn verify(&self) -> Verified {
        let mut found = Verified { points: self.chunks.points(), chunks: self.chunks.count(), ..Verified::default() };
        let names = self.header.axes.iter().map(|axis| axis.name.as_str()).chain(self.arrays().map(|(name, _)| name));
        let metadata = names.map(|name| format!("{name}/{GROUP}"));
        let missing = metadata.filter(|file| !self.path.join(file).is_file());
        missing.for_each(|file| found.tell(format!("{file} is missing")));
        for axis in self.axes.iter().filter(|axis| !axis.values.windows(2).all(|w| w[0] < w[1])) {
            found.tell(format!("the values of {} do not increase", axis.name));
        }
        // Points with and without a number, of each quantity.
        let mut counts = vec![[0, 0]; self.quantities.len()];
        let arrays = self.arrays().count();
        for chunk in 0..self.chunks.count() {
            let values = match self.read_chunk(chunk) {
                Ok(values) => values,
                Err(gaps) if gaps.len() == arrays && gaps.iter().all(|gap| gap.damage.is_none()) => {
                    found.tell(format!("chunk {} is missing", self.name(chunk)));
                    continue;
                }
                Err(gaps) => {
                    gaps.iter().for_each(|gap| found.tell(gap.to_string()));
                    continue;
                }
            };
            found.finished += 1;
            let mut contradictions = 0;
            for (place, _) in self.chunks.within(chunk) {
                let failed = values.failures[0][place] > 0;
                found.failed += usize::from(failed);
                let told = values.failures[1..].iter().all(|array| failed || array[place] == NONE);
                let held = values.quantities.iter().any(|quantity| failed && !quantity[place].is_nan());
                contradictions += usize::from(values.failures[0][place] < 0 || !told || held);
                if !failed {
                    for (count, quantity) in counts.iter_mut().zip(&values.quantities) {
                        count[usize::from(quantity[place].is_finite())] += 1;
                    }
                }
            }
            if contradictions > 0 {
                let (chunk, failures) = (self.name(chunk), &self.header.failures[0]);
                found
                    .tell(format!("chunk {chunk}: at {contradictions} points {failures} contradicts the other arrays"));
            }
        }
        // Where a quantity is nowhere a number it is not defined, as the error of data that has no observations.
        let partly = self.quantities().zip(&counts).filter(|(_, [without, with])| *without > 0 && *with > 0);
        found.not_finite = partly.map(|(name, [without, _])| (name.to_string(), *without)).collect();
        found
    }

    /// A chunk as its files are called.
    fn name(&self, chunk: usize) -> String {
        self.chunks.index(chunk).iter().map(u64::to_string).collect::<Vec<_>>().join("/")
    }
}
