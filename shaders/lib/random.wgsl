// Counter-based random numbers, bit for bit those of src/rng.rs. pcg4d of Jarzynski and Olano, JCGT 9(3), 2020.
fn pcg4d(v: vec4<u32>) -> vec4<u32> {
    var w = v * 1664525u + 1013904223u;
    w.x = w.x + w.y * w.w;
    w.y = w.y + w.z * w.x;
    w.z = w.z + w.x * w.y;
    w.w = w.w + w.y * w.z;
    w = w ^ (w >> vec4<u32>(16u));
    w.x = w.x + w.y * w.w;
    w.y = w.y + w.z * w.x;
    w.z = w.z + w.x * w.y;
    w.w = w.w + w.y * w.z;
    return w;
}

// Four random words of a stream at (index, step).
fn words(key: vec4<u32>, index: u32, step: u32) -> vec4<u32> {
    let turned = (index << 16u) | (index >> 16u);
    return pcg4d(vec4<u32>(key.x + index, key.y + step, key.z ^ turned, key.w));
}

// Uniform in [0, 1), a multiple of 2^-24 and so exact.
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) / 16777216.0;
}
