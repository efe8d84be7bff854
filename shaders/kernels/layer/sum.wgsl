// Sum of every channel of a sample over its cells: a workgroup per channel and sample, in an order that depends on the
// grid alone.

var<workgroup> parts: array<f32, 64>;

@compute @workgroup_size(64)
fn sum_cells(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    // The last row of workgroups may be longer than needed; its surplus repeats the last channel and writes nothing.
    let all = word(2u) * params.samples;
    let index = min(linear(group), all - 1u);
    let channel = index / params.samples;
    let sample = index % params.samples;
    let first = at(word(1u)) + (channel * params.stride + sample) * params.cells;
    var own = 0.0;
    for (var cell = thread; cell < params.cells; cell = cell + 64u) {
        own = own + arena[first + cell];
    }
    parts[thread] = own;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half / 2u) {
        if (thread < half) {
            parts[thread] = parts[thread] + parts[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u && linear(group) < all) {
        arena[at(word(0u)) + channel * params.stride + sample] = parts[0];
    }
}
