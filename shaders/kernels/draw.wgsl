// The samples of a training step: windows in the epoch's order, each `draws` times, with parameters drawn from their priors.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> priors: array<vec4<f32>>;      // kind, low, high, 0 and mean, deviation, 0, 0
@group(0) @binding(3) var<storage, read> key: vec4<u32>;
@group(0) @binding(4) var<storage, read_write> batch: array<u32>;

const FIXED = 0.0;
const LINEAR = 1.0;
const LOGARITHMIC = 2.0;

fn draw(prior: u32, index: u32) -> f32 {
    let range = priors[2u * prior];
    if (range.x == FIXED) {
        return range.y;
    }
    if (range.x == LINEAR) {
        return range.y + (range.z - range.y) * unit(words(key, index, params.step).x);
    }
    if (range.x == LOGARITHMIC) {
        let low = safe_log(range.y);
        return safe_exp(low + (safe_log(range.z) - low) * unit(words(key, index, params.step).x));
    }
    // Normal, redrawn into the box.
    let shape = priors[2u * prior + 1u];
    for (var attempt = 0u; attempt < 64u; attempt = attempt + 1u) {
        let w = words(key, index, params.step + (attempt << 24u));
        let value = shape.x + shape.y * sqrt(-2.0 * safe_log(1.0 - unit(w.x))) * safe_cos(6.2831855 * unit(w.y));
        if (value >= range.y && value <= range.z) {
            return value;
        }
    }
    return clamp(shape.x, range.y, range.z);
}

@compute @workgroup_size(64)
fn draw_batch(@builtin(global_invocation_id) id: vec3<u32>) {
    let sample = id.x;
    if (sample >= params.samples) {
        return;
    }
    batch[sample] = order[params.order_at + sample / params.draws];
    batch[params.batch_stride + sample] = bitcast<u32>(1.0);
    for (var i = 0u; i < PARAMETERS; i = i + 1u) {
        batch[2u * params.batch_stride + sample * PARAMETERS + i] = bitcast<u32>(draw(i, sample * PARAMETERS + i));
    }
}
