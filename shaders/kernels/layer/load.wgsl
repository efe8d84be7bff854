// Fetches what the trajectory of each sample starts with: `numbers` numbers, components of every cell.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;

@compute @workgroup_size(64)
fn load(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = linear(group) * 64u + thread;
    let lanes = params.samples * params.cells;
    let each = params.numbers / params.cells;
    if (index >= each * lanes) {
        return;
    }
    let lane = index % lanes;
    let component = index / lanes;
    let trajectory = batch[params.first_sample + lane / params.cells];
    let source = params.data_at + trajectory * params.numbers + component * params.cells + lane % params.cells;
    arena[at(params.output) + component * params.stride * params.cells + lane] = bitcast<f32>(data[source]);
}
