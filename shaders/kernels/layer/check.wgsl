// Notes the first interval at which a number of a sample is not finite: a workgroup per sample looks at up to two arrays.

@group(0) @binding(6) var<storage, read_write> results: array<u32>;

var<workgroup> bad: array<u32, 64>;

fn strange(place: u32, numbers: u32, sample: u32, cells: u32, thread: u32) -> u32 {
    var found = 0u;
    for (var i = thread; i < numbers; i = i + 64u) {
        let index = at(place) + (i / cells * params.stride + sample) * cells + i % cells;
        if (!finite(arena[index])) {
            found = 1u;
        }
    }
    return found;
}

@compute @workgroup_size(64)
fn check(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let sample = min(linear(group), params.samples - 1u);
    // The second array has no cells.
    let first = strange(params.places[0].x, params.numbers, sample, params.cells, thread);
    bad[thread] = first | strange(params.places[0].y, params.terms, sample, 1u, thread);
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half / 2u) {
        if (thread < half) {
            bad[thread] = bad[thread] | bad[thread + half];
        }
        workgroupBarrier();
    }
    let slot = params.first_sample + sample;
    if (thread == 0u && linear(group) < params.samples && bad[0] != 0u && results[slot] == 0u) {
        results[slot] = params.code | params.interval;
    }
}
