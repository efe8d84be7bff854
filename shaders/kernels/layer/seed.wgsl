// Cotangents of `numbers` observables, the same at every call; the first is number `terms` of a seed.

@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(7) var<storage, read> seeds: array<f32>;

@compute @workgroup_size(64)
fn seed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = linear(group) * 64u + thread;
    if (lane >= params.samples) {
        return;
    }
    let sample = params.first_sample + lane;
    let times = bitcast<f32>(batch[params.batch_stride + sample]);
    let first = sample / params.per_group * params.seed + params.terms;
    for (var q = 0u; q < params.numbers; q = q + 1u) {
        arena[at(params.output) + q * params.stride + lane] = seeds[first + q] * times;
    }
}
