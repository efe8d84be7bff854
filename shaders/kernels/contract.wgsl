// Weight gradients: products of frame rows, summed over calls and samples, G[r, c] = sum of y[r] x[c].
// One workgroup computes a block of entries for one member and one partition of the calls. Its 8 x 8 threads compute 4 x 4
// entries each, or four times that, half a block apart in both directions, so that neighbours read neighbouring vectors. The
// bias's gradient, the sum of y, is added up by the blocks of the first columns.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> blocks: array<u32>;
@group(0) @binding(2) var<storage, read> frame: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

const BLOCK_WORDS = 9u;
const PART_WORDS = 3u;
const PIECE_WORDS = 4u;
const OBSERVATION = 1u;
const ENCODING = 2u;

// Filled in: BLOCK, rows and columns of a block, 32 or 64, and DEPTH, samples per round.
const QUADS = BLOCK / 4u;
const WIDTH = QUADS + 1u;           // distance of samples: not a multiple of the memory's banks

// By sample, then by quad: the check of a quad's index is then the same for all samples.
var<workgroup> left: array<array<vec4<f32>, WIDTH>, DEPTH>;     // of every sample, quads of y
var<workgroup> right: array<array<vec4<f32>, WIDTH>, DEPTH>;    // and of x

fn calls(program: u32) -> u32 {
    if (program == OBSERVATION) {
        return select(0u, params.intervals, (params.flags & OBSERVE) != 0u);
    }
    if (program == ENCODING) {
        return select(0u, 1u, (params.flags & ENCODE) != 0u);
    }
    return params.intervals * STAGES * SUBSTEPS;
}

fn base(program: u32, call: u32) -> u32 {
    let per_interval = STAGES * SUBSTEPS * EVOLVE_FRAME + OBSERVE_FRAME;
    if (program == OBSERVATION) {
        return ENCODE_FRAME + call * per_interval + STAGES * SUBSTEPS * EVOLVE_FRAME;
    }
    if (program == ENCODING) {
        return 0u;
    }
    let per_call = STAGES * SUBSTEPS;
    return ENCODE_FRAME + call / per_call * per_interval + call % per_call * EVOLVE_FRAME;
}

// The samples of one member in the chunk.
struct Piece {
    member: u32,
    first: u32,
    samples: u32,
    accumulate: bool,       // add to the partial sums that are there
}

fn piece_at(index: u32) -> Piece {
    let accumulate = (params.flags & ACCUMULATE) != 0u;
    if (params.pieces_at == 0u) {
        return Piece(0u, 0u, params.chunk, accumulate);
    }
    let at = params.pieces_at + index * PIECE_WORDS;
    return Piece(blocks[at], blocks[at + 1u], blocks[at + 2u], accumulate || blocks[at + 3u] != 0u);
}

// Sums of a thread: four rows of four columns each, for the near and the far half of its rows (n, f) and columns (n, f).
struct Sums {
    nn0: vec4<f32>, nn1: vec4<f32>, nn2: vec4<f32>, nn3: vec4<f32>,
    nf0: vec4<f32>, nf1: vec4<f32>, nf2: vec4<f32>, nf3: vec4<f32>,
    fn0: vec4<f32>, fn1: vec4<f32>, fn2: vec4<f32>, fn3: vec4<f32>,
    ff0: vec4<f32>, ff1: vec4<f32>, ff2: vec4<f32>, ff3: vec4<f32>,
}

@compute @workgroup_size(64)
fn contract(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let piece = piece_at(group.z);
    let at = group.x * BLOCK_WORDS;
    let weight = blocks[at];                // offsets of matrix and bias + 1
    let bias = blocks[at + 1u];
    let rows = blocks[at + 2u];
    let columns = blocks[at + 3u];
    let first_row = blocks[at + 4u];
    let first_column = blocks[at + 5u];
    let row = thread / 8u;                  // quads of this thread in a sample
    let column = thread % 8u;
    var sums: Sums;
    var bias_sum = 0.0;
    for (var part = blocks[at + 6u]; part < blocks[at + 7u]; part = part + 1u) {
        let y = (blocks[part * PART_WORDS] + first_row) / 4u;
        let x = (blocks[part * PART_WORDS + 1u] + first_column) / 4u;
        let program = blocks[part * PART_WORDS + 2u];
        // Rounds of DEPTH samples of one call; this partition takes a consecutive range of them. Lanes that only fill a
        // workgroup have cotangent 0.
        let per_call = (piece.samples + DEPTH - 1u) / DEPTH;
        let rounds = calls(program) * per_call;
        let share = (rounds + params.partitions - 1u) / params.partitions;
        let last = min((group.y + 1u) * share, rounds);
        var call = group.y * share / max(per_call, 1u);
        var within = group.y * share - call * per_call;
        for (var round = group.y * share; round < last; round = round + 1u) {
            let origin = base(program, call) / 4u;
            let sample = within * DEPTH + thread % DEPTH;
            within = within + 1u;
            if (within == per_call) {
                within = 0u;
                call = call + 1u;
            }
            for (var quad = thread / DEPTH; quad < QUADS; quad = quad + 64u / DEPTH) {
                var of_y = vec4<f32>(0.0);
                var of_x = vec4<f32>(0.0);
                if (sample < piece.samples) {
                    if (first_row + 4u * quad < rows) {
                        of_y = frame[(origin + y + quad) * params.stride + piece.first + sample];
                    }
                    if (first_column + 4u * quad < columns) {
                        of_x = frame[(origin + x + quad) * params.stride + piece.first + sample];
                    }
                }
                left[thread % DEPTH][quad] = of_y;
                right[thread % DEPTH][quad] = of_x;
            }
            workgroupBarrier();
            for (var k = 0u; k < DEPTH; k = k + 1u) {
                let n = left[k][row];
                let p = right[k][column];
                sums.nn0 = fma(vec4<f32>(n.x), p, sums.nn0);
                sums.nn1 = fma(vec4<f32>(n.y), p, sums.nn1);
                sums.nn2 = fma(vec4<f32>(n.z), p, sums.nn2);
                sums.nn3 = fma(vec4<f32>(n.w), p, sums.nn3);
                if (BLOCK == 64u) {
                    let f = left[k][row + 8u];
                    let q = right[k][column + 8u];
                    sums.nf0 = fma(vec4<f32>(n.x), q, sums.nf0);
                    sums.nf1 = fma(vec4<f32>(n.y), q, sums.nf1);
                    sums.nf2 = fma(vec4<f32>(n.z), q, sums.nf2);
                    sums.nf3 = fma(vec4<f32>(n.w), q, sums.nf3);
                    sums.fn0 = fma(vec4<f32>(f.x), p, sums.fn0);
                    sums.fn1 = fma(vec4<f32>(f.y), p, sums.fn1);
                    sums.fn2 = fma(vec4<f32>(f.z), p, sums.fn2);
                    sums.fn3 = fma(vec4<f32>(f.w), p, sums.fn3);
                    sums.ff0 = fma(vec4<f32>(f.x), q, sums.ff0);
                    sums.ff1 = fma(vec4<f32>(f.y), q, sums.ff1);
                    sums.ff2 = fma(vec4<f32>(f.z), q, sums.ff2);
                    sums.ff3 = fma(vec4<f32>(f.w), q, sums.ff3);
                }
            }
            // Threads behind the rows add what is never written: all go through the loop together.
            if (first_column == 0u && part < blocks[at + 8u]) {
                for (var k = 0u; k < DEPTH; k = k + 1u) {
                    bias_sum = bias_sum + left[k][thread % BLOCK / 4u][thread % 4u];
                }
            }
            workgroupBarrier();
        }
    }
    let to = (piece.member * params.partitions + group.y) * params.weights;
    if (first_column == 0u && bias != 0u && thread < BLOCK && first_row + thread < rows) {
        write(piece.accumulate, to + bias - 1u + first_row + thread, bias_sum);
    }
    let entries = Entries(to + weight, rows, columns, piece.accumulate);
    let r = first_row + 4u * row;
    let c = first_column + 4u * column;
    write_four(entries, r, c, sums.nn0, sums.nn1, sums.nn2, sums.nn3);
    if (BLOCK == 64u) {
        write_four(entries, r, c + 32u, sums.nf0, sums.nf1, sums.nf2, sums.nf3);
        write_four(entries, r + 32u, c, sums.fn0, sums.fn1, sums.fn2, sums.fn3);
        write_four(entries, r + 32u, c + 32u, sums.ff0, sums.ff1, sums.ff2, sums.ff3);
    }
}

// Where a partition keeps the entries of a matrix.
struct Entries {
    at: u32,
    rows: u32,
    columns: u32,
    accumulate: bool,
}

// Rows turn once for every entry, so that the code of a write stands here once.
fn write_four(entries: Entries, row: u32, column: u32, first: vec4<f32>, second: vec4<f32>, third: vec4<f32>, fourth: vec4<f32>) {
    var a = first;
    var b = second;
    var c = third;
    var d = fourth;
    for (var i = 0u; i < 16u; i = i + 1u) {
        let r = row + i % 4u;
        let k = column + i / 4u;
        if (r < entries.rows && k < entries.columns) {
            write(entries.accumulate, entries.at + r * entries.columns + k, a.x);
        }
        let next = b;
        b = c;
        c = d;
        d = a.yzwx;
        a = next;
    }
}

fn write(accumulate: bool, at: u32, value: f32) {
    if (accumulate) {
        partials[at] = partials[at] + value;
    } else {
        partials[at] = value;
    }
}
