//! Functions that WGSL and the standard library lack, in forms that neither overflow nor cancel.

/// Logistic function 1 / (1 + e^−x), written so that the exponential never overflows.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    let s = 1.0 / (1.0 + e);
    if x >= 0.0 { s } else { e * s }
}

/// ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|).
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
