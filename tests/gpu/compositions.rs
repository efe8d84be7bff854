//! The adapter against the CPU in f64: ways of composing a model, of starting, of giving inputs and times, of counting
//! samples; and models that lack something.

use super::{BOTH, Judge, SCHEDULES, agree, open};
use crate::common::{COMPOSED, Case, model};
use greybox::device::{Device, Job, Start};
use greybox::model::Model;
use greybox::program::Weights;

/// What the composed model starts from, given an observation.
const INITIAL: &str = "
fn initial(y: Output, theta: Theta) -> State { return State(y.x / theta.c, theta.k * y.power - sqrt(1.0 + y.x * y.x)); }";

/// Two networks in rhs, one of them without biases, and one in observe.
fn composed(inputs: &str, method: &str) -> Model {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\ninputs = \"{inputs}\"\n\
         [theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         [net.a]\nkind = \"mlp\"\nhidden = [3]\n[net.b]\nkind = \"mlp\"\nhidden = [4]\nbias = false\n\
         [net.see]\nkind = \"mlp\"\nhidden = [3]\nactivation = \"softplus\"\n\
         [solver]\nmethod = \"{method}\"\ndt = 0.2\nsubsteps = 2\n\
         [[penalty]]\nkind = \"balance\"\nweight = 0.3\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.3\n"
    );
    model(&toml, &format!("{COMPOSED}{INITIAL}"))
}

#[test]
fn networks_inputs_and_times() {
    for inputs in ["linear", "hold"] {
        let model = composed(inputs, "rk4");
        let judge = Judge::new(&model, &SCHEDULES);
        let mut case = Case::random(&model, 10, 4, 1, 0.6);
        judge.agree(&format!("composed, {inputs}"), &case.job(&model));
        case.trajectories.times = Some(vec![0.0, 0.1, 0.35, 0.4, 0.9]);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        judge.agree(&format!("composed, {inputs}, given times and scales"), &case.job(&model));
        case.trajectories.t0 = Vec::new();
        judge.agree(&format!("composed, {inputs}, all from one time"), &case.job(&model));
    }
}

#[test]
fn starts_from_observations() {
    for (method, count) in [("heun", 7), ("rk38", 33)] {
        let model = composed("linear", method);
        let mut case = Case::random(&model, count, 3, 2, 0.6);
        let first = Case::random(&model, count, 1, 3, 0.6).trajectories.targets.unwrap();
        case.trajectories.start =
            Start::Observations(first.iter().map(|y| if y.is_nan() { 0.25 } else { *y }).collect());
        agree(&format!("from observations, {method}"), &model, &case.job(&model));
    }
    // Without fn initial the state is read off the observation by name.
    let wgsl = "
struct State { x: f32, v: f32 }
struct Output { v: f32, energy: f32, x: f32 }
fn physics(s: State) -> State { return State(s.v, -sin(s.x)); }
fn observe(s: State) -> Output { return Output(s.v, s.x * s.x + s.v * s.v, s.x); }";
    let toml =
        "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [5]\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n";
    let model = model(toml, wgsl);
    let mut case = Case::random(&model, 5, 4, 4, 0.6);
    case.trajectories.start = Start::Observations((0..15).map(|i| 0.1 * i as f64 - 0.7).collect());
    agree("from observations by name", &model, &case.job(&model));
}

/// Samples pick trajectories in any order and several times; groups end inside of workgroups.
#[test]
fn samples_groups_and_multiplicity() {
    let model = composed("linear", "rk4");
    let case = Case::random(&model, 11, 3, 5, 0.6);
    let samples = 36;
    let rows: Vec<u32> = (0..samples as u32).map(|i| (7 * i + 3) % 11).collect();
    let theta = Case::random(&model, samples, 1, 6, 0.6).theta;
    let counts: Vec<f64> = (0..samples).map(|i| [1.0, 0.0, 3.0, 0.5][i % 4]).collect();
    let judge = Judge::new(&model, &SCHEDULES);
    for groups in [1, 3, 36] {
        let job = Job { rows: &rows, theta: &theta, groups, ..case.job(&model) };
        judge.agree(&format!("{groups} groups"), &job);
        if groups < 36 {
            let counted = Job { multiplicity: Some(&counts), ..job };
            judge.agree(&format!("{groups} groups, counted"), &counted);
        }
    }
}

/// One member of a population that is not the first; for several at once see `populations`.
#[test]
fn members() {
    let model = composed("hold", "midpoint");
    let case = Case::random(&model, 6, 3, 7, 0.6);
    let other: Vec<f64> = case.weights.values.iter().map(|w| 0.3 - w).collect();
    let pair = Weights { members: 2, values: [case.weights.values.clone(), other.clone()].concat() };
    let second = Weights { members: 1, values: other };
    for schedule in SCHEDULES {
        let gpu = open(&model, schedule);
        let job = Job { groups: 2, members: &[1, 1], weights: &pair, ..case.job(&model) };
        let found = gpu.gradient(&job, BOTH).unwrap();
        let alone = gpu.gradient(&Job { groups: 2, weights: &second, ..case.job(&model) }, BOTH).unwrap();
        let each = model.weights.per_member();
        assert!(found.weights[..each].iter().all(|g| *g == 0.0), "the first member took no part");
        assert_eq!(found.weights[each..], alone.weights);
        assert_eq!((found.theta, found.evaluation), (alone.theta, alone.evaluation));
    }
}

#[test]
fn only_what_is_wanted_comes_back() {
    let model = composed("linear", "euler");
    let case = Case::random(&model, 5, 3, 8, 0.6);
    for schedule in SCHEDULES {
        let gpu = open(&model, schedule);
        let all = gpu.gradient(&case.job(&model), BOTH).unwrap();
        for (weights, inputs) in [(true, false), (false, true), (false, false)] {
            let part = gpu.gradient(&case.job(&model), greybox::device::Wanted { weights, inputs }).unwrap();
            assert_eq!(part.evaluation, all.evaluation);
            assert_eq!(part.weights, if weights { all.weights.clone() } else { Vec::new() });
            assert_eq!(part.theta, if inputs { all.theta.clone() } else { Vec::new() });
            assert_eq!(part.start, if inputs { all.start.clone() } else { Vec::new() });
        }
    }
}

/// Without a network, without parameters, without both; with a network that only observes; a state of one.
#[test]
fn models_that_lack_something() {
    let solver = "[solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"least_action\"\n";
    let theta = "[theta.k]\nbounds = [0.5, 2.0]\n";
    let net = "[net.g]\nkind = \"mlp\"\nhidden = [4]\n";
    let with = "struct State { x: f32, v: f32 }\nstruct Theta { k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }";
    let without = "struct State { x: f32 }\nfn physics(s: State, t: f32) -> State { return State(cos(t) - s.x); }";
    let seen = format!(
        "{without}\nstruct Output {{ y: f32 }}\nfn features(s: State) -> array<f32, 1> {{ return array<f32, 1>(s.x); }}\n\
         fn observe(s: State, g: array<f32, 1>) -> Output {{ return Output(s.x + g[0]); }}"
    );
    let constant = "struct State { x: f32, y: f32 }\nfn physics(s: State) -> State { return State(0.0, 1.0); }\n\
                    struct Output { a: f32, b: f32, c: f32 }\nfn observe(s: State) -> Output { return Output(2.0, s.y, 0.0); }";
    for (name, toml, wgsl) in [
        ("without a network", format!("{theta}{solver}"), with),
        ("without parameters", format!("{net}{solver}"), without),
        ("without both", solver.to_string(), without),
        ("a network that observes", format!("{net}{solver}"), &seen),
        ("constants", solver.to_string(), constant),
    ] {
        let model = model(&format!("[model]\nphysics = \"t.wgsl\"\n{toml}"), wgsl);
        let case = Case::random(&model, 5, 3, 9, 0.6);
        agree(name, &model, &case.job(&model));
    }
}
