// Adds `numbers` observables of `terms` calls to the sums of every sample, from row `output` of the results.

@group(0) @binding(6) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(64)
fn observables(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = linear(group) * 64u + thread;
    if (lane >= params.samples) {
        return;
    }
    for (var q = 0u; q < params.numbers; q = q + 1u) {
        let slot = (params.output + q) * params.batch_stride + params.first_sample + lane;
        var sum = bitcast<f32>(results[slot]);
        for (var call = 0u; call < params.terms; call = call + 1u) {
            let place = params.places[call / 4u][call % 4u];
            sum = sum + arena[at(place) + q * params.stride + lane];
        }
        results[slot] = bitcast<u32>(sum);
    }
}
