//! Numbers in vectors of whatever instructions the processor has.
//!
//! What the compiler makes of loops over numbers depends on its mood: a select of two sides of sixteen numbers has come out
//! as vectors of eight, four and three and a single number. Inner loops therefore name their vectors.

use super::real::Real;
use pulp::Simd;

/// A number type with vectors of every instruction set.
#[allow(missing_docs)]
pub trait Vector: Real {
    /// The vector.
    type Of<S: Simd>: Copy;
    /// One truth value per number.
    type Mask<S: Simd>: Copy;
    /// The same number in all places.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Of<S>;
    fn sum<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    fn difference<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    fn product<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    fn quotient<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    /// a · b + c with one rounding.
    fn multiply_add<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>, c: Self::Of<S>) -> Self::Of<S>;
    fn negate<S: Simd>(simd: S, a: Self::Of<S>) -> Self::Of<S>;
    fn absolute<S: Simd>(simd: S, a: Self::Of<S>) -> Self::Of<S>;
    fn root<S: Simd>(simd: S, a: Self::Of<S>) -> Self::Of<S>;
    /// a < b
    fn less<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Mask<S>;
    /// a ≤ b
    fn at_most<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Mask<S>;
    fn equal<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>) -> Self::Mask<S>;
    /// Where the mask is true the first, elsewhere the second.
    fn choose<S: Simd>(simd: S, mask: Self::Mask<S>, a: Self::Of<S>, b: Self::Of<S>) -> Self::Of<S>;
    /// Sum of all places.
    fn reduce<S: Simd>(simd: S, a: Self::Of<S>) -> Self;
    /// A slice as vectors.
    fn vectors<S: Simd>(x: &[Self]) -> &[Self::Of<S>];
    /// A slice as vectors to write.
    fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Of<S>];
}

macro_rules! vector {
    ($t:ident, $of:ident, $mask:ident, $vectors:ident, $vectors_mut:ident, $splat:ident, $reduce:ident, $select:ident,
     unary { $($one:ident => $one_of:ident),* }, binary { $($two:ident => $two_of:ident),* },
     compare { $($test:ident => $test_of:ident),* }, $multiply_add:ident) => {
        impl Vector for $t {
            type Of<S: Simd> = S::$of;
            type Mask<S: Simd> = S::$mask;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: $t) -> S::$of {
                simd.$splat(x)
            }
            $(#[inline(always)]
            fn $one<S: Simd>(simd: S, a: S::$of) -> S::$of {
                simd.$one_of(a)
            })*
            $(#[inline(always)]
            fn $two<S: Simd>(simd: S, a: S::$of, b: S::$of) -> S::$of {
                simd.$two_of(a, b)
            })*
            $(#[inline(always)]
            fn $test<S: Simd>(simd: S, a: S::$of, b: S::$of) -> S::$mask {
                simd.$test_of(a, b)
            })*
            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$of, b: S::$of, c: S::$of) -> S::$of {
                simd.$multiply_add(a, b, c)
            }
            #[inline(always)]
            fn choose<S: Simd>(simd: S, mask: S::$mask, a: S::$of, b: S::$of) -> S::$of {
                simd.$select(mask, a, b)
            }
            #[inline(always)]
            fn reduce<S: Simd>(simd: S, a: S::$of) -> $t {
                simd.$reduce(a)
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

vector!(f32, f32s, m32s, as_simd_f32s, as_mut_simd_f32s, splat_f32s, reduce_sum_f32s, select_f32s,
    unary { negate => neg_f32s, absolute => abs_f32s, root => sqrt_f32s },
    binary { sum => add_f32s, difference => sub_f32s, product => mul_f32s, quotient => div_f32s },
    compare { less => less_than_f32s, at_most => less_than_or_equal_f32s, equal => equal_f32s }, mul_add_f32s);
vector!(f64, f64s, m64s, as_simd_f64s, as_mut_simd_f64s, splat_f64s, reduce_sum_f64s, select_f64s,
    unary { negate => neg_f64s, absolute => abs_f64s, root => sqrt_f64s },
    binary { sum => add_f64s, difference => sub_f64s, product => mul_f64s, quotient => div_f64s },
    compare { less => less_than_f64s, at_most => less_than_or_equal_f64s, equal => equal_f64s }, mul_add_f64s);
