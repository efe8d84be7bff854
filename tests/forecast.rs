//! Forecasts: networks of a static model integrated, what the true system keeps, noise of inputs, refused settings.

mod common;

use common::three_ways::three_ways;
use common::{Case, Tolerance, assert_close, model};
use greybox::device::{Device, Job, cpu::Cpu};
use greybox::program::Weights;
use greybox::study::{Drift, Study, simulate_episodes};
use std::path::Path;

const RATES: &str = include_str!("../examples/hamiltonian/rates.wgsl");

/// A forecast of H = 2 q + 3 p, which it keeps, while q is not kept.
const FLOW: &str = "struct State { q: f32, p: f32 }
struct Output { h: f32, q: f32 }
fn physics(s: State) -> State { return State(0.0, 0.0); }
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.q, s.p); }
fn rhs(s: State, hamiltonian: array<f32, 2>) -> State { return State(hamiltonian[1], -hamiltonian[0]); }
fn observe(s: State) -> Output { return Output(2.0 * s.q + 3.0 * s.p, s.q); }
";

fn networks(hidden: &str) -> String {
    format!(
        "[model]\nphysics = \"rates.wgsl\"\n[net.hamiltonian]\nkind = \"gradient\"\nhidden = {hidden}\n\
         [net.plain]\nkind = \"mlp\"\nhidden = {hidden}\n[solver]\nmethod = \"static\"\n"
    )
}

fn with_forecast(text: &str) -> String {
    format!(
        "{}[forecast]\ninitial = {{ q = [0.5, 1.0], p = 0.25 }}\nstarts = 3\nsteps = 4\ndt = 0.5\n\
         conserved = [\"h\", \"q\"]\n[forecast.models.learned]\nphysics = \"flow.wgsl\"\nnetworks = [\"hamiltonian\"]\n{text}",
        networks("[]")
    )
}

/// A folder with the WGSL of a study, the study read there.
fn study(toml: &str, flow: &str) -> (tempfile::TempDir, Result<Study, String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rates.wgsl"), RATES).unwrap();
    std::fs::write(folder.path().join("flow.wgsl"), flow).unwrap();
    let study = Study::parse(&folder.path().join("study.toml"), toml.into(), false).map_err(|e| e.to_string());
    (folder, study)
}

#[test]
fn gradient_networks_of_static_models_have_exact_gradients() {
    let model = model(&networks("[5, 4]"), RATES);
    let case = Case::random(&model, 7, 1, 5, 0.9);
    three_ways("rates", &model, &case);
    // Nothing couples the two networks: the derivative of one does not see the other's weights.
    let gradient = |weights: &Weights| {
        let job = Job::new(&case.trajectories, &case.rows, &case.theta, weights, &model.objective);
        let wanted = greybox::device::Wanted { weights: true, inputs: false };
        Cpu::<f64>::new(&model, 1 << 24).gradient(&job, wanted).unwrap().weights
    };
    let of = |name: &str, values: &[f64]| -> Vec<f64> {
        let shapes = model.weights.shapes().iter().filter(|s| s.name.starts_with(name));
        shapes.flat_map(|s| values[s.offset..s.offset + s.len()].to_vec()).collect()
    };
    let mut moved = case.weights.clone();
    for shape in model.weights.shapes().iter().filter(|s| s.name.starts_with("plain")) {
        moved.values[shape.offset..shape.offset + shape.len()].iter_mut().for_each(|w| *w += 0.5);
    }
    let (before, after) = (gradient(&case.weights), gradient(&moved));
    assert_eq!(of("hamiltonian", &before), of("hamiltonian", &after));
    assert_ne!(of("plain", &before), of("plain", &after));
}

#[test]
fn forecasts_take_the_networks_that_were_trained() {
    let (_folder, study) = study(&with_forecast(""), FLOW);
    let study = study.unwrap();
    let model = study.model().unwrap();
    let forecasters = study.forecasters(&model).unwrap();
    let mut weights = Weights::zeros(&model.weights, 1);
    weights.values.fill(7.0);
    let shape = model.weights.shapes().iter().find(|s| s.name == "hamiltonian.0.weight").unwrap();
    weights.values[shape.offset..shape.offset + 2].copy_from_slice(&[2.0, 3.0]);
    let device = Cpu::<f64>::new(&forecasters[0].model, 1 << 24);
    let config = study.forecast.as_ref().unwrap();
    let found = config.run(&forecasters[0], &device, (&model, &weights), &[]).unwrap();
    assert_eq!((found.name.as_str(), found.failures, found.time.len()), ("learned", 0, 5));
    let [kept, moves] = found.drifts.as_slice() else { panic!("{} drifts", found.drifts.len()) };
    assert!(kept.largest < 1e-12 && kept.scale > 1.0, "{kept:?}");
    // dq/dt = ∂H/∂p = 3, so that q is 3 t away: the mean of 9 t² over t = 0, 0.5, …, 2 is 13.5.
    assert_close("q", &[moves.mean_square], &[13.5], Tolerance { relative: 1e-12, absolute: 0.0 });
    let starts: Vec<f64> = found.states.chunks(10).map(|path| path[0]).collect();
    assert!(starts.iter().all(|q| (0.5..1.0).contains(q)) && starts[0] != starts[1], "{starts:?}");
}

#[test]
fn a_failure_is_infinitely_far_away() {
    let drift = Drift::of("energy", vec![1.0, 1.0, 2.0, 4.0], 2);
    assert_eq!((drift.mean_square, drift.scale, drift.largest), (1.0, 2.5, 2.0));
    assert_eq!(Drift::of("energy", vec![1.0, f64::NAN], 2).mean_square, f64::INFINITY);
}

#[test]
fn bad_forecasts_are_refused() {
    let refused = |toml: &str, flow: &str, parts: &[&str]| {
        let (_folder, study) = study(toml, flow);
        let message = match study {
            Err(message) => message,
            Ok(study) => match study.forecasters(&study.model().unwrap()) {
                Ok(_) => panic!("accepted: {parts:?}"),
                Err(e) => e.to_string(),
            },
        };
        for part in parts.iter().chain(&["help: "]) {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
    };
    let sound = with_forecast("");
    let swaps: [(&str, &str, &[&str]); 10] = [
        ("starts = 3", "starts = 0", &["forecast.starts", "is 0"]),
        ("dt = 0.5", "dt = -1.0", &["forecast.dt", "-1"]),
        ("dt = 0.5", "dt = 0.5\nmethod = \"static\"", &["forecast.method", "no rollouts"]),
        ("[\"h\", \"q\"]", "[]", &["forecast.conserved", "nothing to judge by"]),
        ("[\"h\", \"q\"]", "[\"energy\"]", &["no output `energy`", "h, q"]),
        ("[\"hamiltonian\"]", "[\"other\"]", &["forecast.models.learned", "`other`", "hamiltonian, plain"]),
        ("p = 0.25", "x = 0.25", &["forecast.initial.x", "q, p"]),
        (", p = 0.25", "", &["forecast.initial.p", "missing"]),
        ("p = 0.25", "p = [1.0, 0.0]", &["forecast.initial.p", "above"]),
        ("steps = 4", "step = 4", &["`step`", "did you mean `steps`?"]),
    ];
    for (from, to, parts) in swaps {
        assert!(sound.contains(from), "{from}");
        refused(&sound.replacen(from, to, 1), FLOW, parts);
    }
    let wide = FLOW
        .replace("array<f32, 2>(s.q, s.p)", "array<f32, 3>(s.q, s.p, 1.0)")
        .replace("array<f32, 2>", "array<f32, 3>");
    refused(&sound, &wide, &["`hamiltonian.0.weight` is [1, 3] here and [1, 2] as trained"]);
    let unknown = FLOW
        .replace("struct Output", "struct Theta { k: f32 }\nstruct Output")
        .replace("physics(s: State)", "physics(s: State, theta: Theta)");
    refused(&sound, &unknown, &["`k`", "does not estimate"]);
    let other = "[forecast.models.wrong]\nphysics = \"rates.wgsl\"\nnetworks = [\"hamiltonian\", \"plain\"]\n";
    refused(&with_forecast(other), FLOW, &["forecast.models.wrong", "no output `h`"]);
}

#[test]
fn noise_of_inputs_leaves_the_targets_exact() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hamiltonian");
    let episodes = |setting: &str| {
        let study = Study::open_with(&folder.join("spring.toml"), false, &[setting.into()]).unwrap();
        let config = study.data.as_ref().unwrap().simulate.clone().unwrap();
        simulate_episodes(&study, &config, &study.model().unwrap()).map(|s| s.episodes).map_err(|e| e.to_string())
    };
    let (clean, noisy) = (episodes("data.simulate.input_noise=0.0").unwrap(), episodes("train.seed=0").unwrap());
    let all = |pick: fn(&greybox::data::Episode) -> &[f64], from: &[greybox::data::Episode]| -> Vec<f64> {
        from.iter().flat_map(|e| pick(e).to_vec()).collect()
    };
    let (targets, exact) = (all(|e| &e.outputs, &noisy), all(|e| &e.outputs, &clean));
    assert_eq!(targets, exact);
    let (seen, places) = (all(|e| &e.inputs, &noisy), all(|e| &e.inputs, &clean));
    // The targets are the velocities at the true places: dq/dt = 2 p, dp/dt = -2 q.
    let velocities: Vec<f64> =
        places.chunks(2).flat_map(|x| [2.0 * x[1], -2.0 * x[0], 2.0 * x[1], -2.0 * x[0]]).collect();
    assert_close("velocities", &exact, &velocities, Tolerance { relative: 1e-9, absolute: 0.0 });
    let errors: Vec<f64> = seen.iter().zip(&places).map(|(a, b)| a - b).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    // 3000 draws: four standard errors.
    assert!(mean.abs() < 0.0075 && (deviation - 0.1).abs() < 0.0053, "{mean} {deviation}");
    assert!(episodes("data.simulate.input_noise=-1.0").unwrap_err().contains("input_noise"));
    let unknown = episodes("data.simulate.input_noise={ x = 0.1 }").unwrap_err();
    assert!(unknown.contains("input_noise.x") && unknown.contains("q, p"), "{unknown}");
}
