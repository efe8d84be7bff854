//! Grids of cells and the linear operators on them, as data that every device reads.

use serde::Deserialize;

/// What lies beyond the rim of a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boundary {
    /// The nearest cell of the grid: zero flux through the rim.
    #[default]
    Replicate,
    /// The opposite rim.
    Periodic,
    /// Zero.
    Zero,
}

/// A grid of equal cells. One-dimensional grids have one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Cells along the first axis; 1 in one dimension.
    pub rows: usize,
    /// Cells along the last axis.
    pub columns: usize,
    /// 1 or 2.
    pub dimensions: usize,
    /// Distance of neighbouring cells.
    pub spacing: f64,
    /// What stencils see beyond the rim.
    pub boundary: Boundary,
}

/// One term of a stencil or of a convolution: the cell at an offset, times a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// Offset along the rows' index.
    pub row: isize,
    /// Offset along the columns' index.
    pub column: isize,
    /// Factor.
    pub factor: f64,
}

/// A linear operator on the cells of one channel: a member of `Near`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stencil {
    /// The cell before, along the columns' index.
    Left,
    /// The cell behind, along the columns' index.
    Right,
    /// The cell before, along the rows' index.
    Up,
    /// The cell behind, along the rows' index.
    Down,
    /// Sum of all neighbours minus their number times the cell, over h²: 5 points in two dimensions, 3 in one.
    Laplacian,
    /// (right − left) / 2h
    Dx,
    /// (down − up) / 2h
    Dy,
}

impl Stencil {
    /// All stencils, in the order of the members of `Near`.
    pub const ALL: [Stencil; 7] =
        [Stencil::Left, Stencil::Right, Stencil::Up, Stencil::Down, Stencil::Laplacian, Stencil::Dx, Stencil::Dy];

    /// Its name as a member of `Near`.
    pub fn name(self) -> &'static str {
        match self {
            Stencil::Left => "left",
            Stencil::Right => "right",
            Stencil::Up => "up",
            Stencil::Down => "down",
            Stencil::Laplacian => "laplacian",
            Stencil::Dx => "dx",
            Stencil::Dy => "dy",
        }
    }

    /// The stencils that a grid of so many dimensions has.
    pub fn of(dimensions: usize) -> Vec<Stencil> {
        let vertical = [Stencil::Up, Stencil::Down, Stencil::Dy];
        Stencil::ALL.into_iter().filter(|s| dimensions == 2 || !vertical.contains(s)).collect()
    }

    /// Its terms on a grid.
    pub fn taps(self, grid: &Grid) -> Vec<Tap> {
        let tap = |row, column, factor| Tap { row, column, factor };
        let (h, plane) = (grid.spacing, grid.dimensions == 2);
        let (slope, curvature) = (0.5 / h, 1.0 / (h * h));
        match self {
            Stencil::Left => vec![tap(0, -1, 1.0)],
            Stencil::Right => vec![tap(0, 1, 1.0)],
            Stencil::Up => vec![tap(-1, 0, 1.0)],
            Stencil::Down => vec![tap(1, 0, 1.0)],
            Stencil::Dx => vec![tap(0, -1, -slope), tap(0, 1, slope)],
            Stencil::Dy => vec![tap(-1, 0, -slope), tap(1, 0, slope)],
            Stencil::Laplacian => {
                let mut taps = vec![tap(0, -1, curvature), tap(0, 1, curvature)];
                if plane {
                    taps.extend([tap(-1, 0, curvature), tap(1, 0, curvature)]);
                }
                taps.push(tap(0, 0, -curvature * taps.len() as f64));
                taps
            }
        }
    }
}

impl Grid {
    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.rows * self.columns
    }

    /// Shape of one channel in arrays: `[rows, columns]`, or `[columns]` in one dimension.
    pub fn shape(&self) -> Vec<usize> {
        if self.dimensions == 2 { vec![self.rows, self.columns] } else { vec![self.columns] }
    }

    /// Shape of the kernel of a convolution: `[3, 3]`, or `[3]` in one dimension.
    pub fn kernel(&self) -> Vec<usize> {
        vec![3; self.dimensions]
    }

    /// Offsets of a convolution's weights, in the order in which a kernel stores them.
    pub fn offsets(&self) -> Vec<(isize, isize)> {
        let rows = if self.dimensions == 2 { -1..=1 } else { 0..=0 };
        rows.flat_map(|row| (-1..=1).map(move |column| (row, column))).collect()
    }

    /// The cell seen at an offset from a cell, `None` where the boundary is zero.
    pub fn neighbour(&self, cell: usize, row: isize, column: isize, boundary: Boundary) -> Option<usize> {
        let r = along(cell / self.columns, row, self.rows, boundary)?;
        let c = along(cell % self.columns, column, self.columns, boundary)?;
        Some(r * self.columns + c)
    }
}

/// An index moved along one axis.
fn along(index: usize, offset: isize, size: usize, boundary: Boundary) -> Option<usize> {
    let (moved, size) = (index as isize + offset, size as isize);
    let inside = (0..size).contains(&moved);
    match boundary {
        _ if inside => Some(moved as usize),
        Boundary::Replicate => Some(moved.clamp(0, size - 1) as usize),
        Boundary::Periodic => Some(moved.rem_euclid(size) as usize),
        Boundary::Zero => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_see_what_they_say() {
        let grid = Grid { rows: 2, columns: 3, dimensions: 2, spacing: 1.0, boundary: Boundary::Zero };
        let at = |boundary| grid.neighbour(2, -1, 1, boundary);
        assert_eq!(at(Boundary::Replicate), Some(2));
        assert_eq!(at(Boundary::Periodic), Some(3));
        assert_eq!(at(Boundary::Zero), None);
        assert_eq!(grid.neighbour(0, 1, 1, Boundary::Zero), Some(4));
    }

    #[test]
    fn a_constant_has_no_derivatives_and_a_line_has_its_slope() {
        let line = Grid { rows: 1, columns: 5, dimensions: 1, spacing: 0.5, boundary: Boundary::Replicate };
        for stencil in [Stencil::Laplacian, Stencil::Dx] {
            assert_eq!(stencil.taps(&line).iter().map(|t| t.factor).sum::<f64>(), 0.0);
        }
        let slope: f64 = Stencil::Dx.taps(&line).iter().map(|t| t.factor * 0.5 * t.column as f64).sum();
        assert_eq!(slope, 1.0);
        assert_eq!(Stencil::of(1), [Stencil::Left, Stencil::Right, Stencil::Laplacian, Stencil::Dx]);
    }
}
