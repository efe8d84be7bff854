//! How correction and physics lie to each other: orthogonality and balance.

use super::{Entry, Means, Slopes};
use crate::model::observable::Observable;

/// |E⟨f, g⟩|
pub const ORTHOGONALITY: Entry = Entry {
    kind: "orthogonality",
    formula: "|E⟨f, g⟩|, summed over components and cells before the mean",
    units: "(state / time)²",
    settings: &[],
    log: true,
    source: "Takeishi and Kalousis, AISTATS 2023",
    when: "What is missing has no component along physics. Zero also where physics vanishes, and on whole curves when \
           several parameters are free: add balance or a prior.",
};

/// |E‖f‖² − E‖g‖²|
pub const BALANCE: Entry = Entry {
    kind: "balance",
    formula: "|E‖f‖² − E‖g‖²|",
    units: "(state / time)²",
    settings: &[],
    log: true,
    source: "Takeishi and Kalousis, AISTATS 2023 (toy model)",
    when: "Physics and what is missing are believed to be of equal size. Rarely true of itself; it closes the curve of \
           zeros that orthogonality leaves.",
};

/// sign(0) = 0: the middle of the subgradient of |·|.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// |E⟨f, g⟩| and its partials.
pub fn orthogonality(mean: Means) -> Slopes {
    let product = mean(Observable::Product);
    (product.abs(), vec![(Observable::Product, sign(product))])
}

/// |E‖f‖² − E‖g‖²| and its partials.
pub fn balance(mean: Means) -> Slopes {
    let difference = mean(Observable::PhysicsSquared) - mean(Observable::CorrectionSquared);
    let slope = sign(difference);
    (difference.abs(), vec![(Observable::PhysicsSquared, slope), (Observable::CorrectionSquared, -slope)])
}
