// Inputs and time of a call, as the ports of its program see them.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;

@compute @workgroup_size(64)
fn prepare(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = linear(group) * 64u + thread;
    if (lane >= params.samples) {
        return;
    }
    let trajectory = batch[params.first_sample + lane];
    var time = params.time;
    if ((params.flags & START_TIMES) != 0u) {
        time = time + bitcast<f32>(data[params.start_times_at + trajectory]);
    }
    // A program that does not read the time has no place for it.
    if (params.terms != 0u) {
        arena[at(params.places[0].y) + lane] = time;
    }
    let first = params.inputs_at + (trajectory * (params.horizon + 1u) + params.interval) * params.numbers;
    for (var i = 0u; i < params.numbers; i = i + 1u) {
        var value = params.left * bitcast<f32>(data[first + i]);
        // The next value is read only where it counts: a held input needs none.
        if (params.right != 0.0) {
            value = value + params.right * bitcast<f32>(data[first + params.numbers + i]);
        }
        arena[at(params.places[0].x) + i * params.stride + lane] = value;
    }
}
