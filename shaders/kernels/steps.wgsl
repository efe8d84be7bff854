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

fn keep(output: u32, saved: u32, value: f32) {
    put(output, value);
    save(saved, value);
}

fn run(first: u32, last: u32) {
    for (var index = first; index < last; index = index + 1u) {
        let step = step_at(index);
        switch step.kind {
            case MAP: {
                if (thread < SAMPLES) {
                    map(step.detail);
                    if (step.saved != 0u) {
                        for (var row = 0u; row < step.rows; row = row + 1u) {
                            save(step.saved + row, fetch(step.output + row));
                        }
                    }
                }
            }
            case AFFINE: {
                affine(step);
            }
            default: {
                // Threads share the rows of their lane.
                for (var row = thread / SAMPLES; row < step.rows; row = row + THREADS / SAMPLES) {
                    var value = 0.0;
                    if (step.kind == EACH) {
                        value = each(step.detail, load(step.x, row), load(step.y, row), load(step.z, row));
                    } else if (step.kind == COPY) {
                        value = load(step.x, row);
                    } else {
                        value = number(step.x + row);
                    }
                    put(step.output + row, value);
                    if (step.saved != 0u) {
                        save(step.saved + row, value);
                    }
                }
            }
        }
        synchronise();
    }
}
