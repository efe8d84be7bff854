//! The ways to estimate: all find the same minimum, and what cannot be asked for is refused.

use super::estimate::{exploding, least_squares, line, scattered, valleys};
use super::{decay, directly, loss, over, penalty};
use crate::common::{Case, SPRING, Tolerance, assert_close, model, windows};
use greybox::device::cpu::Cpu;
use greybox::model::Model;
use greybox::program::Weights;
use greybox::study::{Criterion, Estimate, EstimateConfig, EstimateMethod, Study, estimate, estimate_members};

const METHODS: [EstimateMethod; 3] = [EstimateMethod::Grid, EstimateMethod::Gradient, EstimateMethod::Lbfgs];

/// A spring whose damping is left to a network that has not been trained.
fn spring() -> (Model, Case) {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.4, 2.0]\nscale = \"log\"\n[net.g]\nkind = \"mlp\"\n\
                hidden = [4]\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"least_action\"\nweight = 0.3\n";
    let model = model(toml, SPRING);
    let mut case = Case::random(&model, 12, 5, 4, 1.0);
    case.trajectories = windows(12, 3);
    (model, case)
}

#[test]
fn all_methods_find_the_minimum_of_a_spring() {
    let (model, case) = spring();
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..12).collect();
    let criteria = [loss(&model), Criterion { name: "objective".into(), objective: model.objective.clone() }];
    let by = |method, points, steps| -> Vec<Estimate> {
        let config = EstimateConfig { method, points, steps, starts: 3, bootstrap: 8, ..EstimateConfig::default() };
        estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, 1).unwrap()
    };
    let [grid, gradient, lbfgs] = METHODS.map(|method| by(method, 1601, 120));
    for (i, criterion) in criteria.iter().enumerate() {
        let name = &criterion.name;
        let inside = grid[i].theta[0] > 0.41 && grid[i].theta[0] < 1.99;
        assert!(inside, "{name}: a minimum at an edge does not show much, {}", grid[i].theta[0]);
        assert_close(name, &lbfgs[i].theta, &grid[i].theta, Tolerance { relative: 0.0, absolute: 0.001 });
        assert_close(name, &gradient[i].theta, &grid[i].theta, Tolerance { relative: 0.0, absolute: 0.005 });
        assert!(lbfgs[i].value <= grid[i].value, "{name}: {} > {}", lbfgs[i].value, grid[i].value);
        assert_close(name, &lbfgs[i].deviation, &grid[i].deviation, Tolerance { relative: 0.05, absolute: 0.002 });
        let there = directly(&device, &case, &criterion.objective, &lbfgs[i].theta).terms[0].objective;
        assert_close(name, &[lbfgs[i].value], &[there], Tolerance { relative: 1e-12, absolute: 0.0 });
    }
    assert!((grid[0].theta[0] - grid[1].theta[0]).abs() > 0.01, "criteria that agree tell nothing");
    assert!(lbfgs[0].method.starts_with("L-BFGS") && gradient[0].method.contains("Adam"));
    assert_eq!(lbfgs, by(EstimateMethod::Lbfgs, 1601, 120));
    // On its own, one parameter is put on a grid.
    assert_eq!(by(EstimateMethod::Auto, 1601, 1), grid);
}

#[test]
fn all_methods_solve_the_normal_equations() {
    let model = line("a = { bounds = [-1.0, 1.0] }\nb = { bounds = [-1.0, 1.0] }", "theta.a + theta.b * s.x");
    let (case, block) = scattered(&model);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let exact = least_squares(&device, &case, &model);
    let criteria = [penalty(&model, "least_action")];
    let config = EstimateConfig { points: 81, steps: 100, bootstrap: 16, starts: 2, ..EstimateConfig::default() };
    let by = |method| {
        let config = EstimateConfig { method, ..config.clone() };
        estimate(&over(&device, &case, &block, 1 << 20), &criteria, &config, 1).unwrap().remove(0)
    };
    let [grid, gradient, lbfgs] = METHODS.map(by);
    // The valley is narrow: neighbours on the grid lie along it.
    for (found, absolute) in [(&grid, 0.05), (&gradient, 0.02), (&lbfgs, 1e-5)] {
        assert_close(&found.method, &found.theta, &exact, Tolerance { relative: 0.0, absolute });
        let ends = found.interval.clone().unwrap();
        assert!(ends.iter().all(|(low, high)| low < high && high - low < 1.0), "{}: {ends:?}", found.method);
    }
    assert!(grid.method.contains("along each of 2 axes"), "{}", grid.method);
    assert!(lbfgs.value <= gradient.value && gradient.value <= grid.value + 1e-4);
}

#[test]
fn lbfgs_finds_the_deeper_valley_and_minima_at_edges() {
    let model = valleys();
    let mut case = Case::random(&model, 6, 2, 1, 0.5);
    case.trajectories.targets = None;
    let criteria = [penalty(&model, "least_action")];
    let by = |model: &Model, starts| {
        let device = Cpu::<f64>::new(model, 1 << 26);
        let method = EstimateMethod::Lbfgs;
        let config = EstimateConfig { method, starts, bootstrap: 0, steps: 40, ..EstimateConfig::default() };
        estimate(&over(&device, &case, &[0; 6], 1 << 20), &criteria, &config, 0).unwrap().remove(0)
    };
    let found = by(&model, 8);
    assert_close("a", &found.theta[..1], &[-0.5], Tolerance { relative: 0.0, absolute: 1e-4 });
    assert_close("b", &found.theta[2..], &[0.3], Tolerance { relative: 1e-4, absolute: 0.0 });
    assert_eq!((found.theta[1], found.interval), (3.0, None));
    let mut spec = model.spec.clone();
    spec.theta.get_mut("b").unwrap().bounds = Some([1.0, 10.0]);
    let walled = Model::compile(spec, "t.wgsl", &model.source).unwrap();
    let found = by(&walled, 8);
    assert_close("a at the wall", &found.theta[..1], &[-0.5], Tolerance { relative: 0.0, absolute: 1e-3 });
    assert!((1.0..1.001).contains(&found.theta[2]), "{}", found.theta[2]);
}

#[test]
fn lbfgs_turns_back_where_trajectories_diverge() {
    // The minimum k = −0.1 lies in what explodes, below 0.
    let model = exploding(0.1);
    let case = Case::random(&model, 4, 3, 1, 0.5);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let method = EstimateMethod::Lbfgs;
    let config = EstimateConfig { method, starts: 4, bootstrap: 0, steps: 60, ..EstimateConfig::default() };
    let criteria = [penalty(&model, "least_action")];
    let found = estimate(&over(&device, &case, &[0, 1, 2, 3], 1 << 20), &criteria, &config, 0).unwrap().remove(0);
    assert!((0.0..0.05).contains(&found.theta[0]), "{found:?}");
}

#[test]
fn every_member_has_estimates_of_its_own() {
    let model = decay();
    let case = Case::random(&model, 8, 5, 3, 1.0);
    let other = Case::random(&model, 8, 5, 9, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let both = Weights { members: 2, values: [&case.weights.values[..], &other.weights.values].concat() };
    let criteria = [penalty(&model, "orthogonality")];
    let config = EstimateConfig { points: 41, bootstrap: 5, ..EstimateConfig::default() };
    let block: Vec<u32> = (0..8).collect();
    let sweep = over(&device, &case, &block, 1 << 20);
    let members = estimate_members(&greybox::study::Sweep { weights: &both, ..sweep }, &criteria, &config, 2).unwrap();
    let alone = |weights| {
        let sweep = over(&device, &case, &block, 1 << 20);
        estimate(&greybox::study::Sweep { weights, ..sweep }, &criteria, &config, 2).unwrap()
    };
    assert_eq!(members, [alone(&case.weights), alone(&other.weights)]);
    assert_ne!(members[0], members[1]);
}

#[test]
fn settings_that_cannot_be_followed_are_refused_with_a_remedy() {
    let base = "[model]\nphysics = \"t.wgsl\"\n[theta]\na = { bounds = [0.0, 1.0] }\nb = { bounds = [0.0, 1.0] }\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.1\n[estimate]\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { a: f32, b: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.a * s.x - theta.b); }";
    let refused = |line: &str| match format!("{base}{line}\n").parse::<Study>() {
        Err(error) => error.to_string(),
        Ok(study) => study.require_estimation(&study.compile(wgsl).unwrap()).expect_err(line).to_string(),
    };
    for (line, parts) in [
        ("method = \"lbgfs\"", ["study.toml:10:", "did you mean `lbfgs`"]),
        ("method = \"grid\"", ["estimate.points: 400 along each of 2 axes are 160000 points", "316 or fewer"]),
        ("points = 1", ["estimate.points = 1", "use 2 or more"]),
        ("starts = 0", ["estimate.starts = 0", "use 1 or more"]),
        ("steps = 0", ["estimate.steps = 0", "use 1 or more"]),
        ("trajectories = 0", ["estimate.trajectories = 0", "use 1 or more"]),
        ("profile_points = 4", ["estimate.profile_points = 4", "use 5 or more"]),
        ("profile_steps = 0", ["estimate.profile_steps = 0", "use 1 or more"]),
        ("profile = 1", ["study.toml:10:", "expected a boolean"]),
        ("profiles = true", ["study.toml:10:", "did you mean `profile`"]),
    ] {
        let message = refused(line);
        for part in parts {
            assert!(message.contains(part), "{line}: `{part}` is not in\n{message}");
        }
        assert_eq!(message.matches("\nhelp: ").count(), 1, "{message}");
    }
    let study: Study = format!("{base}method = \"grid\"\npoints = 316\n").parse().unwrap();
    study.require_estimation(&study.compile(wgsl).unwrap()).unwrap();
}
