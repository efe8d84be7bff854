//! What must not matter, what must be conserved, and how fast errors vanish.

use crate::common::{Case, Tolerance, assert_close, model};
use crate::toml;
use greybox::device::{Device, Job, StatusCode, Trajectories, Wanted, cpu::Cpu};
use greybox::model::Model;
use greybox::program::Weights;

/// Diffusion completed by a normalised convolution and a network of θ.
fn hybrid(penalty: &str) -> Model {
    let rest = format!(
        "[theta.a]\nbounds = [0.01, 0.1]\n[net.g]\nkind = \"conv\"\nchannels = [5]\nnormalise = true\n\
         [net.w]\nkind = \"mlp\"\nscope = \"sample\"\nhidden = [7]\n[[penalty]]\nkind = \"{penalty}\"\nweight = 0.1\n"
    );
    let wgsl = "struct State { u: f32, v: f32 }
        struct Theta { a: f32 }
        fn physics(s: State, near: Near, theta: Theta) -> State {
            return State(theta.a * near.laplacian.u, 0.1 * near.laplacian.v + 0.5 * s.v * s.v * s.v); }
        fn rhs(f: State, near: Near, g: array<f32, 2>, w: array<f32, 1>) -> State {
            return State(f.u + g[0] + 0.01 * w[0] * near.laplacian.u, f.v + g[1]); }";
    model(&toml("[6, 9]", "replicate", "rk4", 0.05, &rest), wgsl)
}

#[test]
fn bits_do_not_depend_on_the_batch_or_on_threads() {
    let model = hybrid("orthogonality");
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let case = Case::random(&model, 7, 3, 1, 0.1);
    let whole = device.simulate(&case.job(&model)).unwrap();
    let each = whole.states.len() / 7;
    for row in [0u32, 3, 6] {
        let (rows, mut job) = ([row], case.job(&model));
        job.rows = &rows;
        job.theta = &case.theta[row as usize..row as usize + 1];
        let alone = device.simulate(&job).unwrap();
        assert_eq!(alone.states, whole.states[row as usize * each..(row as usize + 1) * each]);
    }
    let gradient = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| device.gradient(&case.job(&model), Wanted { weights: true, inputs: true }).unwrap())
    };
    assert_eq!(gradient(1), gradient(3));
}

#[test]
fn checkpoint_plans_agree() {
    for penalty in ["orthogonality", "least_action"] {
        let model = hybrid(penalty);
        let case = Case::random(&model, 3, 9, 2, 0.1);
        let run = |budget: usize| {
            Cpu::<f64>::new(&model, budget).gradient(&case.job(&model), Wanted { weights: true, inputs: true }).unwrap()
        };
        let (all, segments) = (run(1 << 28), run(0));
        assert_eq!(all, segments, "{penalty}");
    }
}

#[test]
fn a_trajectory_that_blows_up_touches_no_other() {
    let model = hybrid("least_action");
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let mut case = Case::random(&model, 3, 6, 3, 0.1);
    let healthy = device.simulate(&case.job(&model)).unwrap();
    let n = model.state_len();
    if let greybox::device::Start::States(states) = &mut case.trajectories.start {
        states[2 * n - 1] = 30.0;
    }
    let found = device.gradient(&case.job(&model), Wanted { weights: false, inputs: true }).unwrap().evaluation;
    assert_eq!(found.status[1].code, StatusCode::NonFiniteState);
    assert_eq!((found.status[0].code, found.status[2].code), (StatusCode::Ok, StatusCode::Ok));
    for sample in [0, 2] {
        assert_eq!(found.sums[sample], healthy.evaluation.sums[sample]);
    }
}

/// With `start = "zero"` the first prediction is that of physics, and the gradient is alive.
#[test]
fn a_network_that_starts_from_zero_leaves_physics_alone() {
    let wgsl = "struct State { u: f32 }
        fn physics(near: Near) -> State { return State(0.05 * near.laplacian.u); }";
    let net = "[net.g]\nkind = \"conv\"\nchannels = [4]\nstart = \"zero\"\n";
    let [alone, hybrid] = ["", net].map(|rest| model(&toml("[5, 6]", "replicate", "rk4", 0.1, rest), wgsl));
    let case = Case::random(&hybrid, 2, 3, 6, 0.5);
    let run = |model: &Model, weights: &Weights| {
        let mut job = case.job(model);
        job.weights = weights;
        let device = Cpu::<f64>::new(model, 1 << 26);
        (device.simulate(&job).unwrap().states, device.gradient(&job, Wanted { weights: true, inputs: false }).unwrap())
    };
    let weights = greybox::model::initialise(&hybrid.weights, &hybrid.networks, 1, 0);
    let (states, gradient) = run(&hybrid, &weights);
    assert_eq!(states, run(&alone, &Weights::zeros(&alone.weights, 1)).0);
    assert!(weights.values.iter().any(|w| *w != 0.0) && gradient.weights.iter().any(|g| *g != 0.0));
}

/// In flux form what leaves a cell enters its neighbour, whatever the network says: also at replicate rims without flux.
#[test]
fn flux_form_conserves_mass() {
    let wgsl = "struct State { u: f32 }
        struct Fields { along: f32, down: f32 }
        fn physics(near: Near) -> State { return State(-0.4 * near.dx.u); }
        fn features(s: State) -> array<f32, 1> { return array<f32, 1>(s.u); }
        fn fields(s: State, g: array<f32, 2>) -> Fields { return Fields((0.4 + 0.1 * g[0]) * s.u, 0.1 * g[1] * s.u); }
        fn rhs(around: NearFields) -> State { return State(-around.dx.along - around.dy.down); }";
    let rest = "[net.g]\nkind = \"conv\"\nchannels = [6]\n";
    let model = model(&toml("[16, 24]", "periodic", "rk4", 0.1, rest), wgsl);
    let mut case = Case::random(&model, 2, 40, 4, 0.3);
    if let greybox::device::Start::States(states) = &mut case.trajectories.start {
        states.iter_mut().for_each(|u| *u += 1.0);
    }
    let cells = model.cells();
    let rollout = Cpu::<f32>::new(&model, 1 << 26).simulate(&case.job(&model)).unwrap();
    let masses: Vec<f64> = rollout.states.chunks(cells).map(|u| u.iter().sum()).collect();
    for sample in masses.chunks(41) {
        for mass in sample {
            assert!((mass / sample[0] - 1.0).abs() < 1e-6, "mass {mass} after {}", sample[0]);
        }
    }
    let moved: f64 =
        rollout.states[..cells].iter().zip(&rollout.states[40 * cells..]).map(|(a, b)| (a - b).abs()).sum();
    assert!(moved > 0.1 * masses[0] / 2.0, "hardly anything moved");
}

/// A wave on a periodic grid is an eigenvector of the stencil, so its decay is known exactly.
#[test]
fn rk4_has_order_four_on_the_heat_equation() {
    let wgsl = "struct State { u: f32 }
        fn physics(near: Near) -> State { return State(0.3 * near.laplacian.u); }";
    let (n, spacing) = (12, 0.4);
    let angle = |i: usize| 2.0 * std::f64::consts::TAU * i as f64 / n as f64;
    let start: Vec<f64> = (0..n * n).map(|cell| angle(cell / n).cos() + angle(cell % n).sin()).collect();
    let rate = 0.3 * (2.0 * angle(1).cos() - 2.0) / (spacing * spacing);
    let error = |steps: usize| {
        let dt = 1.2 / steps as f64;
        let model = model(&toml("[12, 12]", "periodic", "rk4", dt, ""), wgsl);
        let trajectories = Trajectories::from_states(1, steps, start.clone());
        let (rows, weights) = (trajectories.rows(), Weights::zeros(&model.weights, 1));
        let job = Job::new(&trajectories, &rows, &[], &weights, &model.objective);
        let states = Cpu::<f64>::new(&model, 1 << 26).simulate(&job).unwrap().states;
        let exact = start.iter().map(|u| u * (rate * 1.2).exp());
        states[steps * n * n..].iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let order = (error(8) / error(16)).log2();
    assert!((order - 4.0).abs() < 0.2, "order {order}");
}

/// Padding of a plane must not leak: grids of every width give the same numbers as the reference, in single precision.
#[test]
fn widths_of_every_remainder_agree_in_both_precisions() {
    let wgsl = "struct State { u: f32 }
        fn physics(near: Near) -> State { return State(0.05 * near.laplacian.u + 0.02 * near.dx.u); }";
    for columns in [3, 14, 15, 16, 30, 31, 32, 33, 64] {
        let rest = "[net.g]\nkind = \"conv\"\nchannels = [3]\n";
        let model = model(&toml(&format!("[4, {columns}]"), "replicate", "rk4", 0.1, rest), wgsl);
        let case = Case::random(&model, 1, 2, 5, 0.5);
        let wanted = Wanted { weights: true, inputs: true };
        let double = Cpu::<f64>::new(&model, 1 << 26).gradient(&case.job(&model), wanted).unwrap();
        let single = Cpu::<f32>::new(&model, 1 << 26).gradient(&case.job(&model), wanted).unwrap();
        let tolerance = Tolerance { relative: 1e-5, absolute: 0.0 };
        assert_close(&format!("weights, {columns} columns"), &single.weights, &double.weights, tolerance);
        assert_close(&format!("states, {columns} columns"), &single.start, &double.start, tolerance);
    }
}
