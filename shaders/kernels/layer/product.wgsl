// Products with weights, per sample or per cell: W x + b, its transpose, convolutions and their transposes. All are one
// product of matrices, rows of weights times what each lane (a sample, or a cell of one) sees; a convolution sees `taps`
// cells of every channel. A workgroup computes a block of rows and lanes, flat for few rows, in registers of 4 x 4.

@group(0) @binding(3) var<storage, read> weights: array<f32>;

const DEPTH = 8u;                           // terms per round
const THREADS = 64u;

var<workgroup> factors: array<f32, 256>;    // [DEPTH, height]
var<workgroup> seen: array<f32, 2048>;      // [DEPTH, width]
var<workgroup> starts: array<u32, 256>;     // index of every lane's first cell in a channel, or of the lane itself
var<workgroup> rows: array<i32, 256>;       // its row and column; -1 behind the last lane
var<workgroup> columns: array<i32, 256>;

fn put_row(output: u32, row: u32, lane: u32, lanes: u32, distance: u32, values: vec4<f32>) {
    let first = output + row * distance + lane;
    if (lane < lanes) {
        arena[first] = values.x;
    }
    if (lane + 1u < lanes) {
        arena[first + 1u] = values.y;
    }
    if (lane + 2u < lanes) {
        arena[first + 2u] = values.z;
    }
    if (lane + 3u < lanes) {
        arena[first + 3u] = values.w;
    }
}

@compute @workgroup_size(64)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let output = at(word(0u));
    let x = at(word(1u));
    let piece = piece_at(group.z);
    let weights_at = piece.member * params.weights;
    let matrix = weights_at + word(2u);
    let bias = select(0u, weights_at + word(3u), word(3u) != 0u);   // its first weight + 1, or 0
    let height_all = word(4u);              // rows of the result
    let channels = word(5u);                // components of the argument
    let taps = word(6u);
    let transposed = (word(7u) & 1u) != 0u;
    let boundary = word(7u) >> 1u;
    let cells = select(1u, params.cells, word(8u) != 0u);
    let quads = word(9u);                   // rows of a block / 4
    let height = 4u * quads;
    let width = 256u / quads;
    let lanes = (piece.first + piece.samples) * cells;      // one behind the last
    let distance = params.stride * cells;   // of components
    let blocks = (height_all + height - 1u) / height;
    let tile = linear(group);
    let first_row = tile % blocks * height;
    let first_lane = piece.first * cells + tile / blocks * width;
    for (var i = thread; i < width; i = i + THREADS) {
        let lane = first_lane + i;
        let cell = lane % cells;
        starts[i] = select(lane, lane - cell, taps > 1u);
        rows[i] = select(-1, i32(cell / params.columns), lane < lanes);
        columns[i] = i32(cell % params.columns);
    }
    workgroupBarrier();
    let row = 4u * (thread % quads);
    let lane = 4u * (thread / quads);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    let terms = channels * taps;
    for (var start = 0u; start < terms; start = start + DEPTH) {
        for (var i = thread; i < DEPTH * height; i = i + THREADS) {
            let term = start + i / height;
            let r = first_row + i % height;
            var value = 0.0;
            if (term < terms && r < height_all) {
                // W has the shape [rows, channels, taps]; transposed, the rows of the result are its channels.
                let turned = (term / taps * height_all + r) * taps + term % taps;
                value = weights[matrix + select(r * terms + term, turned, transposed)];
            }
            factors[i] = value;
        }
        for (var i = thread; i < DEPTH * width; i = i + THREADS) {
            let term = start + i / width;
            let place = i % width;
            var value = 0.0;
            if (term < terms && rows[place] >= 0) {
                let first = x + term / taps * distance + starts[place];
                if (taps == 1u) {
                    value = arena[first];
                } else {
                    let cell = vec2<i32>(rows[place], columns[place]);
                    value = taken(first, cell, tap_offset(term % taps, taps), boundary, transposed);
                }
            }
            seen[i] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let f = k * height + row;
            let s = k * width + lane;
            let v = vec4<f32>(seen[s], seen[s + 1u], seen[s + 2u], seen[s + 3u]);
            a = a + factors[f] * v;
            b = b + factors[f + 1u] * v;
            c = c + factors[f + 2u] * v;
            d = d + factors[f + 3u] * v;
        }
        workgroupBarrier();
    }
    let r = first_row + row;
    let l = first_lane + lane;
    if (r < height_all) {
        put_row(output, r, l, lanes, distance, a + shift(bias, r));
    }
    if (r + 1u < height_all) {
        put_row(output, r + 1u, l, lanes, distance, b + shift(bias, r + 1u));
    }
    if (r + 2u < height_all) {
        put_row(output, r + 2u, l, lanes, distance, c + shift(bias, r + 2u));
    }
    if (r + 3u < height_all) {
        put_row(output, r + 3u, l, lanes, distance, d + shift(bias, r + 3u));
    }
}

fn shift(bias: u32, row: u32) -> f32 {
    if (bias == 0u) {
        return 0.0;
    }
    return weights[bias - 1u + row];
}
