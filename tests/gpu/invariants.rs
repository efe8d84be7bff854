//! Bits that depend on nothing they should not: batch, place, repetition, memory plan, neighbours; and zeros that are exact.

use super::{ALL, BOTH, SCHEDULES, compute, open, open_within};
use crate::common::{Case, Tolerance, assert_close, model};
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Job, Start, StatusCode, cpu::Cpu};
use greybox::model::Model;

const PENDULUM: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State { return State(s.v, -theta.k * sin(s.x) + 0.1 * cos(t)); }";

fn pendulum() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [19, 33]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.1\n[[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n";
    model(toml, PENDULUM)
}

#[test]
fn bits_do_not_depend_on_the_batch() {
    let model = pendulum();
    let (count, steps) = (70, 4);
    let case = Case::random(&model, count, steps, 1, 1.0);
    let (n, k) = (2 * (steps + 1), 2 * steps);
    for schedule in ALL {
        let gpu = open(&model, schedule);
        let picked = |rows: &[u32]| {
            let theta: Vec<f64> = rows.iter().map(|r| case.theta[*r as usize]).collect();
            gpu.simulate(&Job { rows, theta: &theta, ..case.job(&model) }).unwrap()
        };
        let alone: Vec<_> = (0..count as u32).map(|row| picked(&[row])).collect();
        for size in [1usize, 5, 31, 32, 33, 64, 70] {
            // Rows in a scrambled order: every trajectory changes its place with the size.
            let rows: Vec<u32> = (0..size as u32).map(|i| (i * 37 + size as u32) % count as u32).collect();
            let rollout = picked(&rows);
            for (i, row) in rows.iter().enumerate() {
                let (alone, name) = (&alone[*row as usize], format!("{row} in a batch of {size}, {}", schedule.name()));
                assert_eq!(rollout.states[i * n..(i + 1) * n], alone.states, "states of {name}");
                assert_eq!(rollout.predictions[i * k..(i + 1) * k], alone.predictions, "predictions of {name}");
                assert_eq!(rollout.evaluation.sums[i], alone.evaluation.sums[0], "sums of {name}");
            }
        }
    }
}

/// The first gradient of a device is computed in pieces for an assumed speed, later ones for the measured speed.
#[test]
fn a_gradient_twice_has_the_same_bits() {
    let model = pendulum();
    let case = Case::random(&model, 40, 8, 2, 1.0);
    for schedule in ALL {
        let gpu = open(&model, schedule);
        let first = compute(&gpu, &case.job(&model));
        for _ in 0..3 {
            assert_eq!(compute(&gpu, &case.job(&model)), first, "{}", schedule.name());
        }
        // What another job left in the buffers does not matter.
        let other = Case::random(&model, 70, 5, 3, 1.0);
        compute(&gpu, &other.job(&model));
        assert_eq!(compute(&gpu, &case.job(&model)), first, "{}: after another job", schedule.name());
        assert_eq!(compute(&open(&model, schedule), &case.job(&model)), first, "{}: opened again", schedule.name());
        // Two threads share the device.
        std::thread::scope(|scope| {
            let threads = [0, 1].map(|_| scope.spawn(|| compute(&gpu, &case.job(&model))));
            for thread in threads {
                assert_eq!(thread.join().unwrap(), first, "{}: two threads", schedule.name());
            }
        });
    }
}

/// Budgets for one interval of 64 trajectories and for a few more: many segments, many chunks, both.
fn budgets(model: &Model, case: &Case, samples: usize) {
    let rows: Vec<u32> = (0..samples as u32).map(|i| (i * 5 + 1) % case.rows.len() as u32).collect();
    let theta: Vec<f64> = (0..samples * model.theta.len()).map(|i| case.theta[i % case.theta.len()]).collect();
    let job = Job { rows: &rows, theta: &theta, ..case.job(model) };
    for schedule in SCHEDULES {
        let (rollout, whole) = compute(&open(model, schedule), &job);
        let refusal = open_within(model, schedule, 1000).gradient(&job, BOTH).unwrap_err().to_string();
        for part in ["activations of one interval", "the memory budget", "help: use shorter windows"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        let least = refusal.split("need ").nth(1).and_then(|text| text.split(' ').next()).expect("a number of bytes");
        let least: usize = least.parse().expect("a number of bytes");
        let mut orders = 0;
        for budget in [least, 2 * least, 3 * least, 7 * least, 12 * least] {
            let gpu = open_within(model, schedule, budget);
            let (simulated, part) = compute(&gpu, &job);
            let name = |array: &str| format!("{array}, {} with {budget} bytes", schedule.name());
            assert_eq!(part.evaluation, whole.evaluation, "{}", name("evaluation"));
            assert_eq!(part.theta, whole.theta, "{}", name("theta"));
            assert_eq!(part.start, whole.start, "{}", name("start"));
            for shape in model.weights.shapes() {
                let range = shape.offset..shape.offset + shape.len();
                let tolerance = Tolerance { relative: 1e-5, absolute: 0.0 };
                assert_close(&name(&shape.name), &part.weights[range.clone()], &whole.weights[range], tolerance);
            }
            orders += usize::from(part.weights != whole.weights);
            assert_eq!(simulated, rollout, "{}", name("simulation"));
        }
        // Sums in another order: the plans did differ.
        assert!(orders >= 4, "{}: only {orders} budgets changed the order of sums", schedule.name());
    }
}

#[test]
fn small_budgets_change_no_state_and_no_gradient() {
    let model = pendulum();
    budgets(&model, &Case::random(&model, 30, 6, 4, 1.0), 150);
}

/// Frames of the first observation, of observations with a network, inputs and start times.
#[test]
fn small_budgets_with_networks_everywhere() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [6]\n\
                [net.h]\nkind = \"mlp\"\nhidden = [9]\n[solver]\nmethod = \"heun\"\ndt = 0.1\nsubsteps = 2\n\
                [[penalty]]\nkind = \"log_balance\"\nweight = 0.1\n";
    let wgsl = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
struct Input { u: f32 }
struct Output { y: f32 }
fn physics(s: State, theta: Theta, u: Input, t: f32) -> State { return State(s.v, u.u + cos(t) - theta.k * s.x); }
fn rhs(f: State, g: array<f32, 2>) -> State { return State(f.x + g[0], f.v + g[1]); }
fn observe(s: State, h: array<f32, 1>) -> Output { return Output(s.x * h[0]); }
fn initial(y: Output, theta: Theta) -> State { return State(y.y * theta.k, sin(y.y) / theta.k); }";
    let model = model(toml, wgsl);
    let mut case = Case::random(&model, 40, 5, 5, 1.0);
    case.trajectories.start = Start::Observations((0..40).map(|i| (i as f64).sin()).collect());
    budgets(&model, &case, 130);
}

const SQUARE: &str = "struct State { x: f32 }\nfn physics(s: State) -> State { return State(s.x * s.x); }";

fn outcome(model: &Model, case: &Case, schedule: Schedule) -> (Gpu, Vec<(StatusCode, u32)>) {
    let gpu = open(model, schedule);
    let status = gpu.simulate(&case.job(model)).unwrap().evaluation.status;
    (gpu, status.iter().map(|s| (s.code, s.step)).collect())
}

#[test]
fn divergence_has_the_status_of_the_cpu_and_leaves_neighbours_alone() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [3]\n[solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let model = model(toml, SQUARE);
    let mut case = Case::random(&model, 40, 8, 6, 0.1);
    let calm: Vec<f64> = (0..40).map(|i| -0.02 * i as f64).collect();
    let mut wild = calm.clone();
    // 1e3 squares to 1e6, 1e12, 1e24 and leaves f32 in the fourth interval; and so on.
    (wild[1], wild[6], wild[31], wild[39]) = (1e3, 1e30, 1e6, -1e10);
    for schedule in ALL {
        case.trajectories.start = Start::States(calm.clone());
        let (gpu, quiet) = outcome(&model, &case, schedule);
        assert!(quiet.iter().all(|s| *s == (StatusCode::Ok, 0)));
        let (calm_rollout, calm_gradient) = compute(&gpu, &case.job(&model));
        case.trajectories.start = Start::States(wild.clone());
        let (rollout, gradient) = compute(&gpu, &case.job(&model));
        let cpu = compute(&Cpu::<f32>::new(&model, 1 << 24), &case.job(&model));
        assert_eq!(rollout.evaluation.status, cpu.0.evaluation.status);
        assert_eq!(gradient.evaluation.status, cpu.1.evaluation.status);
        assert_eq!(rollout.evaluation.status[1].step, 3);
        assert_eq!(rollout.evaluation.failures(), 4);
        for i in (0..40).filter(|i| calm[*i] == wild[*i]) {
            let (states, predictions) = (i * 9..(i + 1) * 9, i * 8..(i + 1) * 8);
            assert_eq!(rollout.states[states.clone()], calm_rollout.states[states]);
            assert_eq!(rollout.predictions[predictions.clone()], calm_rollout.predictions[predictions]);
            assert_eq!(rollout.evaluation.sums[i], calm_rollout.evaluation.sums[i]);
        }
        assert!(
            gradient.evaluation.terms[0].objective.is_nan() || gradient.evaluation.terms[0].objective.is_infinite()
        );
        // With the wild ones in groups of their own, the derivatives of the others are as they were.
        let apart = gpu.gradient(&Job { groups: 40, ..case.job(&model) }, BOTH).unwrap();
        case.trajectories.start = Start::States(calm.clone());
        let quiet = gpu.gradient(&Job { groups: 40, ..case.job(&model) }, BOTH).unwrap();
        for i in (0..40).filter(|i| calm[*i] == wild[*i]) {
            assert_eq!(apart.start[i], quiet.start[i]);
            assert_eq!(apart.evaluation.terms[i], quiet.evaluation.terms[i]);
        }
        assert!(calm_gradient.weights.iter().all(|g| g.is_finite()));
    }
}

/// All states are finite, but at x = 0 the root has an infinite slope.
#[test]
fn a_derivative_that_is_not_finite_has_the_status_of_the_cpu() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [2]\n[solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32, y: f32, wait: f32 }\n\
                fn physics(s: State) -> State { return State(0.0, 0.0, 0.0); }\n\
                fn rhs(s: State, t: f32, g: array<f32, 1>) -> State {\n\
                return State(select(0.0, -s.x, t > s.wait), sqrt(s.x * g[0] * g[0]), 0.0); }";
    let model = model(toml, wgsl);
    let mut case = Case::random(&model, 5, 6, 7, 1.0);
    case.trajectories.t0 = Vec::new();
    // x of sample 2 is 0 from the beginning, that of sample 3 from the end of interval 2.
    let x = [0.5, 0.3, 0.0, 0.4, 0.2];
    let wait = [9.0, 9.0, 9.0, 1.5, 9.0];
    case.trajectories.start = Start::States((0..5).flat_map(|i| [x[i], 0.0, wait[i]]).collect());
    for schedule in ALL {
        let (gpu, forward) = outcome(&model, &case, schedule);
        assert!(forward.iter().all(|s| *s == (StatusCode::Ok, 0)), "{forward:?}");
        let found = gpu.gradient(&case.job(&model), BOTH).unwrap().evaluation;
        let expected = Cpu::<f32>::new(&model, 1 << 24).gradient(&case.job(&model), BOTH).unwrap().evaluation;
        assert_eq!(found.status, expected.status, "{}", schedule.name());
        assert_eq!(found.status[2].code, StatusCode::NonFiniteAdjoint);
        assert_eq!(found.failures(), 2);
    }
}

#[test]
fn what_has_no_influence_has_a_gradient_of_zero() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = { bounds = [0.5, 2.0] }\nidle = { bounds = [0.5, 2.0] }\n\
                [net.g]\nkind = \"mlp\"\nhidden = [6]\n[net.h]\nkind = \"gradient\"\nhidden = [5]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.1\n";
    let wgsl = "
struct State { x: f32, v: f32, idle: f32 }
struct Theta { k: f32, idle: f32 }
struct Output { x: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x, 0.0); }
fn features_h(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }
fn features_g(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, 0.0); }
fn rhs(f: State, g: array<f32, 3>, h: array<f32, 2>) -> State { return State(f.x + g[0], f.v + h[1], g[2]); }
fn observe(s: State) -> Output { return Output(s.x); }";
    let model = model(toml, wgsl);
    let case = Case::random(&model, 36, 4, 8, 1.0);
    for schedule in ALL {
        let gradient = open(&model, schedule).gradient(&case.job(&model), BOTH).unwrap();
        let of = |name: &str| {
            let shape = model.weights.shapes().iter().find(|s| s.name == name).expect("a weight");
            gradient.weights[shape.offset..shape.offset + shape.len()].to_vec()
        };
        let zero = |values: &[f64]| values.iter().all(|g| *g == 0.0);
        // Row by row: only the first output of g reaches what is observed.
        assert!(of("g.1.weight")[..6].iter().all(|g| *g != 0.0));
        assert!(zero(&of("g.1.weight")[6..]) && zero(&of("g.1.bias")[1..]) && of("g.1.bias")[0] != 0.0);
        // The second feature of g is always 0; a constant added to H has no gradient.
        assert!(of("g.0.weight").chunks(2).all(|row| row[0] != 0.0 && row[1] == 0.0));
        assert!(zero(&of("h.1.bias")) && !zero(&of("h.1.weight")));
        assert!(gradient.theta.chunks(2).all(|theta| theta[0] != 0.0 && theta[1] == 0.0));
        assert!(gradient.start.chunks(3).all(|start| start[0] != 0.0 && start[2] == 0.0));
    }
}
