//! Random parameters, initial states and fields of simulated data sets.

use super::draw_shapes::{pulse, stretch};
use super::prepare::PrepareError;
use crate::data::simulate_config::{Distribution, Draw, Noise};
use crate::model::Model;
use crate::program::Grid;
use crate::rng::Stream;
use std::collections::BTreeMap;

/// What the numbers of a stream are for.
const THETA: u32 = 0;
const INITIAL: u32 = 1;
const AMPLITUDE: u32 = 2;
const PHASE: u32 = 3;
const INPUTS: u32 = 4;

/// Longest waves of a smooth field: so many periods at most fit along an axis.
const PERIODS: isize = 2;

/// Values of all episodes, `[episodes, names, cells]`: of `initial` a field for each name where the truth has a grid, else
/// and of `theta` and `inputs` (`fields` is `None`) a number.
pub(super) fn draw_all(
    table: &str,
    draws: &BTreeMap<String, Draw>,
    names: &[String],
    fields: Option<&Model>,
    episodes: usize,
    stream: &Stream,
) -> Result<Vec<f64>, PrepareError> {
    if let Some(unknown) = draws.keys().find(|k| !names.contains(k)) {
        return Err(PrepareError::Truth(format!(
            "{table}.{unknown}: the truth does not have it\nhelp: it has {}",
            names.join(", ")
        )));
    }
    let cells = fields.map_or(1, Model::cells);
    let purpose = match table {
        "initial" => INITIAL,
        "inputs" => INPUTS,
        _ => THETA,
    };
    let mut values = Vec::with_capacity(episodes * names.len() * cells);
    for (member, name) in
        (0..episodes).flat_map(|e| names.iter().enumerate().map(move |(i, n)| (e * names.len() + i, n)))
    {
        // Every cell has a place of its own in the stream.
        let place = |cell: usize| {
            let index = (member * cells + cell) as u64;
            (index as u32, purpose + 8 * (index >> 32) as u32)
        };
        let uniform = |cell: usize| stream.uniform(place(cell).0, place(cell).1);
        match draws.get(name) {
            None => {
                let message = format!("{table}.{name} is not given\nhelp: add a number or [low, high]");
                return Err(PrepareError::Truth(message));
            }
            Some(Draw::Constant(value)) => values.extend(std::iter::repeat_n(*value, cells)),
            Some(Draw::Uniform([low, high])) => values.extend((0..cells).map(|c| low + (high - low) * uniform(c))),
            Some(Draw::Named(Distribution::Normal([mean, deviation]))) => {
                values.extend((0..cells).map(|c| mean + deviation * stream.normal(place(c).0, place(c).1)));
            }
            Some(Draw::Named(Distribution::Smooth(range))) => match fields.and_then(|model| model.grid.as_ref()) {
                Some(grid) => values.extend(smooth(grid, *range, stream, member as u32)),
                None => {
                    let message = format!("{table}.{name}: smooth fields need a [grid]; use [low, high]");
                    return Err(PrepareError::Truth(message));
                }
            },
            Some(Draw::Named(Distribution::Pulse(widths))) => match fields.and_then(|model| model.grid.as_ref()) {
                Some(grid) => values.extend(pulse(grid, *widths, stream, member as u32)),
                None => {
                    let message = format!("{table}.{name}: a pulse needs a [grid]; use [low, high]");
                    return Err(PrepareError::Truth(message));
                }
            },
            Some(Draw::Named(Distribution::Ring(_))) if cells > 1 => {
                let message = format!("{table}.{name}: a ring is of states without a [grid]; use smooth or pulse");
                return Err(PrepareError::Truth(message));
            }
            // A side of the cube; stretched below.
            Some(Draw::Named(Distribution::Ring(_))) => values.push(2.0 * uniform(0) - 1.0),
        }
    }
    let ring = |name: &String| match draws.get(name) {
        Some(Draw::Named(Distribution::Ring(radii))) => Some(*radii),
        _ => None,
    };
    let rings: Vec<Option<[f64; 2]>> = names.iter().map(ring).collect();
    stretch(&mut values, &rings, stream).map_err(|problem| PrepareError::Truth(format!("{table}: {problem}")))?;
    Ok(values)
}

/// A random field without steps, whatever lies beyond the rim: a sum of the longest periodic waves, stretched to the range.
fn smooth(grid: &Grid, [low, high]: [f64; 2], stream: &Stream, member: u32) -> Vec<f64> {
    let vertical = if grid.dimensions == 2 { PERIODS } else { 0 };
    // One of each pair of opposite waves, which are the same.
    let waves =
        (0..=vertical).flat_map(|r| (-PERIODS..=PERIODS).map(move |c| (r, c))).filter(|(r, c)| (*r, *c) > (0, 0));
    let waves: Vec<(f64, f64, f64, f64)> = waves
        .enumerate()
        .map(|(i, (r, c))| {
            let index = member.wrapping_mul(64).wrapping_add(i as u32);
            let amplitude = stream.normal(index, AMPLITUDE) * (-0.25 * (r * r + c * c) as f64).exp();
            (r as f64, c as f64, amplitude, stream.uniform(index, PHASE))
        })
        .collect();
    let value = |cell: usize| -> f64 {
        let (row, column) = ((cell / grid.columns) as f64, (cell % grid.columns) as f64);
        let wave = |(r, c, amplitude, phase): &(f64, f64, f64, f64)| {
            let turns = r * row / grid.rows as f64 + c * column / grid.columns as f64 + phase;
            amplitude * (std::f64::consts::TAU * turns).cos()
        };
        waves.iter().map(wave).sum()
    };
    let values: Vec<f64> = (0..grid.cells()).map(value).collect();
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    values.iter().map(|v| low + (high - low) * (v - least) / (most - least)).collect()
}

/// Standard deviations of the noise of outputs or inputs, one for each name.
pub(super) fn deviations(key: &str, noise: Option<&Noise>, names: &[String]) -> Result<Vec<f64>, PrepareError> {
    match noise {
        None => Ok(vec![0.0; names.len()]),
        Some(Noise::Same(value)) => Ok(vec![*value; names.len()]),
        Some(Noise::ByName(map)) => {
            if let Some(unknown) = map.keys().find(|k| !names.contains(k)) {
                return Err(PrepareError::Truth(format!("{key}.{unknown}: there are {}", names.join(", "))));
            }
            Ok(names.iter().map(|o| map.get(o).copied().unwrap_or(0.0)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Boundary;
    use crate::rng::Purpose;

    #[test]
    fn smooth_fields_fill_their_range_without_steps() {
        let stream = Stream::new(3, Purpose::Simulation);
        for (rows, dimensions) in [(16, 2), (1, 1)] {
            let grid = Grid { rows, columns: 32, dimensions, spacing: 1.0, boundary: Boundary::Periodic };
            let (one, other) = (smooth(&grid, [1.0, 3.0], &stream, 0), smooth(&grid, [1.0, 3.0], &stream, 1));
            assert_ne!(one, other);
            let extreme = |pick: fn(f64, f64) -> f64| one.iter().copied().reduce(pick).unwrap_or(f64::NAN);
            assert_eq!((extreme(f64::min), extreme(f64::max)), (1.0, 3.0));
            // Also across the rim.
            let step = |cell: usize| (one[cell] - one[cell / 32 * 32 + (cell + 1) % 32]).abs();
            let largest = (0..grid.cells()).map(step).fold(0.0, f64::max);
            assert!(largest < 0.7, "{largest}");
        }
    }
}
