//! The adapter against the CPU in f64 on random batches: every solver, penalty, activation and network kind, wide layers,
//! what WGSL can say.

use super::{Judge, SCHEDULES, agree};
use crate::common::{Case, model};
use greybox::device::Job;
use greybox::model::Model;

const OSCILLATOR: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(s.v, -theta.k * s.x - theta.c * s.v * abs(s.v) + 0.1 * sin(t));
}";

const TANH: &str = "[net.g]\nkind = \"mlp\"\nhidden = [5, 4]\nactivation = \"tanh\"";

fn toml(method: &str, substeps: usize, penalties: &[&str], net: &str) -> String {
    let penalties: String = penalties.iter().map(|k| format!("[[penalty]]\nkind = \"{k}\"\nweight = 0.3\n")).collect();
    format!(
        "[model]\nphysics = \"test.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         {net}\n[solver]\nmethod = \"{method}\"\ndt = 0.2\nsubsteps = {substeps}\n{penalties}"
    )
}

/// Samples that do not fill a workgroup, of a seed of their own, in both schedules.
fn check(name: &str, model: &Model, samples: usize, steps: usize, seed: u64) {
    let case = Case::random(model, samples, steps, seed, 0.7);
    agree(name, model, &case.job(model));
}

#[test]
fn every_solver() {
    for (seed, method) in ["euler", "midpoint", "heun", "rk4", "rk38", "map"].into_iter().enumerate() {
        for substeps in [1, 2] {
            if method == "map" && substeps > 1 {
                continue;
            }
            let model = model(&toml(method, substeps, &["least_action", "orthogonality"], TANH), OSCILLATOR);
            let case = Case::random(&model, 5 + 7 * seed, 4, seed as u64, 0.7);
            let schedules = if method == "map" { &SCHEDULES } else { &SCHEDULES[substeps - 1..substeps] };
            Judge::new(&model, schedules).agree(&format!("{method} x {substeps}"), &case.job(&model));
        }
    }
}

/// Penalties of the base observables.
const KINDS: [&str; 6] =
    ["least_action", "orthogonality", "balance", "log_least_action", "log_orthogonality", "log_balance"];

/// Penalties are seen by the host's reduction alone: one model serves all.
#[test]
fn every_penalty() {
    let model = model(&toml("heun", 2, &KINDS, TANH), OSCILLATOR);
    let judge = Judge::new(&model, &SCHEDULES);
    let mut case = Case::random(&model, 40, 3, 30, 0.7);
    judge.agree("all penalties", &case.job(&model));
    for (chosen, kind) in KINDS.into_iter().enumerate() {
        let alone = model.objective.reweighted(0.5, |i, _| if i == chosen { 0.7 } else { 0.0 });
        judge.agree(kind, &Job { objective: &alone, ..case.job(&model) });
    }
    // Every value is missing; then nothing is observed: penalties without a loss.
    case.trajectories.targets = Some(vec![f64::NAN; 40 * 3 * 2]);
    judge.agree("nothing but missing values", &case.job(&model));
    case.trajectories.targets = None;
    judge.agree("penalties alone", &case.job(&model));
}

/// Schedules take turns here, and the other way round for gradient networks.
#[test]
fn every_activation_of_perceptrons() {
    for (seed, activation) in ACTIVATIONS.into_iter().enumerate() {
        let net = format!("[net.g]\nkind = \"mlp\"\nhidden = [7, 6]\nactivation = \"{activation}\"");
        let model = model(&toml("rk38", 1, &["least_action"], &net), OSCILLATOR);
        let case = Case::random(&model, 12, 3, 40 + seed as u64, 0.7);
        Judge::new(&model, &SCHEDULES[seed % 2..][..1]).agree(activation, &case.job(&model));
    }
}

#[test]
fn every_activation_of_gradient_networks() {
    let wgsl = format!(
        "{OSCILLATOR}
        fn features(s: State, theta: Theta) -> array<f32, 2> {{ return array<f32, 2>(s.x * theta.k, s.v); }}
        fn rhs(s: State, theta: Theta, t: f32, h: array<f32, 2>) -> State {{
            return State(h[1], -h[0] - theta.c * s.v + 0.1 * sin(t)); }}"
    );
    for (seed, activation) in ACTIVATIONS.into_iter().enumerate() {
        let net = format!("[net.h]\nkind = \"gradient\"\nhidden = [6, 5]\nactivation = \"{activation}\"");
        let model = model(&toml("rk4", 1, &["least_action"], &net), &wgsl);
        let case = Case::random(&model, 12, 3, 50 + seed as u64, 0.7);
        let judge = Judge::new(&model, &SCHEDULES[1 - seed % 2..][..1]);
        judge.agree(&format!("gradient of {activation}"), &case.job(&model));
    }
}

const ACTIVATIONS: [&str; 8] = ["tanh", "relu", "leaky_relu", "elu", "softplus", "sigmoid", "sin", "identity"];

#[test]
fn wide_and_odd_layers() {
    // Heights and depths that are no multiples of four or of the 32 of a block; the first is too wide for one block.
    for (hidden, samples) in [("[33, 17, 1]", 35), ("[]", 6), ("[1]", 3)] {
        let net = format!("[net.g]\nkind = \"mlp\"\nhidden = {hidden}\nactivation = \"softplus\"\nbias = false");
        let model = model(&toml("midpoint", 1, &["orthogonality"], &net), OSCILLATOR);
        check(&format!("hidden {hidden}, no bias"), &model, samples, 3, 60);
    }
    for (kind, hidden) in [("mlp", "[40, 200, 256]"), ("gradient", "[128, 40, 33]")] {
        let net = format!("[net.g]\nkind = \"{kind}\"\nhidden = {hidden}");
        let wgsl = format!(
            "{OSCILLATOR}\nfn features(s: State) -> array<f32, 2> {{ return array<f32, 2>(s.x, s.v); }}\n\
             fn rhs(f: State, g: array<f32, 2>) -> State {{ return State(f.x + 0.1 * g[0], f.v + 0.1 * g[1]); }}"
        );
        let model = model(&toml("heun", 1, &["least_action"], &net), &wgsl);
        check(&format!("hidden {hidden}, {kind}"), &model, 18, 2, 61);
    }
}

/// Functions, structs, vectors, matrices, loops, branches that differ from sample to sample, and values that are not taken.
#[test]
fn what_wgsl_can_say() {
    let wgsl = "
struct State { q: f32, p: f32, r: f32 }
struct Theta { k: f32, c: f32 }
struct Pair { both: vec2f, list: array<f32, 3> }
const SHAPE = mat3x3f(1.0, 0.2, 0.0, -0.3, 0.8, 0.1, 0.0, 0.5, -1.0);
fn turn(angle: f32, by: vec2f) -> vec2f {
    let m = mat2x2f(cos(angle), sin(angle), -sin(angle), cos(angle));
    return m * by;
}
fn root(x: f32) -> f32 { return select(0.0, sqrt(x), x > 0.0); }
fn series(x: f32) -> f32 {
    var sum = 0.0;
    var term = 1.0;
    for (var i = 1; i < 7; i++) {
        if (i == 5) { continue; }
        term *= x / f32(i);
        sum += term;
        if (i > 5) { break; }
    }
    return sum;
}
fn physics(s: State, theta: Theta, t: f32) -> State {
    let v = SHAPE * vec3f(s.q, s.p, s.r);
    var pair = Pair(turn(s.r, v.xy), array<f32, 3>(s.q, s.p, s.r));
    pair.list[1] += 0.1 * length(pair.both) + select(log(-s.q), 0.5 * s.q, s.q > -0.3);
    if (s.p > 0.1) {
        pair.both.x = clamp(exp(s.p) - 1.0, 0.0, 0.9);
    } else if (s.p < -0.2) {
        pair.both = pair.both.yx * pow(abs(s.p) + 0.1, 1.7);
    } else {
        pair.both.y -= atan2(s.q, 1.5 + s.r);
    }
    var most = pair.list[0];
    for (var i = 1u; i < 3u; i++) { most = max(most, pair.list[i]); }
    let sum = dot(v, vec3f(theta.k, theta.c, 0.1)) + root(s.q) + root(s.q - 0.2) * s.p;
    return State(pair.both.x - theta.k * s.q, pair.both.y + tanh(most) - s.p, mix(series(s.r), sum, 0.25) - s.r);
}
fn features(s: State, f: State) -> array<f32, 4> {
    return array<f32, 4>(s.q, smoothstep(-1.0, 1.0, s.p), fract(s.r), stopgrad(f.q));
}
fn rhs(s: State, f: State, g: array<f32, 3>) -> State {
    return State(f.q + g[0], f.p + g[1] * sign(s.q) * g[2], f.r + inverseSqrt(1.0 + g[2] * g[2]) - 1.0);
}";
    let model = model(&toml("rk4", 2, &["balance"], TANH), wgsl);
    check("what WGSL can say", &model, 40, 3, 70);
}

/// Far from 0 and close to it: what adapters' own functions get wrong.
#[test]
fn functions_at_large_and_small_arguments() {
    let wgsl = "
struct State { a: f32, b: f32, c: f32, d: f32 }
struct Theta { k: f32, c: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(sin(100.0 * s.a + 300.0) * theta.k, cos(1000.0 * s.b) * theta.c,
        tanh(40.0 * s.c) + tanh(1e-5 * s.d) * 1e4, exp(-30.0 * abs(s.d)) + log(1e-20 + s.a * s.a) * 0.1);
}
struct Output { a: f32, b: f32, c: f32 }
fn observe(s: State) -> Output {
    return Output(atan2(s.a, -s.b), asin(clamp(s.c, -0.99, 0.99)) + sinh(3.0 * s.d), acosh(1.5 + s.a * s.a) + tan(s.b));
}";
    let net = "[net.g]\nkind = \"mlp\"\nhidden = [6]\nactivation = \"sin\"";
    let model = model(&toml("euler", 1, &["least_action"], net).replace("dt = 0.2", "dt = 0.01"), wgsl);
    let case = Case::random(&model, 33, 2, 71, 0.7);
    // An angle of 700 is known to 3e-5 in f32.
    Judge::new(&model, &SCHEDULES).within(2e-4).agree("large and small arguments", &case.job(&model));
}

/// Names that kernels use themselves, or that WGSL would not take behind a prefix.
#[test]
fn names_of_users_meet_no_names_of_kernels() {
    let wgsl = "
struct State { params: f32, work: f32, größe: f32 }
struct Theta { k: f32, c: f32 }
struct Input { t: f32, v1: f32, w40: f32 }
struct Output { frame: f32, s_0_x: f32 }
fn fetch(weights: f32, batch: f32) -> f32 { return weights - 0.3 * batch; }
fn physics(s: State, theta: Theta, u: Input) -> State {
    let tile = fetch(s.params, u.t);
    let lane = fetch(s.work, u.v1);
    return State(lane * theta.k, tile - s.größe * theta.c, sin(u.w40) - s.größe);
}
fn observe(s: State, u: Input) -> Output { return Output(s.params * s.work, s.größe + u.t); }";
    let net = "[net.map]\nkind = \"mlp\"\nhidden = [3]";
    check("names", &model(&toml("heun", 1, &["least_action"], net), wgsl), 9, 3, 72);
}

/// Many more loop iterations than some drivers allow one thread in one dispatch.
#[test]
fn long_rollouts() {
    let wgsl = OSCILLATOR.replace("+ 0.1 * sin(t)", "- 0.3 * s.v + 0.1 * sin(t)");
    let net = "[net.g]\nkind = \"mlp\"\nhidden = [9, 5]";
    let model = model(&toml("rk4", 2, &["orthogonality"], net).replace("dt = 0.2", "dt = 0.02"), &wgsl);
    let mut case = Case::random(&model, 6, 200, 73, 0.7);
    // Less of the network keeps what is learned from growing without bounds over so many steps.
    case.weights.values.iter_mut().for_each(|w| *w *= 0.3);
    Judge::new(&model, &SCHEDULES).within(1e-4).agree("200 intervals", &case.job(&model));
}
