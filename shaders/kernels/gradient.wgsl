// Adds up the partial sums of every weight gradient of every member in their order, cuts each component to the clip value,
// and leaves the squared norm of every workgroup's part.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> norms: array<f32>;

var<workgroup> squares: array<f32, 256>;

@compute @workgroup_size(256)
fn reduce_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group.x * 256u + thread;
    let member = group.z;
    var sum = 0.0;
    if (index < params.weights) {
        for (var part = 0u; part < params.partitions; part = part + 1u) {
            sum = sum + partials[(member * params.partitions + part) * params.weights + index];
        }
        // NaN must not turn into the clip value.
        if (params.clip_value > 0.0 && !is_nan(bitcast<u32>(sum))) {
            sum = clamp(sum, -params.clip_value, params.clip_value);
        }
        gradient[member * params.weights + index] = sum;
    }
    squares[thread] = sum * sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half = half / 2u) {
        if (thread < half) {
            squares[thread] = squares[thread] + squares[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        norms[member * ((params.weights + 255u) / 256u) + group.x] = squares[0];
    }
}
