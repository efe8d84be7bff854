// A copy of 16 bytes per thread, to measure what an adapter's memory can do.

@group(0) @binding(0) var<uniform> params: Params;     // samples: vectors to copy, stride: threads of a row of workgroups
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4<f32>>;

@compute @workgroup_size(256)
fn peak_copy(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.y * params.stride + id.x;
    if (at < params.samples) {
        copied[at] = source[at];
    }
}
