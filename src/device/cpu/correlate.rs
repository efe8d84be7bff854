//! Products whose right-hand rows are shifted views of planes: convolutions, stencils and the gradients of their weights.
//!
//! With the pitch and padding of `plane.rs`, the cell at an offset lies at a fixed distance in memory, so a convolution is
//! C(r, q) = Σ_k A(r, k) · B(offset_k + q): the matrix product of `matrix.rs`, without a copy of B per offset.

use super::matrix::PANEL;
use crate::graph::Vector;
use pulp::{Simd, WithSimd};

/// C(r, q) = initial(r) + Σ_k A(r, k) · B(offset_k + q) for q < columns.
pub struct Correlate<'a, T> {
    /// A in panels, see [`super::matrix::pack`].
    pub a: &'a [T],
    /// B.
    pub b: &'a [T],
    /// Where each row of B starts.
    pub offsets: &'a [usize],
    /// C, `[rows, columns]`.
    pub c: &'a mut [T],
    /// Rows of A and C.
    pub rows: usize,
    /// Columns of C: a multiple of 32.
    pub columns: usize,
    /// What the sums of each row start from; zero if absent.
    pub initial: Option<&'a [T]>,
}

impl<T: Vector> WithSimd for Correlate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = 2 * size_of::<T::Of<S>>() / size_of::<T>();
        let wide = S::REGISTER_COUNT >= 32;
        let depth = self.offsets.len();
        // Columns outside: the shifted rows of B for one block of columns stay in the nearest cache for all panels.
        for column in (0..self.columns).step_by(width) {
            for panel in (0..self.rows).step_by(PANEL) {
                let a = &self.a[panel * depth..(panel + PANEL) * depth];
                let end = PANEL.min(self.rows - panel);
                let mut row = 0;
                while row < end {
                    let (a, place) = (&a[row..], (panel + row, column));
                    row += match end - row {
                        PANEL.. if wide => self.block::<S, 8>(simd, a, place),
                        4.. => self.block::<S, 4>(simd, a, place),
                        2.. => self.block::<S, 2>(simd, a, place),
                        _ => self.block::<S, 1>(simd, a, place),
                    }
                }
            }
        }
    }
}

impl<T: Vector> Correlate<'_, T> {
    /// Returns R, the rows done.
    #[inline(always)]
    fn block<S: Simd, const R: usize>(&mut self, simd: S, a: &[T], (row, column): (usize, usize)) -> usize {
        let width = 2 * size_of::<T::Of<S>>() / size_of::<T>();
        let mut sums = [[T::splat(simd, T::ZERO); 2]; R];
        if let Some(values) = self.initial {
            for (sum, value) in sums.iter_mut().zip(&values[row..row + R]) {
                *sum = [T::splat(simd, *value); 2];
            }
        }
        for (k, offset) in self.offsets.iter().enumerate() {
            let start = offset + column;
            let b = T::vectors::<S>(&self.b[start..start + width]);
            let (b0, b1) = (b[0], b[1]);
            // One bounds check instead of one per row.
            let a = &a[k * PANEL..k * PANEL + R];
            for r in 0..R {
                let factor = T::splat(simd, a[r]);
                sums[r] =
                    [T::multiply_add(simd, factor, b0, sums[r][0]), T::multiply_add(simd, factor, b1, sums[r][1])];
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            let start = (row + r) * self.columns + column;
            let c = T::vectors_mut::<S>(&mut self.c[start..start + width]);
            (c[0], c[1]) = (sum[0], sum[1]);
        }
        R
    }
}

/// G(r, k) += Σ_q Y(row_r + q) · X(offset_k + q) for q < length: the gradient of the weights of [`Correlate`].
pub struct Dots<'a, T> {
    /// Y.
    pub y: &'a [T],
    /// Where each row of Y starts.
    pub rows: &'a [usize],
    /// X.
    pub x: &'a [T],
    /// Where each row of X starts.
    pub offsets: &'a [usize],
    /// Length of the sums.
    pub length: usize,
    /// G, rows `stride` apart.
    pub g: &'a mut [T],
    /// Distance of the rows of G.
    pub stride: usize,
}

impl<T: Vector> WithSimd for Dots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let wide = S::REGISTER_COUNT >= 32;
        let mut row = 0;
        while row < self.rows.len() {
            row += match self.rows.len() - row {
                4.. if wide => self.strip::<S, 4>(simd, row),
                2.. => self.strip::<S, 2>(simd, row),
                _ => self.strip::<S, 1>(simd, row),
            }
        }
    }
}

impl<T: Vector> Dots<'_, T> {
    /// Loads rarely start at a cache line here and cost two: 4 rows by 6 offsets need 10 for 24 products, 4 by 4 need 8 for 16.
    #[inline(always)]
    fn strip<S: Simd, const R: usize>(&mut self, simd: S, row: usize) -> usize {
        let wide = S::REGISTER_COUNT >= 32;
        let mut k = 0;
        while k < self.offsets.len() {
            k += match self.offsets.len() - k {
                6.. if wide => self.block::<S, R, 6>(simd, row, k),
                4.. => self.block::<S, R, 4>(simd, row, k),
                2.. => self.block::<S, R, 2>(simd, row, k),
                _ => self.block::<S, R, 1>(simd, row, k),
            }
        }
        R
    }

    /// Every sum runs over the vectors in order, then over the lanes, then over what is left: the same bits always.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const K: usize>(&mut self, simd: S, row: usize, k: usize) -> usize {
        let width = size_of::<T::Of<S>>() / size_of::<T>();
        let whole = self.length - self.length % width;
        let y: [&[T]; R] = std::array::from_fn(|r| &self.y[self.rows[row + r]..][..self.length]);
        let x: [&[T]; K] = std::array::from_fn(|j| &self.x[self.offsets[k + j]..][..self.length]);
        let vectors_y = y.map(|y| T::vectors::<S>(&y[..whole]));
        let vectors_x = x.map(|x| T::vectors::<S>(&x[..whole]));
        let mut sums = [[T::splat(simd, T::ZERO); K]; R];
        for q in 0..whole / width {
            let x: [T::Of<S>; K] = std::array::from_fn(|j| vectors_x[j][q]);
            for r in 0..R {
                let y = vectors_y[r][q];
                for j in 0..K {
                    sums[r][j] = T::multiply_add(simd, y, x[j], sums[r][j]);
                }
            }
        }
        for r in 0..R {
            for j in 0..K {
                let mut sum = T::reduce(simd, sums[r][j]);
                for q in whole..self.length {
                    sum = y[r][q].mul_add(x[j][q], sum);
                }
                self.g[(row + r) * self.stride + k + j] += sum;
            }
        }
        K
    }
}
