// Adds the squared residuals of an observation to the sums of every sample, a workgroup each, in an order that depends on
// the shape of the observation alone.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

var<workgroup> parts: array<vec2<f32>, 64>;     // squared error, present entries

@compute @workgroup_size(64)
fn residuals(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = min(linear(group), params.samples - 1u);
    let sample = params.first_sample + lane;
    let cells = params.cells;
    let first = params.targets_at + (batch[sample] * params.horizon + params.interval) * params.numbers;
    let prediction = at(params.places[0].x);
    var own = vec2<f32>(0.0);
    for (var i = thread; i < params.numbers; i = i + 64u) {
        let bits = data[first + i];
        if (!is_nan(bits)) {
            let value = arena[prediction + (i / cells * params.stride + lane) * cells + i % cells];
            let residual = (value - bitcast<f32>(bits)) * bitcast<f32>(data[params.scales_at + i / cells]);
            own = own + vec2<f32>(residual * residual, 1.0);
        }
    }
    parts[thread] = own;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half / 2u) {
        if (thread < half) {
            parts[thread] = parts[thread] + parts[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u && linear(group) < params.samples) {
        let error = params.batch_stride + sample;
        let present = error + params.batch_stride;
        results[error] = bitcast<u32>(bitcast<f32>(results[error]) + parts[0].x);
        results[present] = bitcast<u32>(bitcast<f32>(results[present]) + parts[0].y);
    }
}
