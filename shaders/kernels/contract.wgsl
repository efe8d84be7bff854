// Weight gradients: products of frame rows, summed over calls and samples, G[r, c] = sum of y[r] x[c].
// One workgroup computes a block of 32 x 32 entries for one member and one partition of the calls; a bias is one more
// column, x = 1.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> blocks: array<u32>;
@group(0) @binding(2) var<storage, read> frame: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

const BLOCK_WORDS = 9u;
const PART_WORDS = 3u;
const PIECE_WORDS = 4u;
const DEPTH = 16u;          // samples per round
const OBSERVATION = 1u;
const ENCODING = 2u;

var<workgroup> left: array<f32, 512>;       // [DEPTH, 32] of y
var<workgroup> right: array<f32, 512>;      // [DEPTH, 32] of x

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
    var sums: array<vec4<f32>, 4>;
    for (var part = blocks[at + 6u]; part < blocks[at + 7u]; part = part + 1u) {
        let y = blocks[part * PART_WORDS];
        let x = blocks[part * PART_WORDS + 1u];
        let program = blocks[part * PART_WORDS + 2u];
        // Rounds of DEPTH samples of one call; this partition takes a consecutive range of them. Lanes that only fill a
        // workgroup have cotangent 0.
        let per_call = (piece.samples + DEPTH - 1u) / DEPTH;
        let rounds = calls(program) * per_call;
        let share = (rounds + params.partitions - 1u) / params.partitions;
        let last = min((group.y + 1u) * share, rounds);
        for (var round = group.y * share; round < last; round = round + 1u) {
            let origin = base(program, round / per_call);
            let first = round % per_call * DEPTH;
            for (var i = thread; i < 32u * DEPTH; i = i + 64u) {
                let line = i / DEPTH;
                let inside = first + i % DEPTH < piece.samples;
                let sample = piece.first + first + i % DEPTH;
                let place = i % DEPTH * 32u + line;
                left[place] = 0.0;
                right[place] = 0.0;
                if (inside && first_row + line < rows) {
                    left[place] = frame[(origin + y + first_row + line) * params.stride + sample];
                }
                if (inside && first_column + line < columns) {
                    right[place] = frame[(origin + x + first_column + line) * params.stride + sample];
                } else if (inside && part < blocks[at + 8u] && first_column + line == columns) {
                    right[place] = 1.0;
                }
            }
            workgroupBarrier();
            let row = thread / 8u * 4u;
            let column = thread % 8u * 4u;
            for (var k = 0u; k < DEPTH; k = k + 1u) {
                let p = k * 32u + column;
                let q = k * 32u + row;
                let v = vec4<f32>(right[p], right[p + 1u], right[p + 2u], right[p + 3u]);
                sums[0] = sums[0] + left[q] * v;
                sums[1] = sums[1] + left[q + 1u] * v;
                sums[2] = sums[2] + left[q + 2u] * v;
                sums[3] = sums[3] + left[q + 3u] * v;
            }
            workgroupBarrier();
        }
    }
    let row = first_row + thread / 8u * 4u;
    let column = first_column + thread % 8u * 4u;
    let to = (piece.member * params.partitions + group.y) * params.weights;
    write_row(piece.accumulate, to, weight, bias, rows, columns, row, column, sums[0]);
    write_row(piece.accumulate, to, weight, bias, rows, columns, row + 1u, column, sums[1]);
    write_row(piece.accumulate, to, weight, bias, rows, columns, row + 2u, column, sums[2]);
    write_row(piece.accumulate, to, weight, bias, rows, columns, row + 3u, column, sums[3]);
}

fn write_row(accumulate: bool, to: u32, weight: u32, bias: u32, rows: u32, columns: u32, row: u32, column: u32, values: vec4<f32>) {
    if (row < rows) {
        write_one(accumulate, to, weight, bias, columns, row, column, values.x);
        write_one(accumulate, to, weight, bias, columns, row, column + 1u, values.y);
        write_one(accumulate, to, weight, bias, columns, row, column + 2u, values.z);
        write_one(accumulate, to, weight, bias, columns, row, column + 3u, values.w);
    }
}

fn write_one(accumulate: bool, to: u32, weight: u32, bias: u32, columns: u32, row: u32, column: u32, value: f32) {
    var at = to;
    if (column < columns) {
        at = at + weight + row * columns + column;
    } else if (column == columns && bias != 0u) {
        at = at + bias - 1u + row;
    } else {
        return;
    }
    if (accumulate) {
        partials[at] = partials[at] + value;
    } else {
        partials[at] = value;
    }
}
