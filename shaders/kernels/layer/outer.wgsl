// Weight gradients: products of cotangents and what the lanes saw, summed over lanes, G[r, c] += sum of y[r] x[c].
// One workgroup computes a block of entries for one partition of a member's lanes: 32 x 32, or 16 x 64 or 8 x 128 for
// matrices of few rows; a thread four rows of four columns. The bias's gradient, the sum of y, is added up by the blocks
// of the first columns.

@group(0) @binding(8) var<storage, read_write> partials: array<f32>;

// Filled in: TAPS, the most that a convolution of the model has, and DEPTH, lanes per round.
const THREADS = 64u;
const MOST = THREADS / 2u;          // quads of columns, at most

// By lane, then by quad: the check of a quad's index is then the same for all lanes. Lanes are an odd distance apart, so
// that no memory bank is met twice.
var<workgroup> left: array<array<vec4<f32>, 9>, DEPTH>;         // of every lane of a round, quads of y
var<workgroup> right: array<array<vec4<f32>, MOST + 1u>, DEPTH>;    // and of x
var<workgroup> planes: array<vec4<u32>, MOST>;                  // of the columns: where their channels begin
var<workgroup> taps_of: array<vec4<u32>, MOST>;                 // and their taps
var<workgroup> places: array<array<u32, DEPTH>, TAPS>;          // of every tap, where lanes of a round take from

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
    let quads = word(9u);                   // of rows of a block
    let across = THREADS / quads;           // and of its columns
    let blocks = (terms + 4u * across - 1u) / (4u * across);
    let first_row = group.x / blocks * 4u * quads;
    let first_column = group.x % blocks * 4u * across;
    let piece = piece_at(group.z);
    let lanes = piece.samples * cells;
    let distance = params.stride * cells;   // of components
    let share = ((lanes + params.partitions - 1u) / params.partitions + DEPTH - 1u) / DEPTH * DEPTH;
    let start = piece.first * cells + min(group.y * share, lanes);
    let end = piece.first * cells + min((group.y + 1u) * share, lanes);
    if (thread < across) {
        // What stands behind the last column is never written: it may be any.
        let first = first_column + 4u * thread;
        let column = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(terms - 1u));
        planes[thread] = x + column / taps * distance;
        taps_of[thread] = column % taps;
    }
    let row = thread / across;              // quads of this thread
    let column = thread % across;
    let adds_bias = bias != 0u && first_column == 0u;
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    var bias_sum = 0.0;
    for (var round = start; round < end; round = round + DEPTH) {
        for (var i = thread; i < taps * DEPTH; i = i + THREADS) {
            let offset = tap_offset(i / DEPTH, taps);
            places[i / DEPTH][i % DEPTH] = place(round + i % DEPTH, end, cells, offset, boundary, false);
        }
        workgroupBarrier();
        // A thread fills the quads of one lane of the round.
        let depth = thread % DEPTH;
        let lane = round + depth;
        for (var quad = thread / DEPTH; quad < quads; quad = quad + THREADS / DEPTH) {
            var own: vec4<f32>;
            let first = first_row + 4u * quad;
            for (var r = first; r < first + 4u; r = r + 1u) {
                var value = 0.0;
                if (lane < end && r < rows) {
                    value = arena[y + r * distance + lane];
                }
                own = vec4<f32>(own.yzw, value);
            }
            left[depth][quad] = own;
        }
        for (var quad = thread / DEPTH; quad < across; quad = quad + THREADS / DEPTH) {
            var plane = planes[quad];
            var tap = taps_of[quad];
            var own: vec4<f32>;
            for (var i = 0u; i < 4u; i = i + 1u) {
                let source = places[tap.x][depth];
                var value = 0.0;
                if (source != NONE) {
                    value = arena[plane.x + source];
                }
                own = vec4<f32>(own.yzw, value);
                plane = plane.yzwx;
                tap = tap.yzwx;
            }
            right[depth][quad] = own;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let n = left[k][row];
            let p = right[k][column];
            a = fma(vec4<f32>(n.x), p, a);
            b = fma(vec4<f32>(n.y), p, b);
            c = fma(vec4<f32>(n.z), p, c);
            d = fma(vec4<f32>(n.w), p, d);
        }
        if (adds_bias) {
            for (var k = 0u; k < DEPTH; k = k + 1u) {
                bias_sum = bias_sum + left[k][thread / 4u % quads][thread % 4u];
            }
        }
    }
    let own = (piece.member * params.partitions + group.y) * params.weights;
    if (adds_bias && thread < 4u * quads && first_row + thread < rows) {
        let index = own + bias - 1u + first_row + thread;
        partials[index] = partials[index] + bias_sum;
    }
    // Rows turn, and within them columns, so that the code of a write stands here once.
    let first = first_row + 4u * row;
    for (var r = first; r < min(first + 4u, rows); r = r + 1u) {
        var values = a;
        let begin = first_column + 4u * column;
        for (var t = begin; t < min(begin + 4u, terms); t = t + 1u) {
            let index = own + matrix + r * terms + t;
            partials[index] = partials[index] + values.x;
            values = values.yzwx;
        }
        a = b;
        b = c;
        c = d;
    }
}
