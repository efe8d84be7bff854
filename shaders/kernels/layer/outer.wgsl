// Weight gradients: products of cotangents and what the lanes saw, summed over lanes, G[r, c] += sum of y[r] x[c].
// One workgroup computes a block of 32 x 32 entries for one partition of the lanes; a bias is one more column, x = 1.

@group(0) @binding(8) var<storage, read_write> partials: array<f32>;

const DEPTH = 16u;                          // lanes per round

var<workgroup> left: array<f32, 512>;       // [DEPTH, 32] of y
var<workgroup> right: array<f32, 512>;      // [DEPTH, 32] of x

fn add(index: u32, value: f32) {
    partials[index] = partials[index] + value;
}

@compute @workgroup_size(64)
fn outer(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let y = at(word(0u));
    let x = at(word(1u));
    let matrix = word(2u);
    let bias = word(3u);                    // its first weight + 1, or 0
    let rows = word(4u);
    let taps = word(6u);
    let terms = word(5u) * taps;            // columns of the matrix
    let boundary = word(7u);
    let cells = select(1u, params.cells, word(8u) != 0u);
    let across = select(terms, terms + 1u, bias != 0u);
    let blocks = (across + 31u) / 32u;
    let first_row = group.x / blocks * 32u;
    let first_column = group.x % blocks * 32u;
    let lanes = params.samples * cells;
    let distance = params.stride * cells;   // of components
    let share = ((lanes + params.partitions - 1u) / params.partitions + DEPTH - 1u) / DEPTH * DEPTH;
    let start = group.y * share;
    let end = min(start + share, lanes);
    let row = 4u * (thread / 8u);
    let column = 4u * (thread % 8u);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    // A thread fills the places of one lane of the round.
    let depth = thread % DEPTH;
    for (var round = start; round < end; round = round + DEPTH) {
        let lane = round + depth;
        let cell = lane % cells;
        let place = vec2<i32>(i32(cell / params.columns), i32(cell % params.columns));
        for (var i = thread / DEPTH; i < 32u; i = i + 4u) {
            let r = first_row + i;
            let t = first_column + i;
            var of_y = 0.0;
            var of_x = 0.0;
            if (lane < end) {
                if (r < rows) {
                    of_y = arena[y + r * distance + lane];
                }
                if (t == terms) {
                    of_x = 1.0;
                } else if (t < terms && taps == 1u) {
                    of_x = arena[x + t * distance + lane];
                } else if (t < terms) {
                    let plane = x + t / taps * distance + lane - cell;
                    of_x = taken(plane, place, tap_offset(t % taps, taps), boundary, false);
                }
            }
            left[depth * 32u + i] = of_y;
            right[depth * 32u + i] = of_x;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let l = k * 32u + row;
            let r = k * 32u + column;
            let v = vec4<f32>(right[r], right[r + 1u], right[r + 2u], right[r + 3u]);
            a = a + left[l] * v;
            b = b + left[l + 1u] * v;
            c = c + left[l + 2u] * v;
            d = d + left[l + 3u] * v;
        }
        workgroupBarrier();
    }
    let base = group.y * params.weights;
    for (var i = 0u; i < 4u; i = i + 1u) {
        let t = first_column + column + i;
        let four = vec4<f32>(a[i], b[i], c[i], d[i]);
        for (var j = 0u; j < 4u; j = j + 1u) {
            let r = first_row + row + j;
            if (r < rows && t < terms) {
                add(base + matrix + r * terms + t, four[j]);
            } else if (r < rows && t == terms && bias != 0u) {
                add(base + bias - 1u + r, four[j]);
            }
        }
    }
}
