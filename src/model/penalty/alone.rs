//! Physics alone predicts.

use super::Entry;

/// E‖y − y_f‖²
pub const PHYSICS_ALONE: Entry = Entry {
    kind: "physics_alone",
    formula: "E‖y − y_f‖² over present entries, y_f being the prediction of a rollout of physics alone from the same start",
    units: "output², each output divided by data.normalise",
    settings: &[],
    log: true,
    source: "the incremental fit of gray-box identification: physics first, the rest to the network",
    when: "Physics is nearly right, and one wants the parameters that an ordinary fit would give, corrected by the loss. \
           It needs observations; over long horizons a wrong physics drifts away and takes the parameters with it.",
};
