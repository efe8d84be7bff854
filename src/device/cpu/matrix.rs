//! Small dense products in registers: the inner loops of `Affine`, `AffineT` and `Outer`.
//!
//! One routine computes C[r, n] (+)= Σ_k A(r, k) · B[k, n] for a block of rows r and all columns n. Columns are lanes
//! (samples) or matrix columns, contiguous in B and C; elements of A are broadcast. A block of R rows × two vectors of
//! columns stays in registers over the whole sum; every element is summed over k in order with fused multiply–add, so its
//! bits depend neither on the block sizes nor on its neighbours.

use super::LANES;
use crate::graph::{Below, Real, Rectifier, Vector};
use pulp::{Simd, WithSimd};

/// Rows of a panel of weights, and of the largest block.
pub const PANEL: usize = 8;

/// The matrix A, in one of two layouts whose strides are constants: addresses then stay out of the inner loop.
#[derive(Clone, Copy)]
pub enum Left<'a, T> {
    /// Panels of [`PANEL`] rows, see [`pack`]: `[rows / PANEL, depth, PANEL]`.
    Panels(&'a [T]),
    /// Parts of samples, `[depth / LANES, rows, LANES]`.
    Samples(&'a [T]),
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub enum Initial<'a, T> {
    /// One value per row, or zero.
    Rows(Option<&'a [T]>),
    /// The present content of C.
    Accumulate,
}

/// What becomes of a finished sum on its way to C: `select(bound < gate, sum, below)`.
#[derive(Clone, Copy)]
pub struct Gate<'a, T> {
    /// What the gate must exceed.
    pub bound: T,
    /// Compared with it, laid out as C; nothing if it is the sum itself.
    pub gate: Option<&'a [T]>,
    /// A constant, or a factor of the sum.
    pub below: T,
    /// Whether `below` is a factor.
    pub scaled: bool,
}

/// C[rows, columns] (+)= A[rows, depth] · B[depth, columns]; rows of B and C are contiguous.
pub struct Product<'a, T> {
    /// A.
    pub a: Left<'a, T>,
    /// B.
    pub b: &'a [T],
    /// C.
    pub c: &'a mut [T],
    /// Rows of A and C.
    pub rows: usize,
    /// Length of the sums.
    pub depth: usize,
    /// Columns of B and C: a multiple of 32.
    pub columns: usize,
    /// Start of the sums.
    pub initial: Initial<'a, T>,
    /// The activation, or its derivative, behind the product.
    pub gate: Option<Gate<'a, T>>,
}

impl<T: Vector> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let depth = self.depth;
        match self.a {
            Left::Panels(a) => self.blocks::<S, 1, PANEL>(simd, a, depth),
            Left::Samples(a) => self.blocks::<S, LANES, 1>(simd, a, LANES),
        }
    }
}

impl<T: Vector> Product<'_, T> {
    /// A's elements are `ROW` apart along rows and `K` along the sum, within parts of the sum of length `part`.
    #[inline(always)]
    fn blocks<S: Simd, const ROW: usize, const K: usize>(mut self, simd: S, a: &[T], part: usize) {
        let width = 2 * size_of::<T::Of<S>>() / size_of::<T>();
        // Two vectors of columns and 8 (or 4) rows keep both multiply-add units busy within the registers there are.
        let wide = S::REGISTER_COUNT >= 32;
        for panel in (0..self.rows).step_by(PANEL) {
            let a = &a[panel * if ROW == 1 { part } else { ROW }..];
            for column in (0..self.columns).step_by(width) {
                let (mut row, end) = (0, PANEL.min(self.rows - panel));
                while row < end {
                    let block = Block { a: &a[row * ROW..], part, row: panel + row, column, width };
                    row += match end - row {
                        PANEL.. if wide => self.block::<S, 8, ROW, K>(simd, block),
                        4.. => self.block::<S, 4, ROW, K>(simd, block),
                        2.. => self.block::<S, 2, ROW, K>(simd, block),
                        _ => self.block::<S, 1, ROW, K>(simd, block),
                    }
                }
            }
        }
    }

    /// Returns R, the rows done.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const ROW: usize, const K: usize>(&mut self, simd: S, block: Block<T>) -> usize {
        let Block { a, part, row, column, width } = block;
        let mut sums = [[T::splat(simd, T::ZERO); 2]; R];
        match self.initial {
            Initial::Rows(None) => {}
            Initial::Rows(Some(values)) => {
                for (sum, value) in sums.iter_mut().zip(&values[row..row + R]) {
                    *sum = [T::splat(simd, *value); 2];
                }
            }
            Initial::Accumulate => {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let start = (row + r) * self.columns + column;
                    let c = T::vectors::<S>(&self.c[start..start + width]);
                    *sum = [c[0], c[1]];
                }
            }
        }
        let reach = (R - 1) * ROW + 1;
        for first in (0..self.depth).step_by(part.max(1)) {
            let a = &a[first * self.rows..];
            for k in 0..part {
                let start = (first + k) * self.columns + column;
                let b = T::vectors::<S>(&self.b[start..start + width]);
                let (b0, b1) = (b[0], b[1]);
                // One bounds check instead of one per row.
                let a = &a[k * K..k * K + reach];
                for r in 0..R {
                    let factor = T::splat(simd, a[r * ROW]);
                    sums[r] =
                        [T::multiply_add(simd, factor, b0, sums[r][0]), T::multiply_add(simd, factor, b1, sums[r][1])];
                }
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            let start = (row + r) * self.columns + column;
            let sum = self.gate.as_ref().map_or(*sum, |gate| gate.of(simd, *sum, start));
            let c = T::vectors_mut::<S>(&mut self.c[start..start + width]);
            (c[0], c[1]) = (sum[0], sum[1]);
        }
        R
    }
}

impl<'a, T: Vector> Gate<'a, T> {
    /// A rectifier whose gate is `gate`, or the sum.
    pub fn new(rectifier: &Rectifier, gate: Option<&'a [T]>) -> Self {
        let (below, scaled) = match rectifier.below {
            Below::Constant(value) => (value, false),
            Below::Scaled(factor) => (factor, true),
        };
        Gate { bound: T::from_f64(rectifier.bound), gate, below: T::from_f64(below), scaled }
    }

    /// Two vectors of sums behind the gate; they stand at `start` in C.
    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, sum: [T::Of<S>; 2], start: usize) -> [T::Of<S>; 2] {
        let gate = match self.gate {
            Some(values) => {
                let row = T::vectors::<S>(&values[start..]);
                [row[0], row[1]]
            }
            None => sum,
        };
        let (bound, below) = (T::splat(simd, self.bound), T::splat(simd, self.below));
        let of = |sum, gate| {
            let other = if self.scaled { T::product(simd, below, sum) } else { below };
            T::choose(simd, T::less(simd, bound, gate), sum, other)
        };
        [of(sum[0], gate[0]), of(sum[1], gate[1])]
    }
}

/// Where a block of a product stands.
struct Block<'a, T> {
    a: &'a [T],
    part: usize,
    row: usize,
    column: usize,
    width: usize,
}

/// Appends panels of A(r, k) = `values[r · row_stride + k · depth_stride]`; rows beyond the last are zero.
pub fn pack<T: Real>(values: &[T], [rows, depth]: [usize; 2], [row_stride, depth_stride]: [usize; 2], to: &mut Vec<T>) {
    for panel in (0..rows).step_by(PANEL) {
        for k in 0..depth {
            to.extend((panel..panel + PANEL).map(|row| match row < rows {
                true => values[row * row_stride + k * depth_stride],
                false => T::ZERO,
            }));
        }
    }
}

/// Length of what [`pack`] appends.
pub fn packed_len(rows: usize, depth: usize) -> usize {
    rows.next_multiple_of(PANEL) * depth
}

/// Transposes rows of lanes into [`LANES`] rows of `stride`, `stride` being at least the number of rows.
pub struct Transpose<'a, T> {
    /// `[rows, LANES]`.
    pub from: &'a [T],
    /// `[LANES, stride]`; columns beyond the rows are left as they are.
    pub to: &'a mut [T],
    /// Distance of rows of `to`.
    pub stride: usize,
}

impl<T: Vector> WithSimd for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // Blocks of 8 rows go through a local array: the compiler makes shuffles of the loop, which it does not for strides.
        const ROWS: usize = 8;
        let (rows, _) = self.from.as_chunks::<LANES>();
        let (blocks, rest) = rows.as_chunks::<ROWS>();
        let mut turned = [[T::ZERO; ROWS]; LANES];
        for (index, block) in blocks.iter().enumerate() {
            for (lane, turned) in turned.iter_mut().enumerate() {
                for (value, row) in turned.iter_mut().zip(block) {
                    *value = row[lane];
                }
            }
            for (row, to) in turned.iter().zip(self.to.chunks_exact_mut(self.stride)) {
                to[index * ROWS..(index + 1) * ROWS].copy_from_slice(row);
            }
        }
        for (index, row) in rest.iter().enumerate() {
            for (lane, value) in row.iter().enumerate() {
                self.to[lane * self.stride + blocks.len() * ROWS + index] = *value;
            }
        }
    }
}

/// Adds one slice to another.
pub struct Add<'a, T> {
    /// What is added.
    pub from: &'a [T],
    /// What it is added to, as long as `from`.
    pub to: &'a mut [T],
}

impl<T: Vector> WithSimd for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to += *from;
        }
    }
}
