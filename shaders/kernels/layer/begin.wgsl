// Begins a chunk: parameters of its samples; with ZERO its sums and status, `terms` rows, start anew.

@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

const ZERO = 1u;

@compute @workgroup_size(64)
fn begin(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = linear(group) * 64u + thread;
    if (lane >= params.samples) {
        return;
    }
    let sample = params.first_sample + lane;
    for (var i = 0u; i < params.numbers; i = i + 1u) {
        let value = batch[2u * params.batch_stride + sample * params.numbers + i];
        arena[at(params.output) + i * params.stride + lane] = bitcast<f32>(value);
    }
    if ((params.flags & ZERO) != 0u) {
        for (var i = 0u; i < params.terms; i = i + 1u) {
            results[i * params.batch_stride + sample] = 0u;
        }
    }
}
