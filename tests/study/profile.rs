//! Profiles and intervals against closed forms.

use super::estimate::{line, scattered, stages};
use super::{loss, over, penalty};
use crate::common::{Case, Tolerance, assert_close, model};
use greybox::data::Windows;
use greybox::device::{Device, Start, cpu::Cpu};
use greybox::model::Model;
use greybox::rng::{Purpose, Stream};
use greybox::study::{
    Criterion, Estimate, EstimateConfig, Identified, Known, Sweep, agreement, estimate, identify, independent_entries,
};

/// Estimates and identifies by one criterion, as a study does.
pub fn identified(sweep: &Sweep, criterion: Criterion, config: &EstimateConfig, entries: f64) -> Identified {
    let criteria = [criterion];
    let estimates = estimate(sweep, &criteria, config, 3).unwrap();
    let known = Known { estimates: &estimates, oracles: &[], landscape: None, entries };
    identify(sweep, &criteria, &known, config, 3).unwrap().criteria.remove(0)
}

/// Observations of dx/dt = a + b t with noise: the prediction is linear in θ.
pub fn regression(scale: f64) -> (Model, Case) {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\na = { bounds = [-1.0, 2.0], truth = 0.5 }\n\
                b = { bounds = [-1.0, 1.0], truth = 0.2 }\n[solver]\nmethod = \"midpoint\"\ndt = 0.5\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { a: f32, b: f32 }\n\
                fn physics(theta: Theta, t: f32) -> State { return State(theta.a + theta.b * t); }";
    let model = model(toml, wgsl);
    let mut case = Case::random(&model, 10, 6, 2, 1.0);
    case.trajectories.start = Start::States(vec![0.0; 10]);
    case.trajectories.t0 = Vec::new();
    let noise = Stream::new(7, Purpose::Noise);
    let y = (0..60).map(|i| {
        let t = 0.5 * (i % 6 + 1) as f64;
        0.5 * t + 0.1 * t * t + 0.05 * noise.normal(i as u32, 0)
    });
    case.trajectories.targets = Some(y.collect());
    case.trajectories.residual_scale = Some(vec![scale]);
    (model, case)
}

#[test]
fn the_likelihood_interval_of_a_regression_is_exact() {
    let (model, case) = regression(0.5);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..10).collect();
    let config = EstimateConfig { bootstrap: 0, method: greybox::study::EstimateMethod::Lbfgs, ..Default::default() };
    let found = identified(&over(&device, &case, &block, 1 << 20), loss(&model), &config, 60.0);
    // Least squares of y on t and t²/2 through 0.
    let t: Vec<f64> = (0..60).map(|i| 0.5 * (i % 6 + 1) as f64).collect();
    let y = case.trajectories.targets.as_ref().unwrap();
    let sum = |f: &dyn Fn(usize) -> f64| (0..60).map(f).sum::<f64>();
    let z = |i: usize| 0.5 * t[i] * t[i];
    let (tt, tz, zz) = (sum(&|i| t[i] * t[i]), sum(&|i| t[i] * z(i)), sum(&|i| z(i) * z(i)));
    let (ty, zy) = (sum(&|i| t[i] * y[i]), sum(&|i| z(i) * y[i]));
    let determinant = tt * zz - tz * tz;
    let (a, b) = ((zz * ty - tz * zy) / determinant, (tt * zy - tz * ty) / determinant);
    assert_close("estimate", &found.theta, &[a, b], Tolerance { relative: 1e-5, absolute: 0.0 });
    let least = sum(&|i| (y[i] - a * t[i] - b * z(i)).powi(2)) / 60.0;
    // With the other parameter minimised over, the loss rises by δ² D/(60 S).
    let half = |own: f64| (((3.841_458_820_694_124f64 / 60.0).exp() - 1.0) * 60.0 * least * own / determinant).sqrt();
    for (profile, (centre, half)) in found.profiles.iter().zip([(a, half(zz)), (b, half(tt))]) {
        let (low, high) = profile.interval.unwrap();
        let exact = [centre - half, centre + half];
        assert_close("interval", &[low, high], &exact, Tolerance { relative: 0.0, absolute: 2e-3 * half });
        assert!(profile.open == [false; 2] && !profile.again && profile.points.len() >= 27);
    }
    // Residuals are divided by 0.5: the loss is four times the mean square, the covariance is the same.
    assert_close("loss", &[found.value], &[4.0 * least], Tolerance { relative: 1e-8, absolute: 0.0 });
    let covariance = found.covariance.as_ref().unwrap();
    let scales = [3.0, 2.0];
    let exact = [[zz, -tz], [-tz, tt]];
    for i in 0..2 {
        for j in 0..2 {
            let exact = least * exact[i][j] / determinant / scales[i] / scales[j];
            assert_close(
                "covariance",
                &[covariance.matrix[i][j]],
                &[exact],
                Tolerance { relative: 1e-6, absolute: 0.0 },
            );
        }
    }
    // Gauss–Newton is the whole curvature of a linear regression.
    let gauss_newton = &found.gauss_newton.as_ref().unwrap().matrix;
    assert_close(
        "curvature",
        &found.curvature.matrix.concat(),
        &gauss_newton.concat(),
        Tolerance { relative: 1e-6, absolute: 0.0 },
    );
    // Half as many independent entries: √2 as wide.
    let wider = identified(&over(&device, &case, &block, 1 << 20), loss(&model), &config, 30.0);
    let width = |found: &Identified| found.profiles[0].interval.map(|(low, high)| high - low).unwrap();
    assert_close(
        "width",
        &[width(&wider) / width(&found)],
        &[2f64.sqrt()],
        Tolerance { relative: 0.03, absolute: 0.0 },
    );
}

#[test]
fn a_profile_is_least_over_the_other_parameters() {
    let model = line("a = { bounds = [-1.0, 1.0] }\nb = { bounds = [-1.0, 1.0] }", "theta.a + theta.b * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let x: Vec<f64> = stages(&device, &case, &model).concat();
    let mean = |f: &dyn Fn(f64) -> f64| x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64;
    let rate = |x: f64| -0.7 * x + 0.2 * x * x;
    let (mx, my) = (mean(&|x| x), mean(&rate));
    let config = EstimateConfig { steps: 100, bootstrap: 0, ..EstimateConfig::default() };
    let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, "least_action"), &config, 0.0);
    for point in &found.profiles[1].points {
        // Given b, the best a is the mean of what is left, unless the box holds it.
        let b = point.theta[1];
        let a = (my - b * mx).clamp(-1.0, 1.0);
        let least = mean(&|x| (rate(x) - a - b * x).powi(2));
        assert_close("a", &[point.theta[0]], &[a], Tolerance { relative: 0.0, absolute: 1e-3 });
        assert_close("value", &[point.value], &[least], Tolerance { relative: 1e-4, absolute: 1e-8 });
    }
    assert!(found.profiles[1].points.iter().any(|p| p.theta[0].abs() == 1.0), "the box holds none");
    let b: Vec<f64> = found.profiles[1].points.iter().map(|p| p.theta[1]).collect();
    assert!(b.is_sorted() && b[0] == -1.0 && *b.last().unwrap() == 1.0);
}

/// What resamples of blocks say about a rise agrees with where they put the minimum.
#[test]
fn the_interval_of_a_penalty_is_that_of_the_bootstrap() {
    // Without physics there is nothing to be orthogonal to: k = 0 is left out.
    let model = line("k = { bounds = [0.2, 1.0] }", "-theta.k * s.x");
    let mut spec = model.spec.clone();
    let mut kinked = spec.penalties[0].clone();
    kinked.kind = "orthogonality".into();
    spec.penalties.push(kinked);
    let model = Model::compile(spec, "t.wgsl", &model.source).unwrap();
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let config = EstimateConfig { points: 2001, bootstrap: 1000, ..EstimateConfig::default() };
    for (name, kinked) in [("least_action", false), ("orthogonality", true)] {
        let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, name), &config, 0.0);
        assert_eq!(found.curvature.kinked, kinked, "{name}");
        let (low, high) = found.profiles[0].interval.unwrap();
        let (from, to) = found.bootstrap.as_ref().unwrap()[0];
        let width = to - from;
        assert!(width > 0.005, "{name}: {width}");
        assert_close(name, &[low, high], &[from, to], Tolerance { relative: 0.0, absolute: 0.15 * width });
        if !kinked {
            let (low, high) = found.parabolic.as_ref().unwrap()[0];
            assert_close("sandwich", &[low, high], &[from, to], Tolerance { relative: 0.0, absolute: 0.25 * width });
        }
        assert_eq!((found.covariance.is_none(), found.flat().count()), (kinked, 0));
    }
    // With a single block there is no telling.
    let alone =
        identified(&over(&device, &case, &vec![0; 120], 1 << 20), penalty(&model, "least_action"), &config, 0.0);
    assert_eq!((alone.profiles[0].interval, alone.covariance, alone.parabolic), (None, None, None));
    assert!(alone.profiles[0].points.iter().all(|p| p.limit.is_nan()));
}

#[test]
fn profiles_cost_what_their_settings_say() {
    let (model, case) = regression(1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    assert_eq!(device.model().theta.len(), 2);
    let block: Vec<u32> = (0..10).collect();
    let few = EstimateConfig { profile_points: 5, profile_steps: 1, bootstrap: 0, ..EstimateConfig::default() };
    let found = identified(&over(&device, &case, &block, 1 << 20), loss(&model), &few, 60.0);
    for profile in &found.profiles {
        assert!((6..=12).contains(&profile.points.len()), "{}", profile.points.len());
    }
}

#[test]
fn overlapping_windows_count_an_observation_once() {
    // Windows of 3 frames behind 1, at every second step of 2 episodes; the last but one value of the first is missing.
    let windows = Windows {
        history: 1,
        horizon: 3,
        outputs: 1,
        count: 4,
        episode: vec![0, 0, 0, 1],
        start: vec![0, 2, 4, 0],
        future: vec![1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 5.0, f64::NAN, 7.0, 1.0, 2.0, 3.0],
        ..Windows::default()
    };
    assert_eq!(independent_entries(&windows, usize::MAX), 9.0);
    // The first window of each half.
    assert_eq!(independent_entries(&windows, 2), 5.0);
}

#[test]
fn members_agree_as_far_as_their_estimates_do() {
    let of = |a: f64, value: f64| Estimate {
        criterion: "loss".into(),
        theta: vec![a, 7.0],
        value,
        interval: None,
        deviation: vec![0.0; 2],
        method: String::new(),
    };
    let members = [vec![of(1.0, 0.1)], vec![of(2.0, 0.1)], vec![of(6.0, 0.2)], vec![of(9.0, f64::INFINITY)]];
    let found = agreement(&members, &[0]);
    assert_eq!(found.len(), 1);
    let one = &found[0];
    assert_eq!((one.criterion.as_str(), one.parameter, one.range), ("loss", 0, (1.0, 6.0)));
    assert_eq!((one.mean, one.deviation, one.estimates.len()), (3.0, 7f64.sqrt(), 3));
    assert_eq!(agreement(&members[..1], &[0])[0].deviation, 0.0);
}
