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

/// A number type with vectors of every instruction set.
pub trait Vector: Real {
    /// The vector.
    type Of<S: Simd>: Copy;
    /// The same number in all places.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Of<S>;
    /// a · b + c with one rounding.
    fn multiply_add<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>, c: Self::Of<S>) -> Self::Of<S>;
    /// A slice as vectors.
    fn vectors<S: Simd>(x: &[Self]) -> &[Self::Of<S>];
    /// A slice as vectors to write.
    fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Of<S>];
}

macro_rules! vector {
    ($t:ident, $of:ident, $splat:ident, $multiply_add:ident, $vectors:ident, $vectors_mut:ident) => {
        impl Vector for $t {
            type Of<S: Simd> = S::$of;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: $t) -> S::$of {
                simd.$splat(x)
            }
            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$of, b: S::$of, c: S::$of) -> S::$of {
                simd.$multiply_add(a, b, c)
            }
            #[inline(always)]
            fn vectors<S: Simd>(x: &[$t]) -> &[S::$of] {
                S::$vectors(x).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(x: &mut [$t]) -> &mut [S::$of] {
                S::$vectors_mut(x).0
            }
        }
    };
}

vector!(f32, f32s, splat_f32s, mul_add_f32s, as_simd_f32s, as_mut_simd_f32s);
vector!(f64, f64s, splat_f64s, mul_add_f64s, as_simd_f64s, as_mut_simd_f64s);

impl<T: Vector> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Two vectors of columns and 8 (or 4) rows keep both multiply-add units busy within the registers there are.
        if S::REGISTER_COUNT >= 32 { self.blocks::<S, 8>(simd) } else { self.blocks::<S, 4>(simd) }
    }
}

impl<T: Vector> Product<'_, T> {
    #[inline(always)]
    fn blocks<S: Simd, const R: usize>(mut self, simd: S) {
        let width = 2 * size_of::<T::Of<S>>() / size_of::<T>();
        for column in (0..self.columns).step_by(width) {
            let mut row = 0;
            while row + R <= self.rows {
                self.block::<S, R>(simd, row, column, width);
                row += R;
            }
            while row + 2 <= self.rows {
                self.block::<S, 2>(simd, row, column, width);
                row += 2;
            }
            if row < self.rows {
                self.block::<S, 1>(simd, row, column, width);
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const R: usize>(&mut self, simd: S, row: usize, column: usize, width: usize) {
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
                    let start = (row + r) * self.c_stride + column;
                    let c = T::vectors::<S>(&self.c[start..start + width]);
                    *sum = [c[0], c[1]];
                }
            }
        }
        // Slices cut to exact ends let the compiler drop most bounds checks of the inner loop.
        let a: [&[T]; R] = std::array::from_fn(|r| {
            let start = (row + r) * self.row_stride;
            &self.a[start..start + (self.depth.max(1) - 1) * self.depth_stride + 1]
        });
        for k in 0..self.depth {
            let start = k * self.b_stride + column;
            let b = T::vectors::<S>(&self.b[start..start + width]);
            let (b0, b1) = (b[0], b[1]);
            for r in 0..R {
                let factor = T::splat(simd, a[r][k * self.depth_stride]);
                sums[r] =
                    [T::multiply_add(simd, factor, b0, sums[r][0]), T::multiply_add(simd, factor, b1, sums[r][1])];
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            let start = (row + r) * self.c_stride + column;
            let c = T::vectors_mut::<S>(&mut self.c[start..start + width]);
            (c[0], c[1]) = (sum[0], sum[1]);
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
