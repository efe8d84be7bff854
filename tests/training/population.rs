//! Populations: members are runs of their own, in every bit, whatever happens to the others.

use super::{Run, TrainConfig, lines, settings};
use greybox::device::cpu::Cpu;
use greybox::train::{Checkpoint, Draw, Dual, Ended, Mode, Population, TrainError, Trained, Training};
use std::path::Path;

/// A member of a population and the run that it stands for.
#[track_caller]
fn assert_member(population: &Trained, m: usize, single: &Trained) {
    assert_eq!(population.last.member(m), single.last.values, "last weights of member {m}");
    assert_eq!(population.best.member(m), single.best.values, "best weights of member {m}");
    let each = single.theta.len();
    assert_eq!(population.theta[m * each..(m + 1) * each], single.theta, "theta of member {m}");
    for (all, own) in population.history.iter().zip(&single.history) {
        let member = &all.members[m];
        assert_eq!((member.loss, member.objective), (Some(own.loss), Some(own.objective)), "epoch {}", own.epoch);
        assert_eq!((member.validation, member.lambda), (own.validation, own.lambda), "epoch {}", own.epoch);
    }
    // Behind its end a member has nothing to tell.
    assert!(population.history[single.history.len()..].iter().all(|all| all.members[m].loss.is_none()));
}

fn seeds(count: usize) -> Population {
    Population { seeds: count, ..Population::default() }
}

#[test]
fn members_of_other_seeds_are_single_runs_in_every_bit() {
    // 80 samples a step and member are three tiles, 240 of a step more than the device's partial sums.
    let wide = TrainConfig { draws: 5, ..settings() };
    let dual = Some(Dual { rate: 0.5, start: 1.0, inner: 2 });
    let cases = [
        wide.clone(),
        TrainConfig { draws: 60, epochs: 2, batch: 40, ..wide.clone() },
        TrainConfig { draw: Draw::Sobol, dual, ..wide },
        TrainConfig { mode: Mode::Inductive, theta_rate: Some([1e-2, 1e-3]), dual, ..settings() },
    ];
    for config in cases {
        let all = Run::new(TrainConfig { population: seeds(3), ..config.clone() }).whole();
        assert_eq!((all.last.members, all.members.len()), (3, 3));
        for m in 0..3 {
            assert_member(&all, m, &Run::new(TrainConfig { seed: config.seed + m as u64, ..config.clone() }).whole());
        }
        // The history holds means.
        for m in &all.history {
            let mean = m.members.iter().map(|own| own.loss.unwrap()).sum::<f64>() / 3.0;
            assert_eq!(m.loss, mean);
        }
    }
}

#[test]
fn factors_multiply_the_weights_of_penalties_and_grid_points_fix_theta() {
    let mut population = seeds(2);
    population.weights = vec![0.0, 4.0];
    population.theta.insert("k".into(), 3);
    let all = Run::new(TrainConfig { population, ..settings() }).whole();
    assert_eq!(all.members.len(), 12);
    for (m, (k, factor, seed)) in [(0, (0.5, 0.0, 0)), (3, (0.5, 4.0, 1)), (6, (1.25, 4.0, 0)), (9, (2.0, 0.0, 1))] {
        let toml = format!(
            "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nfixed = {k:?}\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
             [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"orthogonality\"\nweight = {:?}\n",
            0.01 * factor
        );
        let model = super::model(&toml, super::SPRING);
        assert_member(&all, m, &Run::of(model, TrainConfig { seed, ..settings() }).whole());
    }
}

#[test]
fn a_member_that_runs_out_of_patience_ends_alone() {
    let config = TrainConfig { epochs: 12, rate: [1e-2, 3.0], patience: 2, ..settings() };
    let singles: Vec<Trained> = (0..4).map(|seed| Run::new(TrainConfig { seed, ..config.clone() }).whole()).collect();
    let lengths: Vec<usize> = singles.iter().map(|s| s.history.len()).collect();
    assert!(lengths.iter().any(|n| *n != lengths[0]), "seeds that end together tell nothing: {lengths:?}");
    let all = Run::new(TrainConfig { population: seeds(4), ..config }).whole();
    assert_eq!(Some(&all.history.len()), lengths.iter().max());
    for (m, single) in singles.iter().enumerate() {
        assert_member(&all, m, single);
    }
}

/// A spring of a stiffness that leaves f32, beside sound ones.
fn stiff(points: usize, bounds: &str) -> Run {
    let toml = format!(
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = {bounds}\n[net.g]\nkind = \"mlp\"\nhidden = [8]\n\
         [solver]\nmethod = \"rk4\"\ndt = 0.2\n"
    );
    let physics = super::SPRING.replace("s.v, theta.k)", "s.v, 1.0)");
    let mut population = Population::default();
    population.theta.insert("k".into(), points);
    Run::of(super::model(&toml, &physics), TrainConfig { population, ..settings() })
}

#[test]
fn a_member_that_diverges_is_frozen_and_the_others_go_on() {
    let all = stiff(2, "[0.5, 1e20]").whole();
    let reason = all.members[1].diverged().expect("it left f32");
    assert!(reason.contains("diverged in epoch 1") && reason.contains("k = 1000"), "{reason}");
    assert_eq!((all.members[0].diverged(), all.first()), (None, 0));
    let model = stiff(2, "[0.5, 1e20]").model;
    let start = greybox::model::initialise(&model.weights, &model.networks, 1, 0);
    assert_eq!(all.last.member(1), start.values, "it stays as it was");
    assert!(all.history.iter().all(|m| m.members[1].loss.is_none() && m.loss == m.members[0].loss.unwrap()));
    assert_eq!(all.metrics(1), None);
    // The other one is what it is without its neighbour.
    let alone = stiff(1, "[0.25, 0.75]").whole();
    assert_member(&all, 0, &alone);
    // Nobody left is an error that tells how.
    let lost = stiff(3, "[1e20, 1e21]");
    let error = lost.on(&Cpu::<f32>::new(&lost.model, 1 << 26)).run(|_| true).unwrap_err();
    assert!(matches!(error, TrainError::AllDiverged { count: 3, .. }), "{error}");
    assert!(error.to_string().contains("\nhelp: "), "{error}");
}

fn continued(run: &Run, path: &Path, stop: usize) -> Trained {
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let training = Training { checkpoint: Some((path, "study")), ..run.on(&device) };
    training.run(|m| m.epoch != stop).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn populations_with_theta_lambda_and_ended_members_continue_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let dual = Some(Dual { rate: 0.5, start: 1.0, inner: 2 });
    let joint = TrainConfig { mode: Mode::Inductive, dual, population: seeds(3), ..settings() };
    let stages = [(greybox::train::Part::Theta, Some(4)), (greybox::train::Part::Both, None)];
    let stages = stages.map(|(train, epochs)| greybox::train::Stage { train, epochs }).to_vec();
    let patient = TrainConfig { epochs: 12, rate: [1e-2, 3.0], patience: 2, population: seeds(4), ..settings() };
    let runs = [
        ("joint", Run::new(joint.clone())),
        ("staged", Run::new(TrainConfig { stages, ..joint })),
        ("patient", Run::new(patient)),
        ("diverged", stiff(2, "[0.5, 1e20]")),
    ];
    for (name, run) in runs {
        let path = folder.path().join(format!("{name}.safetensors"));
        let whole = run.whole();
        for stop in [3, 6] {
            assert!(continued(&run, &path, stop).interrupted, "{name}");
        }
        let rest = continued(&run, &path, usize::MAX);
        super::assert_same(&rest, &whole);
        assert_eq!((&rest.theta, &rest.best_theta, &rest.members), (&whole.theta, &whole.best_theta, &whole.members));
        let saved = Checkpoint::load(&path).unwrap().unwrap();
        assert_eq!(saved.members, whole.members);
        let again = Checkpoint::load(&path).unwrap().unwrap().trained(&run.model, &run.config);
        assert_eq!((again.theta, again.last, lines(&again.history)), (whole.theta, whole.last, lines(&whole.history)));
        let ended = whole.members.iter().any(|m| matches!(m.ended, Some(Ended::Patience | Ended::Diverged(_))));
        assert_eq!(ended, name == "patient" || name == "diverged");
        // A population of another size is another run.
        let mut other = Run { config: run.config.clone(), ..run };
        other.config.population.seeds += 1;
        let device = Cpu::<f32>::new(&other.model, 1 << 26);
        let training = Training { checkpoint: Some((&path, "study")), ..other.on(&device) };
        let error = training.resume().unwrap_err().to_string();
        assert!(error.contains("of another run: the sizes of its arrays differ"), "{error}");
    }
}
