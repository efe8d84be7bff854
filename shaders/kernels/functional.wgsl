// The objective of one batch: sums over its samples in a fixed order, means, loss and penalties, and the seeds of the
// reverse pass. Reduce first, transform after.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> penalties: array<vec4<f32>>;   // base, logarithm, weight
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read> results: array<u32>;
@group(0) @binding(4) var<storage, read_write> seeds: array<f32>;
@group(0) @binding(5) var<storage, read_write> reports: array<f32>;
@group(0) @binding(6) var<storage, read_write> halted: array<u32>;

const LEAST_ACTION = 0.0;
const ORTHOGONALITY = 1.0;
const FLOOR = 1e-30;
const SUMS = 7u;            // failures, squared error, present, three observables, samples

var<workgroup> sums: array<f32, 1792>;      // [SUMS, 256]

@compute @workgroup_size(256)
fn functional(@builtin(local_invocation_index) thread: u32) {
    var own: array<f32, 7>;
    for (var sample = thread; sample < params.samples; sample = sample + 256u) {
        let times = bitcast<f32>(batch[params.batch_stride + sample]);
        own[0] = own[0] + select(0.0, 1.0, results[sample] != 0u);
        for (var i = 1u; i < 6u; i = i + 1u) {
            own[i] = own[i] + times * bitcast<f32>(results[i * params.batch_stride + sample]);
        }
        own[6] = own[6] + times;
    }
    for (var i = 0u; i < SUMS; i = i + 1u) {
        sums[i * 256u + thread] = own[i];
    }
    workgroupBarrier();
    for (var half = 128u; half > 0u; half = half / 2u) {
        if (thread < half) {
            for (var i = 0u; i < SUMS; i = i + 1u) {
                let at = i * 256u + thread;
                sums[at] = sums[at] + sums[at + half];
            }
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        transform();
    }
}

fn total(slot: u32) -> f32 {
    return sums[slot * 256u];
}

fn transform() {
    let present = total(2u);
    let count = total(6u) * f32(params.horizon * SUBSTEPS * STAGES);
    let gg = total(3u) / count;
    let fg = total(4u) / count;
    let ff = total(5u) / count;
    var loss = 0.0;
    var seed = vec4<f32>(0.0);      // of one squared residual, of each observable
    if (present > 0.0) {
        loss = total(1u) / present;
        seed.x = params.loss_weight / present;
    }
    var objective = params.loss_weight * loss;
    let report = params.report * (3u + params.penalties);
    let running = halted[0] == 0u;
    for (var i = 0u; i < params.penalties; i = i + 1u) {
        let penalty = penalties[i];
        var value = gg;
        var slope = vec3<f32>(1.0, 0.0, 0.0);
        if (penalty.x == ORTHOGONALITY) {
            value = abs(fg);
            slope = vec3<f32>(0.0, sign(fg), 0.0);
        } else if (penalty.x != LEAST_ACTION) {
            value = abs(ff - gg);
            slope = vec3<f32>(-sign(ff - gg), 0.0, sign(ff - gg));
        }
        if (penalty.y != 0.0) {
            slope = select(vec3<f32>(0.0), slope / value, value > FLOOR);
            value = safe_log(select(value, FLOOR, value < FLOOR));
        }
        if (penalty.z != 0.0) {
            objective = objective + penalty.z * value;
            seed = seed + vec4<f32>(0.0, slope) * (penalty.z / count);
        }
        if (running) {
            reports[report + 3u + i] = value;
        }
    }
    seeds[0] = seed.x;
    seeds[1] = seed.y;
    seeds[2] = seed.z;
    seeds[3] = seed.w;
    if (running) {
        reports[report] = loss;
        reports[report + 1u] = objective;
        if (total(0u) > 0.0 || !finite(objective)) {
            halted[1] = params.report;
            halted[0] = 1u;
        }
    }
}
