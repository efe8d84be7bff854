//! Derivatives three ways: the device's reverse mode, the reference's forward mode, and central differences with
//! stop-gradients held, for every solver, penalty, network kind and way of composing a model.

mod common;
use common::three_ways::three_ways;
use common::{COMPOSED, Case, Tolerance, WITHOUT_TIME, assert_close, model};
use greybox::device::{Device, Job, Start, Wanted, cpu::Cpu};
use greybox::model::kinds;

const OSCILLATOR: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, c: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    return State(s.v, -theta.k * s.x - theta.c * s.v * abs(s.v) + 0.1 * sin(t));
}";

fn toml(method: &str, substeps: usize, penalties: &[&str], net: &str) -> String {
    let penalties: String =
        penalties.iter().map(|k| format!("[[penalty]]\nweight = 0.3\nkind = \"{k}\"\n{}", settings(k))).collect();
    format!(
        "[model]\nphysics = \"test.wgsl\"\n[theta]\nk = {{ bounds = [0.5, 2.0] }}\nc = {{ bounds = [0.1, 1.0] }}\n\
         {net}\n[solver]\nmethod = \"{method}\"\ndt = 0.2\nsubsteps = {substeps}\n{penalties}"
    )
}

/// What a kind cannot do without.
fn settings(kind: &str) -> &'static str {
    match kind {
        "prior" => "theta = \"k\"\nmean = 0.3\ndeviation = 0.7\n",
        // Above what random weights reach, so that the hinge is open.
        "sensitivity" => "level = 3.0\n",
        _ => "",
    }
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
    for kind in kinds() {
        let model = model(&toml("rk4", 1, &[&kind], TANH), OSCILLATOR);
        three_ways(&kind, &model, &Case::random(&model, 3, 4, 2, 0.7));
    }
}

/// Every setting of every penalty, with features and an observation of their own.
#[test]
fn every_setting_of_penalties() {
    let wgsl = format!(
        "{OSCILLATOR}\nstruct Output {{ y: f32, z: f32 }}
        fn features(s: State, theta: Theta, f: State) -> array<f32, 4> {{
            return array<f32, 4>(s.x, f.v, stopgrad(f.x), theta.k);
        }}
        fn rhs(s: State, theta: Theta, t: f32, f: State, g: array<f32, 2>) -> State {{
            let again = physics(State(s.x + 0.1, s.v), theta, t);
            return State(f.x + g[0], 0.5 * again.v + 0.3 * f.v * f.v + g[1]);
        }}
        fn observe(s: State, theta: Theta) -> Output {{ return Output(theta.c * s.x, s.x + s.v); }}
        fn initial(y: Output, theta: Theta) -> State {{ return State(y.y / theta.c, y.z - theta.k * y.y); }}"
    );
    let all = [
        "kind = \"least_action\"\nat = \"data\"",
        "kind = \"log_least_action\"\nat = \"data\"",
        "kind = \"relative_action\"\nat = \"data\"",
        "kind = \"relative_action\"",
        "kind = \"physics_alone\"",
        "kind = \"reduced_distance\"\nfrom = \"network\"",
        "kind = \"log_reduced_distance\"\nfrom = \"both\"",
        "kind = \"sensitivity\"\nlevel = 3.0",
        "kind = \"independence\"\nbetween = \"predictions\"\npoints = 7",
        "kind = \"dependence\"\nmeasure = \"correlation\"\nbetween = \"predictions\"",
        "kind = \"independence\"\nmeasure = \"correlation\"",
        "kind = \"dependence\"\npoints = 5",
    ];
    let with = |penalties: &[&str]| {
        let list = penalties.iter().enumerate();
        let tables: String = list.map(|(i, p)| format!("[[penalty]]\nweight = 0.3\nname = \"p{i}\"\n{p}\n")).collect();
        model(&(toml("heun", 2, &[], TANH) + &tables), &wgsl)
    };
    for penalty in all {
        let model = with(&[penalty]);
        let mut case = Case::random(&model, 4, 3, 8, 0.6);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0]);
        three_ways(penalty, &model, &case);
    }
    let model = with(&all);
    three_ways("all together", &model, &Case::random(&model, 4, 3, 9, 0.6));
}

/// θ, latents and a correction of the initial state from a window of three frames, with clamps and an embedding of time.
#[test]
fn encoders() {
    let wgsl = "
        struct State { x: f32, v: f32 }
        struct Theta { k: f32, c: f32, known: f32 }
        struct Input { force: f32 }
        struct Latent { z: vec2f, w: f32 }
        fn physics(s: State, theta: Theta, u: Input) -> State {
            let x = clamp(s.x, -0.4, 0.4);
            return State(s.v, -theta.k * x - theta.c * s.v + u.force * theta.known);
        }
        fn features_g(s: State, l: Latent, t: f32, theta: Theta) -> array<f32, 9> {
            var a = array<f32, 9>(s.x, s.v, l.z.x, l.z.y, theta.k, 0.0, 0.0, 0.0, 0.0);
            for (var i = 1; i <= 2; i++) {
                let phase = 6.2831853 * f32(i) * t / 10.0;
                a[3 + 2 * i] = sin(phase);
                a[4 + 2 * i] = cos(phase);
            }
            return a;
        }
        fn features_latent(past: array<State, 3>, u: Input) -> array<f32, 5> {
            return array<f32, 5>(past[2].x, past[2].x - past[1].x, past[0].v, past[1].v * past[2].v, u.force);
        }
        fn rhs(f: State, g: array<f32, 2>, l: Latent) -> State { return State(f.x + g[0], f.v * (1.0 + 0.1 * l.w) + g[1]); }";
    let nets = "known = { fixed = 0.7 }\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n[net.latent]\nkind = \"mlp\"\nhidden = [4]\n\
                encodes = \"latent\"\n[net.rates]\nkind = \"mlp\"\nhidden = [3]\nencodes = \"theta\"\n\
                [net.start]\nkind = \"mlp\"\nhidden = []\nencodes = \"state\"\n[encode]\nframes = 3\n";
    let toml = toml("rk4", 1, &["orthogonality", "physics_alone", "least_action", "prior"], nets)
        .replace("c = { bounds = [0.1, 1.0] }", "c = { bounds = [0.1, 1.0], scale = \"log\" }");
    let model = model(&toml, wgsl);
    assert_eq!((model.latent.len(), model.parameters(), model.window_len()), (3, 6, 6));
    let case = Case::random(&model, 5, 4, 10, 0.6);
    three_ways("encoders", &model, &case);
    // A tile that is not full, several groups, and every plan.
    let mut gradients = Vec::new();
    for budget in [1 << 26, 1 << 12] {
        let job = case.job(&model);
        gradients.push(Cpu::<f64>::new(&model, budget).gradient(&job, Wanted { weights: true, inputs: true }).unwrap());
    }
    let exact = Tolerance { relative: 1e-12, absolute: 0.0 };
    assert_close("weights by either plan", &gradients[0].weights, &gradients[1].weights, exact);
    // Free parameters are made by the network: what is given does not matter.
    let made = gradients[0].theta.chunks_exact(3).all(|t| t[0] == 0.0 && t[1] == 0.0 && t[2] != 0.0);
    assert!(made, "{:?}", gradients[0].theta);
    // Held, they are what is given, and the network that would make them has no part in it.
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let held = Job { hold_theta: true, ..case.job(&model) };
    let used = device.simulate(&held).unwrap().parameters;
    assert!(used.chunks_exact(6).zip(case.theta.chunks_exact(3)).all(|(used, given)| used[..3] == *given));
    let gradient = device.gradient(&held, Wanted { weights: true, inputs: true }).unwrap();
    let rates = model.weights.shapes().iter().filter(|s| s.name.starts_with("rates."));
    assert!(rates.flat_map(|s| &gradient.weights[s.offset..s.offset + s.len()]).all(|g| *g == 0.0));
    for i in 0..case.theta.len() {
        let at = |step: f64| {
            let mut theta = case.theta.clone();
            theta[i] += step;
            device.evaluate(&Job { theta: &theta, ..held }).unwrap().terms[0].objective
        };
        let differences = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert_close("held theta", &[gradient.theta[i]], &[differences], Tolerance { relative: 1e-6, absolute: 1e-8 });
    }
}

/// A model without time: y is made of the inputs of its own row.
#[test]
fn static_models() {
    let penalties = ["orthogonality", "balance", "prior", "sensitivity", "independence", "relative_action"];
    let model = model(&toml("static", 1, &penalties, TANH).replace("dt = 0.2", ""), WITHOUT_TIME);
    assert_eq!(model.networks[0].sizes, [5, 5, 4, 2]);
    let case = Case::random(&model, 6, 2, 11, 0.8);
    three_ways("static", &model, &case);
    // The prediction at row k comes from the inputs of that row, whatever the state.
    let rollout = Cpu::<f64>::new(&model, 0).simulate(&case.job(&model)).unwrap();
    let mut moved = Case::random(&model, 6, 2, 11, 0.8);
    moved.trajectories.start = Start::States(vec![9.0; 12]);
    for trajectory in 0..6 {
        moved.trajectories.inputs[3 * trajectory] = 77.0;
    }
    assert_eq!(Cpu::<f64>::new(&model, 0).simulate(&moved.job(&model)).unwrap().predictions, rollout.predictions);
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
