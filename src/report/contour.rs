//! Contour lines by marching squares.

use std::collections::HashMap;

/// A crossing of the contour with an edge of the grid, named so that neighbouring squares agree on it: row and column of the
/// edge's first corner, and whether the edge runs along the row.
type EdgeId = (usize, usize, bool);

/// The contour lines of a scalar on a grid at `level`.
///
/// `values` is row-major with a row for each entry of `y` and a column for each entry of `x`; crossings are interpolated along
/// the edges of the grid. Squares with a missing or non-finite corner have no contour. Each line is a list of points; a closed
/// line ends in its first point.
pub fn contours(x: &[f64], y: &[f64], values: &[f64], level: f64) -> Vec<Vec<(f64, f64)>> {
    let mut points = HashMap::new();
    let mut segments = Vec::new();
    for row in 0..y.len().saturating_sub(1) {
        for column in 0..x.len().saturating_sub(1) {
            let corner = |down: usize, across: usize| {
                values.get((row + down) * x.len() + column + across).copied().unwrap_or(f64::NAN) - level
            };
            // In order around the square.
            let corners = [corner(0, 0), corner(0, 1), corner(1, 1), corner(1, 0)];
            if corners.iter().any(|value| !value.is_finite()) {
                continue;
            }
            let edges: [EdgeId; 4] =
                [(row, column, true), (row, column + 1, false), (row + 1, column, true), (row, column, false)];
            let places = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)];
            for (from, to) in pairs(corners) {
                for edge in [from, to] {
                    let (one, other) = (edge, (edge + 1) % 4);
                    let share = corners[one] / (corners[one] - corners[other]);
                    let between = |axis: &[f64], a: usize, b: usize| axis[a] + share * (axis[b] - axis[a]);
                    let point =
                        (between(x, places[one].0, places[other].0), between(y, places[one].1, places[other].1));
                    points.entry(edges[edge]).or_insert(point);
                }
                segments.push((edges[from], edges[to]));
            }
        }
    }
    chains(&segments).into_iter().map(|chain| chain.iter().map(|edge| points[edge]).collect()).collect()
}

/// The pairs of edges that the contour connects inside one square; edge `i` runs from corner `i` to the next one.
fn pairs(corners: [f64; 4]) -> Vec<(usize, usize)> {
    let above = corners.map(|value| value >= 0.0);
    let crossed: Vec<usize> = (0..4).filter(|&edge| above[edge] != above[(edge + 1) % 4]).collect();
    match crossed.as_slice() {
        [one, other] => vec![(*one, *other)],
        // At a saddle, the mean of the corners decides which of the opposite corners are connected.
        [_, _, _, _] => {
            let centre_above = corners.iter().map(|value| 0.25 * value).sum::<f64>() >= 0.0;
            if centre_above == above[0] { vec![(0, 1), (2, 3)] } else { vec![(3, 0), (1, 2)] }
        }
        _ => Vec::new(),
    }
}

/// Joins segments that share an edge into lines.
fn chains(segments: &[(EdgeId, EdgeId)]) -> Vec<Vec<EdgeId>> {
    let mut touching: HashMap<EdgeId, Vec<usize>> = HashMap::new();
    for (index, &(from, to)) in segments.iter().enumerate() {
        touching.entry(from).or_default().push(index);
        touching.entry(to).or_default().push(index);
    }
    let mut used = vec![false; segments.len()];
    let mut lines = Vec::new();
    let mut follow = |start: usize, first: EdgeId, used: &mut Vec<bool>| {
        let (mut line, mut index) = (vec![first], start);
        loop {
            used[index] = true;
            let (from, to) = segments[index];
            let end = if from == line[line.len() - 1] { to } else { from };
            line.push(end);
            match touching[&end].iter().find(|&&next| !used[next]) {
                Some(&next) => index = next,
                None => break,
            }
        }
        lines.push(line);
    };
    // Open lines are followed from an end; what is left over afterwards is closed.
    for (index, &(from, to)) in segments.iter().enumerate() {
        for end in [from, to] {
            if !used[index] && touching[&end].len() == 1 {
                follow(index, end, &mut used);
            }
        }
    }
    for (index, &(from, _)) in segments.iter().enumerate() {
        if !used[index] {
            follow(index, from, &mut used);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saddle_has_two_separate_lines() {
        let values = [1.0, -1.0, -1.0, 1.0];
        let lines = contours(&[0.0, 1.0], &[0.0, 1.0], &values, 0.0);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() == 2));
    }

    #[test]
    fn grids_without_squares_have_no_contours() {
        assert!(contours(&[], &[], &[], 0.0).is_empty());
        assert!(contours(&[1.0], &[1.0, 2.0], &[0.0, 1.0], 0.5).is_empty());
        assert!(contours(&[0.0, 1.0], &[0.0, 1.0], &[0.0], 0.5).is_empty());
        assert!(contours(&[0.0, 1.0], &[0.0, 1.0], &[f64::NAN, 0.0, 1.0, 1.0], 0.5).is_empty());
    }
}
