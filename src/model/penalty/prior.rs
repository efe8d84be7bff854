//! Priors on θ.

use super::{Entry, Kind, QuadraticPrior};
use crate::model::observable::Observable;
use crate::model::spec::PenaltySpec;

/// E((θ − mean) / deviation)²
pub const PRIOR: Entry = Entry {
    kind: "prior",
    formula: "E((θ − mean) / deviation)² of the parameter named by theta; mean 0 and deviation 1 unless given",
    units: "1",
    settings: &["theta", "mean", "deviation"],
    log: false,
    source: "twice the negative logarithm of a normal density, up to a constant; Takeishi and Kalousis, AISTATS 2023 (c² of \
             the toy model)",
    when: "Something is known of the parameter, or several minima are left and one of them is meant.",
};

/// The prior, appended to the list of priors.
pub fn kind(spec: &PenaltySpec, priors: &mut Vec<QuadraticPrior>) -> Result<Kind, (&'static str, String, String)> {
    let Some(theta) = spec.theta.clone() else {
        return Err(("theta", "a prior on which parameter?".into(), "add theta = \"NAME\"".into()));
    };
    let (mean, deviation) = (spec.mean.unwrap_or(0.0), spec.deviation.unwrap_or(1.0));
    if !mean.is_finite() {
        return Err(("mean", format!("mean = {mean}"), "write a number".into()));
    }
    if !(deviation.is_finite() && deviation > 0.0) {
        let message = format!("deviation = {deviation} is not a positive number");
        return Err(("deviation", message, "use a positive number".into()));
    }
    priors.push(QuadraticPrior { theta, mean, deviation });
    Ok(Kind::Mean(Observable::Prior(priors.len() as u8 - 1)))
}
