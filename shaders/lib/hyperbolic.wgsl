// Hyperbolic functions and their inverses: polynomials near zero, where the formulas with exponentials and logarithms
// cancel, and no overflow before the result does. The builtin tanh may turn into NaN for large arguments.

fn safe_sinh(x: f32) -> f32 {
    let z = x * x;
    var p = 2.0258885e-4;
    p = p * z + 8.331763e-3;
    p = p * z + 1.6666675e-1;
    let near = p * z * x + x;
    // e^x may overflow where half of it does not.
    let half = safe_scaled_exp(abs(x), 0.0, -1);
    let far = safe_with_sign(half - 0.25 / half, x);
    return select(select(far, near, abs(x) < 1.0), x, safe_is_nan(x));
}

fn safe_cosh(x: f32) -> f32 {
    let half = safe_scaled_exp(abs(x), 0.0, -1);
    return half + 0.25 / half;
}

// Beyond the polynomial 1 - 2 / (e^2|x| + 1).
fn safe_tanh(x: f32) -> f32 {
    let z = x * x;
    var p = -5.7049887e-3;
    p = p * z + 2.063909e-2;
    p = p * z - 5.3739716e-2;
    p = p * z + 1.3331442e-1;
    p = p * z - 3.333328e-1;
    let near = p * z * x + x;
    let far = safe_with_sign(1.0 - 2.0 / (safe_exp(2.0 * min(abs(x), 10.0)) + 1.0), x);
    return select(select(far, near, abs(x) < 0.625), x, safe_is_nan(x));
}

// ln(|x| + sqrt(x^2 + 1)); the root is |x| where the square could overflow.
fn safe_asinh(x: f32) -> f32 {
    let size = abs(x);
    let z = x * x;
    var p = 2.0122003e-2;
    p = p * z - 4.269934e-2;
    p = p * z + 7.4847586e-2;
    p = p * z - 1.6666288e-1;
    let near = p * z * x + x;
    let large = size > 1e4;
    let log = safe_log(select(size + sqrt(z + 1.0), size, large)) + select(0.0, 0.6931472, large);
    return select(select(safe_with_sign(log, x), near, size < 0.5), x, safe_is_nan(x));
}

// Near 1 as sqrt(x - 1) times a polynomial, else ln(x + sqrt(x^2 - 1)).
fn safe_acosh(x: f32) -> f32 {
    let t = x - 1.0;
    var p = 1.7596881e-3;
    p = p * t - 7.5272887e-3;
    p = p * t + 2.6454905e-2;
    p = p * t - 1.1784742e-1;
    p = p * t + 1.4142135;
    let near = p * sqrt(max(t, 0.0));
    let large = x > 1e4;
    let log = safe_log(select(x + sqrt(t * (x + 1.0)), x, large)) + select(0.0, 0.6931472, large);
    return select(select(log, near, t < 0.5), safe_nan(x), x < 1.0 || safe_is_nan(x));
}

// atanh x for |x| <= 1/2.
fn safe_atanh_near_zero(x: f32) -> f32 {
    let z = x * x;
    var p = 1.575178e-1;
    p = p * z + 6.4934896e-2;
    p = p * z + 1.1469875e-1;
    p = p * z + 1.426398e-1;
    p = p * z + 2.0000473e-1;
    p = p * z + 3.3333332e-1;
    return p * z * x + x;
}

fn safe_atanh(x: f32) -> f32 {
    let size = abs(x);
    let far = safe_with_sign(0.5 * safe_log((1.0 + size) / (1.0 - size)), x);
    let y = select(far, safe_atanh_near_zero(x), size < 0.5);
    return select(select(y, safe_infinity(x), size == 1.0), safe_nan(x), size > 1.0 || safe_is_nan(x));
}
