// Adds the squared residuals of an observation to the sums of every sample, a workgroup each, in an order that depends on
// the shape of the observation alone.

@group(0) @binding(4) var<storage, read> data: array<u32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

var<workgroup> errors: array<f32, 64>;
var<workgroup> counts: array<u32, 64>;          // present entries; whole numbers, as fields have more than f32 can count

@compute @workgroup_size(64)
fn residuals(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = min(linear(group), params.samples - 1u);
    let sample = params.first_sample + lane;
    let cells = params.cells;
    let first = params.targets_at + (batch[sample] * params.horizon + params.interval) * params.numbers;
    let prediction = at(params.places[0].x);
    var error = 0.0;
    var count = 0u;
    for (var i = thread; i < params.numbers; i = i + 64u) {
        let bits = data[first + i];
        if (!is_nan(bits)) {
            let value = arena[prediction + (i / cells * params.stride + lane) * cells + i % cells];
            let residual = (value - bitcast<f32>(bits)) * bitcast<f32>(data[params.scales_at + i / cells]);
            error = error + residual * residual;
            count = count + 1u;
        }
    }
    errors[thread] = error;
    counts[thread] = count;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half / 2u) {
        if (thread < half) {
            errors[thread] = errors[thread] + errors[thread + half];
            counts[thread] = counts[thread] + counts[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u && linear(group) < params.samples) {
        let slot = params.batch_stride + sample;
        results[slot] = bitcast<u32>(bitcast<f32>(results[slot]) + errors[0]);
        results[slot + params.batch_stride] = results[slot + params.batch_stride] + counts[0];
    }
}
