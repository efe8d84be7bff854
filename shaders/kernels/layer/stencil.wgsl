// A stencil on every channel of a field, or its transpose: a weighted sum of a few cells around each.

const FIRST_TAP = 6u;
const TAP_WORDS = 3u;

@compute @workgroup_size(64)
fn stencil(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    let lanes = params.samples * params.cells;
    if (index >= word(2u) * lanes) {
        return;
    }
    let lane = index % lanes;
    let channel = index / lanes * params.stride * params.cells;
    let cell = lane % params.cells;
    let place = vec2<i32>(i32(cell / params.columns), i32(cell % params.columns));
    let plane = at(word(1u)) + channel + lane - cell;
    let transposed = word(4u) != 0u;
    var sum = 0.0;
    for (var tap = 0u; tap < word(3u); tap = tap + 1u) {
        let first = FIRST_TAP + TAP_WORDS * tap;
        let offset = vec2<i32>(bitcast<i32>(word(first)), bitcast<i32>(word(first + 1u)));
        sum = sum + bitcast<f32>(word(first + 2u)) * taken(plane, place, offset, word(5u), transposed);
    }
    arena[at(word(0u)) + channel + lane] = sum;
}
