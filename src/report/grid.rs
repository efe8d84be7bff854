//! Values on two axes, made ready for drawing: sorted, without what cannot be placed, and no finer than the eye can see.

use super::axis::Scale;

/// The most cells along one axis. Finer landscapes are averaged over blocks; a figure of 10⁶ cells would not open.
const MOST: usize = 110;

/// One axis of a grid: the placed coordinate of each drawn cell and the original positions that it stands for.
pub(crate) struct Cells {
    pub centres: Vec<f64>,
    members: Vec<Vec<usize>>,
}

impl Cells {
    /// Sorts the coordinates, drops those that cannot be shown and joins neighbours where there are too many.
    pub fn new(coordinates: &[f64], scale: Scale) -> Cells {
        let mut placed: Vec<(f64, usize)> =
            coordinates.iter().enumerate().filter_map(|(index, &value)| Some((scale.place(value)?, index))).collect();
        placed.sort_by(|one, other| one.0.total_cmp(&other.0));
        let distinct: Vec<&[(f64, usize)]> = placed.chunk_by(|one, next| one.0 == next.0).collect();
        let block = distinct.len().div_ceil(MOST).max(1);
        let (mut centres, mut members) = (Vec::new(), Vec::new());
        for group in distinct.chunks(block) {
            centres.push(0.5 * group[0][0].0 + 0.5 * group[group.len() - 1][0].0);
            members.push(group.iter().flat_map(|equal| equal.iter().map(|(_, index)| *index)).collect());
        }
        Cells { centres, members }
    }

    /// The limits of the cells: halfway between centres, and as far outside at both ends.
    pub fn edges(&self) -> Vec<f64> {
        match self.centres.as_slice() {
            [] => Vec::new(),
            [only] => {
                let room = if only.abs() < 1e-290 { 1.0 } else { 0.1 * only.abs() };
                vec![only - room, only + room]
            }
            centres => {
                let last = centres.len() - 1;
                let mut edges = vec![1.5 * centres[0] - 0.5 * centres[1]];
                edges.extend(centres.windows(2).map(|pair| 0.5 * pair[0] + 0.5 * pair[1]));
                edges.push(1.5 * centres[last] - 0.5 * centres[last - 1]);
                edges
            }
        }
    }
}

/// The placed value of each drawn cell, row by row: the mean over the cell's block, or NaN where less than half of it has a
/// value. `stride` is the length of a row of `values`.
pub(crate) fn sampled(columns: &Cells, rows: &Cells, values: &[f64], stride: usize, scale: Scale) -> Vec<f64> {
    let mut field = Vec::with_capacity(columns.centres.len() * rows.centres.len());
    for row in &rows.members {
        for column in &columns.members {
            let (mut mean, mut count) = (0.0, 0.0);
            for value in row.iter().flat_map(|r| column.iter().map(move |c| r * stride + c)) {
                if let Some(placed) = values.get(value).and_then(|value| scale.place(*value)) {
                    count += 1.0;
                    // A running mean does not overflow where a sum would.
                    mean += placed / count - mean / count;
                }
            }
            let enough = count > 0.0 && 2.0 * count >= (row.len() * column.len()) as f64;
            field.push(if enough { mean } else { f64::NAN });
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_sorted_and_cleaned() {
        let cells = Cells::new(&[3.0, f64::NAN, 1.0, 2.0, f64::INFINITY], Scale::Linear);
        assert_eq!(cells.centres, [1.0, 2.0, 3.0]);
        assert_eq!(cells.edges(), [0.5, 1.5, 2.5, 3.5]);
        let rows = Cells::new(&[0.0], Scale::Linear);
        let field = sampled(&cells, &rows, &[30.0, 99.0, 10.0, f64::NAN, 99.0], 5, Scale::Linear);
        assert_eq!(field[0], 10.0);
        assert!(field[1].is_nan());
        assert_eq!(field[2], 30.0);
    }

    #[test]
    fn fine_grids_are_averaged_over_blocks() {
        let fine: Vec<f64> = (0..1000).map(f64::from).collect();
        let cells = Cells::new(&fine, Scale::Linear);
        assert_eq!(cells.centres.len(), 100);
        let rows = Cells::new(&[1.0], Scale::Linear);
        assert_eq!(sampled(&cells, &rows, &fine, 1000, Scale::Linear)[0], 4.5);
    }
}
