// Weight gradients: products of cotangents and what the lanes saw, summed over lanes, G[r, c] += sum of y[r] x[c].
// One workgroup computes a block of 32 x 32 entries for one partition of a member's lanes; a bias is one more column, x = 1.

@group(0) @binding(8) var<storage, read_write> partials: array<f32>;

const DEPTH = 16u;                          // lanes per round

const WIDTH = 33u;                          // distance of rounds' rows, odd so that no memory bank is met twice

var<workgroup> left: array<f32, 528>;       // [DEPTH, WIDTH] of y
var<workgroup> right: array<f32, 528>;      // [DEPTH, WIDTH] of x

// Where a partition keeps the entries of a weight and of its bias.
struct Entries {
    matrix: u32,
    bias: u32,
    rows: u32,
    terms: u32,
}

fn add(entries: Entries, row: u32, column: u32, value: f32, biased: bool) {
    if (row < entries.rows && column < entries.terms) {
        let index = entries.matrix + row * entries.terms + column;
        partials[index] = partials[index] + value;
    } else if (row < entries.rows && column == entries.terms && biased) {
        partials[entries.bias + row] = partials[entries.bias + row] + value;
    }
}

fn add_row(entries: Entries, row: u32, column: u32, values: vec4<f32>, biased: bool) {
    add(entries, row, column, values.x, biased);
    add(entries, row, column + 1u, values.y, biased);
    add(entries, row, column + 2u, values.z, biased);
    add(entries, row, column + 3u, values.w, biased);
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
    let piece = piece_at(group.z);
    let lanes = piece.samples * cells;
    let distance = params.stride * cells;   // of components
    let share = ((lanes + params.partitions - 1u) / params.partitions + DEPTH - 1u) / DEPTH * DEPTH;
    let start = piece.first * cells + min(group.y * share, lanes);
    let end = piece.first * cells + min((group.y + 1u) * share, lanes);
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
            left[depth * WIDTH + i] = of_y;
            right[depth * WIDTH + i] = of_x;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let l = k * WIDTH + row;
            let r = k * WIDTH + column;
            let v = vec4<f32>(right[r], right[r + 1u], right[r + 2u], right[r + 3u]);
            a = a + left[l] * v;
            b = b + left[l + 1u] * v;
            c = c + left[l + 2u] * v;
            d = d + left[l + 3u] * v;
        }
        workgroupBarrier();
    }
    let own = (piece.member * params.partitions + group.y) * params.weights;
    let place = Entries(own + matrix, own + bias - 1u, rows, terms);
    let r = first_row + row;
    let t = first_column + column;
    add_row(place, r, t, a, bias != 0u);
    add_row(place, r + 1u, t, b, bias != 0u);
    add_row(place, r + 2u, t, c, bias != 0u);
    add_row(place, r + 3u, t, d, bias != 0u);
}
