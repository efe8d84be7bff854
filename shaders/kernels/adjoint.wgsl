// Walks a segment of intervals backwards: the exact reverse of the steps taken. What the forward kernel saved stands in
// the frames; cotangents that weight gradients need are saved there too.

var<private> status: u32;
var<private> weight: f32;

const NON_FINITE_ADJOINT = 0x02000000u;

fn begin() {
    if (MAKES) {
        prepare_made();
    } else {
        prepare_given();
    }
    status = results[result(0u)];
    weight = multiplicity();
    let seed = sample / params.per_group * SEED;
    for (var q = 0u; q < OBSERVABLES; q = q + 1u) {
        put(ROW_OBSERVABLES + q, seeds[seed + 1u + q] * weight);
    }
    let continued = params.first_interval + params.intervals < params.horizon;
    for (var i = 0u; i < STATES + PARAMETERS; i = i + 1u) {
        put(ROW_COTANGENT + i, select(0.0, bitcast<f32>(results[result(FIRST_COTANGENT + i)]), continued));
    }
}

fn prepare(call: Call) {
    prepare_surroundings(call);
    if (call.program == ENCODING) {
        prepare_given();
        for (var i = 0u; i < STATES; i = i + 1u) {
            put(ROW_PORT + i, fetch(ROW_COTANGENT + i));
        }
        return;
    }
    if (call.program == OBSERVATION) {
        if (SEES_TARGETS) {
            prepare_targets(call.interval);
        }
        for (var i = 0u; i < OUTPUTS; i = i + 1u) {
            put(ROW_PORT + i, residual_cotangent(call.interval, i));
        }
        return;
    }
    let h = step_length(call.interval);
    let b = select(h * number(TABLEAU + STAGES * STAGES + call.stage), 1.0, IS_MAP);
    for (var i = 0u; i < STATES; i = i + 1u) {
        var rate = b * fetch(ROW_COTANGENT + i);
        for (var later = call.stage + 1u; later < STAGES; later = later + 1u) {
            rate = rate + h * number(TABLEAU + later * STAGES + call.stage) * fetch(ROW_STAGES + later * STATES + i);
        }
        put(ROW_PORT + i, rate);
    }
}

fn residual_cotangent(interval: u32, i: u32) -> f32 {
    if ((params.flags & TARGETS) == 0u) {
        return 0.0;
    }
    let bits = data[target_at(interval, i)];
    if (is_nan(bits)) {
        return 0.0;
    }
    let prediction = trail[params.predictions_at + (interval * OUTPUTS + i) * params.stride + tile + lane];
    let inverse = number(NUMBERS + i);
    let seed = 2.0 * seeds[sample / params.per_group * SEED] * weight;
    return seed * ((prediction - bitcast<f32>(bits)) * inverse) * inverse;
}

fn finish(call: Call) {
    let state = table[call.program * PROGRAM_WORDS + 5u];
    let theta = table[call.program * PROGRAM_WORDS + 6u];
    if (call.program == ENCODING) {
        for (var i = 0u; i < GIVEN; i = i + 1u) {
            // What reached parameters that encode made went on through the networks that made them.
            let before = select(fetch(ROW_COTANGENT + STATES + i), 0.0, MAKES);
            put(ROW_COTANGENT + STATES + i, before + fetch(theta + i));
        }
        check(0u);
        return;
    }
    for (var i = 0u; i < PARAMETERS; i = i + 1u) {
        put(ROW_COTANGENT + STATES + i, fetch(ROW_COTANGENT + STATES + i) + fetch(theta + i));
    }
    for (var i = 0u; i < STATES; i = i + 1u) {
        let own = fetch(state + i);
        if (call.program == OBSERVATION) {
            put(ROW_COTANGENT + i, fetch(ROW_COTANGENT + i) + own);
        } else {
            put(ROW_STAGES + call.stage * STATES + i, own);
            if (call.stage == 0u) {
                put(ROW_COTANGENT + i, before_step(i));
            }
        }
    }
    if (call.program == EVOLVE && call.stage == 0u && call.substep == 0u) {
        check(call.interval);
    }
}

// The cotangent of the state before a step, all of whose stages are done.
fn before_step(i: u32) -> f32 {
    var sum = fetch(ROW_COTANGENT + i);
    for (var stage = 0u; stage < STAGES; stage = stage + 1u) {
        sum = sum + fetch(ROW_STAGES + stage * STATES + i);
    }
    return select(sum, fetch(ROW_STAGES + i), IS_MAP);
}

fn check(interval: u32) {
    for (var i = 0u; i < STATES + PARAMETERS; i = i + 1u) {
        if (!finite(fetch(ROW_COTANGENT + i)) && status == 0u) {
            status = NON_FINITE_ADJOINT | interval;
        }
    }
}

fn end() {
    if (live) {
        results[result(0u)] = status;
        for (var i = 0u; i < STATES + PARAMETERS; i = i + 1u) {
            results[result(FIRST_COTANGENT + i)] = bitcast<u32>(fetch(ROW_COTANGENT + i));
        }
    }
}

@compute @workgroup_size(THREADS)
fn adjoint(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    enter(group.x, index);
    let owner = index < SAMPLES;
    if (owner) {
        begin();
    }
    let calls = encodings() + params.intervals * calls_per_interval();
    for (var position = 0u; position < calls; position = position + 1u) {
        let call = call_at(calls - 1u - position);
        if (owner) {
            prepare(call);
        }
        synchronise();
        run(table[call.program * PROGRAM_WORDS + 1u], table[call.program * PROGRAM_WORDS + 2u]);
        if (owner) {
            finish(call);
        }
    }
    if (owner) {
        end();
    }
}
