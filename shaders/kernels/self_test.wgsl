// What an adapter makes of arithmetic: builtins beside the functions of the library, operators, and numbers that are not
// finite. A row of `arguments` belongs to each case of `evaluate`: first arguments, then in the other half second ones.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> arguments: array<f32>;
@group(0) @binding(2) var<storage, read_write> found: array<f32>;

fn evaluate(which: u32, x: f32, y: f32) -> f32 {
    switch which {
        case 0u: { return sin(x); }
        case 1u: { return cos(x); }
        case 2u: { return exp(x); }
        case 3u: { return log(x); }
        case 4u: { return tanh(x); }
        case 5u: { return safe_sin(x); }
        case 6u: { return safe_cos(x); }
        case 7u: { return safe_exp(x); }
        case 8u: { return safe_log(x); }
        case 9u: { return safe_tanh(x); }
        case 10u: { return x / y; }
        case 11u: { return sqrt(x); }
        case 12u: { return inverseSqrt(x); }
        case 13u: { return fma(x, x, y); }
        case 14u: { return x * y; }
        case 15u: { return select(0.0, 1.0, finite(x)); }
        default: { return 0.0; }
    }
}

@compute @workgroup_size(64)
fn self_test(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.samples) {
        found[id.x] = evaluate(id.x / params.stride, arguments[id.x], arguments[params.samples + id.x]);
    }
}
