//! Sizes beyond which a setting can only be a mistake: far above what anybody runs, far below what exhausts memory or
//! overflows a product. Each layer refuses its own settings by them before anything is allocated.

/// Layers of a network.
pub const MOST_LAYERS: usize = 256;
/// Width of a layer, and numbers that an encoder sees.
pub const MOST_WIDTH: usize = 1 << 16;
/// Weights of all members together: 1 GiB in f64.
pub const MOST_WEIGHTS: usize = 1 << 27;
/// Numbers of a state or observation, components times cells.
pub const MOST_STATE: usize = 1 << 27;
/// Numbers of a data set or of forecasts: 4 GiB in f64.
pub const MOST_VALUES: usize = 1 << 29;
/// Intervals of a rollout.
pub const MOST_STEPS: usize = 10_000_000;
/// Integration steps of an interval.
pub const MOST_SUBSTEPS: usize = 1_000_000;
/// Epochs of a training.
pub const MOST_EPOCHS: usize = 10_000_000;
/// Samples of one optimiser step, windows times draws.
pub const MOST_SAMPLES: usize = 1 << 24;

/// What is wrong with a number that is too large, and the remedy.
pub fn too_many(value: usize, most: usize) -> Option<(String, String)> {
    (value > most).then(|| (format!("{value} is more than {most}"), format!("use {most} or less")))
}

/// What is wrong with sizes whose product is too large, and the remedy.
pub fn too_large(sizes: &[(usize, &str)], most: usize) -> Option<(String, String)> {
    let product = sizes.iter().try_fold(1usize, |all, (size, _)| all.checked_mul(*size));
    product.is_none_or(|product| product > most).then(|| {
        let factors: Vec<String> = sizes.iter().map(|(size, what)| format!("{size} {what}")).collect();
        (format!("{} are more than {most} numbers", factors.join(" × ")), "make one of them smaller".into())
    })
}
