//! Directions in the box of θ, in words: which parameters trade off, and by how much.

use super::coordinates::Coordinates;
use serde::Serialize;

/// Components below this share of the largest are left out of words.
const NAMED: f64 = 0.2;
/// Changes are given in per cent of a value unless it is smaller than this part of its box.
const SMALL: f64 = 0.05;

/// A direction, an eigenvector of a curvature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Direction {
    /// Components in box coordinates, one per free parameter; length 1, the largest positive.
    pub components: Vec<f64>,
    /// Curvature along it, as a share of the largest.
    pub share: f64,
    /// Standard deviation of the minimum along it, in box widths; `None` where there is no telling.
    pub deviation: Option<f64>,
    /// How far the box reaches along it through the minimum, in box widths.
    pub chord: f64,
    /// Whether the criterion leaves it open.
    pub flat: bool,
    /// It in words, the largest change being 1 %: `birth up 1 %, death up 0.8 %`.
    pub words: String,
    /// The parameters that the words name, as indices in θ.
    pub named: Vec<usize>,
}

impl Direction {
    /// A direction through a point of the box.
    pub(super) fn new(
        coordinates: &Coordinates,
        names: &[String],
        centre: &[f64],
        mut components: Vec<f64>,
        share: f64,
        deviation: Option<f64>,
    ) -> Direction {
        let largest = components.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
        components.iter_mut().for_each(|c| *c *= if largest < 0.0 { -1.0 } else { 1.0 });
        let kept: Vec<usize> =
            (0..components.len()).filter(|i| components[*i].abs() >= NAMED * largest.abs()).collect();
        Direction {
            words: words(coordinates, names, centre, &components, &kept),
            named: kept.iter().map(|i| coordinates.free[*i]).collect(),
            chord: chord(centre, &components),
            components,
            share,
            deviation,
            flat: false,
        }
    }
}

/// The changes of the kept components, relative to the values at the point or, where one of them is about zero, to the box.
fn words(coordinates: &Coordinates, names: &[String], centre: &[f64], components: &[f64], kept: &[usize]) -> String {
    let theta = coordinates.theta(centre);
    let of = |i: &usize| (coordinates.free[*i], &coordinates.specs[coordinates.free[*i]]);
    let relative = kept.iter().all(|i| {
        let (parameter, spec) = of(i);
        let [low, high] = spec.range();
        theta[parameter].abs() > SMALL * (high - low)
    });
    let change = |i: &usize| {
        let (parameter, spec) = of(i);
        let whole = if relative { spec.slope(theta[parameter]) / theta[parameter].abs() } else { 1.0 };
        components[*i] * whole
    };
    let changes: Vec<f64> = kept.iter().map(change).collect();
    let largest = changes.iter().fold(0.0f64, |m, c| m.max(c.abs()));
    let sign = changes.first().map_or(1.0, |first| first.signum());
    let phrases = kept.iter().zip(&changes).map(|(i, change)| {
        let way = if sign * change > 0.0 { "up" } else { "down" };
        let percent = format!("{:.2}", (change / largest).abs());
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        let box_width = if relative { "" } else { " of its box" };
        format!("{} {way} {percent} %{box_width}", names[coordinates.free[*i]])
    });
    phrases.collect::<Vec<_>>().join(", ")
}

/// Length of the box along a direction through a point inside.
fn chord(centre: &[f64], direction: &[f64]) -> f64 {
    let reach = |sign: f64| {
        let walls = centre.iter().zip(direction).map(|(u, d)| match sign * d {
            d if d > 0.0 => (1.0 - u) / d,
            d if d < 0.0 => u / -d,
            _ => f64::INFINITY,
        });
        walls.fold(f64::INFINITY, f64::min)
    };
    reach(1.0) + reach(-1.0)
}
