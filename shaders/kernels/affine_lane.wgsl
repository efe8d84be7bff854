// Products for the lane schedule: every thread computes all rows of its own sample, four at a time. Nothing is shared
// between threads, so nothing waits.

fn synchronise() {}

fn affine(step: Step) {
    let blocks = (step.rows + 3u) / 4u;
    let biases = weights_at + step.detail - 1u;
    let matrix = weights_at + step.z;
    for (var block = 0u; block < blocks; block = block + 1u) {
        var sum = vec4<f32>(0.0);
        if (step.detail != 0u) {
            sum = weights[biases + block];
        }
        for (var column = 0u; column < step.y; column = column + 1u) {
            sum = sum + weights[matrix + column * blocks + block] * fetch(step.x + column);
        }
        let row = 4u * block;
        let left = step.rows - row;
        let saved = select(0u, step.saved + row, step.saved != 0u);
        keep(step.output + row, saved, sum.x);
        if (left > 1u) {
            keep(step.output + row + 1u, select(0u, saved + 1u, saved != 0u), sum.y);
        }
        if (left > 2u) {
            keep(step.output + row + 2u, select(0u, saved + 2u, saved != 0u), sum.z);
        }
        if (left > 3u) {
            keep(step.output + row + 3u, select(0u, saved + 3u, saved != 0u), sum.w);
        }
    }
}
