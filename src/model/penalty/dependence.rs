//! Dependence, to be maximised, and independence: how much one quantity says about another over pairs of points.

use super::{Entry, Kind};
use crate::model::pairs::{Between, Measure, Pairs};
use crate::model::spec::PenaltySpec;

const FORMULA: &str = "HSIC (measure = \"hsic\", unbiased, Gaussian kernels with the median of squared distances as twice their \
     variance) or the mean squared correlation of components (measure = \"correlation\"), between f and g at observation \
     times (between = \"correction\"), or between ŷ and y_f of physics alone (between = \"predictions\"), on at most `points` \
     evenly chosen pairs of sample and time (256 unless given, at most 1024; the largest number counts for all such \
     penalties of a model)";

const SETTINGS: &[&str] = &["measure", "between", "points"];

/// −HSIC
pub const DEPENDENCE: Entry = Entry {
    kind: "dependence",
    formula: FORMULA,
    units: "1; the value is negative where there is dependence",
    settings: SETTINGS,
    log: false,
    source: "Gretton et al., ALT 2005; unbiased estimator of Song et al., JMLR 13, 2012",
    when: "Predictions should depend on physics (between = \"predictions\"): θ is where physics says most about them.",
};

/// HSIC
pub const INDEPENDENCE: Entry = Entry {
    kind: "independence",
    formula: FORMULA,
    units: "1",
    settings: SETTINGS,
    log: false,
    source: "Gretton et al., ALT 2005; unbiased estimator of Song et al., JMLR 13, 2012",
    when: "What is missing should say nothing about physics, not only be orthogonal to it (between = \"correction\").",
};

/// The pairs, if there can be enough of them.
pub fn kind(spec: &PenaltySpec, sign: f64) -> Result<Kind, (&'static str, String, String)> {
    let points = spec.points.unwrap_or(256);
    if !(4..=1024).contains(&points) {
        let message = format!("{points} points: the estimator needs at least 4, and its cost grows with their square");
        return Err(("points", message, "use points = 4 … 1024".into()));
    }
    let (measure, between) = (spec.measure.unwrap_or(Measure::Hsic), spec.between.unwrap_or(Between::Correction));
    Ok(Kind::Pairs { pairs: Pairs { measure, between, points }, sign })
}
