//! How large the correction is: least action, relative to the state, and its distance from the identity.

use super::{Entry, Kind};
use crate::model::observable::Observable;
use crate::model::spec::Place;

/// E‖g‖²
pub const LEAST_ACTION: Entry = Entry {
    kind: "least_action",
    formula: "E‖g‖², g = rhs − physics; at = \"path\": at the stages of the steps taken, at = \"data\": at the states \
              that observations give",
    units: "(state / time)²",
    settings: &["at"],
    log: true,
    source: "Yin et al., Augmenting Physical Models with Deep Networks (APHYNITY), ICLR 2021; Takeishi and Kalousis, \
             Deep Grey-Box Modeling with Adaptive Data-Driven Models, AISTATS 2023",
    when: "The default: physics explains all that it can. Its minimum is biased where what is missing correlates with \
           physics.",
};

/// E(‖g‖ / (‖s‖ + ε))²
pub const RELATIVE_ACTION: Entry = Entry {
    kind: "relative_action",
    formula: "E‖g‖² / (‖s‖ + 1e-5)², on grids per cell; at = \"path\" or \"data\"",
    units: "1 / time²",
    settings: &["at"],
    log: true,
    source: "APHYNITY, code of the pendulum (Yin et al., ICLR 2021)",
    when: "States of very different size, each of which should count: a correction is judged against its state.",
};

/// E‖g − s‖²
pub const IDENTITY: Entry = Entry {
    kind: "identity",
    formula: "E‖g − s‖², g = rhs − physics",
    units: "(state / time)², for maps state²",
    settings: &[],
    log: true,
    source: "residual connections as a reference: the correction that changes nothing of a map is the state itself",
    when: "Discrete maps whose correction should stay near the identity: rhs = physics + g with g(s) = s if nothing is \
           missing. For rates it pulls g towards the state and is rarely what one wants.",
};

/// The observable of a kind at a place.
pub fn kind(stem: &str, at: Place) -> Result<Kind, (&'static str, String, String)> {
    Ok(Kind::Mean(match (stem, at) {
        ("least_action", Place::Path) => Observable::CorrectionSquared,
        ("least_action", Place::Data) => Observable::CorrectionAtData,
        (_, Place::Path) => Observable::RelativeCorrection,
        (_, Place::Data) => Observable::RelativeAtData,
    }))
}
