//! Observables of every kind, reduced rollouts and encoders on adapters: all penalties but those of pairs, which only the
//! CPU has; parameters that networks make of the observed window; models without time.

use super::{ALL, BUDGET, Judge, compute, open, open_within};
use crate::common::grids::{COMPOSED as CELLS, NETS, small, toml as on_grid};
use crate::common::{Case, WITHOUT_TIME, model};
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Job, Start};
use greybox::model::{Model, kinds};
use greybox::program::Weights;

const OSCILLATOR: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32 }
struct Output { y: f32, z: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(s.v, -theta.k * s.x - theta.c * s.v * abs(s.v) + 0.1 * sin(t));
}
fn features(s: State, theta: Theta, f: State) -> array<f32, 4> {
    return array<f32, 4>(s.x, f.v, stopgrad(f.x), theta.k);
}
fn rhs(s: State, theta: Theta, t: f32, f: State, g: array<f32, 2>) -> State {
    let again = physics(State(s.x + 0.1, s.v), theta, t);
    return State(f.x + g[0], 0.5 * again.v + 0.3 * f.v * f.v + g[1]);
}
fn observe(s: State, theta: Theta) -> Output { return Output(theta.c * s.x, s.x + s.v); }
fn initial(y: Output, theta: Theta) -> State { return State(y.y / theta.c, y.z - theta.k * y.y); }";

/// Penalties of stages, of observations at the path and at the data, of reduced rollouts.
const SETTINGS: [&str; 8] = [
    "kind = \"least_action\"\nat = \"data\"",
    "kind = \"log_least_action\"",
    "kind = \"relative_action\"\nat = \"data\"",
    "kind = \"relative_action\"",
    "kind = \"physics_alone\"",
    "kind = \"log_reduced_distance\"\nfrom = \"both\"",
    "kind = \"sensitivity\"\nlevel = 3.0",
    "kind = \"prior\"\ntheta = \"k\"\nmean = 0.3\ndeviation = 0.7",
];

fn tables(penalties: &[&str]) -> String {
    let table = |(i, p): (usize, &&str)| format!("[[penalty]]\nweight = 0.3\nname = \"p{i}\"\n{p}\n");
    penalties.iter().enumerate().map(table).collect()
}

fn oscillator(penalties: &[&str], substeps: usize) -> Model {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         [net.g]\nkind = \"mlp\"\nhidden = [5, 4]\n[solver]\nmethod = \"heun\"\ndt = 0.1\nsubsteps = {substeps}\n{}",
        tables(penalties)
    );
    model(&toml, OSCILLATOR)
}

fn scaled(model: &Model, samples: usize, seed: u64) -> Case {
    let mut case = Case::random(model, samples, 3, seed, 0.6);
    case.trajectories.residual_scale = Some(vec![0.5, 2.0]);
    case
}

/// All but those of pairs, which are refused.
#[test]
fn every_kind_of_penalty() {
    let model = oscillator(&SETTINGS, 2);
    let observables = &model.objective.observables;
    assert_eq!((observables.stages.len(), observables.observations.len()), (6, 6), "as many as a model may have");
    let judge = Judge::new(&model, &ALL);
    let mut case = scaled(&model, 37, 1);
    judge.agree("all together", &case.job(&model));
    for (chosen, penalty) in SETTINGS.into_iter().enumerate() {
        let alone = model.objective.reweighted(0.5, |i, _| if i == chosen { 0.7 } else { 0.0 });
        judge.agree(penalty, &Job { objective: &alone, ..case.job(&model) });
    }
    // Several members, groups with factors of their own.
    let own = &case.weights.values;
    let weights = Weights { members: 2, values: own.iter().copied().chain(own.iter().map(|w| -0.6 * w)).collect() };
    let (rows, members) = (&case.rows[..35], [1, 0, 0, 1, 1]);
    let job = Job { rows, theta: &case.theta[..70], groups: 5, members: &members, ..case.job(&model) };
    judge.agree("two members", &Job { weights: &weights, penalty_scale: &[1.0, 0.5, 2.0, 0.0, 1.0], ..job });
    // Without a single value, and without observations: what reads none of them stays.
    let one = model.objective.reweighted(0.0, |i, _| if i == 5 { 1.0 } else { 0.0 });
    case.trajectories.targets = Some(vec![f64::NAN; 37 * 3 * 2]);
    judge.agree("nothing but missing values", &Job { objective: &one, ..case.job(&model) });
    case.trajectories.targets = None;
    judge.agree("no observations", &Job { objective: &one, ..case.job(&model) });
}

#[test]
fn penalties_of_pairs_are_refused() {
    let with_settings =
        |kind: &str| format!("kind = \"{kind}\"\n{}", if kind == "prior" { "theta = \"k\"\n" } else { "" });
    for kind in kinds() {
        let model = oscillator(&[&with_settings(&kind)], 1);
        let opened = Gpu::open("vulkan", &model, None, BUDGET);
        if !model.objective.needs_points() {
            assert!(opened.is_ok(), "{kind}");
            continue;
        }
        let error = opened.err().unwrap_or_else(|| panic!("{kind} runs")).to_string();
        assert!(error.contains("pairs of points") && error.contains("help: use --device cpu"), "{kind}: {error}");
    }
}

#[test]
fn observations_of_fields() {
    let penalties = [SETTINGS[1], SETTINGS[3], SETTINGS[4], SETTINGS[5], "kind = \"least_action\"\nat = \"data\""];
    let wgsl = format!(
        "{CELLS}\nfn initial(y: Output, theta: Theta, u: Input) -> State {{\n    \
         return State(y.sum - theta.a * y.slope, 0.5 * y.slope + u.wind * y.learned * theta.b);\n}}"
    );
    for size in ["[4, 3]", "[7]"] {
        let text = on_grid(size, "replicate", "heun", 0.01, NETS) + &tables(&penalties);
        let model = model(&text, &wgsl);
        let mut case = small(&model, 3, 2, 92);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        let judge = Judge::new(&model, &[Schedule::Layer]);
        judge.agree(&format!("fields on {size}"), &case.job(&model));
        case.trajectories.targets = None;
        judge.agree("fields without observations", &case.job(&model));
    }
}

/// θ, latents and a correction of the initial state from a window of three frames, with a penalty that reads observations.
pub fn encoders() -> Model {
    let wgsl = "
        struct State { x: f32, v: f32 }
        struct Theta { k: f32, c: f32, known: f32 }
        struct Input { force: f32 }
        struct Latent { z: vec2f, w: f32 }
        fn physics(s: State, theta: Theta, u: Input) -> State {
            return State(s.v, -theta.k * clamp(s.x, -0.4, 0.4) - theta.c * s.v + u.force * theta.known);
        }
        fn features_g(s: State, l: Latent, t: f32, theta: Theta) -> array<f32, 6> {
            return array<f32, 6>(s.x, s.v, l.z.x, l.z.y, theta.k, sin(t));
        }
        fn features_latent(past: array<State, 3>, u: Input) -> array<f32, 5> {
            return array<f32, 5>(past[2].x, past[2].x - past[1].x, past[0].v, past[1].v * past[2].v, u.force);
        }
        fn rhs(f: State, g: array<f32, 2>, l: Latent) -> State { return State(f.x + g[0], f.v * (1.0 + 0.1 * l.w) + g[1]); }";
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\n\
         c = {{ bounds = [0.1, 1.0], scale = \"log\" }}\nknown = {{ fixed = 0.7 }}\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n\
         [net.latent]\nkind = \"mlp\"\nhidden = [18]\nencodes = \"latent\"\n[net.rates]\nkind = \"mlp\"\nhidden = [3]\n\
         encodes = \"theta\"\n[net.start]\nkind = \"mlp\"\nhidden = []\nencodes = \"state\"\n[encode]\nframes = 3\n\
         [solver]\nmethod = \"rk4\"\ndt = 0.1\n{}",
        tables(&["kind = \"orthogonality\"", SETTINGS[4], SETTINGS[7]])
    );
    model(&toml, wgsl)
}

#[test]
fn encoders_make_parameters_and_latents() {
    let model = encoders();
    let case = Case::random(&model, 37, 4, 3, 0.6);
    Judge::new(&model, &ALL).agree("encoders", &case.job(&model));
    let weights =
        Weights { members: 2, values: [case.weights.values.clone(), vec![0.1; case.weights.values.len()]].concat() };
    let rows: Vec<u32> = (0..36).collect();
    let job = Job { rows: &rows, theta: &case.theta[..36 * 3], groups: 4, members: &[1, 0, 0, 1], ..case.job(&model) };
    Judge::new(&model, &ALL).agree("two members that encode", &Job { weights: &weights, ..job });
}

/// Segments and chunks: parameters that were made are kept for all of them, and encode is walked back once.
#[test]
fn small_budgets_with_encoders_and_observables() {
    let model = encoders();
    let case = Case::random(&model, 150, 5, 4, 0.6);
    let job = case.job(&model);
    for schedule in ALL {
        let (rollout, whole) = compute(&open(&model, schedule), &job);
        let mut orders = 0;
        for budget in [25_000, 100_000, 220_000, 500_000] {
            // The fused schedules hold an interval of 64 trajectories at least.
            let budget = if schedule == Schedule::Layer { budget / 4 } else { 4 * budget };
            let (simulated, part) = compute(&open_within(&model, schedule, budget), &job);
            let name = format!("{} with {budget} bytes", schedule.name());
            assert_eq!(simulated, rollout, "{name}");
            assert_eq!(part.evaluation, whole.evaluation, "{name}");
            assert_eq!((&part.theta, &part.start), (&whole.theta, &whole.start), "{name}");
            let tolerance = crate::common::Tolerance { relative: 1e-5, absolute: 0.0 };
            crate::common::assert_close(&name, &part.weights, &whole.weights, tolerance);
            orders += usize::from(part.weights != whole.weights);
        }
        assert!(orders >= 2, "{}: only {orders} budgets changed the order of sums", schedule.name());
    }
}

/// One evaluation per row, at the inputs of that row.
#[test]
fn models_without_time() {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         [net.g]\nkind = \"mlp\"\nhidden = [5, 4]\n[solver]\nmethod = \"static\"\n{}",
        tables(&["kind = \"orthogonality\"", "kind = \"balance\"", SETTINGS[3], SETTINGS[6], SETTINGS[7]])
    );
    let model = model(&toml, WITHOUT_TIME);
    let mut case = Case::random(&model, 40, 2, 5, 0.8);
    Judge::new(&model, &ALL).agree("static", &case.job(&model));
    // What stands where a state would changes nothing.
    let gpu = open(&model, Schedule::Lane);
    let before = gpu.simulate(&case.job(&model)).unwrap().predictions;
    case.trajectories.start = Start::States(vec![9.0; 80]);
    assert_eq!(gpu.simulate(&case.job(&model)).unwrap().predictions, before);
}
