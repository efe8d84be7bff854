//! Sensitivity: physics must keep its say in the right-hand side.

use super::{Entry, Kind, Means, Slopes};
use crate::model::observable::Observable;

/// max(0, level − √(E‖∂rhs/∂f‖² / n))
pub const SENSITIVITY: Entry = Entry {
    kind: "sensitivity",
    formula: "max(0, level − √(E‖∂rhs/∂f‖² / n)), Frobenius norm, through every call of physics inside rhs and through \
              the features' f, stop-gradients opened; level 0.5 unless given",
    units: "1 (rhs = f + g(s) has sensitivity 1)",
    settings: &["level"],
    log: false,
    source: "a hinge on the Jacobian of the composition; Takeishi and Kalousis, AISTATS 2023, discuss the failure it bars",
    when: "A network that sees f may cancel it (g = −f + the truth); then every θ fits. This keeps physics in the loop.",
};

/// The level, if it can be one.
pub fn kind(level: Option<f64>) -> Result<Kind, (&'static str, String, String)> {
    let level = level.unwrap_or(0.5);
    match level.is_finite() && level > 0.0 {
        true => Ok(Kind::Sensitivity { level }),
        false => {
            Err(("level", format!("level = {level} is not a positive number"), "use for example level = 0.5".into()))
        }
    }
}

/// The hinge and its partial.
pub fn hinge(mean: Means, level: f64) -> Slopes {
    let square = mean(Observable::Sensitivity);
    let root = square.sqrt();
    match root < level {
        // At 0 the root has no derivative: none is the middle of what is there on both sides of f.
        true => (level - root, vec![(Observable::Sensitivity, if root > 0.0 { -0.5 / root } else { 0.0 })]),
        // A NaN must stay visible.
        false => (if root.is_nan() { root } else { 0.0 }, vec![(Observable::Sensitivity, 0.0)]),
    }
}
