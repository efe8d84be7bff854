//! Populations: jobs whose groups use several members, in one submission, on every schedule.

use super::{ALL, BOTH, BUDGET, INSTALL, Judge, compute, open, open_within};
use crate::common::grids::{COMPOSED as CELLS, NETS, small, toml};
use crate::common::{COMPOSED, Case, Tolerance, assert_close, model};
use greybox::device::gpu::{Gpu, Schedule};
use greybox::device::{Device, Gradient, Job, Rollout};
use greybox::model::Model;
use greybox::program::Weights;

/// Members of the groups: in no order, some of them twice, the last of six members not at all.
const MEMBERS: [u32; 7] = [2, 0, 4, 1, 3, 0, 2];
const PER_GROUP: usize = 7;
const PENALTY_SCALE: [f64; 7] = [1.0, 0.5, 3.0, 0.1, 1.0, 0.0, 2.0];
const LOSS_SCALE: [f64; 7] = [1.0, 1.0, 2.0, 0.3, 0.0, 1.0, 1.0];

/// Networks in the right-hand side, one of them a gradient, and in what is observed.
fn composed() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\nk = { bounds = [0.5, 2.0] }\nc = { bounds = [0.1, 1.0] }\n\
                [net.a]\nkind = \"mlp\"\nhidden = [18]\n[net.b]\nkind = \"gradient\"\nhidden = [5, 4]\n\
                [net.see]\nkind = \"mlp\"\nhidden = [3]\n[solver]\nmethod = \"heun\"\ndt = 0.1\n\
                [[penalty]]\nkind = \"orthogonality\"\nweight = 0.1\n";
    model(toml, COMPOSED)
}

/// Six members of unequal weights.
fn population(case: &Case) -> Weights {
    let factors = [1.0, -0.7, 0.4, 1.3, 0.9, 1.1];
    let values = factors.iter().flat_map(|factor| case.weights.values.iter().map(move |w| factor * w)).collect();
    Weights { members: factors.len(), values }
}

fn job<'a>(model: &'a Model, case: &'a Case, weights: &'a Weights) -> Job<'a> {
    Job {
        groups: MEMBERS.len(),
        members: &MEMBERS,
        weights,
        penalty_scale: &PENALTY_SCALE,
        loss_scale: &LOSS_SCALE,
        ..case.job(model)
    }
}

fn case(model: &Model) -> Case {
    Case::random(model, MEMBERS.len() * PER_GROUP, 3, 90, 0.7)
}

#[test]
fn members_are_runs_of_their_own() {
    let model = composed();
    let case = case(&model);
    let weights = population(&case);
    let judge = Judge::new(&model, &ALL);
    judge.agree("population", &job(&model, &case, &weights));
    let counts: Vec<f64> = (0..case.rows.len()).map(|i| [1.0, 0.0, 2.5][i % 3]).collect();
    judge.agree("population with counts", &Job { multiplicity: Some(&counts), ..job(&model, &case, &weights) });
    // One member of many for all groups.
    judge.agree("member 4 alone", &Job { members: &[4; 7], ..job(&model, &case, &weights) });
}

#[test]
fn members_of_models_on_grids() {
    let model = model(&toml("[4, 3]", "replicate", "heun", 0.01, NETS), CELLS);
    let mut case = small(&model, 7, 2, 91);
    let weights = population(&case);
    let judge = Judge::new(&model, &[Schedule::Layer]);
    judge.agree("one field per group", &job(&model, &case, &weights));
    case.trajectories.targets = None;
    judge.agree("penalties of fields", &job(&model, &case, &weights));
}

/// What a job says of the samples of one group.
fn of_group(model: &Model, case: &Case, (rollout, gradient): &(Rollout, Gradient), group: usize) -> [Vec<f64>; 4] {
    let (n, k) = (model.state_len(), model.output_len());
    let steps = case.trajectories.steps;
    let part = |values: &[f64], each: usize| values[group * PER_GROUP * each..][..PER_GROUP * each].to_vec();
    [
        part(&rollout.states, (steps + 1) * n),
        part(&rollout.predictions, steps * k),
        part(&gradient.theta, model.theta.len()),
        part(&gradient.start, n),
    ]
}

/// Bits of a member are those of a run without the others.
#[test]
fn a_member_does_not_depend_on_its_neighbours() {
    let model = composed();
    let case = case(&model);
    let weights = population(&case);
    let (p, each) = (model.theta.len(), model.weights.per_member());
    for schedule in ALL {
        let gpu = open(&model, schedule);
        let all = job(&model, &case, &weights);
        let together = compute(&gpu, &all);
        assert_eq!(compute(&gpu, &all), together, "{}: again", schedule.name());
        for member in 0..6 {
            let groups: Vec<usize> = (0..7).filter(|g| MEMBERS[*g] as usize == member).collect();
            if groups.is_empty() {
                assert!(together.1.weights[member * each..].iter().all(|g| *g == 0.0));
                continue;
            }
            let samples: Vec<usize> = groups.iter().flat_map(|g| g * PER_GROUP..(g + 1) * PER_GROUP).collect();
            let rows: Vec<u32> = samples.iter().map(|s| case.rows[*s]).collect();
            let theta: Vec<f64> = samples.iter().flat_map(|s| case.theta[s * p..][..p].to_vec()).collect();
            let own = Weights { members: 1, values: weights.member(member).to_vec() };
            let scales = [PENALTY_SCALE, LOSS_SCALE].map(|scale| groups.iter().map(|g| scale[*g]).collect::<Vec<_>>());
            let alone = compute(
                &gpu,
                &Job {
                    rows: &rows,
                    theta: &theta,
                    weights: &own,
                    groups: groups.len(),
                    penalty_scale: &scales[0],
                    loss_scale: &scales[1],
                    ..case.job(&model)
                },
            );
            let name = format!("member {member}, {}", schedule.name());
            for (position, group) in groups.iter().enumerate() {
                let found = of_group(&model, &case, &together, *group);
                assert_eq!(found, of_group(&model, &case, &alone, position), "{name}");
                assert_eq!(together.1.evaluation.terms[*group], alone.1.evaluation.terms[position], "{name}");
            }
            assert_eq!(together.1.weights[member * each..][..each], alone.1.weights, "{name}");
        }
    }
}

/// Chunks that end within a member, and segments: only the order of sums of weight gradients may change.
#[test]
fn small_budgets_keep_members_apart() {
    let model = composed();
    let case = case(&model);
    let weights = population(&case);
    let (few, many) = (job(&model, &case, &weights), 420);
    // Each sample often enough for several chunks.
    let rows: Vec<u32> = (0..many).map(|i| few.rows[i * few.rows.len() / many]).collect();
    let theta: Vec<f64> = (0..many * 2).map(|i| case.theta[i % case.theta.len()]).collect();
    let job = Job { rows: &rows, theta: &theta, ..few };
    for schedule in ALL {
        let (rollout, whole) = compute(&open(&model, schedule), &job);
        let Err(refusal) = open_within(&model, schedule, 64).gradient(&job, BOTH) else {
            panic!("64 bytes are enough")
        };
        let refusal = refusal.to_string();
        let least = refusal.split("need ").nth(1).and_then(|text| text.split(' ').next()).expect("a number of bytes");
        let least: usize = least.parse().expect("a number of bytes");
        // The layer schedule names the memory of one trajectory, the others that of 64.
        let unit = if schedule == Schedule::Layer { 64 * least } else { least };
        let mut orders = 0;
        for budget in [unit, 2 * unit, 4 * unit, 9 * unit] {
            let (simulated, part) = compute(&open_within(&model, schedule, budget), &job);
            let name = format!("{} with {budget} bytes", schedule.name());
            assert_eq!(simulated, rollout, "{name}");
            assert_eq!(part.evaluation, whole.evaluation, "{name}");
            assert_eq!((&part.theta, &part.start), (&whole.theta, &whole.start), "{name}");
            assert_close(&name, &part.weights, &whole.weights, Tolerance { relative: 1e-5, absolute: 0.0 });
            orders += usize::from(part.weights != whole.weights);
        }
        assert!(orders >= 3, "{}: only {orders} budgets changed the order of sums", schedule.name());
    }
}

/// Mesa's GL computes what its Vulkan does, to rounding.
#[test]
fn members_on_gl() {
    let model = composed();
    let case = case(&model);
    let weights = population(&case);
    let job = job(&model, &case, &weights);
    for schedule in ALL {
        let gl = Gpu::open("gl", &model, Some(schedule), BUDGET).unwrap_or_else(|e| panic!("{e}\n{INSTALL}"));
        let (found, expected) = (compute(&gl, &job), compute(&open(&model, schedule), &job));
        let tolerance = Tolerance { relative: 1e-5, absolute: 0.0 };
        for (name, found, expected) in [
            ("states", &found.0.states, &expected.0.states),
            ("theta", &found.1.theta, &expected.1.theta),
            ("weights", &found.1.weights, &expected.1.weights),
        ] {
            assert_close(&format!("{name} on gl, {}", schedule.name()), found, expected, tolerance);
        }
    }
}

#[test]
fn members_that_are_not_there_are_refused() {
    let model = composed();
    let case = case(&model);
    let weights = population(&case);
    let gpu = open(&model, Schedule::Lane);
    let error =
        |members: &[u32]| gpu.evaluate(&Job { members, ..job(&model, &case, &weights) }).unwrap_err().to_string();
    let missing = error(&[0, 1, 2, 6, 3, 4, 5]);
    assert!(missing.contains("member 6 of a population of 6") && missing.contains("\nhelp: "), "{missing}");
    let few = error(&[0, 1]);
    assert!(few.contains("members: 2 values") && few.contains("\nhelp: "), "{few}");
}
