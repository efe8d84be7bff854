// Algae and the rotifers that feed on them in a chemostat: Lotka and Volterra's equations, plus what a network adds to both.
struct State { algae: f32, rotifers: f32 }
struct Theta { birth: f32, death: f32, predation: f32, growth: f32 }

// What an encoder makes of the days before: the state alone does not say how a culture will go on.
struct Latent { past: array<f32, 16> }

const DAYS = 10.0; // length of a window

// Both the equations and the network see states inside of what can be.
fn inside(s: State) -> State {
    return State(clamp(s.algae, 0.0, 20.0), clamp(s.rotifers, 0.0, 20.0));
}

fn physics(s: State, theta: Theta) -> State {
    let c = inside(s);
    return State(
        c.algae * (theta.birth - theta.predation * c.rotifers),
        c.rotifers * (theta.growth * c.algae - theta.death),
    );
}

// Time as four waves and their phases, the state, what the encoder found, θ, and the value of the equations.
fn features_correction(s: State, f: State, theta: Theta, found: Latent, t: f32) -> array<f32, 32> {
    var seen: array<f32, 32>;
    for (var i = 0; i < 4; i++) {
        let phase = 2.0 * 3.14159265 * f32(i + 1) * t / DAYS;
        seen[2 * i] = sin(phase);
        seen[2 * i + 1] = cos(phase);
    }
    let c = inside(s);
    seen[8] = c.algae;
    seen[9] = c.rotifers;
    for (var i = 0; i < 16; i++) {
        seen[10 + i] = found.past[i];
    }
    seen[26] = theta.birth;
    seen[27] = theta.death;
    seen[28] = theta.predation;
    seen[29] = theta.growth;
    seen[30] = f.algae;
    seen[31] = f.rotifers;
    return seen;
}

fn rhs(f: State, correction: array<f32, 2>) -> State {
    return State(f.algae + correction[0], f.rotifers + correction[1]);
}
