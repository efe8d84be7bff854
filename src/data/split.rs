//! Which episodes, or which part of every episode, train, validate and test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::config::{SplitBy, SplitConfig};
use super::episode::Episode;
use super::error::{DataError, present};
use super::window::Part;
use crate::rng::{Purpose, Stream};

/// Indices of episodes. No index is in two lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Episodes the weights are fitted to.
    pub train: Vec<usize>,
    /// Episodes that choose among settings.
    #[serde(default)]
    pub validation: Vec<usize>,
    /// Episodes looked at last.
    #[serde(default)]
    pub test: Vec<usize>,
}

/// Training, validation and test as ranges of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// What the weights are fitted to.
    pub train: Vec<Part>,
    /// What chooses among settings.
    pub validation: Vec<Part>,
    /// What is looked at last.
    pub test: Vec<Part>,
}

impl Split {
    /// Shuffles the episodes and shares them out. A share above 0 gets at least one.
    pub fn by_seed(episodes: usize, ratios: [f64; 3], seed: u64) -> Result<Self, DataError> {
        let counts = share("episodes", episodes, ratios)?;
        let order = Stream::new(seed, Purpose::Split).permutation(episodes, 0);
        let order: Vec<usize> = order.into_iter().map(|episode| episode as usize).collect();
        let (train, rest) = order.split_at(counts[0]);
        let (validation, rest) = rest.split_at(counts[1]);
        Ok(Self { train: train.to_vec(), validation: validation.to_vec(), test: rest[..counts[2]].to_vec() })
    }

    /// Reads lists of indices from a JSON file: one split, or several by key.
    pub fn from_json(path: &Path, key: Option<&str>, episodes: usize) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(|error| DataError::unreadable(path, error))?;
        let form = "write {\"train\": [0, …], \"validation\": […], \"test\": […]} or several of these by key";
        let malformed = |error: serde_json::Error| DataError::read(path, error, form);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(malformed)?;
        let split = if value.get("train").is_some_and(serde_json::Value::is_array) {
            if let Some(key) = key {
                let problem = format!("{} holds one split, none by the key \"{key}\"", path.display());
                return Err(DataError::split(problem, "leave split.key out"));
            }
            serde_json::from_value(value).map_err(malformed)?
        } else {
            let mut splits: BTreeMap<String, Self> = serde_json::from_value(value).map_err(malformed)?;
            let Some(key) = key else {
                let remedy = present("keys", "", splits.keys().map(String::as_str));
                return Err(DataError::split(
                    format!("{} holds several splits", path.display()),
                    format!("choose one with split.key; {remedy}"),
                ));
            };
            match splits.remove(key) {
                Some(split) => split,
                None => {
                    let remedy = present("keys", key, splits.keys().map(String::as_str));
                    return Err(DataError::split(format!("{} has no key \"{key}\"", path.display()), remedy));
                }
            }
        };
        split.check(episodes)?;
        Ok(split)
    }

    /// Checks that every index is an episode and that none is listed twice.
    pub fn check(&self, episodes: usize) -> Result<(), DataError> {
        let mut owner: Vec<Option<&str>> = vec![None; episodes];
        for (list, indices) in [("train", &self.train), ("validation", &self.validation), ("test", &self.test)] {
            for &index in indices {
                let Some(slot) = owner.get_mut(index) else {
                    let problem = format!("{list} lists episode {index}, but there are {episodes} (counted from 0)");
                    return Err(DataError::split(problem, "correct the list, or look at [data] episodes and files"));
                };
                if let Some(other) = slot {
                    let problem = format!("episode {index} is in {other} and again in {list}");
                    return Err(DataError::split(problem, "list every episode once"));
                }
                *slot = Some(list);
            }
        }
        if self.train.is_empty() {
            return Err(DataError::split("no episode trains", "list some under train"));
        }
        Ok(())
    }

    fn parts(&self, episodes: &[Episode]) -> Parts {
        let whole = |indices: &[usize]| {
            indices.iter().map(|&episode| Part { episode, steps: 0..episodes[episode].len }).collect()
        };
        Parts { train: whole(&self.train), validation: whole(&self.validation), test: whole(&self.test) }
    }
}

impl SplitConfig {
    /// The windows, by their positions, that train, validate and test in a split of windows.
    pub(super) fn of_windows(&self, count: usize) -> Result<[Vec<u32>; 3], DataError> {
        let counts = share("windows", count, self.ratios.unwrap_or(Self::DEFAULT_RATIOS))?;
        let mut order = Stream::new(self.seed.unwrap_or(0), Purpose::Split).permutation(count, 0);
        let test = order.split_off(counts[0] + counts[1]);
        let validation = order.split_off(counts[0]);
        Ok([order, validation, test[..counts[2]].to_vec()])
    }
}

impl Parts {
    /// What the configuration says. `base` is the folder of the study, where the JSON file is sought.
    pub fn of(config: &SplitConfig, base: &Path, episodes: &[Episode]) -> Result<Self, DataError> {
        if let Some(file) = &config.file {
            return Ok(Split::from_json(&base.join(file), config.key.as_deref(), episodes.len())?.parts(episodes));
        }
        let ratios = config.ratios.unwrap_or(SplitConfig::DEFAULT_RATIOS);
        let default = if episodes.len() < 3 { SplitBy::Time } else { SplitBy::Episode };
        match config.by.unwrap_or(default) {
            SplitBy::Episode => Ok(Split::by_seed(episodes.len(), ratios, config.seed.unwrap_or(0))?.parts(episodes)),
            SplitBy::Time => Ok(Self::by_time(ratios, episodes)),
            // Shared out after they have been cut.
            SplitBy::Windows => Ok(Split { train: (0..episodes.len()).collect(), ..Split::default() }.parts(episodes)),
        }
    }

    /// Cuts every episode at the same shares of its length.
    pub fn by_time(ratios: [f64; 3], episodes: &[Episode]) -> Self {
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        for (episode, recording) in episodes.iter().enumerate() {
            let (mut before, mut start) = (0.0, 0);
            for (list, ratio) in lists.iter_mut().zip(ratios) {
                before += ratio;
                let end = ((before * recording.len as f64).round() as usize).clamp(start, recording.len);
                if ratio > 0.0 {
                    list.push(Part { episode, steps: start..end });
                }
                start = end;
            }
        }
        let [train, validation, test] = lists;
        Self { train, validation, test }
    }
}

/// Whole numbers nearest to the shares (largest remainders first), at least one for a share above 0.
fn share(what: &str, episodes: usize, ratios: [f64; 3]) -> Result<[usize; 3], DataError> {
    let total: f64 = ratios.iter().sum();
    if ratios.iter().any(|ratio| !(0.0..=1.0).contains(ratio)) || total > 1.0 + 1e-9 {
        return Err(DataError::split(format!("ratios {ratios:?} have sum {total}"), "give three shares with sum <= 1"));
    }
    let exact = ratios.map(|ratio| ratio * episodes as f64);
    // The small number undoes rounding such as 0.29 × 100 = 28.999….
    let mut counts = exact.map(|share| (share + 1e-9) as usize);
    let target = (total * episodes as f64).round() as usize;
    while counts.iter().sum::<usize>() < target.min(episodes) {
        let shortfall = |list: &usize| exact[*list] - counts[*list] as f64;
        let Some(list) = (0..3).max_by(|a, b| shortfall(a).total_cmp(&shortfall(b)).then(b.cmp(a))) else { break };
        counts[list] += 1;
    }
    for list in 0..3 {
        if ratios[list] > 0.0 && counts[list] == 0 {
            let used: usize = counts.iter().sum();
            let richest =
                if counts[0] >= counts[1].max(counts[2]) { 0 } else { 1 + usize::from(counts[2] > counts[1]) };
            if used < episodes {
                counts[list] = 1;
            } else if counts[richest] > 1 {
                (counts[richest], counts[list]) = (counts[richest] - 1, 1);
            } else {
                return Err(DataError::split(
                    format!("{episodes} {what} are too few for the ratios {ratios:?}"),
                    "set by = \"time\", or a ratio of 0",
                ));
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_numbers() {
        assert_eq!(share("episodes", 100, [0.4, 0.3, 0.3]), Ok([40, 30, 30]));
        assert_eq!(share("episodes", 100, [0.29, 0.0, 0.0]), Ok([29, 0, 0]));
        assert_eq!(share("episodes", 3, [0.6, 0.2, 0.2]), Ok([1, 1, 1]));
        assert_eq!(share("episodes", 10, [0.5, 0.25, 0.25]), Ok([5, 3, 2]));
        assert_eq!(share("episodes", 1, [1.0, 0.0, 0.0]), Ok([1, 0, 0]));
        assert!(share("episodes", 2, [0.6, 0.2, 0.2]).is_err());
        assert!(share("episodes", 9, [0.6, 0.3, 0.2]).is_err());
    }
}
