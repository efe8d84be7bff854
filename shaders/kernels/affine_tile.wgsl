// Products for the tile schedule. A thread computes four rows of four samples: 16 sums in registers, to which every four
// columns add 64 products of 4 vectors of weights and 4 of activations.

fn synchronise() {
    workgroupBarrier();
}

fn affine(step: Step) {
    let blocks = (step.rows + 3u) / 4u;
    let deep = step.y / 4u;
    for (var unit = thread; unit < blocks * (SAMPLES / 4u); unit = unit + THREADS) {
        let block = unit / (SAMPLES / 4u);
        let first = 4u * (unit % (SAMPLES / 4u));
        // Four rows of each of four samples.
        var a = vec4<f32>(0.0);
        if (step.detail != 0u) {
            a = weights[weights_at + step.detail - 1u + block];
        }
        var b = a;
        var c = a;
        var d = a;
        var w = weights_at + step.z + block;
        var x = step.x / 4u * SAMPLES + first;
        for (var quad = 0u; quad < deep; quad = quad + 1u) {
            let p = work[x];
            let q = work[x + 1u];
            let r = work[x + 2u];
            let s = work[x + 3u];
            let u = weights[w];
            a = fma(u, vec4<f32>(p.x), a);
            b = fma(u, vec4<f32>(q.x), b);
            c = fma(u, vec4<f32>(r.x), c);
            d = fma(u, vec4<f32>(s.x), d);
            let v = weights[w + blocks];
            a = fma(v, vec4<f32>(p.y), a);
            b = fma(v, vec4<f32>(q.y), b);
            c = fma(v, vec4<f32>(r.y), c);
            d = fma(v, vec4<f32>(s.y), d);
            let y = weights[w + 2u * blocks];
            a = fma(y, vec4<f32>(p.z), a);
            b = fma(y, vec4<f32>(q.z), b);
            c = fma(y, vec4<f32>(r.z), c);
            d = fma(y, vec4<f32>(s.z), d);
            let z = weights[w + 3u * blocks];
            a = fma(z, vec4<f32>(p.w), a);
            b = fma(z, vec4<f32>(q.w), b);
            c = fma(z, vec4<f32>(r.w), c);
            d = fma(z, vec4<f32>(s.w), d);
            w = w + 4u * blocks;
            x = x + SAMPLES;
        }
        for (var column = 4u * deep; column < step.y; column = column + 1u) {
            let u = weights[w];
            a = fma(u, vec4<f32>(work[x][column % 4u]), a);
            b = fma(u, vec4<f32>(work[x + 1u][column % 4u]), b);
            c = fma(u, vec4<f32>(work[x + 2u][column % 4u]), c);
            d = fma(u, vec4<f32>(work[x + 3u][column % 4u]), d);
            w = w + blocks;
        }
        let to = (step.output / 4u + block) * SAMPLES + first;
        work[to] = a;
        work[to + 1u] = b;
        work[to + 2u] = c;
        work[to + 3u] = d;
        if (saves(step)) {
            let at = framed_at(step.saved / 4u + block) + first;
            frame[at] = a;
            frame[at + 1u] = b;
            frame[at + 2u] = c;
            frame[at + 3u] = d;
        }
    }
}
