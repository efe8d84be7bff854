// What the kernels of the layer schedule share. The host's struct `Params` of this schedule has the same members in the
// same order.
//
// The arena holds everything that a chunk of samples computes. A place in it is a number of scalars per sample behind the
// start of one of four spaces; a scalar is `stride` numbers, one per sample, and on a grid `cells` of them follow each
// other for every sample.
struct Params {
    bases: vec4<u32>,               // starts of the spaces, in scalars: fixed, work, frame, stage
    places: array<vec4<u32>, 2>,    // arguments of the drivers' kernels
    factors: array<vec4<f32>, 2>,   // of the places, in sums of several
    step: u32,                      // first word of the step in the table
    output: u32,                    // place of the result
    numbers: u32,                   // scalars per sample of the result
    terms: u32,                     // places in use
    samples: u32,                   // samples of the chunk
    stride: u32,                    // samples that the arena has room for
    first_sample: u32,              // first sample of the chunk within the batch
    batch_stride: u32,              // distance of rows in batch and results, in samples
    per_group: u32,                 // samples of a group
    cells: u32,                     // cells of the grid, or 1
    columns: u32,                   // columns of the grid, or 1
    flags: u32,
    data_at: u32,                   // offsets in data
    inputs_at: u32,
    start_times_at: u32,
    targets_at: u32,
    scales_at: u32,
    horizon: u32,                   // intervals of the rollout
    interval: u32,
    partitions: u32,                // partial sums of each weight gradient
    weights: u32,                   // number of weights
    code: u32,                      // status of a sample that is not finite
    time: f32,                      // of the call, without the trajectory's start time
    left: f32,                      // weights of the inputs at this and at the next observation
    right: f32,
    pieces_at: u32,                 // table of the chunk's members behind the steps
    pieces: u32,                    // its entries; 0 if the chunk has one member
    longest: u32,                   // samples of the largest
    seed: u32,                      // numbers of a seed
    spare1: u32,
    spare2: u32,
    spare3: u32,
}

const START_TIMES = 32u;            // trajectories have start times

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> arena: array<f32>;

fn word(index: u32) -> u32 {
    return table[params.step + index];
}

// Index in the arena of a place.
fn at(place: u32) -> u32 {
    return (params.bases[place >> 30u] + (place & 0x3fffffffu)) * params.stride;
}

// The samples of one member of a population in the chunk: products with weights and their gradients work piece by piece.
struct Piece {
    member: u32,
    first: u32,
    samples: u32,
}

fn piece_at(index: u32) -> Piece {
    if (params.pieces == 0u) {
        return Piece(0u, 0u, params.samples);
    }
    let entry = params.pieces_at + 4u * index;
    return Piece(table[entry], table[entry + 1u], table[entry + 2u]);
}

// Workgroups are dispatched in rows of the largest number that every adapter takes.
fn linear(group: vec3<u32>) -> u32 {
    return group.y * 65535u + group.x;
}
