// Cotangents of a prediction: the derivative of the loss by each of its numbers, 0 where the observation is missing.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(7) var<storage, read> seeds: array<f32>;

@compute @workgroup_size(64)
fn mismatch(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    let cells = params.cells;
    let lanes = params.samples * cells;
    if (index >= params.numbers / cells * lanes) {
        return;
    }
    let lane = index % lanes;
    let component = index / lanes;
    let sample = params.first_sample + lane / cells;
    let place = component * params.stride * cells + lane;
    let first = params.targets_at + (batch[sample] * params.horizon + params.interval) * params.numbers;
    let bits = data[first + component * cells + lane % cells];
    var cotangent = 0.0;
    if (!is_nan(bits)) {
        let inverse = bitcast<f32>(data[params.scales_at + component]);
        let times = bitcast<f32>(batch[params.batch_stride + sample]);
        let seed = 2.0 * seeds[sample / params.per_group * params.seed] * times;
        cotangent = seed * ((arena[at(params.places[0].x) + place] - bitcast<f32>(bits)) * inverse) * inverse;
    }
    arena[at(params.output) + place] = cotangent;
}
