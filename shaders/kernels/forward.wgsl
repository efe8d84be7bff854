// Integrates a segment of intervals: stages, steps, observations, sums of observables. One workgroup per SAMPLES samples.

var<private> squared_error: f32;
var<private> present: f32;
var<private> sums: array<f32, OBSERVABLES>;
var<private> status: u32;

const NON_FINITE_STATE = 0x01000000u;

fn state_slot(k: u32) -> u32 {
    return select(0u, k, (params.flags & KEEP) != 0u);
}

fn begin() {
    if (MAKES && (params.flags & ENCODE) == 0u) {
        prepare_made();
    } else {
        prepare_given();
    }
    if (params.first_interval == 0u) {
        status = 0u;
        if ((params.flags & ENCODE) == 0u) {
            for (var i = 0u; i < STATES; i = i + 1u) {
                put(ROW_STATE + i, bitcast<f32>(data[trajectory() * STATES + i]));
            }
            leave_state(0u);
        }
    } else {
        status = results[result(0u)];
        squared_error = bitcast<f32>(results[result(1u)]);
        present = bitcast<f32>(results[result(2u)]);
        for (var q = 0u; q < OBSERVABLES; q = q + 1u) {
            sums[q] = bitcast<f32>(results[result(FIRST_OBSERVABLE + q)]);
        }
        for (var i = 0u; i < STATES; i = i + 1u) {
            let at = (state_slot(params.first_interval) * STATES + i) * params.stride + tile + lane;
            put(ROW_STATE + i, trail[at]);
        }
    }
}

fn leave_state(k: u32) {
    for (var i = 0u; i < STATES; i = i + 1u) {
        trail[(state_slot(k) * STATES + i) * params.stride + tile + lane] = fetch(ROW_STATE + i);
    }
}

fn prepare(call: Call) {
    prepare_surroundings(call);
    if (call.program == ENCODING) {
        for (var i = 0u; i < WINDOW; i = i + 1u) {
            put(ROW_PORT + i, bitcast<f32>(data[trajectory() * WINDOW + i]));
        }
        return;
    }
    if (SEES_TARGETS && call.program == OBSERVATION) {
        prepare_targets(call.interval);
    }
    let h = step_length(call.interval);
    for (var i = 0u; i < STATES; i = i + 1u) {
        var at = fetch(ROW_STATE + i);
        if (call.program == EVOLVE) {
            for (var j = 0u; j < call.stage; j = j + 1u) {
                at = at + h * number(TABLEAU + call.stage * STAGES + j) * fetch(ROW_RATES + j * STATES + i);
            }
        }
        put(ROW_PORT + i, at);
    }
}

fn finish(call: Call) {
    let output = table[call.program * PROGRAM_WORDS + 3u];
    if (call.program == ENCODING) {
        for (var i = 0u; i < STATES; i = i + 1u) {
            put(ROW_STATE + i, fetch(output + i));
        }
        leave_state(0u);
        if (MAKES) {
            make(table[call.program * PROGRAM_WORDS + 4u]);
        }
        return;
    }
    if (call.program == OBSERVATION) {
        observe(call.interval, output);
        return;
    }
    let observables = table[call.program * PROGRAM_WORDS + 4u];
    for (var q = 0u; q < STAGE_OBSERVABLES; q = q + 1u) {
        sums[q] = sums[q] + fetch(observables + q);
    }
    for (var i = 0u; i < STATES; i = i + 1u) {
        put(ROW_RATES + call.stage * STATES + i, fetch(output + i));
    }
    if (call.stage + 1u == STAGES) {
        advance(step_length(call.interval));
        if (call.substep + 1u == SUBSTEPS) {
            end_interval(call.interval);
        }
    }
}

// From here on programs see the parameters that encode made.
fn make(output: u32) {
    for (var i = 0u; i < PARAMETERS; i = i + 1u) {
        let value = fetch(output + i);
        put(ROW_THETA + i, value);
        if (live) {
            results[made(i)] = bitcast<u32>(value);
        }
    }
}

fn advance(h: f32) {
    for (var i = 0u; i < STATES; i = i + 1u) {
        var next = fetch(ROW_STATE + i);
        for (var j = 0u; j < STAGES; j = j + 1u) {
            next = next + h * number(TABLEAU + STAGES * STAGES + j) * fetch(ROW_RATES + j * STATES + i);
        }
        put(ROW_STATE + i, select(next, fetch(ROW_RATES + i), IS_MAP));
    }
}

fn end_interval(interval: u32) {
    for (var i = 0u; i < STATES; i = i + 1u) {
        if (!finite(fetch(ROW_STATE + i)) && status == 0u) {
            status = NON_FINITE_STATE | interval;
        }
    }
    leave_state(interval + 1u);
}

fn observe(interval: u32, output: u32) {
    for (var i = 0u; i < OUTPUTS; i = i + 1u) {
        let prediction = fetch(output + i);
        if ((params.flags & KEEP) != 0u) {
            trail[params.predictions_at + (interval * OUTPUTS + i) * params.stride + tile + lane] = prediction;
        }
        if ((params.flags & TARGETS) != 0u) {
            let bits = data[target_at(interval, i)];
            if (!is_nan(bits)) {
                let residual = (prediction - bitcast<f32>(bits)) * number(NUMBERS + i);
                squared_error = squared_error + residual * residual;
                present = present + 1.0;
            }
        }
    }
    let observables = table[OBSERVATION * PROGRAM_WORDS + 4u];
    for (var q = STAGE_OBSERVABLES; q < OBSERVABLES; q = q + 1u) {
        sums[q] = sums[q] + fetch(observables + q - STAGE_OBSERVABLES);
    }
}

fn end() {
    if (live && (params.flags & REPLAY) == 0u) {
        results[result(0u)] = status;
        results[result(1u)] = bitcast<u32>(squared_error);
        results[result(2u)] = bitcast<u32>(present);
        for (var q = 0u; q < OBSERVABLES; q = q + 1u) {
            results[result(FIRST_OBSERVABLE + q)] = bitcast<u32>(sums[q]);
        }
    }
}

@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    enter(group.x, index);
    // One thread of each lane keeps its sample; in the lane schedule that is every thread.
    let owner = index < SAMPLES;
    if (owner) {
        begin();
    }
    let calls = encodings() + params.intervals * calls_per_interval();
    for (var position = 0u; position < calls; position = position + 1u) {
        let call = call_at(position);
        if (owner) {
            prepare(call);
        }
        synchronise();
        run(table[call.program * PROGRAM_WORDS], table[call.program * PROGRAM_WORDS + 1u]);
        if (owner) {
            finish(call);
        }
    }
    if (owner) {
        end();
    }
}
