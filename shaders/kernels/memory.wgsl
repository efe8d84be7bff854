// Memory of the rollout kernels: a row holds one scalar of the SAMPLES samples of a workgroup. Four rows of a sample lie
// side by side in a vector, a quad: what products read and write is whole quads, of consecutive samples by consecutive
// threads, in the workgroup's memory as in frames. In a step every quad is written by one thread.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> data: array<u32>;
@group(0) @binding(4) var<storage, read> batch: array<u32>;
@group(0) @binding(5) var<storage, read> seeds: array<f32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;
@group(0) @binding(7) var<storage, read_write> trail: array<f32>;
@group(0) @binding(8) var<storage, read_write> frame: array<vec4<f32>>;

var<workgroup> work: array<vec4<f32>, WORK_ROWS / 4u * SAMPLES>;

var<private> thread: u32;
var<private> lane: u32;         // sample within the workgroup
var<private> tile: u32;         // first sample of the workgroup within the chunk
var<private> sample: u32;       // sample within the batch
var<private> live: bool;        // false for lanes that repeat a sample to fill the workgroup
var<private> frame_quad: u32;   // first quad of the call's frame
var<private> weights_at: u32;   // first of the weights of the workgroup's member

fn fetch(row: u32) -> f32 {
    return work[row / 4u * SAMPLES + lane][row % 4u];
}

fn put(row: u32, value: f32) {
    work[row / 4u * SAMPLES + lane][row % 4u] = value;
}

fn number(index: u32) -> f32 {
    return bitcast<f32>(table[index]);
}

// Where a quad of the frame stands for the first sample of the workgroup.
fn framed_at(quad: u32) -> u32 {
    return (frame_quad + quad) * params.stride + tile;
}

fn framed(row: u32) -> f32 {
    return frame[framed_at(row / 4u) + lane][row % 4u];
}

fn enter(group: u32, index: u32) {
    thread = index;
    lane = index % SAMPLES;
    tile = group * SAMPLES;
    live = tile + lane < params.chunk;
    sample = params.first_sample + min(tile + lane, params.chunk - 1u);
    weights_at = 0u;
    if ((params.flags & MEMBERS) != 0u) {
        weights_at = batch[(2u + GIVEN) * params.batch_stride + params.first_sample + tile];
    }
}

// Rows of results: status, squared error, present entries, observables, then cotangents.
const FIRST_OBSERVABLE = 3u;
const FIRST_COTANGENT = FIRST_OBSERVABLE + OBSERVABLES;

// Numbers of a seed: of a squared residual, of each observable.
const SEED = 1u + OBSERVABLES;

fn result(slot: u32) -> u32 {
    return slot * params.batch_stride + sample;
}

// A call of a program: an evaluation of a stage, an observation, or the encoding of the first observation.
struct Call {
    program: u32,
    interval: u32,
    substep: u32,
    stage: u32,
}

const EVOLVE = 0u;
const OBSERVATION = 1u;
const ENCODING = 2u;

fn calls_per_interval() -> u32 {
    return STAGES * SUBSTEPS + select(0u, 1u, (params.flags & OBSERVE) != 0u);
}

fn encodings() -> u32 {
    return select(0u, 1u, (params.flags & ENCODE) != 0u);
}

// The call at a position of the segment; sets where its frame begins.
fn call_at(position: u32) -> Call {
    if (position < encodings()) {
        frame_quad = 0u;
        return Call(ENCODING, 0u, 0u, 0u);
    }
    let index = position - encodings();
    let interval = index / calls_per_interval();
    let within = index % calls_per_interval();
    let per_interval = STAGES * SUBSTEPS * EVOLVE_FRAME + OBSERVE_FRAME;
    frame_quad = (ENCODE_FRAME + (params.frame_interval + interval) * per_interval + within * EVOLVE_FRAME) / 4u;
    if (within == STAGES * SUBSTEPS) {
        return Call(OBSERVATION, params.first_interval + interval, 0u, 0u);
    }
    return Call(EVOLVE, params.first_interval + interval, within / STAGES, within % STAGES);
}

fn trajectory() -> u32 {
    return batch[sample];
}

fn step_length(interval: u32) -> f32 {
    return number(NUMBERS + OUTPUTS + params.horizon + 1u + interval) / f32(SUBSTEPS);
}

// Inputs and time of a call, as its ports see them.
fn prepare_surroundings(call: Call) {
    var interval = call.interval;
    var right = 0.0;
    var elapsed = 0.0;
    if (call.program == OBSERVATION) {
        interval = interval + 1u;
    } else if (call.program == EVOLVE) {
        let part = f32(call.substep) + number(TABLEAU + STAGES * STAGES + STAGES + call.stage);
        elapsed = part * step_length(call.interval);
        right = select(part / f32(SUBSTEPS), 0.0, HELD);
    }
    var time = number(NUMBERS + OUTPUTS + interval) + elapsed;
    if ((params.flags & START_TIMES) != 0u) {
        time = time + bitcast<f32>(data[params.start_times_at + trajectory()]);
    }
    put(ROW_TIME, time);
    let first = params.inputs_at + (trajectory() * (params.horizon + 1u) + interval) * INPUTS;
    for (var i = 0u; i < INPUTS; i = i + 1u) {
        var value = bitcast<f32>(data[first + i]);
        // The next value is read only where it counts: a held input needs none.
        if (right != 0.0) {
            value = (1.0 - right) * value + right * bitcast<f32>(data[first + INPUTS + i]);
        }
        put(ROW_INPUT + i, value);
    }
}

// The parameters of the sample, as encode takes them.
fn prepare_given() {
    for (var i = 0u; i < GIVEN; i = i + 1u) {
        put(ROW_THETA + i, bitcast<f32>(batch[2u * params.batch_stride + sample * GIVEN + i]));
    }
}

// Parameters and latents that encode made: behind sums and cotangents.
fn made(i: u32) -> u32 {
    return result(FIRST_COTANGENT + STATES + PARAMETERS + i);
}

fn prepare_made() {
    for (var i = 0u; i < PARAMETERS; i = i + 1u) {
        put(ROW_THETA + i, bitcast<f32>(results[made(i)]));
    }
}

// What observe sees of the observation at the end of an interval, and the weights of its entries: 0 where missing.
fn prepare_targets(interval: u32) {
    for (var i = 0u; i < OUTPUTS; i = i + 1u) {
        var value = 0.0;
        var weight = 0.0;
        if ((params.flags & TARGETS) != 0u) {
            let bits = data[target_at(interval, i)];
            if (!is_nan(bits)) {
                value = bitcast<f32>(bits);
                weight = number(NUMBERS + i);
            }
        }
        put(ROW_TARGET + i, value);
        put(ROW_TARGET + OUTPUTS + i, weight);
    }
}

// Index in data of a number of the observation at the end of an interval.
fn target_at(interval: u32, i: u32) -> u32 {
    return params.targets_at + (trajectory() * params.horizon + interval) * OUTPUTS + i;
}

fn multiplicity() -> f32 {
    return select(0.0, bitcast<f32>(batch[params.batch_stride + sample]), live);
}
