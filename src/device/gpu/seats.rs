//! Where the samples of a job sit on an adapter: those of one member of a population side by side, so that no workgroup
//! needs the weights of two.
//!
//! With one member seats are samples, in their order. With several the groups are taken member by member, and where a
//! schedule asks for it each member's samples are filled up to whole workgroups; such fillers repeat a sample of the
//! member, count 0 times, and are never read. Pure functions of the job; nothing here talks to an adapter.

use crate::device::Job;
use crate::model::Seeds;

/// The samples of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Member of the population.
    pub member: usize,
    /// First seat.
    pub first: usize,
    /// Samples, without fillers.
    pub samples: usize,
}

/// The pieces of a chunk: a table entry for each member that has samples in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// First word in the buffer that holds them.
    pub at: usize,
    /// Number of pieces; 0 if the chunk has one member and needs no table.
    pub count: usize,
    /// Samples of the largest.
    pub longest: usize,
}

/// Seats of the samples of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    /// Sample on each seat; fillers repeat the last one of their member.
    samples: Vec<u32>,
    /// Seat of each sample.
    seats: Vec<u32>,
    /// Members that take part, in order of their numbers.
    runs: Vec<Run>,
    /// Groups, and samples of each.
    groups: usize,
    per_group: usize,
}

impl Seats {
    /// One group after the other, all of one member.
    pub fn single(samples: usize, groups: usize, member: usize) -> Seats {
        let seats: Vec<u32> = (0..samples as u32).collect();
        let runs = vec![Run { member, first: 0, samples }];
        Seats { samples: seats.clone(), seats, runs, groups, per_group: (samples / groups.max(1)).max(1) }
    }

    /// Seats of a job; the samples of every member but a sole one begin at a multiple of `align`.
    pub fn new(job: &Job, align: usize) -> Seats {
        let mut members: Vec<usize> = (0..job.groups).map(|group| job.member(group)).collect();
        members.sort_unstable();
        members.dedup();
        let mut seats = Seats::single(job.samples(), job.groups, members[0]);
        if members.len() == 1 {
            return seats;
        }
        seats.samples.clear();
        seats.runs.clear();
        for member in members {
            let first = seats.samples.len();
            for group in (0..job.groups).filter(|group| job.member(*group) == member) {
                for sample in group * seats.per_group..(group + 1) * seats.per_group {
                    seats.seats[sample] = seats.samples.len() as u32;
                    seats.samples.push(sample as u32);
                }
            }
            let samples = seats.samples.len() - first;
            seats.runs.push(Run { member, first, samples });
            let last = seats.samples[first + samples - 1];
            seats.samples.resize((first + samples).next_multiple_of(align), last);
        }
        seats
    }

    /// Number of seats, fillers included.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Members that take part.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// True if there is more than one member.
    pub fn several(&self) -> bool {
        self.runs.len() > 1
    }

    /// Samples of the member that has the most.
    pub fn longest(&self) -> usize {
        self.runs.iter().map(|run| run.samples).max().unwrap_or(0)
    }

    /// Seats whose derivatives start from the same seeds; with several members every seat has its own.
    pub fn per_seed(&self) -> usize {
        if self.several() { 1 } else { self.per_group }
    }

    /// Number of seeds that [`Seats::seeds`] yields.
    pub fn seed_count(&self) -> usize {
        if self.several() { self.len() } else { self.groups }
    }

    /// Seeds of the groups in the order in which kernels read them, one for [`Seats::per_seed`] seats; 0 for fillers.
    pub fn seeds(&self, groups: &[Seeds]) -> Vec<Seeds> {
        if !self.several() {
            return groups.to_vec();
        }
        let mut seeds = vec![Seeds::default(); self.len()];
        for (sample, seat) in self.seats.iter().enumerate() {
            seeds[*seat as usize].clone_from(&groups[sample / self.per_group]);
        }
        seeds
    }

    /// The sample on every seat, and false for a filler.
    pub fn samples(&self) -> impl Iterator<Item = (usize, bool)> {
        self.samples
            .iter()
            .enumerate()
            .map(|(seat, sample)| (*sample as usize, self.seats[*sample as usize] as usize == seat))
    }

    /// Position of the member on every seat among those that take part.
    pub fn members(&self) -> impl Iterator<Item = usize> {
        let ends = self.runs.iter().skip(1).map(|run| run.first).chain([self.len()]);
        self.runs
            .iter()
            .zip(ends)
            .enumerate()
            .flat_map(|(position, (run, end))| (run.first..end).map(move |_| position))
    }

    /// Seat of each sample.
    pub fn seats(&self) -> impl Iterator<Item = usize> {
        self.seats.iter().map(|seat| *seat as usize)
    }

    /// Values of `width` numbers per seat, put in the order of the samples; none stay none.
    pub fn per_sample(&self, values: Vec<f64>, width: usize) -> Vec<f64> {
        if !self.several() || values.is_empty() {
            return values;
        }
        self.seats().flat_map(|seat| values[seat * width..(seat + 1) * width].iter().copied()).collect()
    }

    /// The pieces of each chunk (first seat, number of seats) as kernels read them, four words each: position of the
    /// member, first seat in the chunk, samples, whether earlier chunks had samples of it. `at` is the first free word of
    /// their buffer; also where those of each chunk stand.
    pub fn pieces(&self, chunks: &[(usize, usize)], at: usize) -> (Vec<u32>, Vec<Pieces>) {
        if !self.several() {
            return (Vec::new(), chunks.iter().map(|(_, count)| Pieces { at: 0, count: 0, longest: *count }).collect());
        }
        let mut words = Vec::new();
        let of_chunk = |(first, count): &(usize, usize)| {
            let mut pieces = Pieces { at: at + words.len(), count: 0, longest: 0 };
            for (position, run) in self.runs.iter().enumerate() {
                let (from, to) = (run.first.max(*first), (run.first + run.samples).min(first + count));
                if from < to {
                    words.extend([position, from - first, to - from, usize::from(from > run.first)].map(|w| w as u32));
                    pieces.count += 1;
                    pieces.longest = pieces.longest.max(to - from);
                }
            }
            pieces
        };
        let pieces = chunks.iter().map(of_chunk).collect();
        (words, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Trajectories;
    use crate::model::Objective;
    use crate::program::Weights;

    /// Six groups of three samples; members 4 and 1 take turns, 2 has one group.
    fn seats(members: &[u32], align: usize) -> Seats {
        let trajectories = Trajectories::from_states(18, 1, vec![0.0; 18]);
        let (rows, weights, objective) =
            (trajectories.rows(), Weights { members: 5, values: Vec::new() }, Objective::default());
        let job = Job::new(&trajectories, &rows, &[], &weights, &objective);
        Seats::new(&Job { groups: 6, members, ..job }, align)
    }

    #[test]
    fn one_member_sits_as_it_came() {
        let one = seats(&[3; 6], 8);
        assert_eq!(one, Seats::single(18, 6, 3));
        assert_eq!((one.len(), one.per_seed(), one.seed_count(), one.several()), (18, 3, 6, false));
        assert!(one.pieces(&[(0, 16), (16, 2)], 7).0.is_empty());
    }

    #[test]
    fn members_sit_apart_and_every_sample_has_one_seat() {
        let several = seats(&[4, 1, 4, 1, 2, 4], 4);
        let runs = [(1, 0, 6), (2, 8, 3), (4, 12, 9)];
        assert_eq!(several.runs(), runs.map(|(member, first, samples)| Run { member, first, samples }));
        assert_eq!(several.len(), 24);
        let samples: Vec<(usize, bool)> = several.samples().collect();
        for (sample, seat) in several.seats().enumerate() {
            assert_eq!(samples[seat], (sample, true));
        }
        assert_eq!(samples.iter().filter(|(_, own)| *own).count(), 18);
        // Fillers repeat a sample of their own member.
        assert_eq!(samples[6..8], [(11, false); 2]);
        let members: Vec<usize> = several.members().collect();
        assert_eq!(members, [[0; 8].as_slice(), &[1; 4], &[2; 12]].concat());
        let values: Vec<f64> = (0..24).map(f64::from).collect();
        let expected: Vec<f64> = several.seats().map(|seat| seat as f64).collect();
        assert_eq!(several.per_sample(values, 1), expected);
    }

    #[test]
    fn seeds_follow_the_samples() {
        let several = seats(&[4, 1, 4, 1, 2, 4], 4);
        let groups: Vec<Seeds> = (0..6).map(|g| Seeds { squared_error: 1.0 + g as f64, ..Seeds::default() }).collect();
        let found: Vec<f64> = several.seeds(&groups).iter().map(|s| s.squared_error).collect();
        let expected = several.samples().map(|(sample, own)| if own { (1 + sample / 3) as f64 } else { 0.0 });
        assert_eq!(found, expected.collect::<Vec<f64>>());
    }

    #[test]
    fn pieces_cover_the_samples_of_every_chunk() {
        let several = seats(&[4, 1, 4, 1, 2, 4], 4);
        let (words, pieces) = several.pieces(&[(0, 16), (16, 8)], 100);
        // The third member begins in the first chunk and goes on in the second.
        assert_eq!(words, [[0, 0, 6, 0], [1, 8, 3, 0], [2, 12, 4, 0], [2, 0, 5, 1]].concat());
        assert_eq!(pieces[0], Pieces { at: 100, count: 3, longest: 6 });
        assert_eq!(pieces[1], Pieces { at: 100 + 3 * 4, count: 1, longest: 5 });
    }
}
