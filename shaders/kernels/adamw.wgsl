// One step of AdamW (Loshchilov and Hutter, ICLR 2019, algorithm 2) after the clip by global norm; writes the weights, and
// the two packed forms that products read.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read> places: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> moments: array<f32>;     // weights, first, second moments, one after the other
@group(0) @binding(5) var<storage, read_write> packed_weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> reports: array<f32>;
@group(0) @binding(7) var<storage, read_write> halted: array<u32>;

const NOWHERE = 0xffffffffu;

var<workgroup> norm: f32;

@compute @workgroup_size(256)
fn adamw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if (thread == 0u) {
        var sum = 0.0;
        for (var i = 0u; i < (params.weights + 255u) / 256u; i = i + 1u) {
            sum = sum + norms[i];
        }
        norm = sqrt(sum);
    }
    workgroupBarrier();
    let stopped = halted[0] != 0u || !finite(norm);
    if (group.x == 0u && thread == 0u && halted[0] == 0u) {
        reports[params.report * (3u + params.penalties) + 2u] = norm;
        if (!finite(norm)) {
            halted[1] = params.report;
            halted[0] = 1u;
        }
    }
    let index = group.x * 256u + thread;
    if (stopped || index >= params.weights) {
        return;
    }
    var g = gradient[index];
    if (params.clip_norm > 0.0 && norm > params.clip_norm) {
        g = g * (params.clip_norm / norm);
    }
    let n = params.weights;
    let first = params.beta1 * moments[n + index] + (1.0 - params.beta1) * g;
    let second = params.beta2 * moments[2u * n + index] + (1.0 - params.beta2) * g * g;
    let direction = (first / params.correction1) / (sqrt(second / params.correction2) + params.epsilon);
    let old = moments[index];
    let next = old - params.rate * (direction + params.decay * old);
    moments[index] = next;
    moments[n + index] = first;
    moments[2u * n + index] = second;
    packed_weights[places[index].x] = next;
    if (places[index].y != NOWHERE) {
        packed_weights[places[index].y] = next;
    }
}
