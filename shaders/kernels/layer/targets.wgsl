// What observe sees of an observation and of the weights of its entries: 0 where missing, else the observation and the
// inverse of its residual's scale.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;

const TARGETS = 8u;                 // there are observations

@compute @workgroup_size(64)
fn targets(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    let cells = params.cells;
    let lanes = params.samples * cells;
    if (index >= params.numbers / cells * lanes) {
        return;
    }
    let lane = index % lanes;
    let component = index / lanes;
    let place = component * params.stride * cells + lane;
    var value = 0.0;
    var weight = 0.0;
    if ((params.flags & TARGETS) != 0u) {
        let trajectory = batch[params.first_sample + lane / cells];
        let first = params.targets_at + (trajectory * params.horizon + params.interval) * params.numbers;
        let bits = data[first + component * cells + lane % cells];
        if (!is_nan(bits)) {
            value = bitcast<f32>(bits);
            weight = bitcast<f32>(data[params.scales_at + component]);
        }
    }
    // Bits of terms: which of the two the program reads.
    if ((params.terms & 1u) != 0u) {
        arena[at(params.places[0].x) + place] = value;
    }
    if ((params.terms & 2u) != 0u) {
        arena[at(params.places[0].y) + place] = weight;
    }
}
