// Products with weights, per sample or per cell: W x + b, its transpose, convolutions and their transposes. All are one
// product of matrices, rows of weights times what each lane (a sample, or a cell of one) sees; a convolution sees `taps`
// cells of every channel. A workgroup computes a block of rows and lanes, flat for few rows; a thread four rows of four
// lanes, in registers. Where lanes take from is the same for all channels, so it is found once.

@group(0) @binding(3) var<storage, read> weights: array<f32>;

// Filled in: TAPS, the most that a convolution of the model has, and DEPTH, terms per round.
const THREADS = 64u;

// By term, then by quad: the check of a quad's index is then the same for all terms.
var<workgroup> factors: array<array<vec4<f32>, 8>, DEPTH>;      // of every term, quads of rows
var<workgroup> seen: array<array<vec4<f32>, THREADS>, DEPTH>;   // and of lanes
var<workgroup> places: array<array<vec4<u32>, THREADS>, TAPS>;  // of every tap, where quads of lanes take from

// What four lanes take from the channel whose first number stands at `plane`.
fn gathered(plane: u32, sources_of: vec4<u32>, cells: u32, offset: vec2<i32>, boundary: u32) -> vec4<f32> {
    var left = sources_of;
    var values: vec4<f32>;
    for (var i = 0u; i < 4u; i = i + 1u) {
        var value = 0.0;
        if (left.x < MANY) {
            value = arena[plane + left.x];
        } else if (left.x != NONE) {
            let lane = left.x - MANY;
            let cell = lane % cells;
            let at = vec2<i32>(i32(cell / params.columns), i32(cell % params.columns));
            value = taken(plane + lane - cell, at, offset, boundary, true);
        }
        values = vec4<f32>(values.yzw, value);
        left = left.yzwx;
    }
    return values;
}

@compute @workgroup_size(64)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let output = at(word(0u));
    let x = at(word(1u));
    let piece = piece_at(group.z);
    let weights_at = piece.member * params.weights;
    let matrix = weights_at + word(2u);
    let bias = select(0u, weights_at + word(3u), word(3u) != 0u);   // its first weight + 1, or 0
    let height = word(4u);                  // rows of the result
    let taps = word(6u);
    let terms = word(5u) * taps;            // components of the argument, each with its taps
    let transposed = (word(7u) & 1u) != 0u;
    let boundary = word(7u) >> 1u;
    let cells = select(1u, params.cells, word(8u) != 0u);
    let quads = word(9u);                   // of rows of a block
    let across = THREADS / quads;           // and of its lanes
    let lanes = (piece.first + piece.samples) * cells;      // one behind the last
    let distance = params.stride * cells;   // of components
    let blocks = (height + 4u * quads - 1u) / (4u * quads);
    let tile = linear(group);
    let first_row = tile % blocks * 4u * quads;
    let first_lane = piece.first * cells + tile / blocks * 4u * across;
    for (var i = thread; i < taps * across; i = i + THREADS) {
        let offset = tap_offset(i / across, taps);
        let lane = first_lane + i % across * 4u;
        var own: vec4<u32>;
        for (var j = 0u; j < 4u; j = j + 1u) {
            own = vec4<u32>(own.yzw, place(lane + j, lanes, cells, offset, boundary, transposed));
        }
        places[i / across][i % across] = own;
    }
    workgroupBarrier();
    let row = thread % quads;               // quads of this thread
    let column = thread / quads;
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    for (var start = 0u; start < terms; start = start + DEPTH) {
        for (var i = thread; i < DEPTH * quads; i = i + THREADS) {
            let term = start + i / quads;
            let first = first_row + i % quads * 4u;
            var own: vec4<f32>;
            for (var r = first; r < first + 4u; r = r + 1u) {
                var value = 0.0;
                if (term < terms && r < height) {
                    // W has the shape [rows, channels, taps]; transposed, the rows of the result are its channels.
                    let turned = (term / taps * height + r) * taps + term % taps;
                    value = weights[matrix + select(r * terms + term, turned, transposed)];
                }
                own = vec4<f32>(own.yzw, value);
            }
            factors[i / quads][i % quads] = own;
        }
        for (var i = thread; i < DEPTH * across; i = i + THREADS) {
            let term = start + i / across;
            let tap = term % taps;
            var own: vec4<f32>;
            if (term < terms) {
                let plane = x + term / taps * distance;
                own = gathered(plane, places[tap][i % across], cells, tap_offset(tap, taps), boundary);
            }
            seen[i / across][i % across] = own;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let w = factors[k][row];
            let v = seen[k][column];
            a = fma(vec4<f32>(w.x), v, a);
            b = fma(vec4<f32>(w.y), v, b);
            c = fma(vec4<f32>(w.z), v, c);
            d = fma(vec4<f32>(w.w), v, d);
        }
        workgroupBarrier();
    }
    // Rows turn, and within them lanes, so that the code of a write stands here once.
    let first = first_row + 4u * row;
    for (var r = first; r < min(first + 4u, height); r = r + 1u) {
        var shift = 0.0;
        if (bias != 0u) {
            shift = weights[bias - 1u + r];
        }
        var values = a + shift;
        for (var lane = first_lane + 4u * column; lane < min(first_lane + 4u * column + 4u, lanes); lane = lane + 1u) {
            arena[output + r * distance + lane] = values.x;
            values = values.yzwx;
        }
        a = b;
        b = c;
        c = d;
    }
}
