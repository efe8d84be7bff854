//! Estimates: the grid against trying every point, many starts against known minima, the bootstrap against theory.

use super::{decay, directly, over, penalty};
use crate::common::{Case, Tolerance, assert_close, model};
use greybox::device::{Device, Start, cpu::Cpu};
use greybox::model::{Model, Scale, ThetaSpec};
use greybox::study::{Criterion, Estimate, EstimateConfig, estimate};

/// ds/dt = −0.7 x + 0.2 x² whatever θ: where the data lie does not depend on it, so that minima have closed forms.
pub fn line(theta: &str, physics: &str) -> Model {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta]\n{theta}\n[solver]\nmethod = \"euler\"\ndt = 0.1\n\
         [[penalty]]\nkind = \"least_action\"\nweight = 1.0\n"
    );
    let members = if theta.contains("b = ") { "a: f32, b: f32" } else { "k: f32" };
    let wgsl = format!(
        "struct State {{ x: f32 }}\nstruct Theta {{ {members} }}\n\
         fn physics(s: State, theta: Theta) -> State {{ return State({physics}); }}\n\
         fn rhs(s: State) -> State {{ return State(-0.7 * s.x + 0.2 * s.x * s.x); }}"
    );
    model(&toml, &wgsl)
}

/// Three trajectories for each of 40 blocks, each block in a region of its own.
pub fn scattered(model: &Model) -> (Case, Vec<u32>) {
    let mut case = Case::random(model, 120, 4, 8, 1.0);
    let start = |i: usize| 0.4 + 0.04 * (i / 3 * 7 % 40) as f64 + 0.01 * (i % 3) as f64;
    case.trajectories.start = Start::States((0..120).map(start).collect());
    (case, (0..120).map(|i| i / 3).collect())
}

/// The states at which Euler's stages stand, per trajectory.
pub fn stages(device: &dyn Device, case: &Case, model: &Model) -> Vec<Vec<f64>> {
    let rollout = device.simulate(&case.job(model)).unwrap();
    rollout.states.chunks(5).map(|states| states[..4].to_vec()).collect()
}

#[test]
fn the_grid_finds_what_trying_every_point_finds() {
    let model = decay();
    let case = Case::random(&model, 24, 5, 3, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..24).map(|i| i / 4).collect();
    let objective = Criterion { name: "objective".into(), objective: model.objective.clone() };
    let criteria = [penalty(&model, "orthogonality"), penalty(&model, "least_action"), objective];
    let config = EstimateConfig { points: 61, bootstrap: 0, ..EstimateConfig::default() };
    let found = estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, 0).unwrap();
    assert_eq!(found.len(), 3);
    for (criterion, found) in criteria.iter().zip(&found) {
        let values: Vec<(f64, f64)> = (0..61)
            .map(|i| -1.0 + 3.0 * (i as f64 / 60.0))
            .map(|k| (k, directly(&device, &case, &criterion.objective, &[k]).terms[0].objective))
            .collect();
        let best = values.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_close(&criterion.name, &found.theta, &[best.0], Tolerance { relative: 1e-15, absolute: 0.0 });
        assert_close(&criterion.name, &[found.value], &[best.1], Tolerance { relative: 1e-11, absolute: 1e-15 });
        assert_eq!((found.criterion.as_str(), &found.interval), (criterion.name.as_str(), &None));
    }
    assert!(found.iter().any(|e| e.theta[0] != found[0].theta[0]), "criteria that agree everywhere tell nothing");
}

#[test]
fn the_bootstrap_has_the_spread_of_the_blocks() {
    let model = line("k = { bounds = [0.0, 1.0] }", "-theta.k * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    // g = (k − 0.7) x + 0.2 x², so the mean of g² is least at 0.7 − 0.2 Σx³ / Σx².
    let mut sums = vec![[0.0f64; 2]; 40];
    for (states, block) in stages(&device, &case, &model).iter().zip(&block) {
        for x in states {
            sums[*block as usize][0] += x * x;
            sums[*block as usize][1] += x * x * x;
        }
    }
    let [squares, cubes] = [0, 1].map(|i| sums.iter().map(|s| s[i]).sum::<f64>());
    let ratio = cubes / squares;
    // A ratio of sums over blocks drawn with replacement, to first order.
    let deviation = 0.2 * sums.iter().map(|[s, c]| (c - ratio * s).powi(2)).sum::<f64>().sqrt() / squares;

    let criteria = [penalty(&model, "least_action")];
    let config = EstimateConfig { points: 1001, bootstrap: 1500, ..EstimateConfig::default() };
    let of_seed = |seed| estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, seed).unwrap().remove(0);
    let found = of_seed(5);
    assert_close("k", &found.theta, &[0.7 - 0.2 * ratio], Tolerance { relative: 0.0, absolute: 0.5 / 1000.0 });
    // 1500 replicates know a deviation to 2 %, and the first order is as good.
    assert_close("deviation", &found.deviation, &[deviation], Tolerance { relative: 0.08, absolute: 0.0 });
    let (low, high) = found.interval.as_ref().unwrap()[0];
    assert!(low < found.theta[0] && found.theta[0] < high, "{} in [{low}, {high}]", found.theta[0]);
    assert_close("width", &[high - low], &[3.92 * deviation], Tolerance { relative: 0.15, absolute: 0.0 });
    assert_eq!(found, of_seed(5));
    let other = of_seed(6);
    assert_eq!(other.theta, found.theta, "the seed decides about the bootstrap only");
    assert_ne!(other.deviation, found.deviation);
}

/// (4 (a² − 1/4))² + (0.6 (a + 1/2))² + (ln b/0.3)²: two valleys in a, of which the left one reaches 0.
pub fn valleys() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\na = { bounds = [-1.0, 1.4] }\nc = { fixed = 3.0 }\n\
                b = { bounds = [0.1, 10.0], scale = \"log\" }\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n\
                [[penalty]]\nkind = \"least_action\"\n";
    let wgsl = "struct State { p: f32, q: f32, r: f32 }\nstruct Theta { a: f32, c: f32, b: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(s.q, theta.c, -s.p); }\n\
                fn rhs(f: State, theta: Theta) -> State {\n\
                return State(f.p + 4.0 * (theta.a * theta.a - 0.25), f.q + 0.6 * (theta.a + 0.5), f.r + log(theta.b / 0.3)); }";
    model(toml, wgsl)
}

/// The same in a box whose edge keeps b from its minimum.
pub fn walled() -> Model {
    let model = valleys();
    let mut spec = model.spec.clone();
    spec.theta.get_mut("b").unwrap().bounds = Some([1.0, 10.0]);
    Model::compile(spec, "t.wgsl", &model.source).unwrap()
}

/// A state that explodes where k < 0, with the correction k + `offset`, which does not.
pub fn exploding(offset: f64) -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [-1.0, 1.0]\n[solver]\nmethod = \"euler\"\ndt = 1.0\n\
                [[penalty]]\nkind = \"least_action\"\n";
    let wgsl = format!(
        "struct State {{ x: f32 }}\nstruct Theta {{ k: f32 }}\n\
         fn physics(s: State, theta: Theta) -> State {{\n\
             return State(select(-0.5 * s.x, exp(exp(10.0 + s.x * s.x)), theta.k < 0.0)); }}\n\
         fn rhs(f: State, theta: Theta) -> State {{ return State(f.x + theta.k + {offset:?}); }}"
    );
    model(toml, &wgsl)
}

/// Least squares of the true rate over a line a + b x at the stages: the minimum of E‖g‖² over (a, b).
pub fn least_squares(device: &dyn Device, case: &Case, model: &Model) -> [f64; 2] {
    let x: Vec<f64> = stages(device, case, model).concat();
    let mean = |f: &dyn Fn(f64) -> f64| x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64;
    let rate = |x: f64| -0.7 * x + 0.2 * x * x;
    let (mx, my) = (mean(&|x| x), mean(&rate));
    let b = (mean(&|x| x * rate(x)) - mx * my) / (mean(&|x| x * x) - mx * mx);
    [my - b * mx, b]
}

#[test]
fn many_starts_find_the_deeper_valley_and_one_start_does_not() {
    let model = valleys();
    let mut case = Case::random(&model, 6, 2, 1, 0.5);
    case.trajectories.targets = None;
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let criteria = [penalty(&model, "least_action")];
    let block: Vec<u32> = (0..6).collect();
    let from = |starts| -> Estimate {
        let config = EstimateConfig { starts, bootstrap: 0, steps: 80, ..EstimateConfig::default() };
        estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, 0).unwrap().remove(0)
    };
    // The middle of the box, a = 0.2, lies on the slope to the right.
    let one = from(1);
    assert!(one.theta[0] > 0.3 && one.value > 0.2, "{one:?}");
    let many = from(8);
    // The last steps are a thousandth of the box.
    assert_close("a", &many.theta[..1], &[-0.5], Tolerance { relative: 0.0, absolute: 0.005 * 2.4 });
    assert_close(
        "ln b",
        &[many.theta[2].ln()],
        &[0.3f64.ln()],
        Tolerance { relative: 0.0, absolute: 0.005 * 100f64.ln() },
    );
    assert_eq!(many.theta[1], 3.0, "a fixed parameter keeps its value");
    assert!(many.value < 2e-3, "{}", many.value);
    let there = directly(&device, &case, &criteria[0].objective, &many.theta).terms[0].objective;
    assert_close("value", &[many.value], &[there], Tolerance { relative: 1e-9, absolute: 1e-15 });
    assert_eq!(many, from(8));
}

/// The box is a wall: with the minimum outside of it the estimate lies on its edge.
#[test]
fn estimates_stay_inside_the_box() {
    let model = walled();
    let mut case = Case::random(&model, 6, 2, 1, 0.5);
    case.trajectories.targets = None;
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let config = EstimateConfig { bootstrap: 0, ..EstimateConfig::default() };
    let criteria = [penalty(&model, "least_action")];
    let found = estimate(&over(&device, &case, &[0; 6], 1 << 20), &criteria, &config, 0).unwrap().remove(0);
    assert_close("b", &found.theta[2..], &[1.0], Tolerance { relative: 1e-12, absolute: 0.0 });
}

#[test]
fn two_parameters_are_fitted_as_the_normal_equations_say() {
    let model = line("a = { bounds = [-1.0, 1.0] }\nb = { bounds = [-1.0, 1.0] }", "theta.a + theta.b * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let exact = least_squares(&device, &case, &model);
    let config = EstimateConfig { steps: 200, bootstrap: 16, starts: 3, ..EstimateConfig::default() };
    let criteria = [penalty(&model, "least_action")];
    let of_seed = |seed| estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, seed).unwrap().remove(0);
    let found = of_seed(1);
    assert_close("a and b", &found.theta, &exact, Tolerance { relative: 0.0, absolute: 0.02 });
    let intervals = found.interval.clone().unwrap();
    for ((low, high), deviation) in intervals.into_iter().zip(&found.deviation) {
        assert!(low < high && *deviation > 0.0 && high - low < 1.0, "[{low}, {high}] ± {deviation}");
    }
    assert_eq!(found, of_seed(1));
}

#[test]
fn points_where_a_trajectory_diverges_are_no_minima() {
    // The correction k + 2 is smaller below 0 if one counts only what is finite.
    let model = exploding(2.0);
    let case = Case::random(&model, 4, 3, 1, 0.5);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let config = EstimateConfig { points: 21, bootstrap: 20, ..EstimateConfig::default() };
    let criteria = [penalty(&model, "least_action")];
    let found = estimate(&over(&device, &case, &[0, 1, 2, 3], 1 << 20), &criteria, &config, 0).unwrap().remove(0);
    assert_close("k", &found.theta, &[0.0], Tolerance { relative: 0.0, absolute: 1e-12 });
    assert_close("value", &[found.value], &[4.0], Tolerance { relative: 1e-5, absolute: 0.0 });
}

#[test]
fn the_share_of_the_box_is_taken_along_its_scale() {
    let of = |low: f64, high: f64| Estimate {
        criterion: "orthogonality".into(),
        theta: vec![low],
        value: 0.0,
        interval: Some(vec![(low, high)]),
        deviation: vec![0.1],
        method: String::new(),
    };
    let linear = ThetaSpec { bounds: Some([8.0, 12.0]), ..ThetaSpec::default() };
    assert_eq!(of(9.0, 12.0).share_of_box(&linear, 0), Some(0.75));
    let logarithmic = ThetaSpec { bounds: Some([1.0, 100.0]), scale: Scale::Log, ..ThetaSpec::default() };
    assert!((of(1.0, 10.0).share_of_box(&logarithmic, 0).unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(Estimate { interval: None, ..of(9.0, 9.1) }.share_of_box(&linear, 0), None);
}
