//! The CPU device: bits that depend on nothing they should not, checkpoint plans, groups, members, divergence, orders.

mod common;
#[path = "device/recovery.rs"]
mod recovery;
use common::{Case, Tolerance, assert_close, model};
use greybox::device::{Device, Job, Start, StatusCode, Wanted, cpu::Cpu};
use greybox::model::Model;

const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta, t: f32) -> State { return State(s.v, -theta.k * sin(s.x) + 0.1 * cos(t)); }";

fn pendulum(penalty: &str) -> Model {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [19, 33]\n\
         [solver]\nmethod = \"rk4\"\ndt = 0.1\n[[penalty]]\nkind = \"{penalty}\"\nweight = 0.1\n"
    );
    model(&toml, WGSL)
}

/// Bits of one trajectory at several places in batches of several sizes.
fn invariance(device: impl Fn(&Model) -> Box<dyn Device>) {
    let model = pendulum("orthogonality");
    let device = device(&model);
    let case = Case::random(&model, 100, 6, 1, 1.0);
    let k = model.outputs.len() * 6;
    let alone = |row: u32| {
        let mut job = case.job(&model);
        let rows = [row];
        job.rows = &rows;
        job.theta = &case.theta[row as usize..row as usize + 1];
        let rollout = device.simulate(&job).unwrap();
        (rollout.states, rollout.predictions)
    };
    for size in [1usize, 5, 31, 32, 33, 64, 100] {
        let mut job = case.job(&model);
        // Rows in a scrambled order: every trajectory changes its place with the size.
        let rows: Vec<u32> = (0..size as u32).map(|i| (i * 37 + size as u32) % 100).collect();
        let theta: Vec<f64> = rows.iter().map(|r| case.theta[*r as usize]).collect();
        job.rows = &rows;
        job.theta = &theta;
        let rollout = device.simulate(&job).unwrap();
        for i in [0, size / 2, size - 1] {
            let (states, predictions) = alone(rows[i]);
            assert_eq!(rollout.states[i * 14..(i + 1) * 14], states, "states of {} in a batch of {size}", rows[i]);
            assert_eq!(rollout.predictions[i * k..(i + 1) * k], predictions);
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_batch() {
    invariance(|m| Box::new(Cpu::<f32>::new(m, 1 << 26)));
    invariance(|m| Box::new(Cpu::<f64>::new(m, 1 << 26)));
}

#[test]
fn checkpoint_plans_agree() {
    for penalty in ["orthogonality", "least_action"] {
        let model = pendulum(penalty);
        let case = Case::random(&model, 70, 9, 2, 1.0);
        let run = |budget: usize| {
            let device = Cpu::<f64>::new(&model, budget);
            let job = case.job(&model);
            let plan = format!("{:?}", device.plan(&job, &job.grid(&model).unwrap()));
            (plan, device.gradient(&job, Wanted { weights: true, inputs: true }).unwrap())
        };
        let (_, whole) = run(1 << 30);
        let mut plans = Vec::new();
        for budget in [0, 300_000, 2_000_000, 20_000_000] {
            let (plan, part) = run(budget);
            let tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };
            assert_close(&format!("weights, {plan}"), &part.weights, &whole.weights, tolerance);
            assert_close(&format!("theta, {plan}"), &part.theta, &whole.theta, tolerance);
            assert_close(&format!("start, {plan}"), &part.start, &whole.start, tolerance);
            assert_eq!(part.evaluation.terms, whole.evaluation.terms);
            plans.push(plan);
        }
        plans.dedup();
        assert!(plans.len() > 1, "budgets from 0 to 20 MB all gave {plans:?}");
    }
}

#[test]
fn a_layer_behind_few_inputs_is_not_kept() {
    let kept = |hidden: &str| {
        let toml = format!(
            "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = {hidden}\n\
             activation = \"leaky_relu\"\n[solver]\nmethod = \"euler\"\ndt = 0.1\n"
        );
        Cpu::<f64>::new(&model(&toml, WGSL), 0).frame_bytes_per_sample() / 8
    };
    assert!(kept("[100]") < 50, "{} numbers per sample", kept("[100]"));
    // The second layer has 100 inputs, which are not kept either but for its own sake.
    assert!((100..150).contains(&kept("[100, 100]")), "{} numbers per sample", kept("[100, 100]"));
}

#[test]
fn threads_do_not_change_bits() {
    let model = pendulum("orthogonality");
    let case = Case::random(&model, 200, 5, 3, 1.0);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| device.gradient(&case.job(&model), Wanted { weights: true, inputs: true }).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn groups_are_jobs_of_their_own_and_multiplicity_repeats() {
    let model = pendulum("orthogonality");
    let case = Case::random(&model, 80, 4, 4, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let both = device.evaluate(&Job { groups: 2, ..case.job(&model) }).unwrap();
    for g in 0..2 {
        let mut job = case.job(&model);
        job.rows = &case.rows[g * 40..(g + 1) * 40];
        job.theta = &case.theta[g * 40..(g + 1) * 40];
        assert_eq!(device.evaluate(&job).unwrap().terms[0], both.terms[g]);
    }
    let mut twice = case.job(&model);
    let rows: Vec<u32> = case.rows.iter().flat_map(|r| [*r, *r]).collect();
    let theta: Vec<f64> = case.theta.iter().flat_map(|t| [*t, *t]).collect();
    (twice.rows, twice.theta) = (&rows, &theta);
    let counts = vec![2.0; 80];
    let mut counted = case.job(&model);
    counted.multiplicity = Some(&counts);
    let wanted = Wanted { weights: true, inputs: false };
    let (a, b) = (device.gradient(&twice, wanted).unwrap(), device.gradient(&counted, wanted).unwrap());
    assert_close("weights", &a.weights, &b.weights, Tolerance { relative: 1e-12, absolute: 0.0 });
}

/// Scales change an objective as changed weights do, and only in their group.
#[test]
fn scales_of_a_group_multiply_the_weights_of_loss_and_penalties() {
    let model = pendulum("orthogonality");
    let case = Case::random(&model, 80, 4, 4, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let scaled = Job { groups: 2, penalty_scale: &[1.0, 3.0], loss_scale: &[0.5, 1.0], ..case.job(&model) };
    let wanted = Wanted { weights: false, inputs: true };
    let both = device.gradient(&scaled, wanted).unwrap();
    for (g, [loss, penalty]) in [[0.5, 1.0], [1.0, 3.0]].into_iter().enumerate() {
        let objective = model.objective.reweighted(loss, |_, p| penalty * p.weight);
        let mut job = Job { objective: &objective, ..case.job(&model) };
        job.rows = &case.rows[g * 40..(g + 1) * 40];
        job.theta = &case.theta[g * 40..(g + 1) * 40];
        let alone = device.gradient(&job, wanted).unwrap();
        assert_eq!(alone.evaluation.terms[0], both.evaluation.terms[g]);
        let p = model.theta.len();
        assert_eq!(alone.theta, both.theta[g * 40 * p..(g + 1) * 40 * p]);
    }
    for scale in [&[1.0][..], &[1.0, -1.0], &[f64::NAN, 1.0]] {
        let error = device.evaluate(&Job { penalty_scale: scale, ..scaled }).unwrap_err().to_string();
        assert!(error.contains("penalty scale") && error.contains("\nhelp: "), "{error}");
    }
}

#[test]
fn members_are_runs_of_their_own() {
    let model = pendulum("orthogonality");
    let case = Case::random(&model, 40, 4, 5, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let other: Vec<f64> = case.weights.values.iter().map(|w| 0.5 * w).collect();
    let pair = greybox::program::Weights { members: 2, values: [case.weights.values.clone(), other.clone()].concat() };
    let rows: Vec<u32> = case.rows.iter().chain(&case.rows).copied().collect();
    let theta = [case.theta.clone(), case.theta.clone()].concat();
    let job = Job { rows: &rows, theta: &theta, groups: 2, members: &[0, 1], weights: &pair, ..case.job(&model) };
    let wanted = Wanted { weights: true, inputs: false };
    let both = device.gradient(&job, wanted).unwrap();
    let second = greybox::program::Weights { members: 1, values: other };
    let alone = [
        device.gradient(&case.job(&model), wanted).unwrap(),
        device.gradient(&Job { weights: &second, ..case.job(&model) }, wanted).unwrap(),
    ];
    let tolerance = Tolerance { relative: 1e-13, absolute: 0.0 };
    assert_close("members", &both.weights, &[alone[0].weights.clone(), alone[1].weights.clone()].concat(), tolerance);
}

#[test]
fn divergence_has_a_status_and_leaves_neighbours_alone() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let model = model(toml, "struct State { x: f32 }\nfn physics(s: State) -> State { return State(s.x * s.x); }");
    let mut case = Case::random(&model, 3, 12, 6, 0.1);
    case.trajectories.targets = None;
    let quiet = Cpu::<f32>::new(&model, 0).simulate(&case.job(&model)).unwrap();
    case.trajectories.start = match case.trajectories.start {
        Start::States(mut s) => {
            s[1] = 1e3;
            Start::States(s)
        }
        other => other,
    };
    let loud = Cpu::<f32>::new(&model, 0).simulate(&case.job(&model)).unwrap();
    let status = &loud.evaluation.status;
    assert_eq!((status[0].code, status[2].code), (StatusCode::Ok, StatusCode::Ok));
    // 1e3 squares to 1e6, 1e12, 1e24 and overflows f32 in the fourth interval.
    assert_eq!((status[1].code, status[1].step), (StatusCode::NonFiniteState, 3));
    assert_eq!(quiet.states[..13], loud.states[..13]);
    assert_eq!(quiet.states[26..], loud.states[26..]);
}

/// Error against step length on ds/dt = −s + sin t, whose solution is known.
#[test]
fn solvers_have_their_order() {
    for (method, order) in [("euler", 1.0), ("midpoint", 2.0), ("heun", 2.0), ("rk4", 4.0), ("rk38", 4.0)] {
        let errors: Vec<(f64, f64)> = [4usize, 8, 16, 32]
            .iter()
            .map(|substeps| {
                let toml = format!(
                    "[model]\nphysics = \"t.wgsl\"\n[solver]\nmethod = \"{method}\"\ndt = 1.0\nsubsteps = {substeps}\n"
                );
                let wgsl =
                    "struct State { x: f32 }\nfn physics(s: State, t: f32) -> State { return State(-s.x + sin(t)); }";
                let model = model(&toml, wgsl);
                let mut case = Case::random(&model, 1, 2, 7, 1.0);
                case.trajectories.start = Start::States(vec![1.0]);
                case.trajectories.targets = None;
                case.trajectories.t0 = vec![0.0];
                let rollout = Cpu::<f64>::new(&model, 0).simulate(&case.job(&model)).unwrap();
                let exact = 1.5 * (-2.0f64).exp() + 0.5 * (2.0f64.sin() - 2.0f64.cos());
                ((1.0 / *substeps as f64).ln(), (rollout.states[2] - exact).abs().ln())
            })
            .collect();
        let slope = (errors[3].1 - errors[0].1) / (errors[3].0 - errors[0].0);
        assert!((slope - order).abs() < 0.2, "{method}: observed order {slope}");
    }
}

#[test]
fn rows_beyond_the_trajectories_are_refused() {
    let model = pendulum("orthogonality");
    let case = Case::random(&model, 3, 2, 9, 1.0);
    let (rows, mut job) = ([0, 3, 1], case.job(&model));
    job.rows = &rows;
    let error = Cpu::<f32>::new(&model, 1 << 20).evaluate(&job).unwrap_err().to_string();
    assert!(error.contains("row 3 of 3 trajectories"), "{error}");
}
