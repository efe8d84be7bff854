// Powers and remainders: both must carry more digits than f32 holds on the way.

// |x|^y as e^(y ln x). The exponent reaches 88, so ln x is needed with 7 bits more than a number has: as head + tail.
fn safe_power_of_size(x: f32, y: f32) -> f32 {
    let parts = safe_log_parts(x);
    // Times 3/4 or 5/4, 1 + f comes within 1/6 of 1. Every step up to `leading` is exact.
    let low = parts.x < -0.16;
    let high = parts.x > 0.16;
    let f = parts.x + select(select(0.0, -0.25, high), 0.25, low) * (1.0 + parts.x);
    let offset = parts.y * 0.693359375 + select(select(0.0, 0.28759766, high), -0.22314453, low);
    let coarse = round(f * 4096.0) * 0.00024414062;
    let leading = f - 0.5 * coarse * coarse;
    var p = 1.155704e-1;
    p = p * f - 1.2990305e-1;
    p = p * f + 1.4279591e-1;
    p = p * f - 1.6659935e-1;
    p = p * f + 2.0000021e-1;
    p = p * f - 2.5000023e-1;
    p = p * f + 3.3333333e-1;
    // The second parts of ln 2, of the offset, and of f^2 / 2; then the series.
    let seconds = parts.y * -2.1219444e-4 + select(select(0.0, 8.44162e-5, high), 9.7994e-7, low);
    let rest = seconds + (f * f * f * p - 0.5 * (f - coarse) * (f + coarse));
    let head = safe_upper_half(offset + leading + rest);
    let tail = ((offset - head) + leading) + rest;
    // Far beyond overflow a larger exponent makes no difference, but its products could.
    let exponent = clamp(y, -1e18, 1e18);
    let exponent_head = safe_upper_half(exponent);
    let product = exponent_head * head;
    let product_rest = (exponent - exponent_head) * head + exponent * tail;
    return safe_scaled_exp(product, clamp(product_rest, -1.0, 1.0), 0);
}

// As powf of C and Rust: a negative base takes integers, 1^y and x^0 are 1 whatever the other is.
fn safe_pow(x: f32, y: f32) -> f32 {
    let size = bitcast<u32>(x) & 0x7fffffffu;
    let negative = (bitcast<u32>(x) & 0x80000000u) != 0u;
    let integer = trunc(y) == y;
    let odd = integer && trunc(0.5 * y) != 0.5 * y;
    var result = safe_power_of_size(x, y);
    let unbounded = size == 0u || size == 0x7f800000u;
    if unbounded {
        result = select(0.0, safe_infinity(abs(x)), (size == 0u) == (y < 0.0));
    }
    result = select(result, safe_nan(x), negative && !integer && !unbounded);
    result = select(result, safe_with_sign(result, x), odd);
    result = select(result, safe_nan(x), safe_is_nan(x) || safe_is_nan(y));
    return select(result, 1.0, y == 0.0 || x == 1.0);
}

// x % y exactly, with the sign of x, for quotients up to 1e30 and y from 1e-30. Every round takes off a multiple of y
// that has 11 bits, so that its products with both halves of y are exact; one round is enough for quotients below 1024.
fn safe_rem(x: f32, y: f32) -> f32 {
    let divisor = abs(y);
    let head = safe_upper_half(divisor);
    var r = abs(x);
    for (var step = 0; step < 12 && abs(r) >= divisor; step++) {
        let quotient = clamp(r / divisor, -1e30, 1e30);
        let multiple = round(bitcast<f32>((bitcast<u32>(quotient) + 0x1000u) & 0xffffe000u));
        r = (r - multiple * head) - multiple * (divisor - head);
    }
    r = safe_with_sign(select(r, r + divisor, r < 0.0), x);
    return select(r, safe_nan(x), safe_is_not_finite(x) || safe_is_nan(y) || divisor == 0.0);
}
