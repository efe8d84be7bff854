//! What an adapter's arithmetic is judged by: arguments of builtins and operators, exact results, errors. Pure functions;
//! `shaders/kernels/self_test.wgsl` has the cases.

use serde::{Deserialize, Deserializer, Serialize};

/// Arguments of each case.
pub const POINTS: usize = 4096;

/// Cases of the kernel.
pub const CASES: usize = 16;

/// Builtins whose error is above this are replaced by functions of the library: about four units in the last place.
pub const ACCURATE: f64 = 5e-7;

/// A builtin and the function of `shaders/lib` that can take its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Builtin {
    /// Name in WGSL.
    pub name: String,
    /// Largest error of the builtin: relative, but for sin, cos and log absolute where the result is below 1. Infinite where
    /// results for arguments or results that are not finite, or too large, are wrong.
    #[serde(deserialize_with = "error_or_infinity")]
    pub builtin: f64,
    /// The same of the function of the library.
    #[serde(deserialize_with = "error_or_infinity")]
    pub library: f64,
}

impl Builtin {
    /// Whether kernels use the function of the library in its place.
    pub fn is_coarse(&self) -> bool {
        self.builtin > ACCURATE
    }
}

/// What an adapter's arithmetic was found to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// Builtins that the library has functions for.
    pub builtins: Vec<Builtin>,
    /// Largest relative error of a division.
    #[serde(deserialize_with = "error_or_infinity")]
    pub division: f64,
    /// Of a square root.
    #[serde(deserialize_with = "error_or_infinity")]
    pub sqrt: f64,
    /// Of an inverse square root.
    #[serde(deserialize_with = "error_or_infinity")]
    pub inverse_sqrt: f64,
    /// True if fma rounds once.
    pub fused: bool,
    /// True if products that overflow are infinite, and what follows from infinities is not finite.
    pub overflows: bool,
    /// True if numbers that are not finite are told by their bits.
    pub told: bool,
}

/// JSON has no infinity: it is written as null.
fn error_or_infinity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

type Exact = fn(f64) -> f64;

/// Name, exact value, the least size that errors are relative to, arguments beyond the regular ones, and the regular ones
/// by a coordinate in \[0, 1\].
struct Function {
    name: &'static str,
    exact: Exact,
    floor: f64,
    special: &'static [f32],
    argument: fn(f64) -> f64,
}

const INFINITE: f32 = f32::INFINITY;

/// The builtins, in the order of the kernel's cases.
static FUNCTIONS: [Function; 5] = [
    Function { name: "sin", exact: f64::sin, floor: 1.0, special: &[INFINITE, -INFINITE, f32::NAN], argument: angle },
    Function { name: "cos", exact: f64::cos, floor: 1.0, special: &[INFINITE, -INFINITE, f32::NAN], argument: angle },
    Function {
        name: "exp",
        exact: f64::exp,
        floor: 0.0,
        special: &[INFINITE, -INFINITE, f32::NAN, 89.0, 1e4, 1e30, -1e4, -1e30, 0.0],
        argument: |u| -86.0 + 174.0 * u,
    },
    Function {
        name: "log",
        exact: f64::ln,
        floor: 1.0,
        special: &[INFINITE, -INFINITE, f32::NAN, 0.0, -1.0],
        argument: |u| if u < 0.5 { 0.5 + 3.0 * u } else { (-86.0 + 174.0 * (2.0 * u - 1.0)).exp() },
    },
    Function {
        name: "tanh",
        exact: f64::tanh,
        floor: 0.0,
        special: &[INFINITE, -INFINITE, f32::NAN, 50.0, -100.0, 1e30, -1e30],
        argument: |u| if u < 0.5 { (1e-6f64).powf(1.0 - 2.0 * u) } else { 24.0 * (2.0 * u - 1.0) - 12.0 },
    },
];

/// Half within a few turns, half up to 10⁴.
fn angle(u: f64) -> f64 {
    if u < 0.5 { 50.0 * u - 12.5 } else { 2e4 * (2.0 * u - 1.0) - 1e4 }
}

/// Magnitudes over most of f32's range, by a coordinate in \[0, 1\].
fn magnitude(u: f64) -> f64 {
    (80.0 * (2.0 * u - 1.0)).exp()
}

const DIVISION: usize = 2 * FUNCTIONS.len();
const SQRT: usize = DIVISION + 1;
const INVERSE_SQRT: usize = DIVISION + 2;
const FMA: usize = DIVISION + 3;
const PRODUCT: usize = DIVISION + 4;
const FINITE: usize = DIVISION + 5;

/// Products that are not finite, factor by factor.
const OVERFLOWS: [[f32; 2]; 6] =
    [[3e38, 10.0], [-1e30, 1e30], [INFINITE, 2.0], [INFINITE, 0.0], [f32::NAN, 0.0], [INFINITE, -1e-30]];

/// Numbers and whether they are finite.
const TOLD: [(f32, bool); 7] = [
    (f32::NAN, false),
    (INFINITE, false),
    (-INFINITE, false),
    (3.4e38, true),
    (-1.0, true),
    (0.0, true),
    (1e-42, true),
];

/// First and second argument of a case at a point.
fn arguments(case: usize, point: usize) -> [f32; 2] {
    let u = (point as f64 + 0.5) / POINTS as f64;
    match case {
        0..DIVISION => {
            let function = &FUNCTIONS[case % FUNCTIONS.len()];
            [function.special.get(point).copied().unwrap_or((function.argument)(u) as f32), 0.0]
        }
        // Quotients stay in range: the divisor's size is near that of the dividend.
        DIVISION => {
            [(magnitude(u) * (1.0 + 0.37 * u)) as f32, (magnitude(u) * (3.0 - 2.2 * (17.0 * u).fract())) as f32]
        }
        SQRT | INVERSE_SQRT => [magnitude(u) as f32, 0.0],
        FMA => {
            let x = (1.0 + u) as f32;
            [x, -(x * x)]
        }
        PRODUCT => OVERFLOWS[point % OVERFLOWS.len()],
        _ => [TOLD[point % TOLD.len()].0, 0.0],
    }
}

/// What the kernel reads: all first arguments, then all second ones.
pub fn all_arguments() -> Vec<f32> {
    let half =
        |which: usize| (0..CASES).flat_map(move |case| (0..POINTS).map(move |point| arguments(case, point)[which]));
    half(0).chain(half(1)).collect()
}

/// The error of a result relative to an exact one, or to `floor` where that is larger; infinite where one of them is not
/// finite and the other differs.
fn error(found: f32, exact: f64, floor: f64) -> f64 {
    let expected = exact as f32;
    match (expected.is_nan(), expected.is_infinite()) {
        (true, _) if found.is_nan() => 0.0,
        (_, true) if found == expected => 0.0,
        (false, false) if found.is_finite() => {
            // Subnormal numbers may be flushed to zero.
            let size = exact.abs().max(floor).max(f64::from(f32::MIN_POSITIVE));
            (f64::from(found) - exact).abs() / size
        }
        _ => f64::INFINITY,
    }
}

/// The judgement of what the kernel found.
pub fn judge(found: &[f32]) -> Arithmetic {
    let of = |case: usize| {
        found[case * POINTS..][..POINTS].iter().enumerate().map(move |(point, y)| (arguments(case, point), *y))
    };
    let worst = |case: usize, exact: &dyn Fn([f64; 2]) -> f64, floor: f64| {
        of(case).fold(0.0f64, |worst, (x, y)| worst.max(error(y, exact(x.map(f64::from)), floor)))
    };
    let builtins = FUNCTIONS.iter().enumerate().map(|(index, function)| {
        let exact = |x: [f64; 2]| (function.exact)(x[0]);
        Builtin {
            name: function.name.into(),
            builtin: worst(index, &exact, function.floor),
            library: worst(index + FUNCTIONS.len(), &exact, function.floor),
        }
    });
    Arithmetic {
        builtins: builtins.collect(),
        division: worst(DIVISION, &|x| x[0] / x[1], 0.0),
        sqrt: worst(SQRT, &|x| x[0].sqrt(), 0.0),
        inverse_sqrt: worst(INVERSE_SQRT, &|x| 1.0 / x[0].sqrt(), 0.0),
        fused: of(FMA).all(|([x, y], found)| found == x.mul_add(x, y)),
        overflows: of(PRODUCT).all(|([x, y], found)| !found.is_finite() && (x * y).is_nan() == found.is_nan()),
        told: of(FINITE).enumerate().all(|(point, (_, found))| (found == 1.0) == TOLD[point % TOLD.len()].1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What exact arithmetic, rounded once, would answer.
    fn rounded() -> Vec<f32> {
        let answer = |case: usize, [x, y]: [f32; 2]| match case {
            0..DIVISION => (FUNCTIONS[case % FUNCTIONS.len()].exact)(f64::from(x)) as f32,
            DIVISION => x / y,
            SQRT => x.sqrt(),
            INVERSE_SQRT => 1.0 / x.sqrt(),
            FMA => x.mul_add(x, y),
            PRODUCT => x * y,
            _ => f32::from(u8::from(x.is_finite())),
        };
        (0..CASES).flat_map(|case| (0..POINTS).map(move |point| answer(case, arguments(case, point)))).collect()
    }

    #[test]
    fn rounded_results_are_judged_as_such() {
        let found = judge(&rounded());
        for builtin in &found.builtins {
            assert!(builtin.builtin < 1.3e-7 && builtin.library < 1.3e-7, "{builtin:?}");
        }
        assert!(found.division < 1.3e-7 && found.sqrt < 1.3e-7 && found.inverse_sqrt < 2e-7, "{found:?}");
        assert!(found.fused && found.overflows && found.told, "{found:?}");
    }

    #[test]
    fn findings_are_kept_as_they_are() {
        let mut found = judge(&rounded());
        found.builtins[1].builtin = f64::INFINITY;
        let text = serde_json::to_string(&found).expect("JSON");
        assert_eq!(serde_json::from_str::<Arithmetic>(&text).expect("findings"), found);
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let with = |case: usize, point: usize, value: f32| {
            let mut found = rounded();
            found[case * POINTS + point] = value;
            judge(&found)
        };
        let off = rounded()[1000] + 2e-5;
        assert!((with(0, 1000, off).builtins[0].builtin - 2e-5).abs() < 1e-6);
        assert_eq!(with(4, 2, 0.0).builtins[4].builtin, f64::INFINITY, "tanh of NaN");
        assert_eq!(with(7, 0, 3e38).builtins[2].library, f64::INFINITY, "exp of infinity");
        assert!(with(DIVISION, 5, 0.0).division > 0.9);
        assert!(!with(FMA, 5, 0.0).fused);
        assert!(!with(PRODUCT, 0, 3.4e38).overflows);
        assert!(!with(PRODUCT, 3, 0.0).overflows);
        assert!(!with(FINITE, 0, 1.0).told);
    }
}
