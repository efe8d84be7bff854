//! Trajectories that leave the finite numbers, in every stage and in both directions: what they cost is theirs alone. Their
//! neighbours have the same bits as without them, on every device and in every schedule.

use super::{ALL, BOTH, open};
use crate::common::run::{Run, settings};
use crate::common::{Case, SPRING, Tolerance, assert_close, model};
use greybox::device::{Device, Job, Status, StatusCode, cpu::Cpu};
use greybox::model::Model;
use greybox::train::{Failures, TrainConfig, Trained, Training};

/// A sample fails where its time `when` is met: by its state, or, at rest, by the derivative of what is 0 there.
const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32, when: f32, steep: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State {
    let met = abs(t - theta.when) < 0.01;
    let root = sqrt(select(1.0, -1.0, met && theta.steep == 0.0));
    let slope = select(1.0, theta.steep, met);
    return State(s.v * root * slope * slope, -theta.k * s.x);
}
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }
fn rhs(s: State, f: State, g: array<f32, 1>) -> State { return State(f.x, f.v + g[0] * s.x); }";

const DT: f64 = 0.3;

fn failing() -> Model {
    let theta =
        "[theta]\nk = { bounds = [0.5, 2.0] }\nwhen = { bounds = [-1.0, 9.0] }\nsteep = { bounds = [0.0, 1e200] }\n";
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n{theta}[net.g]\nkind = \"mlp\"\nhidden = [6]\n[solver]\nmethod = \"rk38\"\ndt = {DT}\n"
    );
    model(&toml, WGSL)
}

/// More samples than the lanes of a tile on the CPU.
const COUNT: usize = 37;
const BAD: usize = 5;

fn case(model: &Model) -> Case {
    let mut case = Case::random(model, COUNT, 4, 3, 0.8);
    case.trajectories.t0 = vec![0.0; COUNT];
    for sample in case.theta.chunks_exact_mut(3) {
        sample[1..].copy_from_slice(&[-1.0, 1.0]);
    }
    if let greybox::device::Start::States(states) = &mut case.trajectories.start {
        states[2 * BAD..2 * BAD + 2].fill(0.0);
    }
    case
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Everything that belongs to samples, but for the bad one.
fn neighbours(device: &dyn Device, job: &Job) -> (Vec<Vec<u64>>, Vec<Status>) {
    let name = device.description();
    let rollout = device.simulate(job).unwrap_or_else(|e| panic!("{name}: {e}"));
    let gradient = device.gradient(job, BOTH).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut all = Vec::new();
    for values in [&rollout.states, &rollout.predictions, &gradient.theta, &gradient.start] {
        let each = values.len() / COUNT;
        all.push(bits(&values[..BAD * each]));
        all.push(bits(&values[(BAD + 1) * each..]));
    }
    for (sample, sums) in rollout.evaluation.sums.iter().enumerate().filter(|(sample, _)| *sample != BAD) {
        assert_eq!(gradient.evaluation.status[sample], Status::default(), "{name}: sample {sample}");
        all.push(bits(&[sums.squared_error, sums.observables[0], sums.observables[2]]));
    }
    (all, vec![rollout.evaluation.status[BAD], gradient.evaluation.status[BAD]])
}

/// The devices, and a slope whose square leaves their numbers.
fn devices(model: &Model) -> Vec<(Box<dyn Device>, f64)> {
    let mut all: Vec<(Box<dyn Device>, f64)> =
        vec![(Box::new(Cpu::<f64>::new(model, 1 << 24)), 1e200), (Box::new(Cpu::<f32>::new(model, 1 << 24)), 1e30)];
    all.extend(ALL.map(|schedule| (Box::new(open(model, schedule)) as Box<dyn Device>, 1e30)));
    all
}

#[test]
fn a_failure_at_any_stage_in_any_direction_leaves_the_neighbours_their_bits() {
    let model = failing();
    // The first stage of the first interval, then those of the second; the last one is also the first of the third.
    let times = [(0.0, 0), (4.0 / 3.0, 1), (5.0 / 3.0, 1), (2.0, 1)];
    let mut failures = 0;
    for (device, steep) in devices(&model) {
        let name = device.description();
        let sound = case(&model);
        let (expected, status) = neighbours(&*device, &sound.job(&model));
        assert_eq!(status, [Status::default(); 2], "{name}");
        for (at, interval) in times {
            for steep in [0.0, steep] {
                let mut bad = case(&model);
                bad.theta[3 * BAD + 1..3 * BAD + 3].copy_from_slice(&[at * DT, steep]);
                let (found, status) = neighbours(&*device, &bad.job(&model));
                assert!(found == expected, "{name}: neighbours of a sample that fails at {at}, steep {steep:e}");
                let codes = [status[0].code, status[1].code];
                match steep == 0.0 {
                    true => {
                        assert_eq!(codes, [StatusCode::NonFiniteState; 2], "{name} at {at}");
                        assert_eq!([status[0].step, status[1].step], [interval; 2], "{name} at {at}");
                    }
                    false => assert_eq!(codes, [StatusCode::Ok, StatusCode::NonFiniteAdjoint], "{name} at {at}"),
                }
                failures += 1;
            }
        }
    }
    println!("{failures} failures, no neighbour touched");
}

/// A spring that leaves the finite numbers where θ is large: a part of the draws fails in every epoch.
fn training(failures: Failures) -> Run {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.01\n";
    let wgsl = SPRING.replace("-theta.k * s.x", "-theta.k * s.x * (1.0 + 1e-6 * sqrt(1.8 - theta.k))");
    Run::of(model(toml, &wgsl), TrainConfig { failures, epochs: 4, ..settings() })
}

fn train(run: &Run, device: &dyn Device) -> Trained {
    let (config, objective) = (&run.config, &run.model.objective);
    let (train, validation) = (&run.train, Some(&run.validation));
    let training = Training { device, config, objective, train, validation, single: true, checkpoint: None };
    training.run(|_| true).unwrap_or_else(|e| panic!("{}: {e}", device.description()))
}

#[test]
fn training_leaves_failures_out_and_counts_them_on_every_device() {
    for failures in [Failures::Exclude, Failures::Penalise] {
        let run = training(failures);
        let cpu = train(&run, &Cpu::<f32>::new(&run.model, 1 << 24));
        let failed: Vec<usize> = cpu.history.iter().map(|m| m.failed).collect();
        assert!(failed.iter().sum::<usize>() > 3 && cpu.history[0].validation_failed > 0, "{failed:?}");
        let first = cpu.history.iter().find_map(|m| m.failure.as_ref()).expect("a description");
        assert!(first.contains("trajectory ") && first.contains("k = 1.") && first.contains("step 0"), "{first}");
        assert!(cpu.last.values.iter().all(|w| w.is_finite()));
        for schedule in ALL {
            let name = schedule.name();
            let gpu = open(&run.model, schedule);
            let own = train(&run, &gpu);
            for (own, cpu) in own.history.iter().zip(&cpu.history) {
                let label = format!("{name}, {failures:?}, epoch {}", own.epoch);
                let count = |m: &greybox::train::EpochMetrics| (m.failed, m.validation_failed);
                assert_eq!(count(own), count(cpu), "{label}");
                let tolerance = Tolerance { relative: 1e-3, absolute: 0.0 };
                assert_close(&label, &[own.loss, own.objective], &[cpu.loss, cpu.objective], tolerance);
            }
            let again = train(&run, &gpu);
            assert_eq!(bits(&again.last.values), bits(&own.last.values), "{name}: the same bits again");
        }
    }
}
