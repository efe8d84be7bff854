//! Whether the members of a population agree about θ.

use super::estimate::Estimate;
use serde::Serialize;

/// The estimates of one parameter by one criterion, over the members of a population.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The criterion.
    pub criterion: String,
    /// Index of the parameter in θ.
    pub parameter: usize,
    /// The estimate of each member; those that no finite value was found for are left out.
    pub estimates: Vec<f64>,
    /// Mean over members.
    pub mean: f64,
    /// Standard deviation between members; 0 for one.
    pub deviation: f64,
    /// Least and largest.
    pub range: (f64, f64),
}

/// The agreement of members about the free parameters; `members` holds the estimates of each, criteria in the same order.
pub fn agreement(members: &[Vec<Estimate>], free: &[usize]) -> Vec<Agreement> {
    let criteria = members.iter().map(Vec::len).min().unwrap_or(0);
    let pairs = (0..criteria).flat_map(|c| free.iter().map(move |i| (c, *i)));
    let one = |(c, parameter): (usize, usize)| {
        let finite = members.iter().map(|m| &m[c]).filter(|e| e.value.is_finite());
        let estimates: Vec<f64> = finite.map(|e| e.theta[parameter]).collect();
        let n = estimates.len() as f64;
        let mean = estimates.iter().sum::<f64>() / n;
        let squares = estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
        Agreement {
            criterion: members[0][c].criterion.clone(),
            parameter,
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
            range: estimates.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(*e), b.max(*e))),
            estimates,
        }
    };
    pairs.map(one).collect()
}
