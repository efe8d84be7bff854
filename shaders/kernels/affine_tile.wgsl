// Products for the tile schedule: the workgroup shares the work in blocks of four rows by four samples, held in registers.

fn synchronise() {
    workgroupBarrier();
}

fn put_four(row: u32, saved: u32, quad: u32, values: vec4<f32>) {
    let at = row * SAMPLES + quad;
    work[at] = values.x;
    work[at + 1u] = values.y;
    work[at + 2u] = values.z;
    work[at + 3u] = values.w;
    if (saved != 0u && (params.flags & SAVE) != 0u) {
        let to = (frame_base + saved - 1u) * params.stride + tile + quad;
        frame[to] = values.x;
        frame[to + 1u] = values.y;
        frame[to + 2u] = values.z;
        frame[to + 3u] = values.w;
    }
}

fn affine(step: Step) {
    let blocks = (step.rows + 3u) / 4u;
    let quads = SAMPLES / 4u;
    let biases = weights_at + step.detail - 1u;
    let matrix = weights_at + step.z;
    for (var unit = thread; unit < blocks * quads; unit = unit + THREADS) {
        let block = unit / quads;
        let quad = 4u * (unit % quads);
        var bias = vec4<f32>(0.0);
        if (step.detail != 0u) {
            bias = weights[biases + block];
        }
        // One vector of four samples for each of four rows.
        var a = vec4<f32>(bias.x);
        var b = vec4<f32>(bias.y);
        var c = vec4<f32>(bias.z);
        var d = vec4<f32>(bias.w);
        for (var column = 0u; column < step.y; column = column + 1u) {
            let w = weights[matrix + column * blocks + block];
            let at = (step.x + column) * SAMPLES + quad;
            let x = vec4<f32>(work[at], work[at + 1u], work[at + 2u], work[at + 3u]);
            a = a + w.x * x;
            b = b + w.y * x;
            c = c + w.z * x;
            d = d + w.w * x;
        }
        let row = 4u * block;
        let left = step.rows - row;
        let saved = select(0u, step.saved + row, step.saved != 0u);
        put_four(step.output + row, saved, quad, a);
        if (left > 1u) {
            put_four(step.output + row + 1u, select(0u, saved + 1u, saved != 0u), quad, b);
        }
        if (left > 2u) {
            put_four(step.output + row + 2u, select(0u, saved + 2u, saved != 0u), quad, c);
        }
        if (left > 3u) {
            put_four(step.output + row + 3u, select(0u, saved + 3u, saved != 0u), quad, d);
        }
    }
}
