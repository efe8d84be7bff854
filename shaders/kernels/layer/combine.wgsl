// Weighted sums of up to eight arrays of one shape: the states of stages, the ends of steps, their cotangents, copies.

@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    if (index >= params.numbers * params.stride) {
        return;
    }
    var sum = 0.0;
    for (var term = 0u; term < params.terms; term = term + 1u) {
        let place = params.places[term / 4u][term % 4u];
        sum = sum + params.factors[term / 4u][term % 4u] * arena[at(place) + index];
    }
    arena[at(params.output) + index] = sum;
}
