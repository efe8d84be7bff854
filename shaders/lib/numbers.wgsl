// Numbers that WGSL has no literals for. A compiler may assume that NaN and infinity never occur, so they are told by
// their bits, and made from the bits of a value that is known only at run time.

fn safe_is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// True for both infinities and for NaN.
fn safe_is_not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u;
}

// NaN, whatever x is.
fn safe_nan(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u);
}

// Infinity with the sign of x.
fn safe_infinity(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | 0x7f800000u);
}

// The size of x with the sign of y, the sign of zero and of infinity included.
fn safe_with_sign(x: f32, y: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u));
}

// The upper 12 bits of x, rounded: products of two such numbers are exact. By bits, so that no compiler cancels
// x - safe_upper_half(x) by algebra.
fn safe_upper_half(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) + 0x800u) & 0xfffff000u);
}
