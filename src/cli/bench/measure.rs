//! Repeated measurements: how often, their spread, and the memory that they took.

use crate::cli::Failure;
use serde::Serialize;
use std::time::Instant;

/// Repetitions that a time budget does not exceed.
const MOST: usize = 1000;

/// How often something is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// So often, whatever the time; `None` for as often as the time allows, at least three times.
    pub repeats: Option<usize>,
    /// Time for all repetitions.
    pub seconds: f64,
}

/// Milliseconds of the repetitions, increasing.
#[derive(Clone, Debug)]
pub struct Times(Vec<f64>);

/// What was measured.
pub struct Measured<R> {
    /// Times of the repetitions.
    pub times: Times,
    /// The most memory that the process held meanwhile, in bytes, where the system tells it.
    pub peak_bytes: Option<usize>,
    /// What the last repetition made.
    pub last: R,
}

/// A summary of times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Median.
    pub ms: f64,
    /// Least.
    pub ms_min: f64,
    /// Largest.
    pub ms_max: f64,
    /// First quartile.
    pub ms_q1: f64,
    /// Third quartile.
    pub ms_q3: f64,
    /// Repetitions.
    pub repeats: usize,
}

impl Effort {
    /// Times a body. With `warm_up` the first run does not count; without a fixed number of repetitions, one that takes longer
    /// than the whole budget is repeated once.
    pub fn measure<R>(
        &self,
        warm_up: bool,
        mut body: impl FnMut() -> Result<R, Failure>,
    ) -> Result<Measured<R>, Failure> {
        reset_peak();
        let mut times: Vec<f64> = Vec::new();
        let mut last = None;
        let (mut first, begin) = (0.0, Instant::now());
        if warm_up {
            drop(body()?);
            first = begin.elapsed().as_secs_f64();
        }
        let least = if first > self.seconds { 1 } else { 3 };
        let start = Instant::now();
        loop {
            // What the last repetition holds must not count as memory of this one.
            drop(last.take());
            let begin = Instant::now();
            last = Some(body()?);
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            let enough = match self.repeats {
                Some(repeats) => times.len() >= repeats,
                None => {
                    // The next one shall still fit.
                    let next = start.elapsed().as_secs_f64() * (1.0 + 1.0 / times.len() as f64);
                    times.len() >= MOST || (times.len() >= least && next > self.seconds)
                }
            };
            if enough {
                break;
            }
        }
        let last = last.expect("at least one repetition");
        Ok(Measured { times: Times::new(times), peak_bytes: peak_memory(), last })
    }

    /// The same with at most `most` repetitions: for what is long and steady.
    pub fn at_most(self, most: usize) -> Effort {
        Effort { repeats: Some(self.repeats.unwrap_or(most).min(most)), ..self }
    }
}

impl Times {
    fn new(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        Times(times)
    }

    /// Times of one of `parts` equal parts of what was measured.
    pub fn per(self, parts: usize) -> Times {
        Times(self.0.into_iter().map(|t| t / parts as f64).collect())
    }

    /// Median, extremes and quartiles.
    pub fn spread(&self) -> Spread {
        let times = &self.0;
        Spread {
            ms: quantile(times, 0.5),
            ms_min: times[0],
            ms_max: times[times.len() - 1],
            ms_q1: quantile(times, 0.25),
            ms_q3: quantile(times, 0.75),
            repeats: times.len(),
        }
    }
}

/// A quantile of increasing numbers, linear between them.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (place - low as f64) * (sorted[high] - sorted[low])
}

/// The most memory that this process has had resident since the last reset.
fn peak_memory() -> Option<usize> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// Makes Linux count the peak from here on; where it cannot, the peak is that of the whole run.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Memory that the system can still give, in bytes.
pub fn available_memory() -> Option<usize> {
    kilobytes("/proc/meminfo", "MemAvailable:")
}

/// A number of kilobytes in a file of /proc, in bytes.
fn kilobytes(path: &str, key: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_the_numbers() {
        let spread = Times::new(vec![4.0, 1.0, 2.0, 3.0, 10.0]).spread();
        assert_eq!((spread.ms_min, spread.ms_q1, spread.ms, spread.ms_q3, spread.ms_max), (1.0, 2.0, 3.0, 4.0, 10.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(Times::new(vec![8.0]).per(8).spread().ms_q3, 1.0);
    }

    #[test]
    fn repetitions_are_as_many_as_asked_for() {
        let count = |effort: Effort, warm_up| {
            let mut runs = 0;
            let body = || {
                runs += 1;
                Ok(())
            };
            let measured = effort.measure(warm_up, body).expect("a body that cannot fail");
            (measured.times.0.len(), runs)
        };
        assert_eq!(count(Effort { repeats: Some(4), seconds: 1e-9 }, true), (4, 5));
        assert_eq!(count(Effort { repeats: Some(9), seconds: 1.0 }.at_most(2), false), (2, 2));
        let (timed, runs) = count(Effort { repeats: None, seconds: 1e-3 }, false);
        assert!((3..=MOST).contains(&timed) && runs == timed);
    }
}
