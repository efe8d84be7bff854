//! The two number types of batched evaluation and their elementary functions.
//!
//! f64 uses the standard library: it is the oracle. f32 uses branch-free polynomials that the compiler vectorises, each
//! within a few units in the last place; the coefficients are minimax fits known from the literature (Cephes library).

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Rem, Sub};

/// A floating-point number that programs are evaluated in.
#[allow(missing_docs)]
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + Debug
    + Display
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    fn is_finite(self) -> bool;
    /// `self · a + b` with one rounding.
    fn mul_add(self, a: Self, b: Self) -> Self;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn trunc(self) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn exp2(self) -> Self;
    fn log(self) -> Self;
    fn log2(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn sigmoid(self) -> Self;
    fn softplus(self) -> Self;
    fn pow(self, e: Self) -> Self;
    fn atan2(self, x: Self) -> Self;

    /// 1 for true, 0 for false.
    #[inline(always)]
    fn truth(b: bool) -> Self {
        if b { Self::ONE } else { Self::ZERO }
    }
}

macro_rules! standard {
    ($t:ident: $($name:ident => $std:ident),*) => {
        $(#[inline(always)] fn $name(self) -> $t { $t::$std(self) })*
    };
}

macro_rules! shared {
    ($t:ident) => {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        #[inline(always)]
        fn from_f64(x: f64) -> Self {
            x as $t
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            $t::is_finite(self)
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $t::mul_add(self, a, b)
        }
        #[inline(always)]
        fn pow(self, e: Self) -> Self {
            self.powf(e)
        }
        #[inline(always)]
        fn atan2(self, x: Self) -> Self {
            $t::atan2(self, x)
        }
        standard!($t: abs => abs, floor => floor, ceil => ceil, round => round_ties_even, trunc => trunc, sqrt => sqrt,
            exp2 => exp2, log2 => log2, tan => tan, asin => asin, acos => acos, atan => atan, sinh => sinh,
            cosh => cosh, asinh => asinh, acosh => acosh, atanh => atanh);
    };
}

impl Real for f64 {
    shared!(f64);
    standard!(f64: exp => exp, log => ln, sin => sin, cos => cos, tanh => tanh);
    fn sigmoid(self) -> f64 {
        super::special::sigmoid(self)
    }
    fn softplus(self) -> f64 {
        super::special::softplus(self)
    }
}

impl Real for f32 {
    shared!(f32);

    /// e^x = 2^k · e^r with |r| ≤ ln 2 / 2.
    #[inline(always)]
    fn exp(self) -> f32 {
        let x = self.clamp(-104.0, 89.0);
        let k = (x * std::f32::consts::LOG2_E).round_ties_even();
        let r = x - k * 0.693_359_4;
        let r = r + k * 2.121_944_4e-4;
        let p = 1.987_569_2e-4f32;
        let p = p * r + 1.398_2e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_6e-1;
        let p = p * r + 0.5;
        let y = p * (r * r) + r + 1.0;
        // Two factors reach both overflow and the subnormal range without an integer overflow.
        let k = k as i32;
        let half = k >> 1;
        let scale = |e: i32| f32::from_bits(((e + 127) << 23) as u32);
        let y = y * scale(half) * scale(k - half);
        if self.is_nan() { self } else { y }
    }

    /// ln x = ln m + e ln 2 with m in [√½, √2).
    #[inline(always)]
    fn log(self) -> f32 {
        let tiny = self < f32::MIN_POSITIVE;
        let x = if tiny { self * 33_554_432.0 } else { self };
        let bits = x.to_bits() as i32;
        // Wrapping, because the bits of a negative number are anything; its result is replaced below.
        let e = bits.wrapping_sub(0x3f35_04f3) >> 23;
        let m = f32::from_bits(bits.wrapping_sub(e << 23) as u32) - 1.0;
        let e = e as f32 - if tiny { 25.0 } else { 0.0 };
        let p = 7.037_683_6e-2f32;
        let p = p * m - 1.151_461e-1;
        let p = p * m + 1.167_699_9e-1;
        let p = p * m - 1.242_014_1e-1;
        let p = p * m + 1.424_932_3e-1;
        let p = p * m - 1.666_805_8e-1;
        let p = p * m + 2.000_071_5e-1;
        let p = p * m - 2.499_999_4e-1;
        let p = p * m + 3.333_333e-1;
        let z = m * m;
        let y = m * z * p;
        let y = y - e * 2.121_944_4e-4 - 0.5 * z;
        let y = m + y + e * 0.693_359_4;
        let y = if self == f32::INFINITY { self } else { y };
        let y = if self == 0.0 { f32::NEG_INFINITY } else { y };
        if self < 0.0 || self.is_nan() { f32::NAN } else { y }
    }

    #[inline(always)]
    fn sin(self) -> f32 {
        quarter_wave(self, 0)
    }

    #[inline(always)]
    fn cos(self) -> f32 {
        quarter_wave(self, 1)
    }

    /// Odd polynomial near 0, else 1 − 2 / (e^2|x| + 1).
    #[inline(always)]
    fn tanh(self) -> f32 {
        let a = f32::abs(self);
        let z = self * self;
        let p = -5.704_988_7e-3f32;
        let p = p * z + 2.063_909e-2;
        let p = p * z - 5.373_971_6e-2;
        let p = p * z + 1.333_144_2e-1;
        let p = p * z - 3.333_328e-1;
        let near = p * z * self + self;
        let far = 1.0 - 2.0 / (Real::exp(2.0 * a.min(10.0)) + 1.0);
        let y = if a < 0.625 { near } else { far.copysign(self) };
        if self.is_nan() { self } else { y }
    }

    #[inline(always)]
    fn sigmoid(self) -> f32 {
        let e = Real::exp(-f32::abs(self));
        let s = 1.0 / (1.0 + e);
        if self >= 0.0 { s } else { e * s }
    }

    #[inline(always)]
    fn softplus(self) -> f32 {
        let y = self.max(0.0) + Real::log(1.0 + Real::exp(-f32::abs(self)));
        if self.is_nan() { self } else { y }
    }
}

/// sin(x + quarter · π/2). The argument is reduced in f64: above 10⁹ the spacing of f32 exceeds a period anyway, and the
/// result is just some point of the wave.
#[inline(always)]
fn quarter_wave(x: f32, quarter: i64) -> f32 {
    let k = (x as f64 * std::f64::consts::FRAC_2_PI).round_ties_even();
    let r = (x as f64 - k * std::f64::consts::FRAC_PI_2) as f32;
    // What the reduction of a huge argument leaves is not small; NaN passes.
    let r = r.clamp(-0.8, 0.8);
    // Adding 1.5 · 2⁵² leaves the integer in the low bits of the mantissa: a vectorisable conversion.
    let q = (k + 6_755_399_441_055_744.0).to_bits() as i64 + quarter;
    let z = r * r;
    let s = -1.951_529_6e-4f32;
    let s = s * z + 8.332_161e-3;
    let s = s * z - 1.666_665_5e-1;
    let s = s * z * r + r;
    let c = 2.443_315_7e-5f32;
    let c = c * z - 1.388_731_6e-3;
    let c = c * z + 4.166_664_6e-2;
    let c = c * z * z - 0.5 * z + 1.0;
    let y = if q & 1 == 0 { s } else { c };
    if q & 2 == 0 { y } else { -y }
}

#[cfg(test)]
mod tests {
    use super::Real;

    /// Worst error of an f32 function against f64, relative to the larger of the value and `floor`.
    fn worst(f: impl Fn(f32) -> f32, g: impl Fn(f64) -> f64, range: (f64, f64), floor: f64) -> f64 {
        let steps = 200_000;
        let mut worst = 0.0f64;
        for i in 0..=steps {
            let x = (range.0 + (range.1 - range.0) * i as f64 / steps as f64) as f32;
            let expected = g(x as f64);
            worst = worst.max((f(x) as f64 - expected).abs() / expected.abs().max(floor));
        }
        worst
    }

    #[test]
    fn single_precision_functions_are_accurate() {
        assert!(worst(Real::exp, f64::exp, (-80.0, 88.0), 0.0) < 3e-7);
        assert!(worst(Real::log, f64::ln, (1e-3, 50.0), 0.1) < 3e-7);
        assert!(worst(Real::sin, f64::sin, (-1000.0, 1000.0), 1.0) < 2e-7);
        assert!(worst(Real::cos, f64::cos, (-1000.0, 1000.0), 1.0) < 2e-7);
        assert!(worst(Real::tanh, f64::tanh, (-12.0, 12.0), 0.0) < 3e-7);
        assert!(worst(Real::sigmoid, Real::sigmoid, (-30.0, 30.0), 1e-6) < 4e-7);
        // ln(1 + e) rounds 1 + e first, so softplus is accurate absolutely, not relatively, where it is small.
        assert!(worst(Real::softplus, Real::softplus, (-10.0, 30.0), 1.0) < 3e-7);
    }

    #[test]
    fn single_precision_functions_keep_their_limits() {
        assert_eq!(Real::exp(200.0f32), f32::INFINITY);
        assert_eq!(Real::exp(-200.0f32), 0.0);
        assert_eq!(Real::log(0.0f32), f32::NEG_INFINITY);
        assert_eq!(Real::log(f32::INFINITY), f32::INFINITY);
        assert!(Real::log(-1.0f32).is_nan() && Real::exp(f32::NAN).is_nan() && Real::tanh(f32::NAN).is_nan());
        assert_eq!((Real::tanh(50.0f32), Real::tanh(-50.0f32)), (1.0, -1.0));
        assert!(Real::sin(f32::INFINITY).is_nan() && Real::softplus(f32::NAN).is_nan());
    }
}
