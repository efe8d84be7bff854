//! Trajectories that fail are left out exactly, or counted as a constant; by default they stop the training by name.

use crate::common::model;
use crate::common::run::{Run, settings};
use greybox::device::{Device, Job, StatusCode, Trajectories, Wanted, cpu::Cpu};
use greybox::model::{Model, initialise};
use greybox::program::Weights;
use greybox::train::{Failures, Policy, TrainConfig, TrainError};

const TOML: &str = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [5]\n[solver]\nmethod = \"rk4\"\n\
                    dt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n";

/// Below 0.1 k spoils the state, above 1.9 the derivative of a sample at rest.
const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State {
    let steep = select(1.0, 1e38, theta.k > 1.9);
    let most = s.v * steep * steep * steep * steep * steep;
    return State(most * steep * steep * steep * steep, -s.x * sqrt(theta.k - 0.1));
}
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }
fn rhs(s: State, f: State, g: array<f32, 1>) -> State { return State(f.x, f.v + g[0] * s.x); }";

const COUNT: usize = 12;
const BOTH: Wanted = Wanted { weights: true, inputs: true };

/// Two groups of six; in the first one sample 2 fails by its state and sample 4 by its derivative.
fn setting(model: &Model) -> (Trajectories, Vec<f64>, Weights) {
    let mut states: Vec<f64> = (0..2 * COUNT).map(|i| (1.7 * i as f64).sin()).collect();
    states[8..10].fill(0.0);
    let mut trajectories = Trajectories::from_states(COUNT, 3, states);
    let target = |i: usize| if i % 7 == 3 { f64::NAN } else { (0.9 * i as f64).cos() };
    trajectories.targets = Some((0..COUNT * 3 * 2).map(target).collect());
    let mut theta: Vec<f64> = (0..COUNT).map(|i| 0.5 + 0.1 * i as f64).collect();
    (theta[2], theta[4]) = (0.05, 1.95);
    (trajectories, theta, initialise(&model.weights, &model.networks, 1, 3))
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.for_each(|(f, e)| assert!((f - e).abs() <= 1e-12 * (1.0 + e.abs()), "{f}, expected {e}"));
}

#[test]
fn what_fails_is_left_out_exactly() {
    let model = model(TOML, WGSL);
    let cpu = Cpu::<f64>::new(&model, 1 << 20);
    let (trajectories, theta, weights) = setting(&model);
    let of = |rows: &[u32]| {
        let theta: Vec<f64> = rows.iter().map(|row| theta[*row as usize]).collect();
        let job = Job::new(&trajectories, rows, &theta, &weights, &model.objective);
        cpu.gradient(&job, BOTH).unwrap()
    };
    let (first, second) = (of(&[0, 1, 3, 5]), of(&[6, 7, 8, 9, 10, 11]));
    let rows = trajectories.rows();
    let job = Job { groups: 2, ..Job::new(&trajectories, &rows, &theta, &weights, &model.objective) };
    assert!(cpu.gradient(&job, BOTH).unwrap().weights.iter().all(|w| w.is_nan()), "what it is for");

    let exclude = Policy { failures: Failures::Exclude, loss: 9.0 };
    let found = exclude.gradient(&cpu, &job, BOTH).unwrap();
    let codes = found.evaluation.status.iter().map(|s| s.code).enumerate().filter(|(_, code)| *code != StatusCode::Ok);
    let expected = [(2, StatusCode::NonFiniteState), (4, StatusCode::NonFiniteAdjoint)];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    let both: Vec<f64> = first.weights.iter().zip(&second.weights).map(|(a, b)| a + b).collect();
    close(&found.weights, &both);
    close(&[found.theta[0], found.theta[2], found.theta[4]], &[first.theta[0], 0.0, 0.0]);
    for (found, expected) in found.evaluation.terms.iter().zip([&first, &second]) {
        close(&[found.objective, found.loss.unwrap()], &{
            let terms = &expected.evaluation.terms[0];
            [terms.objective, terms.loss.unwrap()]
        });
    }

    let targets = trajectories.targets.as_ref().unwrap();
    let present = |row: usize| targets[row * 6..][..6].iter().filter(|y| !y.is_nan()).count() as f64;
    // Every entry that is present counts, those of failures as 9.
    let penalise = Policy { failures: Failures::Penalise, ..exclude };
    let found = penalise.gradient(&cpu, &job, BOTH).unwrap().evaluation.terms.remove(0);
    let entries = |rows: &[usize]| rows.iter().map(|row| present(*row)).sum::<f64>();
    let (good, bad) = (entries(&[0, 1, 3, 5]), entries(&[2, 4]));
    let terms = &first.evaluation.terms[0];
    let loss = (good * terms.loss.unwrap() + bad * 9.0) / (good + bad);
    close(&[found.loss.unwrap(), found.objective], &[loss, loss + 0.1 * terms.penalties[0]]);
}

#[test]
fn a_validation_leaves_out_what_fails_forward() {
    let model = model(TOML, WGSL);
    let cpu = Cpu::<f64>::new(&model, 1 << 20);
    let (trajectories, theta, weights) = setting(&model);
    let rows = trajectories.rows();
    let job = Job { groups: 2, ..Job::new(&trajectories, &rows, &theta, &weights, &model.objective) };
    let exclude = Policy { failures: Failures::Exclude, loss: 9.0 };
    let found = exclude.evaluate(&cpu, &job).unwrap();
    assert_eq!(found.failures(), 1);
    let good = [0u32, 1, 3, 4, 5];
    let own: Vec<f64> = good.iter().map(|row| theta[*row as usize]).collect();
    let expected = cpu.evaluate(&Job::new(&trajectories, &good, &own, &weights, &model.objective)).unwrap();
    close(&[found.terms[0].objective], &[expected.terms[0].objective]);
    let penalised = Policy { failures: Failures::Penalise, ..exclude }.evaluate(&cpu, &job).unwrap();
    assert!(penalised.terms[0].loss > found.terms[0].loss && penalised.terms[1] == found.terms[1]);
}
/// A spring without a derivative for some values of its parameter, trained on draws of it.
fn run(failures: Failures, seeds: usize) -> Run {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.01\n";
    let wgsl = crate::SPRING.replace("-theta.k * s.x", "-theta.k * s.x * (1.0 + 1e-6 * sqrt(1.8 - theta.k))");
    let mut config = TrainConfig { failures, epochs: 2, ..settings() };
    config.population.seeds = seeds;
    Run::of(model(toml, &wgsl), config)
}

#[test]
fn by_default_a_failure_stops_training_and_is_named() {
    let run = run(Failures::Error, 1);
    let error = run.on(&Cpu::<f32>::new(&run.model, 1 << 24)).run(|_| true).unwrap_err();
    let TrainError::Diverged { details, .. } = &error else { panic!("{error}") };
    assert!(details.contains("(trajectory ") && details.contains("at step 0, k = 1."), "{details}");
    assert!(error.to_string().contains("train.failures = \"exclude\""), "{error}");
}

#[test]
fn members_of_a_population_leave_out_their_own_failures() {
    let all = run(Failures::Exclude, 3);
    let trained = all.whole();
    assert!(trained.members.iter().all(|m| m.ended.is_none()));
    let total: usize = trained.history.iter().map(|m| m.failed).sum();
    let mut failed = 0;
    for seed in 0..3 {
        let mut one = run(Failures::Exclude, 1);
        one.config.seed = seed;
        let alone = one.whole();
        failed += alone.history.iter().map(|m| m.failed).sum::<usize>();
        assert_eq!(
            alone.last.values,
            trained.last.member(seed as usize),
            "member {seed} has the bits of a run of its own"
        );
    }
    assert!(failed > 3 && failed == total, "{failed} and {total}");
}

#[test]
fn pairs_of_points_need_every_trajectory() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"independence\"\nweight = 0.01\n";
    let config = TrainConfig { failures: Failures::Exclude, ..settings() };
    let run = Run::of(model(toml, crate::SPRING), config);
    let error = run.on(&Cpu::<f32>::new(&run.model, 1 << 24)).run(|_| true).unwrap_err().to_string();
    assert!(error.contains("train.failures: a penalty made of pairs") && error.contains("help: "), "{error}");
}
