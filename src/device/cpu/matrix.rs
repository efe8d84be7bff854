//! Small dense products in registers: the inner loops of `Affine`, `AffineT` and `Outer`.
//!
//! One routine computes C[r, n] (+)= Σ_k A(r, k) · B[k, n] for a block of rows r and all columns n. Columns are lanes
//! (samples) or matrix columns, contiguous in B and C; A is read element by element and broadcast, at any strides, so
//! neither W nor Wᵀ is ever copied. A block of R rows × N columns stays in registers over the whole sum; every element is
//! summed over k in order with fused multiply–add, so its bits depend neither on the block sizes nor on its neighbours.

use crate::graph::Real;
use pulp::{Simd, WithSimd};

/// What the sums start from.
#[derive(Clone, Copy)]
pub enum Initial<'a, T> {
    /// One value per row, or zero.
    Rows(Option<&'a [T]>),
    /// The present content of C.
    Accumulate,
}

/// C[rows, columns] (+)= A[rows, depth] · B[depth, columns].
pub struct Product<'a, T> {
    /// Elements of A: element (r, k) at `r · row_stride + k · depth_stride`.
    pub a: &'a [T],
    /// Distance of rows of A.
    pub row_stride: usize,
    /// Distance of columns of A.
    pub depth_stride: usize,
    /// B, rows of `b_stride`.
    pub b: &'a [T],
    /// Distance of rows of B.
    pub b_stride: usize,
    /// C, rows of `c_stride`.
    pub c: &'a mut [T],
    /// Distance of rows of C.
    pub c_stride: usize,
    /// Rows of A and C.
    pub rows: usize,
    /// Length of the sums.
    pub depth: usize,
    /// Columns of B and C: a multiple of 32.
    pub columns: usize,
    /// Start of the sums.
    pub initial: Initial<'a, T>,
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // Two vectors of columns and 8 (or 4) rows keep both multiply-add units busy within the registers there are.
        match (S::F32_LANES * 4 / size_of::<T>(), S::REGISTER_COUNT >= 32) {
            (16, _) => self.blocks::<8, 32>(),
            (8, true) => self.blocks::<8, 16>(),
            (8, false) => self.blocks::<4, 16>(),
            (4, true) => self.blocks::<8, 8>(),
            _ => self.blocks::<4, 8>(),
        }
    }
}

impl<T: Real> Product<'_, T> {
    #[inline(always)]
    fn blocks<const R: usize, const N: usize>(mut self) {
        for column in (0..self.columns).step_by(N) {
            let mut row = 0;
            while row + R <= self.rows {
                self.block::<R, N>(row, column);
                row += R;
            }
            while row + 2 <= self.rows {
                self.block::<2, N>(row, column);
                row += 2;
            }
            if row < self.rows {
                self.block::<1, N>(row, column);
            }
        }
    }

    #[inline(always)]
    fn block<const R: usize, const N: usize>(&mut self, row: usize, column: usize) {
        let mut sums = [[T::ZERO; N]; R];
        match self.initial {
            Initial::Rows(None) => {}
            Initial::Rows(Some(values)) => {
                for (sum, value) in sums.iter_mut().zip(&values[row..row + R]) {
                    *sum = [*value; N];
                }
            }
            Initial::Accumulate => {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let start = (row + r) * self.c_stride + column;
                    sum.copy_from_slice(&self.c[start..start + N]);
                }
            }
        }
        // Slices cut to exact ends let the compiler drop the bounds checks of the inner loop.
        let a: [&[T]; R] = std::array::from_fn(|r| {
            let start = (row + r) * self.row_stride;
            &self.a[start..start + (self.depth.max(1) - 1) * self.depth_stride + 1]
        });
        let (mut at, mut bt) = (0, column);
        for _ in 0..self.depth {
            let b: &[T; N] = self.b[bt..bt + N].try_into().expect("a block of columns");
            for r in 0..R {
                let factor = a[r][at];
                for n in 0..N {
                    sums[r][n] = factor.mul_add(b[n], sums[r][n]);
                }
            }
            at += self.depth_stride;
            bt += self.b_stride;
        }
        for (r, sum) in sums.iter().enumerate() {
            let start = (row + r) * self.c_stride + column;
            self.c[start..start + N].copy_from_slice(sum);
        }
    }
}

/// Transposes `rows` × 32 lanes into 32 × `stride`, `stride` being at least `rows`.
pub fn transpose<T: Real>(from: &[T], rows: usize, to: &mut [T], stride: usize) {
    const LANES: usize = super::LANES;
    // Square blocks keep both sides within a few cache lines.
    for block in (0..rows).step_by(16) {
        let count = 16.min(rows - block);
        for lane in 0..LANES {
            let target = &mut to[lane * stride + block..lane * stride + block + count];
            for (i, value) in target.iter_mut().enumerate() {
                *value = from[(block + i) * LANES + lane];
            }
        }
    }
}
