// C = A B by tiles, to measure what an adapter's arithmetic can do: each workgroup computes 64 x 64 entries, each thread a
// block of 4 x 4 in registers. A is stored column by column, B and C row by row, four numbers to a vector. Sizes are multiples
// of 64.

const TILE = 64u;
const DEPTH = 16u;

@group(0) @binding(0) var<uniform> params: Params;     // samples: rows, stride: columns, chunk: depth
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;

var<workgroup> a_tile: array<vec4<f32>, 256>;          // DEPTH x TILE / 4
var<workgroup> b_tile: array<vec4<f32>, 256>;

@compute @workgroup_size(16, 16)
fn peak_product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let rows = params.samples / 4u;
    let columns = params.stride / 4u;
    let first_row = group.y * (TILE / 4u);
    let first_column = group.x * (TILE / 4u);
    var row0 = vec4<f32>(0.0);
    var row1 = vec4<f32>(0.0);
    var row2 = vec4<f32>(0.0);
    var row3 = vec4<f32>(0.0);
    for (var depth = 0u; depth < params.chunk; depth = depth + DEPTH) {
        // 256 threads load DEPTH rows of 16 vectors each.
        let at = thread / 16u;
        let lane = thread % 16u;
        a_tile[thread] = a[(depth + at) * rows + first_row + lane];
        b_tile[thread] = b[(depth + at) * columns + first_column + lane];
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k = k + 1u) {
            let x = a_tile[k * 16u + local.y];
            let y = b_tile[k * 16u + local.x];
            row0 = fma(vec4<f32>(x.x), y, row0);
            row1 = fma(vec4<f32>(x.y), y, row1);
            row2 = fma(vec4<f32>(x.z), y, row2);
            row3 = fma(vec4<f32>(x.w), y, row3);
        }
        workgroupBarrier();
    }
    let to = (4u * (first_row + local.y)) * columns + first_column + local.x;
    c[to] = row0;
    c[to + columns] = row1;
    c[to + 2u * columns] = row2;
    c[to + 3u * columns] = row3;
}
