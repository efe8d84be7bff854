//! The layer schedule: models on grids against the CPU in f64, plans that change no bits, grids and widths that no other
//! schedule runs.

use super::{BOTH, BUDGET, Judge, SCHEDULES, agree, compute, open, open_within};
use crate::common::grids::{BOUNDARIES, COMPOSED, DIFFUSION, GRADIENT, GRADIENT_NET, NETS, convolution, small, toml};
use crate::common::{Case, Tolerance, assert_close, model};
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Job, Start, StatusCode, cpu::Cpu};
use greybox::model::Model;

const LAYER: [Schedule; 1] = [Schedule::Layer];

fn judge(model: &Model, name: &str, case: &Case) {
    Judge::new(model, &LAYER).agree(name, &case.job(model));
}

#[test]
fn compositions_on_every_boundary() {
    for (size, boundary) in ["[4, 5]", "[7]", "[3, 3]"].iter().flat_map(|s| BOUNDARIES.map(|b| (s, b))) {
        let model = model(&toml(size, boundary, "heun", 0.01, NETS), COMPOSED);
        let mut case = small(&model, 3, 3, 7);
        case.trajectories.residual_scale = Some(vec![0.5, 2.0, 1.5]);
        judge(&model, &format!("composition on {size}, {boundary}"), &case);
    }
}

/// Groups, multiplicities, trajectories that serve several samples, times, a start from observations, substeps.
#[test]
fn everything_that_a_job_says() {
    let wgsl = format!(
        "{COMPOSED}\nfn initial(y: Output, theta: Theta, u: Input) -> State {{\n    \
         return State(y.sum - theta.a * y.slope, 0.5 * y.slope + u.wind * y.learned * theta.b);\n}}"
    );
    let text = toml("[5, 3]", "periodic", "rk4", 0.01, NETS).replace("dt = 0.01", "dt = 0.01\nsubsteps = 2");
    let model = model(&text, &wgsl);
    let mut case = small(&model, 4, 3, 8);
    let first = (0..4 * model.output_len()).map(|i| (i as f64).sin() * 0.4).collect();
    case.trajectories.start = Start::Observations(first);
    case.trajectories.times = Some(vec![0.0, 0.01, 0.024, 0.03]);
    let rows = [3, 0, 1, 1, 2, 0];
    let theta: Vec<f64> = (0..12).map(|i| 0.02 + 0.005 * i as f64).collect();
    let multiplicity = [1.0, 2.0, 0.0, 0.5, 3.0, 1.0];
    let job = Job { rows: &rows, theta: &theta, multiplicity: Some(&multiplicity), groups: 3, ..case.job(&model) };
    Judge::new(&model, &LAYER).agree("everything", &job);
    case.trajectories.targets = None;
    let job = Job { rows: &rows, theta: &theta, multiplicity: Some(&multiplicity), groups: 2, ..case.job(&model) };
    Judge::new(&model, &LAYER).agree("penalties alone", &job);
}

#[test]
fn convolutions_of_many_shapes() {
    let cases = [
        ("[4, 3]", "replicate", "[3, 4]", "leaky_relu", true),
        ("[3, 6]", "zero", "[33]", "tanh", false),
        ("[9]", "periodic", "[17, 5]", "softplus", true),
        ("[17, 31]", "replicate", "[6, 9]", "sin", false),
    ];
    for (size, boundary, channels, activation, normalise) in cases {
        let rest = convolution(channels, activation, normalise);
        let model = model(&toml(size, boundary, "midpoint", 0.1, &rest), DIFFUSION);
        judge(&model, &format!("{channels} channels on {size}, {boundary}"), &small(&model, 3, 2, 8));
    }
}

#[test]
fn gradient_networks_in_cells() {
    let model = model(&toml("[3, 4]", "periodic", "rk4", 0.1, GRADIENT_NET), GRADIENT);
    judge(&model, "gradient network in cells", &Case::random(&model, 5, 2, 9, 0.7));
}

#[test]
fn solvers_and_held_inputs() {
    for method in ["euler", "rk38", "map"] {
        let text = toml("[3, 4]", "replicate", method, 0.05, NETS).replace("[grid]", "inputs = \"hold\"\n[grid]");
        let model = model(&text, COMPOSED);
        judge(&model, method, &small(&model, 2, 2, 10));
    }
}

/// Layers that no workgroup holds: chosen for them unless another schedule is asked for.
#[test]
fn very_wide_networks() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[net.g]\nkind = \"mlp\"\nhidden = [700, 650]\n\
                [solver]\nmethod = \"midpoint\"\ndt = 0.1\n[[penalty]]\nkind = \"least_action\"\nweight = 0.1\n";
    let wgsl = "struct State { x: f32, v: f32 }\nfn physics(s: State) -> State { return State(s.v, -s.x); }
        fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }";
    let model = model(toml, wgsl);
    let gpu = Gpu::open("vulkan", &model, None, BUDGET).unwrap_or_else(|e| panic!("{e}"));
    assert!(gpu.description().ends_with("schedule layer (others need more workgroup memory)"), "{}", gpu.description());
    let error = Gpu::open("vulkan", &model, Some(Schedule::Tile), BUDGET).err().expect("it does not fit").to_string();
    assert!(error.contains("max_compute_workgroup_storage_size") && error.contains("--schedule layer"), "{error}");
    let mut case = Case::random(&model, 40, 2, 11, 0.7);
    case.weights.values.iter_mut().for_each(|w| *w *= 0.1);
    judge(&model, "700 wide", &case);
}

#[test]
fn grids_run_in_this_schedule_alone() {
    let model = diffusion("[3, 4]");
    let gpu = Gpu::open("vulkan", &model, None, BUDGET).unwrap_or_else(|e| panic!("{e}"));
    assert!(gpu.description().ends_with("schedule layer (for grids)"), "{}", gpu.description());
    for schedule in SCHEDULES {
        let error = Gpu::open("vulkan", &model, Some(schedule), BUDGET).err().expect("a refusal").to_string();
        for part in ["without grids", schedule.name(), "help: remove --schedule, or use --schedule layer"] {
            assert!(error.contains(part), "`{part}` is not in\n{error}");
        }
    }
}

fn diffusion(size: &str) -> Model {
    let wgsl = "struct State { u: f32, v: f32 }
        struct Theta { a: f32 }
        struct Output { u: f32 }
        fn physics(s: State, near: Near, theta: Theta) -> State {
            return State(theta.a * near.laplacian.u + s.u * s.u, near.dx.u - s.v); }
        fn observe(s: State) -> Output { return Output(s.u * s.u); }
        fn initial(y: Output) -> State { return State(y.u, 0.1 * y.u); }";
    let rest = "[theta.a]\nbounds = [0.01, 0.1]\n[net.g]\nkind = \"conv\"\nchannels = [3]\n\
                [[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n";
    model(&toml(size, "replicate", "rk4", 0.05, rest), wgsl)
}

/// Budgets for a few intervals and samples: many segments, many chunks, both. They change nothing but the order in which
/// weight gradients are summed.
#[test]
fn small_budgets_change_no_state_and_no_gradient() {
    let model = diffusion("[5, 7]");
    let mut case = Case::random(&model, 6, 7, 4, 0.7);
    for from_observations in [false, true] {
        if from_observations {
            let first = (0..6 * model.output_len()).map(|i| (i as f64).sin()).collect();
            case.trajectories.start = Start::Observations(first);
        }
        let job = case.job(&model);
        let (rollout, whole) = compute(&open(&model, Schedule::Layer), &job);
        let refusal = open_within(&model, Schedule::Layer, 1000).gradient(&job, BOTH).unwrap_err().to_string();
        for part in ["activations of one interval", "the memory budget", "help: use shorter windows"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        let least = refusal.split("need ").nth(1).and_then(|text| text.split(' ').next()).expect("a number of bytes");
        let least: usize = least.parse().expect("a number of bytes");
        let mut orders = 0;
        for intervals in [1, 3, 6, 13, 18, 25] {
            let gpu = open_within(&model, Schedule::Layer, intervals * least);
            let (simulated, part) = compute(&gpu, &job);
            let name = |array: &str| format!("{array} with memory for {intervals} intervals");
            assert_eq!(simulated, rollout, "{}", name("simulation"));
            assert_eq!(part.evaluation, whole.evaluation, "{}", name("evaluation"));
            assert_eq!(part.theta, whole.theta, "{}", name("theta"));
            assert_eq!(part.start, whole.start, "{}", name("start"));
            let tolerance = Tolerance { relative: 1e-5, absolute: 0.0 };
            assert_close(&name("weights"), &part.weights, &whole.weights, tolerance);
            orders += usize::from(part.weights != whole.weights);
        }
        assert!(orders >= 2, "only {orders} budgets changed the order of sums");
        // Budgets of a state or two: the host reads the trail of a simulation in parts.
        let bytes = 4 * (model.state_len() + model.output_len());
        for intervals in [1, 2, 3, 6, 20] {
            let gpu = open_within(&model, Schedule::Layer, intervals * bytes);
            assert_eq!(gpu.simulate(&job).unwrap(), rollout, "memory for {intervals} states");
        }
    }
}

#[test]
fn bits_depend_neither_on_the_batch_nor_on_repetition() {
    let model = diffusion("[6, 11]");
    let case = Case::random(&model, 9, 3, 5, 0.7);
    let gpu = open(&model, Schedule::Layer);
    let (n, k) = (4 * model.state_len(), 3 * model.output_len());
    let picked = |rows: &[u32]| {
        let theta: Vec<f64> = rows.iter().map(|r| case.theta[*r as usize]).collect();
        let groups = rows.len();
        compute(&gpu, &Job { rows, theta: &theta, groups, ..case.job(&model) })
    };
    let alone: Vec<_> = (0..9).map(|row| picked(&[row])).collect();
    for size in [2u32, 5, 9] {
        let rows: Vec<u32> = (0..size).map(|i| (i * 4 + size) % 9).collect();
        let (rollout, gradient) = picked(&rows);
        for (i, row) in rows.iter().enumerate() {
            let (own, own_gradient) = &alone[*row as usize];
            let name = format!("{row} in a batch of {size}");
            assert_eq!(rollout.states[i * n..(i + 1) * n], own.states, "states of {name}");
            assert_eq!(rollout.predictions[i * k..(i + 1) * k], own.predictions, "predictions of {name}");
            assert_eq!(rollout.evaluation.sums[i], own.evaluation.sums[0], "sums of {name}");
            let states = model.state_len();
            assert_eq!(gradient.start[i * states..(i + 1) * states], own_gradient.start, "derivatives of {name}");
            assert_eq!(gradient.theta[i], own_gradient.theta[0], "derivatives of {name}");
        }
        assert_eq!(picked(&rows), (rollout, gradient), "{size} again");
    }
    let other = diffusion("[6, 11]");
    assert_eq!(compute(&open(&other, Schedule::Layer), &case.job(&model)), compute(&gpu, &case.job(&model)));
}

#[test]
fn divergence_has_the_status_of_the_cpu_and_leaves_neighbours_alone() {
    let wgsl = "struct State { u: f32 }
        fn physics(s: State, near: Near) -> State { return State(s.u * s.u + 0.1 * near.laplacian.u); }";
    let rest = "[net.g]\nkind = \"conv\"\nchannels = [2]\n";
    let model = model(&toml("[3, 5]", "periodic", "euler", 1.0, rest), wgsl);
    let mut case = Case::random(&model, 4, 6, 6, 0.01);
    case.weights.values.iter_mut().for_each(|w| *w *= 0.1);
    let gpu = open(&model, Schedule::Layer);
    let calm = compute(&gpu, &Job { groups: 4, ..case.job(&model) });
    assert_eq!(calm.0.evaluation.failures(), 0);
    let Start::States(states) = &mut case.trajectories.start else { unreachable!() };
    // One cell of sample 1 from the beginning, one of sample 3 that takes longer.
    (states[15 + 7], states[45 + 2]) = (1e30, 1e3);
    let wild = compute(&gpu, &Job { groups: 4, ..case.job(&model) });
    let cpu = compute(&Cpu::<f32>::new(&model, 1 << 24), &Job { groups: 4, ..case.job(&model) });
    assert_eq!(wild.0.evaluation.status, cpu.0.evaluation.status);
    assert_eq!(wild.1.evaluation.status, cpu.1.evaluation.status);
    let failed = wild.0.evaluation.status.iter().map(|s| s.code != StatusCode::Ok);
    assert_eq!(failed.collect::<Vec<bool>>(), [false, true, false, true]);
    for i in [0, 2] {
        let (states, start) = (i * 7 * 15..(i + 1) * 7 * 15, i * 15..(i + 1) * 15);
        assert_eq!(wild.0.states[states.clone()], calm.0.states[states]);
        assert_eq!(wild.1.start[start.clone()], calm.1.start[start]);
        assert_eq!(wild.1.evaluation.terms[i], calm.1.evaluation.terms[i]);
    }
}

/// Every schedule computes the same model.
#[test]
fn schedules_agree_on_a_network_with_everything() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = { bounds = [0.5, 2.0] }\nc = { bounds = [0.1, 1.0] }\n\
                [net.a]\nkind = \"mlp\"\nhidden = [9]\n[net.b]\nkind = \"gradient\"\nhidden = [5, 4]\n\
                [net.see]\nkind = \"mlp\"\nhidden = [3]\n[solver]\nmethod = \"rk38\"\ndt = 0.1\nsubsteps = 2\n\
                [[penalty]]\nkind = \"log_balance\"\nweight = 0.1\n";
    let model = model(toml, crate::common::COMPOSED);
    agree("composed", &model, &Case::random(&model, 37, 3, 12, 0.7).job(&model));
}
