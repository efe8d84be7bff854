//! Values of penalties where they are known by hand; their derivatives are judged in `derivatives.rs`.

mod common;

use common::{Case, Tolerance, assert_close, model};
use greybox::device::{Device, Job, cpu::Cpu};
use greybox::model::Model;

/// ds/dt = k s + g with g = w s + b: a linear network, so that everything is known.
const LINEAR: &str = "
struct State { a: f32, b: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State { return State(theta.k * s.a, theta.k * s.b); }
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.a, s.b); }";

fn toml(penalties: &str) -> String {
    format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [-2.0, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = []\n\
         [solver]\nmethod = \"rk4\"\ndt = 0.1\nsubsteps = 4\n{penalties}"
    )
}

/// The case with g = w s + b and θ = k for all samples.
fn case(model: &Model, w: f64, b: f64, k: f64) -> Case {
    let mut case = Case::random(model, 5, 4, 3, 0.8);
    case.weights.values.copy_from_slice(&[w, 0.0, 0.0, w, b, b]);
    case.theta.fill(k);
    case
}

fn values(model: &Model, case: &Case) -> Vec<f64> {
    let device = Cpu::<f64>::new(model, 1 << 24);
    device.evaluate(&case.job(model)).unwrap().terms[0].penalties.clone()
}

fn close(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert_close(name, &[found], &[expected], Tolerance { relative: 0.0, absolute: tolerance });
}

/// Initial states that all rollouts share, as studies have them.
fn lifted(model: &Model, states: &[f64]) -> greybox::device::Start {
    greybox::device::Start::States(model.lift(states))
}

#[test]
fn relative_and_identity() {
    let model = model(&toml("[[penalty]]\nkind = \"relative_action\"\n[[penalty]]\nkind = \"identity\""), LINEAR);
    let found = values(&model, &case(&model, 0.3, 0.0, 0.5));
    // ‖0.3 s‖ / (‖s‖ + 1e-5)
    close("relative", found[0], 0.09, 1e-4);
    let same = values(&model, &case(&model, 1.0, 0.0, 0.5));
    assert_eq!(same[1], 0.0, "g = s is the identity");
    assert!(found[1] > 0.01);
}

/// At data states the correction is evaluated at what was observed, whatever the path; frames with a missing entry do not
/// count.
#[test]
fn at_data_means_at_the_observations() {
    let model = model(&toml("[[penalty]]\nkind = \"least_action\"\nat = \"data\""), LINEAR);
    let case = case(&model, 0.5, 0.25, 1.0);
    let y = case.trajectories.targets.as_ref().unwrap();
    let complete: Vec<&[f64]> = y.chunks(2).filter(|f| f.iter().all(|v| !v.is_nan())).collect();
    assert!(complete.len() < y.len() / 2, "some frames are incomplete");
    let square = |f: &&[f64]| f.iter().map(|v| (0.5 * v + 0.25f64).powi(2)).sum::<f64>();
    let expected = complete.iter().map(square).sum::<f64>() / complete.len() as f64;
    close("at data", values(&model, &case)[0], expected, 1e-12);
}

/// Physics alone and the correction alone grow exponentially at their own rates.
#[test]
fn reduced_models_run_beside_the_full_one() {
    let penalties = "[[penalty]]\nkind = \"physics_alone\"\n[[penalty]]\nkind = \"reduced_distance\"\n\
                     [[penalty]]\nkind = \"reduced_distance\"\nname = \"network\"\nfrom = \"network\"\n\
                     [[penalty]]\nkind = \"reduced_distance\"\nname = \"both\"\nfrom = \"both\"";
    let model = model(&toml(penalties), LINEAR);
    let mut case = case(&model, 0.7, 0.0, -0.4);
    let states: Vec<f64> = (0..10).map(|i| 0.3 + 0.1 * i as f64).collect();
    case.trajectories.start = lifted(&model, &states);
    case.trajectories.residual_scale = Some(vec![2.0, 0.5]);
    let found = values(&model, &case);
    let y = case.trajectories.targets.as_ref().unwrap();
    let (mut alone, mut present, mut from_physics, mut from_network) = (0.0, 0.0, 0.0, 0.0);
    for (i, target) in y.iter().enumerate() {
        let (sample, step, component) = (i / 8, i / 2 % 4, i % 2);
        let t = 0.1 * (step + 1) as f64;
        let at = |rate: f64| states[2 * sample + component] * (rate * t).exp();
        if !target.is_nan() {
            alone += ((at(-0.4) - target) / [2.0, 0.5][component]).powi(2);
            present += 1.0;
        }
        from_physics += (at(0.3) - at(-0.4)).powi(2) / y.len() as f64;
        from_network += (at(0.3) - at(0.7)).powi(2) / y.len() as f64;
    }
    close("physics alone", found[0], alone / present, 1e-8);
    close("from physics", found[1], from_physics, 1e-8);
    close("from network", found[2], from_network, 1e-8);
    close("from both", found[3], 0.5 * (from_physics + from_network), 1e-8);
    // The states that are reported are those of the model.
    let device = Cpu::<f64>::new(&model, 1 << 24);
    let rollout = device.simulate(&case.job(&model)).unwrap();
    assert_eq!(model.own_states(&rollout.states).len(), 5 * 5 * 2);
    close("own states", model.own_states(&rollout.states)[2], states[0] * 0.03f64.exp(), 1e-8);
}

#[test]
fn sensitivity_is_one_for_a_plain_sum_and_zero_where_the_network_cancels_physics() {
    let penalty = "[[penalty]]\nkind = \"sensitivity\"\nlevel = 2.0";
    let value = |wgsl: &str, weights: &[f64]| {
        let model = model(&toml(penalty), wgsl);
        let mut case = Case::random(&model, 3, 2, 5, 0.5);
        case.weights.values[..weights.len()].copy_from_slice(weights);
        values(&model, &case)[0]
    };
    close("f + g(s)", value(LINEAR, &[]), 1.0, 1e-12);
    // g = −f through features that hold a stop-gradient: opened, so that rhs does not depend on physics any more.
    let sees = LINEAR.replace("features(s: State)", "features(f: State)").replace("(s.a, s.b)", "(stopgrad(f.a), f.b)");
    close("f − f", value(&sees, &[-1.0, 0.0, 0.0, -1.0, 0.0, 0.0]), 2.0, 1e-12);
    // Calls of physics inside rhs count, each of them: J = 3 · 1 + 1.
    let calls = format!(
        "{LINEAR}\nfn rhs(s: State, theta: Theta, f: State, g: array<f32, 2>) -> State {{
            let twice = physics(physics(s, theta), theta);
            return State(3.0 * twice.a + f.a - g[0], twice.b + g[1]); }}"
    );
    // d(twice)/dδ = k + 1 with k = 0.5: the inner call is perturbed too.
    let model = model(&toml(&penalty.replace("2.0", "50.0")), &calls);
    let mut case = Case::random(&model, 3, 2, 5, 0.5);
    case.theta.fill(0.5);
    let expected = 50.0 - (((3.0 * 1.5 + 1.0f64).powi(2) + 1.5f64.powi(2)) / 2.0).sqrt();
    close("calls", values(&model, &case)[0], expected, 1e-12);
}

/// A network that copies physics depends on it; one that is constant does not.
#[test]
fn dependence_of_the_correction_on_physics() {
    let penalties = "[[penalty]]\nkind = \"dependence\"\nmeasure = \"correlation\"\n\
                     [[penalty]]\nkind = \"independence\"";
    let model = model(&toml(penalties), LINEAR);
    let copied = values(&model, &case(&model, 2.0, 1.0, 0.5));
    close("correlation of a copy", copied[0], -1.0, 1e-12);
    assert!(copied[1] > 0.02, "HSIC {}", copied[1]);
    let constant = values(&model, &case(&model, 0.0, 1.0, 0.5));
    assert_eq!(constant[0], 0.0, "a constant has no correlation");
    assert!(constant[1].abs() < 1e-12, "nor dependence: {}", constant[1]);
    // In a job of several groups each has its own points.
    let both = case(&model, 2.0, 1.0, 0.5);
    let rows: Vec<u32> = (0..5).chain(0..5).collect();
    let theta = [both.theta.clone(), vec![-0.3; 5]].concat();
    let device = Cpu::<f64>::new(&model, 1 << 24);
    let job = Job { groups: 2, rows: &rows, theta: &theta, ..both.job(&model) };
    let terms = device.evaluate(&job).unwrap().terms;
    close("the first group", terms[0].penalties[1], copied[1], 1e-12);
    assert!(terms[1].penalties[1] != terms[0].penalties[1]);
}

#[test]
fn priors_are_means_over_the_batch() {
    let penalty = "[[penalty]]\nkind = \"prior\"\ntheta = \"k\"\nmean = 0.5\ndeviation = 0.25";
    let model = model(&toml(penalty), LINEAR);
    let mut case = case(&model, 0.1, 0.0, 0.0);
    case.theta = vec![0.5, 0.75, 0.25, 1.0, 0.5];
    close("prior", values(&model, &case)[0], (1.0 + 1.0 + 4.0) / 5.0, 1e-12);
}
