//! Baselines: the reduced models of a study, errors of forecasts, and what leaks nowhere.

use crate::common::{Tolerance, assert_close};
use greybox::data::Windows;
use greybox::device::cpu::Cpu;
use greybox::model::{EncodeSpec, Model};
use greybox::program::Weights;
use greybox::study::{Study, Units, forecast_error, network_settings, persistence_error, windows_for};
use greybox::train::{Mode, TrainConfig};

const WGSL: &str = "struct State { x: f32, y: f32 }\nstruct Theta { k: f32 }\nstruct Latent { a: f32, b: f32 }\n\
    fn physics(s: State, theta: Theta) -> State { return State(-theta.k * s.x, 0.0); }\n\
    fn features_g(s: State, f: State, found: Latent, theta: Theta) -> array<f32, 3> {\n\
      return array<f32, 3>(f.x, found.a, theta.k);\n}\n\
    fn rhs(s: State, theta: Theta, f: State, g: array<f32, 2>) -> State {\n\
      let half = physics(s, theta);\n  return State(0.5 * (f.x + half.x) + g[0], f.y + g[1]);\n}\n";

fn study(more: &str) -> Study {
    let text = format!(
        "[model]\nphysics = \"m.wgsl\"\n[theta.k]\nbounds = [0.0, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n\
         [net.e]\nkind = \"mlp\"\nhidden = [4]\nencodes = \"latent\"\n[encode]\nframes = 2\n[solver]\nmethod = \"rk4\"\n\
         dt = 0.5\nsubsteps = 4\n[[penalty]]\nkind = \"least_action\"\n{more}\n"
    );
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

/// Windows of two past frames and three to come; x decays with the rate 0.7, y stays, one value is missing.
fn windows() -> Windows {
    let x = |window: usize, frame: i32| (1.0 + window as f64) * (-0.35 * f64::from(frame)).exp();
    let frames = |window: usize, range: std::ops::Range<i32>| range.flat_map(move |f| [x(window, f), 3.0]);
    let mut future: Vec<f64> = (0..4).flat_map(|w| frames(w, 1..4)).collect();
    future[7] = f64::NAN;
    Windows {
        history: 2,
        horizon: 3,
        outputs: 2,
        count: 4,
        encode: EncodeSpec { frames: 2, ..EncodeSpec::default() },
        states: 2,
        episode: vec![0; 4],
        start: vec![0, 1, 2, 3],
        past: (0..4).flat_map(|w| frames(w, -1..1)).collect(),
        future,
        t0: vec![0.0; 4],
        ..Windows::default()
    }
}

fn units() -> Units {
    Units { residual_scale: vec![2.0, 1.0], to_data: vec![10.0, 1.0] }
}

fn error(model: &Model, weights: &Weights, theta: f64) -> greybox::study::ForecastError {
    let own = windows_for(model, &windows());
    forecast_error(&Cpu::<f64>::new(model, 1 << 24), weights, &[theta], &own, &units()).unwrap()
}

#[test]
fn physics_alone_is_exact_where_the_data_is_its_own() {
    let study = study("[baselines]");
    let model = study.compile(WGSL).unwrap();
    let reduced = study.reduced(&model).unwrap().unwrap();
    assert!(reduced.physics.networks.is_empty() && reduced.physics.theta == ["k"]);
    let none = Weights::zeros(&reduced.physics.weights, 1);
    let found = error(&reduced.physics, &none, 0.7);
    assert!(found.overall < 1e-5 && found.failures == 0, "{found:?}");
    assert!(error(&reduced.physics, &none, 0.2).overall > 0.05);
}

/// Without weights the network alone has a rate of zero whatever θ is, also where rhs calls physics: it persists.
#[test]
fn network_alone_knows_no_physics_and_no_theta() {
    let study = study("[baselines]");
    let model = study.compile(WGSL).unwrap();
    let network = study.reduced(&model).unwrap().unwrap().network;
    assert_eq!(network.weights.per_member(), model.weights.per_member(), "a network of the same size");
    assert_eq!(network.theta_spec(0).range(), [1.0, 1.0], "in the middle of its box");
    let zeros = Weights::zeros(&network.weights, 1);
    let persistence = persistence_error(&windows(), &units()).unwrap();
    assert_eq!(error(&network, &zeros, 1.0), persistence);
    let mut some = zeros;
    some.values.iter_mut().enumerate().for_each(|(i, w)| *w = 0.3 * ((i * 7) % 5) as f64 - 0.5);
    assert_ne!(error(&network, &some, 1.0), persistence);
}

#[test]
fn errors_are_by_output_and_step_in_the_units_of_the_data() {
    let found = persistence_error(&windows(), &units()).unwrap();
    // x of window w at step j is off by (1 + w) (1 - exp(-0.35 j)); y not at all.
    let off = |j: i32| 1.0 - (-0.35 * f64::from(j)).exp();
    let tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };
    let mean = (1.0 + 4.0 + 9.0 + 16.0) / 4.0;
    let steps: Vec<f64> = (1..4).map(|j| 10.0 * f64::sqrt(mean) * off(j)).collect();
    assert_close("by step", &found.steps[0], &steps, tolerance);
    let squares: f64 = (1..4).map(|j| off(j).powi(2)).sum();
    assert_close("x", &found.outputs[..1], &[10.0 * (mean * squares / 3.0).sqrt()], tolerance);
    // 23 values are there, and residuals of x are halved.
    assert_close("all", &[found.overall], &[(4.0 * mean * squares / 4.0 / 23.0).sqrt()], tolerance);
    assert_eq!((found.outputs[1], found.steps[1].as_slice()), (0.0, [0.0; 3].as_slice()));
}

#[test]
fn the_network_alone_has_the_settings_of_the_study_but_those_of_theta() {
    let config: TrainConfig = toml::from_str(
        "mode = \"inductive\"\nepochs = 7\nbatch = 3\ntheta_start = { k = 1.0 }\ndual = { rate = 1.0 }\n\
         stages = [{ train = \"theta\", epochs = 2 }, { train = \"both\" }]\npopulation = { seeds = 3, weights = [1.0, 2.0] }",
    )
    .unwrap();
    assert_eq!(config.problem(), None);
    let own = network_settings(&config);
    assert_eq!((own.epochs, own.batch, own.mode, own.population.count()), (7, 3, Mode::Adaptive, 3));
    assert_eq!((own.problem(), own.dual, own.stages.len()), (None, None, 0));
}

#[test]
fn baselines_that_cannot_be_made_are_refused_with_the_remedy() {
    let message = |more: &str| {
        let study = study(more);
        let model = study.compile(WGSL).unwrap();
        study.reduced(&model).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(message(""), "", "without the table there is nothing to refuse");
    let missing = message("[baselines]\nnetwork = \"nowhere.wgsl\"");
    assert!(missing.contains("baselines.network = \"nowhere.wgsl\"") && missing.contains("help:"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.wgsl");
    std::fs::write(&path, "struct State { z: f32 }\nfn physics(s: State) -> State { return s; }\n").unwrap();
    let other = message(&format!("[baselines]\nphysics = {:?}", path.display().to_string()));
    assert!(other.contains("observes z") && other.contains("x, y"), "{other}");
}
