//! Fields in memory: compact planes of cells, and padded planes in which an offset between cells is a distance.
//!
//! A value keeps each channel as one plane of `stride` numbers, the cells row by row. Before a stencil or a convolution
//! its planes are copied with a rim of one cell (*pad*), rows `pitch` apart; results come back without the two columns
//! between rows (*unpad*). Transposes go the other way: cotangents are laid out with zeros around them (*spread*), and what
//! falls onto the rim is added to the cells that the rim shows (*fold*).

use super::LANES;
use crate::graph::Real;
use crate::program::{Boundary, Grid};

/// Sizes of planes, in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
    /// Rows of the rim above and below: 1 in two dimensions, 0 in one.
    rim: usize,
    /// Distance of channels of a value.
    pub stride: usize,
    /// Distance of rows of a padded plane.
    pitch: usize,
    /// Positions of all cells in the pitch of padded planes, in whole vectors.
    pub positions: usize,
    /// The same with the rim.
    pub rimmed: usize,
    /// Distance of padded planes.
    pub padded: usize,
    /// Distance of spread planes.
    pub spread: usize,
}

impl Planes {
    /// The planes of a grid.
    pub fn new(grid: &Grid) -> Planes {
        let (rows, columns, rim) = (grid.rows, grid.columns, grid.dimensions - 1);
        let pitch = columns + 2;
        let up = |n: usize| n.next_multiple_of(LANES);
        let (positions, rimmed) = (up(rows * pitch), up((rows + 2 * rim) * pitch));
        // The last vector of the farthest offset still lies inside.
        let reach = 2 * rim * pitch + 2;
        Planes {
            rows,
            columns,
            rim,
            stride: odd(up(rows * columns)),
            pitch,
            positions,
            rimmed,
            padded: odd(up(positions + reach)),
            spread: odd(up(rimmed + reach)),
        }
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.rows * self.columns
    }

    /// Distance in a padded plane of the cell at an offset; of the cell from which an offset leads here, in a spread one.
    pub fn offset(&self, row: isize, column: isize, transposed: bool) -> usize {
        let sign = if transposed { -1 } else { 1 };
        let down = if self.rim == 1 { (1 + sign * row) as usize } else { 0 };
        down * self.pitch + (1 + sign * column) as usize
    }

    /// Where the cotangent of the first cell lies in a spread plane.
    pub fn spread_start(&self) -> usize {
        2 * self.rim * self.pitch + 2
    }

    /// Copies a plane with its rim.
    pub fn pad<T: Real>(&self, plane: &[T], boundary: Boundary, to: &mut [T]) {
        let (rows, columns, pitch) = (self.rows, self.columns, self.pitch);
        let top = self.rim;
        self.copy((plane, columns), (&mut to[top * pitch + 1..], pitch));
        for (row, from) in plane.chunks_exact(columns).take(rows).enumerate() {
            let to = &mut to[(row + top) * pitch..(row + top + 1) * pitch];
            (to[0], to[columns + 1]) = match boundary {
                Boundary::Replicate => (from[0], from[columns - 1]),
                Boundary::Periodic => (from[columns - 1], from[0]),
                Boundary::Zero => (T::ZERO, T::ZERO),
            };
        }
        if self.rim == 1 {
            let line = |row: usize| row * pitch..(row + 1) * pitch;
            let (above, below) = (line(0), line(rows + 1));
            match boundary {
                Boundary::Replicate => {
                    to.copy_within(line(1), above.start);
                    to.copy_within(line(rows), below.start);
                }
                Boundary::Periodic => {
                    to.copy_within(line(rows), above.start);
                    to.copy_within(line(1), below.start);
                }
                Boundary::Zero => {
                    to[above].fill(T::ZERO);
                    to[below].fill(T::ZERO);
                }
            }
        }
    }

    /// Takes the cells out of the pitch of padded planes.
    pub fn unpad<T: Real>(&self, from: &[T], plane: &mut [T]) {
        self.copy((from, self.pitch), (plane, self.columns));
    }

    /// Lays a plane out in a spread one, which is zero everywhere else and stays so.
    pub fn spread<T: Real>(&self, plane: &[T], to: &mut [T]) {
        self.copy((plane, self.columns), (&mut to[self.spread_start()..], self.pitch));
    }

    /// Copies the rows of cells from one pitch to another.
    fn copy<T: Real>(&self, (from, from_pitch): (&[T], usize), (to, to_pitch): (&mut [T], usize)) {
        let (rows, columns) = (self.rows, self.columns);
        pulp::Arch::new().dispatch(CopyRows { from, from_pitch, to, to_pitch, rows, columns });
    }

    /// The transpose of [`pad`](Planes::pad): adds the rim of `from`, which is used up, to the cells that it shows.
    pub fn fold<T: Real>(&self, from: &mut [T], boundary: Boundary, plane: &mut [T]) {
        let (rows, columns, pitch) = (self.rows, self.columns, self.pitch);
        if self.rim == 1 && boundary != Boundary::Zero {
            let (first, last) = (1, rows);
            let (above, below) = if boundary == Boundary::Replicate { (first, last) } else { (last, first) };
            for (rim, row) in [(0, above), (rows + 1, below)] {
                for column in 0..pitch {
                    let value = from[rim * pitch + column];
                    from[row * pitch + column] += value;
                }
            }
        }
        self.copy((&from[self.rim * pitch + 1..], pitch), (plane, columns));
        for (row, to) in plane.chunks_exact_mut(columns).take(rows).enumerate() {
            let from = &from[(row + self.rim) * pitch..(row + self.rim + 1) * pitch];
            match boundary {
                Boundary::Zero => {}
                Boundary::Replicate => {
                    to[0] += from[0];
                    to[columns - 1] += from[columns + 1];
                }
                Boundary::Periodic => {
                    to[columns - 1] += from[0];
                    to[0] += from[columns + 1];
                }
            }
        }
    }
}

/// Rows of cells from one pitch to another. They are short, ten to a hundred cells: blocks in registers, where a call of the
/// library's copy would take longer than the copy.
struct CopyRows<'a, T> {
    from: &'a [T],
    from_pitch: usize,
    to: &'a mut [T],
    to_pitch: usize,
    rows: usize,
    columns: usize,
}

impl<T: Real> pulp::WithSimd for CopyRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for row in 0..self.rows {
            let (from, from_rest) = self.from[row * self.from_pitch..][..self.columns].as_chunks::<16>();
            let (to, to_rest) = self.to[row * self.to_pitch..][..self.columns].as_chunks_mut::<16>();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
            for (to, from) in to_rest.iter_mut().zip(from_rest) {
                *to = *from;
            }
        }
    }
}

/// An odd number of rows of lanes: channels a power of two apart would share the same few places of the cache.
fn odd(size: usize) -> usize {
    if (size / LANES).is_multiple_of(2) { size + LANES } else { size }
}
