//! Distance of the full model from the reduced ones: physics alone, and the correction alone.

use super::{Entry, Kind, Means, Slopes};
use crate::model::observable::Observable;
use crate::model::spec::Reduced;

/// E‖ŷ − y_f‖² and E‖ŷ − y_g‖²
pub const REDUCED_DISTANCE: Entry = Entry {
    kind: "reduced_distance",
    formula: "E‖ŷ − y_f‖² (from = \"physics\", the default), E‖ŷ − y_g‖² (from = \"network\"), their mean (from = \"both\"); \
              y_f, y_g from rollouts of ds/dt = f and ds/dt = g alone",
    units: "output²",
    settings: &["from"],
    log: true,
    source: "Takeishi and Kalousis, Physics-Integrated Variational Autoencoders, NeurIPS 2021 (posterior predictive check)",
    when: "The network should matter little to predictions rather than to rates. Needs no observations, so it can be \
           evaluated on inputs alone.",
};

/// Which distance.
pub fn kind(from: Option<Reduced>) -> Kind {
    match from.unwrap_or(Reduced::Physics) {
        Reduced::Physics => Kind::Mean(Observable::FromPhysics),
        Reduced::Network => Kind::Mean(Observable::FromNetwork),
        Reduced::Both => Kind::BothReduced,
    }
}

/// The mean of both distances.
pub fn both(mean: Means) -> Slopes {
    let parts = [Observable::FromPhysics, Observable::FromNetwork];
    (parts.iter().map(|o| 0.5 * mean(*o)).sum(), parts.map(|o| (o, 0.5)).to_vec())
}
