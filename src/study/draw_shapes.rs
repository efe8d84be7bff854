//! First states of simulated data sets that are more than one draw per number: points on a ring, pulses on a grid.

use crate::program::Grid;
use crate::rng::Stream;

/// What the numbers of a stream are for; the others stand in `draw`.
const RADIUS: u32 = 4;
const PULSE: u32 = 5;

/// Stretches the members of every episode that lie on a ring, one entry of `values` each, `[episodes, names]`, to a common
/// length between the ring's radii. Rings of different radii are an error, which is said in words.
pub(super) fn stretch(values: &mut [f64], rings: &[Option<[f64; 2]>], stream: &Stream) -> Result<(), String> {
    let Some([inner, outer]) = rings.iter().flatten().next().copied() else { return Ok(()) };
    if rings.iter().flatten().any(|radii| *radii != [inner, outer]) {
        return Err("all members on a ring are one vector; give all the same radii".into());
    }
    for (episode, state) in values.chunks_exact_mut(rings.len()).enumerate() {
        let on_ring = || rings.iter().enumerate().filter(|(_, ring)| ring.is_some()).map(|(i, _)| i);
        let length = on_ring().map(|i| state[i] * state[i]).sum::<f64>().sqrt();
        let radius = inner + (outer - inner) * stream.uniform(episode as u32, RADIUS);
        on_ring().for_each(|i| state[i] *= radius / length.max(f64::MIN_POSITIVE));
    }
    Ok(())
}

/// exp(-r²/w) on a grid, with w drawn between the widths and a centre drawn in the middle of the grid.
pub(super) fn pulse(grid: &Grid, [narrow, wide]: [f64; 2], stream: &Stream, member: u32) -> Vec<f64> {
    let draw = |i: u32| stream.uniform(member.wrapping_mul(3).wrapping_add(i), PULSE);
    let width = narrow + (wide - narrow) * draw(0);
    let centre =
        |size: usize, i: u32| if size == 1 { 0.0 } else { (size as f64 * (0.3125 + 0.3125 * draw(i))).floor() };
    let (row, column) = (centre(grid.rows, 1), centre(grid.columns, 2));
    let value = |cell: usize| {
        let (y, x) = ((cell / grid.columns) as f64 - row, (cell % grid.columns) as f64 - column);
        (-(x * x + y * y) * grid.spacing * grid.spacing / width).exp()
    };
    (0..grid.cells()).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Boundary;
    use crate::rng::Purpose;

    #[test]
    fn rings_have_their_radii_and_leave_the_rest() {
        let stream = Stream::new(1, Purpose::Simulation);
        let rings = [Some([1.0, 2.0]), None, Some([1.0, 2.0])];
        let mut values: Vec<f64> = (0..60).map(|i| stream.uniform(i, 0) - 0.5).collect();
        let before = values.clone();
        assert_eq!(stretch(&mut values, &rings, &stream), Ok(()));
        let lengths: Vec<f64> = values.chunks(3).map(|s| s[0].hypot(s[2])).collect();
        assert!(lengths.iter().all(|l| (1.0..=2.0).contains(l)), "{lengths:?}");
        assert!(lengths.iter().any(|l| *l < 1.3) && lengths.iter().any(|l| *l > 1.7), "{lengths:?}");
        for (after, before) in values.chunks(3).zip(before.chunks(3)) {
            assert_eq!(after[1], before[1]);
            assert!((after[0] * before[2] - after[2] * before[0]).abs() < 1e-12, "directions stay");
        }
        assert!(stretch(&mut values, &[Some([1.0, 2.0]), None, Some([1.0, 3.0])], &stream).is_err());
    }

    #[test]
    fn pulses_stand_in_the_middle_and_decay() {
        let stream = Stream::new(1, Purpose::Simulation);
        let grid = Grid { rows: 32, columns: 48, dimensions: 2, spacing: 0.5, boundary: Boundary::Zero };
        let fields: Vec<Vec<f64>> = (0..8).map(|member| pulse(&grid, [1.0, 4.0], &stream, member)).collect();
        for field in &fields {
            let top = (0..field.len()).max_by(|a, b| field[*a].total_cmp(&field[*b])).unwrap_or(0);
            assert_eq!(field[top], 1.0);
            assert!((10..20).contains(&(top / 48)) && (15..30).contains(&(top % 48)), "{top}");
            // Four cells away, at a distance of 2: w from 1 to 4.
            let width = -4.0 / field[top + 4].ln();
            assert!((1.0..=4.0).contains(&width), "{width}");
        }
        assert!(fields.iter().any(|field| *field != fields[0]));
    }
}
