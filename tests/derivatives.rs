//! Derivatives three ways: the device's reverse mode, the reference's forward mode, and central differences with
//! stop-gradients held, for every solver, penalty, network kind and way of composing a model.

mod common;
use common::three_ways::three_ways;
use common::{COMPOSED, Case, Tolerance, assert_close, model};
use greybox::device::{Device, Start, Wanted, cpu::Cpu};
use greybox::model::KINDS;

const OSCILLATOR: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(s.v, -theta.k * s.x - theta.c * s.v * abs(s.v) + 0.1 * sin(t));
}";

fn toml(method: &str, substeps: usize, penalties: &[&str], net: &str) -> String {
    let penalties: String = penalties.iter().map(|k| format!("[[penalty]]\nkind = \"{k}\"\nweight = 0.3\n")).collect();
    format!(
        "[model]\nphysics = \"test.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         {net}\n[solver]\nmethod = \"{method}\"\ndt = 0.2\nsubsteps = {substeps}\n{penalties}"
    )
}

const TANH: &str = "[net.g]\nkind = \"mlp\"\nhidden = [5, 4]\nactivation = \"tanh\"";

#[test]
fn every_solver() {
    for method in ["euler", "midpoint", "heun", "rk4", "rk38", "map"] {
        for substeps in [1, 3] {
            if method == "map" && substeps > 1 {
                continue;
            }
            let model = model(&toml(method, substeps, &["least_action", "orthogonality"], TANH), OSCILLATOR);
            three_ways(&format!("{method} x {substeps}"), &model, &Case::random(&model, 3, 4, 1, 0.7));
        }
    }
}

#[test]
fn every_penalty() {
    for kind in KINDS {
        let model = model(&toml("rk4", 1, &[kind], TANH), OSCILLATOR);
        three_ways(kind, &model, &Case::random(&model, 3, 4, 2, 0.7));
    }
}

#[test]
fn every_activation_and_network_kind() {
    for activation in ["tanh", "relu", "leaky_relu", "elu", "softplus", "sigmoid", "sin", "identity"] {
        let net = format!("[net.g]\nkind = \"mlp\"\nhidden = [5, 4]\nactivation = \"{activation}\"");
        let mlp = model(&toml("rk38", 1, &["least_action"], &net), OSCILLATOR);
        three_ways(activation, &mlp, &Case::random(&mlp, 3, 3, 3, 0.7));
        if matches!(activation, "relu" | "leaky_relu" | "identity") {
            continue;
        }
        let net = format!("[net.h]\nkind = \"gradient\"\nhidden = [6, 5]\nactivation = \"{activation}\"");
        let wgsl = format!(
            "{OSCILLATOR}\nfn features(s: State, theta: Theta) -> array<f32, 2> {{ return array<f32, 2>(s.x * theta.k, s.v); }}
             fn rhs(s: State, theta: Theta, t: f32, h: array<f32, 2>) -> State {{
                 return State(h[1], -h[0] - theta.c * s.v + 0.1 * sin(t)); }}"
        );
        let gradient = model(&toml("rk4", 1, &["least_action"], &net), &wgsl);
        three_ways(&format!("gradient of {activation}"), &gradient, &Case::random(&gradient, 3, 3, 4, 0.7));
    }
}

#[test]
fn compositions() {
    let nets = "[net.a]\nkind = \"mlp\"\nhidden = [3]\n[net.b]\nkind = \"mlp\"\nhidden = [4]\nbias = false\n\
                [net.see]\nkind = \"mlp\"\nhidden = [3]\nactivation = \"softplus\"";
    for inputs in ["linear", "hold"] {
        let toml = toml("rk4", 2, &["balance", "orthogonality"], nets)
            .replace("[theta]", &format!("inputs = \"{inputs}\"\n[theta]"));
        let model = model(&toml, COMPOSED);
        let mut case = Case::random(&model, 4, 4, 5, 0.6);
        three_ways(&format!("composition, {inputs}"), &model, &case);
        case.trajectories.times = Some(vec![0.0, 0.1, 0.35, 0.4, 0.9]);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        three_ways(&format!("composition, {inputs}, given times"), &model, &case);
    }
}

/// θ enters through the initial state too: checked against differences of the device's own objective.
#[test]
fn encode_carries_derivatives_to_theta() {
    // Features of its own: the default ones hold a stop-gradient, which plain differences would not see.
    let wgsl = format!(
        "{OSCILLATOR}\nstruct Output {{ y: f32 }}
        fn features(s: State, theta: Theta) -> array<f32, 3> {{ return array<f32, 3>(s.x, s.v, theta.k); }}
        fn observe(s: State, theta: Theta) -> Output {{ return Output(theta.c * s.x); }}
        fn initial(y: Output, theta: Theta) -> State {{ return State(y.y / theta.c, theta.k * y.y); }}"
    );
    let model = model(&toml("rk4", 1, &["least_action"], TANH), &wgsl);
    let mut case = Case::random(&model, 3, 4, 6, 0.7);
    case.trajectories.start = Start::Observations(vec![0.3, -0.2, 0.5]);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let gradient = device.gradient(&case.job(&model), Wanted { weights: false, inputs: true }).unwrap();
    for i in 0..case.theta.len() {
        let mut at = |step: f64| {
            case.theta[i] += step;
            let value = device.evaluate(&case.job(&model)).unwrap().terms[0].objective;
            case.theta[i] -= step;
            value
        };
        let differences = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert_close("theta", &[gradient.theta[i]], &[differences], Tolerance { relative: 1e-6, absolute: 1e-8 });
    }
}
