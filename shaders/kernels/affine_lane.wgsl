// Products for the lane schedule: every thread computes all rows of its own sample, four at a time, over four columns at a
// time. Nothing is shared between threads, so nothing waits, and all of them read the same weights.

fn synchronise() {}

fn affine(step: Step) {
    let blocks = (step.rows + 3u) / 4u;
    let deep = step.y / 4u;
    for (var block = 0u; block < blocks; block = block + 1u) {
        var sum = vec4<f32>(0.0);
        if (step.detail != 0u) {
            sum = weights[weights_at + step.detail - 1u + block];
        }
        var w = weights_at + step.z + block;
        var x = step.x / 4u * SAMPLES + lane;
        for (var quad = 0u; quad < deep; quad = quad + 1u) {
            let seen = work[x];
            sum = fma(weights[w], vec4<f32>(seen.x), sum);
            sum = fma(weights[w + blocks], vec4<f32>(seen.y), sum);
            sum = fma(weights[w + 2u * blocks], vec4<f32>(seen.z), sum);
            sum = fma(weights[w + 3u * blocks], vec4<f32>(seen.w), sum);
            w = w + 4u * blocks;
            x = x + SAMPLES;
        }
        for (var column = 4u * deep; column < step.y; column = column + 1u) {
            sum = fma(weights[w], vec4<f32>(work[x][column % 4u]), sum);
            w = w + blocks;
        }
        work[(step.output / 4u + block) * SAMPLES + lane] = sum;
        if (saves(step)) {
            frame[framed_at(step.saved / 4u + block) + lane] = sum;
        }
    }
}
