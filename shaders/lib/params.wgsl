// What the host tells a dispatch. The host's struct `Params` has the same members in the same order.
struct Params {
    samples: u32,           // samples of the batch
    first_sample: u32,      // first sample of the chunk that this dispatch computes
    chunk: u32,             // samples of the chunk
    stride: u32,            // distance of rows in trail and frame, in samples
    first_interval: u32,    // first interval of the segment
    intervals: u32,         // intervals of the segment
    horizon: u32,           // intervals of the rollout
    flags: u32,
    batch_stride: u32,      // distance of rows in batch and results, in samples
    per_group: u32,         // samples of a group
    inputs_at: u32,         // offsets in data
    start_times_at: u32,
    targets_at: u32,
    predictions_at: u32,    // offset in trail
    step: u32,              // optimiser step, the counter of random numbers
    order_at: u32,          // first entry of this step in the epoch's order
    draws: u32,             // draws of theta per window
    report: u32,            // place of this step in the report
    weights: u32,           // number of weights
    partitions: u32,        // partial sums of each weight gradient
    rate: f32,
    decay: f32,
    correction1: f32,       // 1 - beta1^t
    correction2: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    clip_value: f32,        // 0 for no clip
    clip_norm: f32,
    loss_weight: f32,
    penalties: u32,
    frame_interval: u32,    // intervals of the segment's frames before the first of this dispatch
    pieces_at: u32,         // table of the chunk's members in the blocks; 0 if it has one member
    spare1: u32,
    spare2: u32,
    spare3: u32,
}

const SAVE = 1u;            // write frames, for a reverse pass
const KEEP = 2u;            // keep the states and predictions of all intervals
const OBSERVE = 4u;         // run observe at the ends of intervals
const TARGETS = 8u;         // there are observations: add up residuals
const ENCODE = 16u;         // the segment begins with the encode program
const START_TIMES = 32u;    // trajectories have start times
const ACCUMULATE = 64u;     // add to the partial sums that are there
const REPLAY = 128u;        // a segment is run again: sums and status stay as they are
const MEMBERS = 256u;       // samples of several members: where the weights of each begin stands behind theta in batch
