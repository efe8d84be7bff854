// Sine, cosine, tangent and their inverses. The builtins may be off by 2^-11 (sin, cos) and by 4096 units in the last
// place (atan).

// x in quarter turns, to the nearest.
fn safe_quarter_turns(x: f32) -> f32 {
    return round(x * 0.63661977);
}

// x - k pi/2 for |x| up to 1e5, near zeros too. Three parts of pi/2 have so few bits that their products with k are
// exact, fused or not. Behind the first, k comes from an integer: a compiler that sees the same k twice may add the
// parts up. What the reduction of a huge argument leaves is not small, so it is bounded: the result stays on the wave.
fn safe_quarter_rest(x: f32, k: f32) -> f32 {
    let again = f32(i32(k));
    let r = ((x - k * 1.5703125) - again * 4.8446655e-4) + again * 6.4074993e-7;
    return clamp(r - again * 9.920936e-10, -0.8, 0.8);
}

// sin(x + n pi/2).
fn safe_quarter_wave(x: f32, n: i32) -> f32 {
    let k = safe_quarter_turns(x);
    let r = safe_quarter_rest(x, k);
    let quarter = i32(k) + n;
    let z = r * r;
    var s = -1.9515296e-4;
    s = s * z + 8.332161e-3;
    s = s * z - 1.6666655e-1;
    s = s * z * r + r;
    var c = 2.4433157e-5;
    c = c * z - 1.3887316e-3;
    c = c * z + 4.1666646e-2;
    c = c * z * z - 0.5 * z + 1.0;
    let y = select(c, s, (quarter & 1) == 0);
    return select(select(-y, y, (quarter & 2) == 0), safe_nan(x), safe_is_not_finite(x));
}

fn safe_sin(x: f32) -> f32 {
    return safe_quarter_wave(x, 0);
}

fn safe_cos(x: f32) -> f32 {
    return safe_quarter_wave(x, 1);
}

fn safe_tan(x: f32) -> f32 {
    let k = safe_quarter_turns(x);
    let r = safe_quarter_rest(x, k);
    let z = r * r;
    var t = 9.3854019e-3;
    t = t * z + 3.1199224e-3;
    t = t * z + 2.4430135e-2;
    t = t * z + 5.3411281e-2;
    t = t * z + 1.3338799e-1;
    t = t * z + 3.3333157e-1;
    t = t * z * r + r;
    return select(select(-1.0 / t, t, (i32(k) & 1) == 0), safe_nan(x), safe_is_not_finite(x));
}

// asin r - r for |r| <= 1/2.
fn safe_asin_rest(r: f32) -> f32 {
    let z = r * r;
    var p = 4.2163199e-2;
    p = p * z + 2.4181311e-2;
    p = p * z + 4.5470026e-2;
    p = p * z + 7.495303e-2;
    p = p * z + 1.6666752e-1;
    return p * z * r;
}

// Beyond 1/2: asin x = pi/2 - 2 asin sqrt((1 - x) / 2).
fn safe_asin(x: f32) -> f32 {
    let size = abs(x);
    let far = size > 0.5;
    let r = select(size, sqrt(max(0.5 - 0.5 * size, 0.0)), far);
    let near = r + safe_asin_rest(r);
    let y = safe_with_sign(select(near, 1.5707964 - 2.0 * near, far), x);
    return select(y, safe_nan(x), size > 1.0 || safe_is_nan(x));
}

fn safe_acos(x: f32) -> f32 {
    let size = abs(x);
    let far = size > 0.5;
    let r = select(x, sqrt(max(0.5 - 0.5 * size, 0.0)), far);
    let near = r + safe_asin_rest(r);
    let beyond = select(2.0 * near, 3.1415927 - 2.0 * near, x < 0.0);
    return select(select(1.5707964 - near, beyond, far), safe_nan(x), size > 1.0 || safe_is_nan(x));
}

// atan(low / high) for 0 <= low <= high. Beyond pi/8 it is pi/4 + atan((low - high) / (low + high)).
fn safe_atan_of_ratio(low: f32, high: f32) -> f32 {
    let far = low > 0.41421357 * high;
    let t = select(low, low - high, far) / select(high, low + high, far);
    let z = t * t;
    var p = 8.0537446e-2;
    p = p * z - 1.3877685e-1;
    p = p * z + 1.9977711e-1;
    p = p * z - 3.3332949e-1;
    return p * z * t + t + select(0.0, 0.7853982, far);
}

fn safe_atan(x: f32) -> f32 {
    // A larger denominator would leave the range where division is accurate.
    let size = min(abs(x), 1e30);
    let steep = size > 1.0;
    let a = safe_atan_of_ratio(select(size, 1.0, steep), select(1.0, size, steep));
    return select(safe_with_sign(select(a, 1.5707964 - a, steep), x), x, safe_is_nan(x));
}

// All four quadrants, with the signs of zeros as in C and Rust.
fn safe_atan2(y: f32, x: f32) -> f32 {
    // Division is accurate for denominators of middling size only. Scaled, numbers stay below 1e26, and 1e36 can stand
    // for infinity.
    let size = max(abs(x), abs(y));
    let scale = select(select(1.0, 1.8446744e19, size < 1e-25), 5.421011e-20, size > 1e25);
    let across = min(abs(x) * scale, 1e36);
    let up = min(abs(y) * scale, 1e36);
    let high = max(across, up);
    // Two zeros count as 0 / 1.
    let a = safe_atan_of_ratio(min(across, up), select(high, 1.0, high == 0.0));
    let b = select(a, 1.5707964 - a, up > across);
    let c = select(b, 3.1415927 - b, (bitcast<u32>(x) & 0x80000000u) != 0u);
    return select(safe_with_sign(c, y), safe_nan(x), safe_is_nan(x) || safe_is_nan(y));
}
