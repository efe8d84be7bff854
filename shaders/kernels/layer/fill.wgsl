// Writes a constant of the programs: a value per component, the same for all samples and cells.

@compute @workgroup_size(64)
fn fill(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    if (index >= params.numbers * params.stride) {
        return;
    }
    // terms: scalars of a component.
    arena[at(params.output) + index] = bitcast<f32>(word(index / (params.terms * params.stride)));
}
