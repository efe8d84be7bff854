// Runs the steps of a program. What a step is stands in the table, so the code does not grow with layers.

const MAP = 0u;
const EACH = 1u;
const AFFINE = 2u;
const COPY = 3u;
const FILL = 4u;
const STEP_WORDS = 8u;
const IN_FRAME = 0x80000000u;

struct Step {
    kind: u32,
    detail: u32,        // map or function; bias + 1 of a product
    output: u32,        // work row
    saved: u32,         // frame row + 1, or 0
    rows: u32,
    x: u32,             // places of the arguments
    y: u32,             // depth of a product
    z: u32,             // matrix of a product
}

fn step_at(index: u32) -> Step {
    let at = index * STEP_WORDS + HEADER;
    return Step(table[at], table[at + 1u], table[at + 2u], table[at + 3u], table[at + 4u], table[at + 5u],
        table[at + 6u], table[at + 7u]);
}

// A row of an argument: in the workgroup's memory or in the frame.
fn load(place: u32, row: u32) -> f32 {
    if ((place & IN_FRAME) != 0u) {
        return framed((place & 0x7fffffffu) + row);
    }
    return fetch(place + row);
}

// Four rows of an argument that begins with a quad.
fn load_quad(place: u32, quad: u32) -> vec4<f32> {
    if ((place & IN_FRAME) != 0u) {
        return frame[framed_at((place & 0x7fffffffu) / 4u + quad) + lane];
    }
    return work[(place / 4u + quad) * SAMPLES + lane];
}

// Frame rows are given as row + 1, the first of a quad; 0 means that nothing is saved.
fn saves(step: Step) -> bool {
    return step.saved != 0u && (params.flags & SAVE) != 0u;
}

fn run(first: u32, last: u32) {
    for (var index = first; index < last; index = index + 1u) {
        let step = step_at(index);
        switch step.kind {
            case MAP: {
                if (thread < SAMPLES) {
                    map(step.detail);
                    if (saves(step)) {
                        for (var quad = 0u; quad < (step.rows + 3u) / 4u; quad = quad + 1u) {
                            frame[framed_at(step.saved / 4u + quad) + lane] = load_quad(step.output, quad);
                        }
                    }
                }
            }
            case AFFINE: {
                affine(step);
            }
            default: {
                quads(step);
            }
        }
        synchronise();
    }
}

// Steps in which threads share the quads of their lane.
fn quads(step: Step) {
    let begin = step.output / 4u;
    let end = (step.output + step.rows + 3u) / 4u;
    for (var quad = begin + thread / SAMPLES; quad < end; quad = quad + THREADS / SAMPLES) {
        let own = quad - begin;
        var value: vec4<f32>;
        if (step.kind == EACH) {
            value = each_of_four(step, own);
        } else if (step.kind == FILL) {
            let at = step.x + 4u * own;
            value = vec4<f32>(number(at), number(at + 1u), number(at + 2u), number(at + 3u));
        } else if (((step.x | step.output) & 3u) == 0u) {
            value = load_quad(step.x, own);
        } else {
            value = gathered(step, quad);
        }
        work[quad * SAMPLES + lane] = value;
        if (saves(step)) {
            frame[framed_at(step.saved / 4u + own) + lane] = value;
        }
    }
}

// Vectors turn once for every row, so that the function stands here once and no component is addressed.
fn each_of_four(step: Step, quad: u32) -> vec4<f32> {
    var a = load_quad(step.x, quad);
    var b = load_quad(step.y, quad);
    var c = load_quad(step.z, quad);
    var value: vec4<f32>;
    for (var row = 0u; row < 4u; row = row + 1u) {
        value = vec4<f32>(value.yzw, each(step.detail, a.x, b.x, c.x));
        a = a.yzwx;
        b = b.yzwx;
        c = c.yzwx;
    }
    return value;
}

// A quad of a copy that begins within one: rows of others stay.
fn gathered(step: Step, quad: u32) -> vec4<f32> {
    var value = work[quad * SAMPLES + lane];
    for (var i = 0u; i < 4u; i = i + 1u) {
        let row = 4u * quad + i - step.output;
        var entry = value.x;
        if (row < step.rows) {
            entry = load(step.x, row);
        }
        value = vec4<f32>(value.yzw, entry);
    }
    return value;
}
