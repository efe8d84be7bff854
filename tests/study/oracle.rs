//! The oracle against systems whose missing part is known, so that the minimum has a closed form.

use crate::common::{Tolerance, assert_close, model};
use greybox::data::config::{DataConfig, SplitBy, SplitConfig, WindowConfig};
use greybox::data::{Dataset, Episode};
use greybox::model::Model;
use greybox::study::{Oracle, Study, prepare};
use std::path::Path;

const ONE_PERCENT: Tolerance = Tolerance { relative: 0.01, absolute: 0.0 };

/// Where the mean of ‖g‖² is least and where ⟨f, g⟩ vanishes, for a physics that is linear in its only parameter: both
/// from the parabolas through three values of θ.
fn minima(oracle: &Oracle, at: [f64; 3]) -> [f64; 2] {
    let sums = at.map(|theta| oracle.sums(&[theta]));
    let parabola = |values: [f64; 3]| {
        let slope = |i: usize, j: usize| (values[j] - values[i]) / (at[j] - at[i]);
        let curvature = (slope(1, 2) - slope(0, 1)) / (at[2] - at[0]);
        (curvature, slope(0, 1) - curvature * (at[0] + at[1]), values[0])
    };
    let (c, b, _) = parabola(sums.map(|s| s.observables[0]));
    let least = -b / (2.0 * c);
    // The product is a parabola that may have two zeros: the one nearer to the least ‖g‖² is meant.
    let (c, b, first) = parabola(sums.map(|s| s.observables[1]));
    let constant = first - b * at[0] - c * at[0] * at[0];
    let root = (b * b - 4.0 * c * constant).sqrt();
    let zeros = [(-b + root) / (2.0 * c), (-b - root) / (2.0 * c)];
    let near = zeros.into_iter().min_by(|a, b| (a - least).abs().total_cmp(&(b - least).abs())).unwrap();
    [least, near]
}

/// ẋ = −0.8 x + 0.3, of which the model knows −k x. With g = (k − 0.8) x + 0.3 both minima lie at 0.8 − 0.3 Σx / Σx²,
/// over the stage times of the solution x(t) = 0.375 + (x₀ − 0.375) e^(−0.8 t).
#[test]
fn a_decay_with_a_hidden_source() {
    let dt = 0.1;
    let x = |x0: f64, t: f64| 0.375 + (x0 - 0.375) * (-0.8 * t).exp();
    let starts = [2.0, 1.0, -0.5];
    let episodes: Vec<Episode> = starts
        .iter()
        .map(|x0| Episode {
            outputs: (0..40).map(|i| x(*x0, dt * i as f64)).collect(),
            len: 40,
            output_count: 1,
            cells: 1,
            ..Episode::default()
        })
        .collect();
    // The times c of the stages in each interval.
    for (method, substeps, c) in [
        ("euler", 1, vec![0.0]),
        ("rk38", 1, vec![0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]),
        ("midpoint", 2, vec![0.0, 0.25, 0.5, 0.75]),
    ] {
        let toml = format!(
            "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.1, 1.5]\n[solver]\nmethod = \"{method}\"\n\
             dt = {dt}\nsubsteps = {substeps}\n"
        );
        let wgsl = "struct State { x: f32 }\nstruct Theta { k: f32 }\n\
                    fn physics(s: State, theta: Theta) -> State { return State(-theta.k * s.x); }";
        let model = model(&toml, wgsl);
        let config = DataConfig {
            window: WindowConfig { history: 2, horizon: 6, stride: 3, ..WindowConfig::default() },
            split: SplitConfig { by: Some(SplitBy::Time), ratios: Some([1.0, 0.0, 0.0]), ..SplitConfig::default() },
            ..DataConfig::default()
        };
        let data = Dataset::assemble(&config, Path::new("."), episodes.clone()).unwrap();
        let oracle = Oracle::new(&model, &data.train, &data.episodes).unwrap();
        let (mut first, mut second, mut count) = (0.0, 0.0, 0.0);
        for (episode, start) in data.train.episode.iter().zip(&data.train.start) {
            for interval in 0..6 {
                for c in &c {
                    let value = x(starts[*episode as usize], dt * (*start as f64 + 1.0 + interval as f64 + c));
                    (first, second, count) = (first + value, second + value * value, count + 1.0);
                }
            }
        }
        let expected = 0.8 - 0.3 * first / second;
        assert!((expected - 0.8).abs() > 0.1, "the hidden source moves the minimum far: {expected}");
        assert_close(method, &minima(&oracle, [0.2, 0.6, 1.2]), &[expected; 2], ONE_PERCENT);
        let sums = oracle.sums(&[0.8]);
        assert_eq!(sums.stage_count, count);
        // At the true k the perfect correction is the source itself.
        assert_close("‖g‖²", &[sums.means()[0]], &[0.09], ONE_PERCENT);
        assert_close("‖f‖²", &[sums.means()[2]], &[0.64 * second / count], ONE_PERCENT);
    }
}

const PENDULUM: &str = "struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32 }
struct Output { cos_angle: f32, sin_angle: f32, velocity: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.velocity, 1.5 * theta.gravity * sin(s.angle)); }
fn observe(s: State) -> Output { return Output(cos(s.angle), sin(s.angle), s.velocity); }
fn initial(y: Output) -> State { return State(atan2(y.sin_angle, y.cos_angle), y.velocity); }
";

/// A simulated pendulum with the hidden torque h = 0.8 sin a − 0.5 v. The angle goes round, so the observed one jumps.
/// Euler's stages are the frames: γ = 10 + Σ 1.5 sin a h / Σ (1.5 sin a)².
#[test]
fn a_simulated_pendulum_with_a_hidden_torque() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("model.wgsl", PENDULUM);
    let hidden = "sin(s.angle) + 0.8 * sin(s.angle) - 0.5 * s.velocity)";
    write("truth.wgsl", &PENDULUM.replace("sin(s.angle));", &format!("{hidden};")));
    let toml = "[model]\nphysics = \"model.wgsl\"\n[theta.gravity]\nbounds = [8.0, 12.0]\n\
                [solver]\nmethod = \"euler\"\ndt = 0.02\n[data]\nwindow = { horizon = 20, stride = 10 }\n\
                split = { ratios = [0.6, 0.2, 0.2] }\n[data.simulate]\ntruth = \"truth.wgsl\"\nmethod = \"rk4\"\n\
                substeps = 4\ntheta = { gravity = 10.0 }\nepisodes = 10\nsteps = 120\ndt = 0.02\n\
                [data.simulate.initial]\nangle = [-3.0, 3.0]\nvelocity = [2.0, 6.0]\n";
    write("study.toml", toml);
    let study = Study::open(&folder.path().join("study.toml"), false).unwrap();
    let model = Model::load(study.spec.clone(), study.base()).unwrap();
    let data = prepare(&study, &model, None).unwrap().dataset;
    let turns = data.episodes.iter().flat_map(|e| e.outputs.chunks(3).zip(e.outputs.chunks(3).skip(1)));
    let jumps = turns.filter(|(a, b)| a[0] < 0.0 && b[0] < 0.0 && a[1] * b[1] < 0.0).count();
    assert!(jumps > 5, "the angle goes past the back {jumps} times only");
    let windows = &data.train;
    let (mut product, mut square, mut torque) = (0.0, 0.0, 0.0);
    for w in 0..windows.count {
        // The initial frame and all but the last frame predicted are stages.
        let future = &windows.future[w * 60..(w + 1) * 60 - 3];
        for y in windows.past[w * 3..w * 3 + 3].chunks(3).chain(future.chunks(3)) {
            let hidden = 0.8 * y[1] - 0.5 * y[2];
            product += 1.5 * y[1] * hidden;
            torque += hidden * hidden;
            square += (1.5 * y[1]).powi(2);
        }
    }
    let oracle = Oracle::new(&model, windows, &data.episodes).unwrap();
    let found = minima(&oracle, [8.0, 10.0, 12.0])[0];
    let shift = product / square;
    assert!(shift.abs() > 0.2, "{shift}");
    assert_close("gravity", &[found], &[10.0 + shift], ONE_PERCENT);
    // At the true gravity the correction is the torque alone: where the observed angle jumps, the state does not.
    let at_truth = oracle.sums(&[10.0]);
    assert_close(
        "‖g‖²",
        &[at_truth.means()[0]],
        &[torque / at_truth.stage_count],
        Tolerance { relative: 0.02, absolute: 0.0 },
    );
    // Two per cent of the shift, not only of the whole.
    assert_close("shift", &[found - 10.0], &[shift], Tolerance { relative: 0.02, absolute: 0.0 });
}

#[test]
fn there_is_no_oracle_where_the_state_is_not_seen_or_there_is_no_rate() {
    let windows = |model: &Model| {
        let episode = Episode {
            outputs: (0..20).map(|i| i as f64).collect(),
            len: 20,
            output_count: model.outputs.len(),
            cells: 1,
            ..Episode::default()
        };
        let config: DataConfig = toml::from_str("window = { horizon = 2 }\nsplit = { ratios = [1, 0, 0] }").unwrap();
        Dataset::assemble(&config, Path::new("."), vec![episode]).unwrap()
    };
    let oracle_of = |method: &str, wgsl: &str| {
        let toml = format!("[model]\nphysics = \"t.wgsl\"\n[solver]\nmethod = \"{method}\"\ndt = 0.1\n");
        let model = model(&toml, wgsl);
        let data = windows(&model);
        Oracle::new(&model, &data.train, &data.episodes).is_some()
    };
    let seen = "struct State { x: f32 }\nfn physics(s: State) -> State { return State(-s.x); }";
    let hidden = "struct State { x: f32, v: f32 }\nstruct Output { x: f32 }\n\
                  fn physics(s: State) -> State { return State(s.v, -s.x); }\n\
                  fn observe(s: State) -> Output { return Output(s.x); }";
    assert!(oracle_of("rk4", seen));
    assert!(!oracle_of("map", seen));
    assert!(!oracle_of("rk4", hidden));
}
