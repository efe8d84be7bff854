//! How far estimates lie from the truth and from where a perfect correction would lead.

use super::coordinates::Coordinates;
use super::estimate::Estimate;
use super::profile::Profile;
use serde::Serialize;

/// How far an estimate lies from a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bias {
    /// Index of the parameter in θ.
    pub parameter: usize,
    /// `truth` or `perfect correction`.
    pub against: String,
    /// The reference.
    pub reference: f64,
    /// Estimate minus reference.
    pub difference: f64,
    /// The difference in widths of the interval's half on the side of the reference, so that beyond ±1 the reference lies
    /// outside of the 95 % interval; `None` without an interval, and at an edge of the box.
    pub halves: Option<f64>,
}

/// The biases of every free parameter against what is known of it.
pub(super) fn biases(
    coordinates: &Coordinates,
    estimate: &Estimate,
    oracle: Option<&Vec<f64>>,
    (profiles, edges): (&[Profile], &[usize]),
) -> Vec<Bias> {
    let mut all = Vec::new();
    for (profile, &parameter) in profiles.iter().zip(&coordinates.free) {
        let truth = coordinates.specs[parameter].truth.map(|value| ("truth", value));
        let oracle = oracle.map(|o| ("perfect correction", o[parameter]));
        let interval = profile.interval.or(estimate.interval.as_ref().map(|ends| ends[parameter]));
        for (against, reference) in truth.into_iter().chain(oracle) {
            let found = estimate.theta[parameter];
            let difference = found - reference;
            let half = interval.map(|(low, high)| if difference > 0.0 { found - low } else { high - found });
            // At an edge the interval is cut off, and its width no measure.
            let held = edges.contains(&parameter);
            let halves = half.filter(|half| !held && *half > 0.0).map(|half| difference / half);
            all.push(Bias { parameter, against: against.into(), reference, difference, halves });
        }
    }
    all
}
