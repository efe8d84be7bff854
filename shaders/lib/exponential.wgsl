// Exponentials and logarithms. The builtin exp may be off by 3 + 2|x| units in the last place, the builtin log by 2^-21
// near 1.

// 2^n y. Two factors reach both overflow and the smallest numbers, which one cannot hold.
fn safe_scale_by_power(y: f32, n: i32) -> f32 {
    let half = n >> 1u;
    return y * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((n - half + 127) << 23u);
}

// e^r for |r| <= ln 2 / 2.
fn safe_exp_near_zero(r: f32) -> f32 {
    var p = 1.9875692e-4;
    p = p * r + 1.3982e-3;
    p = p * r + 8.333452e-3;
    p = p * r + 4.1665796e-2;
    p = p * r + 1.6666666e-1;
    p = p * r + 0.5;
    return p * (r * r) + r + 1.0;
}

// 2^n e^(x + rest) for a small rest, as e^r with r = x + rest - k ln 2. The first part of ln 2 has so few bits that its
// product with k is exact. In the second, k comes from an integer: a compiler that sees the same k twice may add the
// parts of ln 2 up.
fn safe_scaled_exp(x: f32, rest: f32, n: i32) -> f32 {
    let bounded = clamp(x, -105.0, 90.0);
    let k = round(bounded * 1.442695);
    let whole = i32(k);
    let r = (bounded - k * 0.693359375) + (f32(whole) * 2.1219444e-4 + rest);
    return select(safe_scale_by_power(safe_exp_near_zero(r), whole + n), x, safe_is_nan(x));
}

fn safe_exp(x: f32) -> f32 {
    return safe_scaled_exp(x, 0.0, 0);
}

fn safe_exp2(x: f32) -> f32 {
    let bounded = clamp(x, -151.0, 129.0);
    let k = round(bounded);
    let y = safe_exp_near_zero((bounded - k) * 0.6931472);
    return select(safe_scale_by_power(y, i32(k)), x, safe_is_nan(x));
}

// For x = 2^e m with m from sqrt(1/2) to sqrt(2): m - 1 and e. Signs are ignored.
fn safe_log_parts(x: f32) -> vec2<f32> {
    let raw = bitcast<i32>(abs(x));
    // A number below the normal range is a multiple of 2^-149, read from its bits because arithmetic may flush it.
    let tiny = raw < 0x00800000;
    let bits = select(raw, bitcast<i32>(f32(raw)), tiny);
    let e = (bits - 0x3f3504f3) >> 23u;
    let m = bitcast<f32>(bits - (e << 23u));
    return vec2<f32>(m - 1.0, f32(e - select(0, 149, tiny)));
}

// ln(1 + f) - f for 1 + f from sqrt(1/2) to sqrt(2).
fn safe_log_rest(f: f32) -> f32 {
    var p = 7.0376836e-2;
    p = p * f - 1.151461e-1;
    p = p * f + 1.1676999e-1;
    p = p * f - 1.2420141e-1;
    p = p * f + 1.4249323e-1;
    p = p * f - 1.6668058e-1;
    p = p * f + 2.0000715e-1;
    p = p * f - 2.4999994e-1;
    p = p * f + 3.333333e-1;
    let z = f * f;
    return f * z * p - 0.5 * z;
}

// `value`, the logarithm of x, unless x has none or an infinite one.
fn safe_log_limits(x: f32, value: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var y = select(value, x, bits == 0x7f800000u);
    y = select(y, safe_nan(x), bits > 0x7f800000u);
    return select(y, bitcast<f32>(bits | 0xff800000u), (bits & 0x7fffffffu) == 0u);
}

fn safe_log(x: f32) -> f32 {
    let parts = safe_log_parts(x);
    let rest = safe_log_rest(parts.x) - parts.y * 2.1219444e-4;
    return safe_log_limits(x, (parts.x + rest) + parts.y * 0.693359375);
}

// log2 e is 1 + 0.4427, so that the leading term is not rounded by a product.
fn safe_log2(x: f32) -> f32 {
    let parts = safe_log_parts(x);
    let rest = safe_log_rest(parts.x);
    return safe_log_limits(x, ((parts.x + rest) * 0.44269504 + rest + parts.x) + parts.y);
}

// Logistic function: the exponential is taken of -|x| only, so it cannot overflow.
fn sigmoid(x: f32) -> f32 {
    let e = safe_exp(-abs(x));
    let s = 1.0 / (1.0 + e);
    return select(e * s, s, x >= 0.0);
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e) with e = e^-|x|, and ln(1 + e) = 2 atanh(e / (2 + e)) loses nothing where e is
// small.
fn softplus(x: f32) -> f32 {
    let e = safe_exp(-abs(x));
    let y = max(x, 0.0) + 2.0 * safe_atanh_near_zero(e / (2.0 + e));
    return select(y, x, safe_is_nan(x));
}
