//! Identifiability: known flat directions are named, and nothing else is.

use super::estimate::{line, scattered, valleys, walled};
use super::profile::{identified, regression};
use super::{directly, loss, over, penalty};
use crate::common::{Case, Tolerance, assert_close, model};
use greybox::device::{Device, Start, cpu::Cpu};
use greybox::model::Model;
use greybox::rng::{Purpose, Stream};
use greybox::study::{Axis, EstimateConfig, EstimateMethod, Identified, Known, estimate, identify, landscape};

fn config() -> EstimateConfig {
    EstimateConfig { method: EstimateMethod::Lbfgs, bootstrap: 8, starts: 4, ..EstimateConfig::default() }
}

/// Decays at a rate that depends on a and b, observed with noise; c lifts the observation, which is known apart.
fn decays(rate: &str, theta: &str) -> (Model, Case) {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta]\n{theta}\nc = {{ bounds = [-1.0, 1.0] }}\n[solver]\nmethod = \"rk4\"\n\
         dt = 0.3\n[[penalty]]\nkind = \"least_action\"\n"
    );
    let wgsl = format!(
        "struct State {{ x: f32 }}\nstruct Theta {{ a: f32, b: f32, c: f32 }}\nstruct Output {{ y: f32 }}\n\
         fn physics(s: State, theta: Theta) -> State {{ return State(-({rate}) * s.x); }}\n\
         fn observe(s: State, theta: Theta) -> Output {{ return Output(s.x + theta.c); }}"
    );
    let model = model(&toml, &wgsl);
    let mut case = Case::random(&model, 12, 6, 2, 1.0);
    case.trajectories.start = Start::States((0..12).map(|i| 1.0 + 0.1 * i as f64).collect());
    let noise = Stream::new(5, Purpose::Noise);
    // Truth: rate 0.6, c = 0.2.
    let y = |i: usize| {
        let (start, t) = (1.0 + 0.1 * (i / 6) as f64, 0.3 * (i % 6 + 1) as f64);
        start * (-0.6 * t).exp() + 0.2 + 0.01 * noise.normal(i as u32, 0)
    };
    case.trajectories.targets = Some((0..72).map(y).collect());
    (model, case)
}

fn by_loss(model: &Model, case: &Case) -> Identified {
    let device = Cpu::<f64>::new(model, 1 << 26);
    let block: Vec<u32> = (0..case.trajectories.count as u32).collect();
    identified(&over(&device, case, &block, 1 << 20), loss(model), &config(), 72.0)
}

#[test]
fn a_product_leaves_its_factors_open() {
    for scale in ["", ", scale = \"log\""] {
        let theta = format!("a = {{ bounds = [0.2, 3.0]{scale} }}\nb = {{ bounds = [0.2, 3.0]{scale} }}");
        let (model, case) = decays("theta.a * theta.b", &theta);
        let found = by_loss(&model, &case);
        let flat: Vec<&str> = found.flat().map(|d| d.words.as_str()).collect();
        assert_eq!(flat, ["a up 1 %, b down 1 %"], "{found:#?}");
        assert!((found.theta[0] * found.theta[1] - 0.6).abs() < 0.02, "{:?}", found.theta);
        // Neither factor has an end that is not forced by the other's box; c has both.
        let [a, b, c] = &found.profiles[..] else { panic!() };
        assert!(a.share > 0.5 && b.share > 0.5 && c.share < 0.05, "{} {} {}", a.share, b.share, c.share);
        let product: Vec<f64> =
            a.points.iter().filter(|p| p.value <= p.limit).map(|p| p.theta[0] * p.theta[1]).collect();
        assert!(
            product.len() > 5 && product.iter().all(|p| (p - 0.6).abs() < 0.05),
            "the path stays in the valley: {product:?}"
        );
    }
}

#[test]
fn a_sum_leaves_its_terms_open() {
    let theta = "a = { bounds = [0.0, 1.0] }\nb = { bounds = [0.0, 1.0] }";
    let (model, case) = decays("theta.a + 2.0 * theta.b", theta);
    let found = by_loss(&model, &case);
    let flat: Vec<_> = found.flat().collect();
    assert_eq!(flat.len(), 1, "{found:#?}");
    assert_eq!(flat[0].named, [0, 1]);
    let along = &flat[0].components;
    assert_close(
        "a against b",
        &[along[0] / along[1], along[2]],
        &[-2.0, 0.0],
        Tolerance { relative: 0.01, absolute: 0.0 },
    );
    assert!(flat[0].words.contains("a up") && flat[0].words.contains("b down"), "{}", flat[0].words);
}

#[test]
fn a_penalty_that_sees_only_a_product_says_so_too() {
    let model = line("a = { bounds = [0.2, 3.0] }\nb = { bounds = [0.1, 1.5] }", "-theta.a * theta.b * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, "least_action"), &config(), 0.0);
    let flat: Vec<&str> = found.flat().map(|d| d.words.as_str()).collect();
    assert!(
        matches!(flat[..], [one] if one.starts_with("a up 1 %, b down ") || one.starts_with("a up 0.9")),
        "{flat:?}"
    );
}

#[test]
fn correlated_parameters_that_the_data_tell_apart_are_not_flat() {
    let (model, case) = regression(1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..10).collect();
    let found = identified(&over(&device, &case, &block, 1 << 20), loss(&model), &config(), 60.0);
    let covariance = &found.covariance.as_ref().unwrap().matrix;
    let correlation = covariance[0][1] / (covariance[0][0] * covariance[1][1]).sqrt();
    assert!(correlation < -0.95, "{correlation}");
    assert_eq!(found.flat().count(), 0, "{found:#?}");
    assert_eq!((found.directions.len(), &found.edges[..]), (2, &[][..]));
    assert!(found.directions[1].words.contains("a up") && found.directions[1].words.contains("b down"));
    // The truth is known to the study: each parameter has its bias in halves of its interval.
    for (bias, profile) in found.biases.iter().zip(&found.profiles) {
        assert_eq!((bias.against.as_str(), bias.parameter), ("truth", profile.parameter));
        let (low, high) = profile.interval.unwrap();
        let inside = (low..=high).contains(&bias.reference);
        assert_eq!(bias.halves.unwrap().abs() <= 1.0, inside, "{bias:?} in [{low}, {high}]");
        assert_close(
            "difference",
            &[bias.difference],
            &[found.theta[bias.parameter] - bias.reference],
            Tolerance { relative: 1e-12, absolute: 0.0 },
        );
    }
    assert_eq!(found.biases.len(), 2);
}

#[test]
fn one_equation_for_two_parameters_leaves_a_curve() {
    let model = line("a = { bounds = [-1.0, 1.0] }\nb = { bounds = [-1.0, 1.0] }", "theta.a + theta.b * s.x");
    let mut spec = model.spec.clone();
    spec.penalties[0].kind = "orthogonality".into();
    let model = Model::compile(spec, "t.wgsl", &model.source).unwrap();
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let config = EstimateConfig { steps: 100, bootstrap: 8, ..EstimateConfig::default() };
    let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, "orthogonality"), &config, 0.0);
    assert!(found.curvature.kinked && found.value < 1e-3, "{found:#?}");
    assert!(found.covariance.is_none());
    assert_eq!(found.flat().count(), 1, "{found:#?}");
    assert_eq!(found.flat().next().unwrap().named.len(), 2);
}

#[test]
fn what_is_pressed_against_an_edge_is_named_and_not_called_flat() {
    let model = walled();
    let mut case = Case::random(&model, 6, 2, 1, 0.5);
    case.trajectories.targets = None;
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..6).collect();
    let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, "least_action"), &config(), 0.0);
    assert_eq!(found.edges, [2]);
    assert_eq!((found.directions.len(), found.flat().count()), (1, 0), "{found:#?}");
    assert_eq!(found.directions[0].named, [0]);
    assert_eq!(found.profiles.iter().map(|p| p.parameter).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn with_every_parameter_at_an_edge_there_is_no_direction_left() {
    let model = line("a = { bounds = [1.0, 2.0] }\nb = { bounds = [1.0, 2.0] }", "theta.a + theta.b * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let found = identified(&over(&device, &case, &block, 1 << 20), penalty(&model, "least_action"), &config(), 0.0);
    assert_eq!(found.edges, [0, 1]);
    assert!(found.directions.is_empty() && found.covariance.is_none());
    assert!(found.profiles.iter().all(|p| p.open[0] && p.points[0].theta[p.parameter] == 1.0));
}

#[test]
fn the_other_valley_is_reported_with_its_basin() {
    let model = valleys();
    let mut case = Case::random(&model, 6, 2, 1, 0.5);
    case.trajectories.targets = None;
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..6).collect();
    let sweep = over(&device, &case, &block, 1 << 20);
    let criteria = [penalty(&model, "least_action")];
    let estimates = estimate(&sweep, &criteria, &config(), 0).unwrap();
    let axes = vec![Axis::across(&model, 0, 49), Axis::across(&model, 2, 25)];
    let map = landscape(&sweep, &model.objective, &[], axes, &estimates[0].theta).unwrap();
    let oracles = [Some(vec![-0.4, 3.0, 0.3])];
    let known = Known { estimates: &estimates, oracles: &oracles, landscape: Some(&map), entries: 0.0 };
    let report = identify(&sweep, &criteria, &known, &config(), 0).unwrap();
    assert_eq!((report.parameters, &report.free), (vec!["a".to_string(), "b".into()], &vec![0, 2]));
    let found = &report.criteria[0];
    let [other] = &found.minima[..] else { panic!("{:?}", found.minima) };
    assert!((other.theta[0] - 0.47).abs() < 0.06 && other.theta[1] == 3.0, "{:?}", other.theta);
    assert!((0.5..0.65).contains(&other.basin) && (0.0..0.5).contains(&other.depth), "{other:?}");
    let there = directly(&device, &case, &criteria[0].objective, &other.theta).terms[0].objective;
    assert_close("value", &[other.value], &[there], Tolerance { relative: 1e-9, absolute: 0.0 });
    // (4 (a² − 1/4))² has the curvature 2 (8a)² at its zeros: in box widths of 2.4, with 0.72 of the slope.
    let exact = 2.4 * 2.4 * (2.0 * 64.0 * 0.25 + 0.72);
    assert_close("curvature", &[found.curvature.matrix[0][0]], &[exact], Tolerance { relative: 0.01, absolute: 0.0 });
    assert!(other.curvature.eigenvalues.iter().all(|v| *v > 0.0));
    assert!(found.biases.iter().all(|b| b.against == "perfect correction") && found.biases.len() == 2);
    assert!((found.biases[0].difference + 0.1).abs() < 1e-3);
    let text = serde_json::to_string(&report.criteria).unwrap();
    assert!(text.contains("\"words\"") && text.contains("\"profiles\""));
    assert!(device.description().contains("f64"));
}
