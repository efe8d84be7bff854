//! The toy study, f = a sin(x + c): the closed form of its penalties with a perfect correction, its data, its landscapes.

use crate::common::{Tolerance, assert_close};
use greybox::data::Windows;
use greybox::device::cpu::Cpu;
use greybox::model::Model;
use greybox::study::{Axis, Oracle, Share, Study, SumsGrid, across, landscape, prepare, retrained, trajectories};
use greybox::train::Training;
use std::f64::consts::{FRAC_PI_2, PI};
use std::path::Path;

fn study(settings: &[&str]) -> Study {
    let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
    Study::open_with(Path::new("examples/toy/study.toml"), false, &settings).unwrap_or_else(|e| panic!("{e}"))
}

/// Noiseless rows with x spaced evenly over a period: means of products of sines and cosines are exact.
fn even(model: &Model, count: usize) -> Windows {
    let x: Vec<f64> = (0..count).map(|i| -PI + 2.0 * PI * (i as f64 + 0.5) / count as f64).collect();
    Windows {
        horizon: 1,
        outputs: 1,
        inputs: 1,
        states: model.integrated_len(),
        count,
        episode: vec![0; count],
        start: vec![0; count],
        future: x.iter().map(|x| x.sin() + x.cos()).collect(),
        u: x.iter().flat_map(|x| [*x, *x]).collect(),
        t0: vec![0.0; count],
        ..Windows::default()
    }
}

fn points(along: usize) -> impl Iterator<Item = (f64, f64)> {
    let last = along as f64 - 1.0;
    (0..along).flat_map(move |i| (0..along).map(move |j| (2.0 * i as f64 / last, -PI + 2.0 * PI * j as f64 / last)))
}

/// E f² = a²/2, E g² = 1 + a²/2 − a (cos c + sin c), E fg = a (cos c + sin c)/2 − a²/2 with x uniform over a period.
#[test]
fn means_with_a_perfect_correction_have_a_closed_form() {
    let model = study(&[]).model().unwrap();
    let windows = even(&model, 64);
    let oracle = Oracle::new(&model, &windows, &[]).unwrap();
    let exact = Tolerance { relative: 1e-12, absolute: 1e-12 };
    for (a, c) in points(23) {
        let s = c.cos() + c.sin();
        let expected = [1.0 + a * a / 2.0 - a * s, a * s / 2.0 - a * a / 2.0, a * a / 2.0];
        assert_close(&format!("means at {a}, {c}"), &oracle.sums(&[a, c]).means(), &expected, exact);
    }
}

/// E fg = 0 where a = cos c + sin c or a = 0, E f² = E g² where a (cos c + sin c) = 1: both at (1, 0) and (1, π/2) alone.
#[test]
fn orthogonality_and_balance_together_have_two_minima_and_a_prior_leaves_one() {
    let study = study(&[]);
    let model = study.model().unwrap();
    let criteria = study.criteria(&model).unwrap();
    assert_eq!(
        criteria.iter().map(|c| c.name.as_str()).collect::<Vec<_>>()[..2],
        ["orthogonality + balance", "penalties"]
    );
    let windows = even(&model, 64);
    let oracle = Oracle::new(&model, &windows, &[]).unwrap();
    let value =
        |at: [f64; 2], criterion: usize| criteria[criterion].objective.evaluate(&oracle.sums(&at), &[]).0.objective;
    for minimum in [[1.0, 0.0], [1.0, FRAC_PI_2]] {
        assert!(value(minimum, 0) < 1e-12, "{minimum:?}");
    }
    let near = |(a, c): (f64, f64)| [0.0, FRAC_PI_2].iter().any(|m| (a - 1.0).hypot(c - m) < 0.15);
    let elsewhere = points(101).filter(|p| !near(*p)).map(|(a, c)| value([a, c], 0));
    let least = elsewhere.fold(f64::INFINITY, f64::min);
    assert!(least > 0.05, "{least}");
    // On a coarse grid whose points miss them: interpolation finds both.
    let coarse: Vec<Axis> = across(&model, &study.axes(&model).unwrap(), |_, _| 20);
    let grid = SumsGrid::perfect(&oracle, coarse.clone(), &[1.0, 0.0]);
    let fine = grid.finer(&across(&model, &coarse, |_, _| 201));
    let mut both: Vec<Vec<f64>> = fine.minima(&criteria[0]).into_iter().map(|m| m.at).collect();
    both.sort_by(|x, y| x[1].total_cmp(&y[1]));
    let allowed = Tolerance { relative: 0.0, absolute: 0.02 };
    assert_close("two minima", &both.concat(), &[1.0, 0.0, 1.0, FRAC_PI_2], allowed);
    let one: Vec<f64> = fine.minima(&criteria[1]).into_iter().flat_map(|m| m.at).collect();
    assert_close("one minimum with the prior", &one, &[1.0, 0.0], allowed);
    // The values on the given points are not changed by interpolating to them. Behind the base and the prior there are none.
    let same = grid.finer(&coarse);
    for (found, expected) in same.sums.iter().zip(&grid.sums) {
        let (found, expected) = (found.unwrap(), expected.unwrap());
        assert_close(
            "sums",
            &found.observables[..4],
            &expected.observables[..4],
            Tolerance { relative: 1e-12, absolute: 1e-9 },
        );
    }
}

/// The published rows: 120 of them, split 39, 39, 42, each by itself.
#[test]
fn the_data_set_is_rows_without_time() {
    let study = study(&["data.simulate.noise=0.0"]);
    let model = study.model().unwrap();
    let prepared = prepare(&study, &model, None).unwrap();
    let data = &prepared.dataset;
    assert_eq!([data.train.count, data.validation.count, data.test.count], [39, 39, 42]);
    assert_eq!(study.estimate.windows, [Share::Train, Share::Test]);
    let chosen = study.estimate.chosen(data);
    assert_eq!(chosen.count, 81);
    let mut episodes = chosen.episode.clone();
    episodes.extend(&data.validation.episode);
    episodes.sort_unstable();
    assert_eq!(episodes, (0..120).collect::<Vec<u32>>(), "every row once");
    let joined = trajectories(&chosen, &data.residual_scale);
    for row in 0..81 {
        let x = joined.inputs[2 * row + 1];
        assert!((-PI..PI).contains(&x) && joined.inputs[2 * row] == x);
        assert!((joined.targets.as_ref().unwrap()[row] - (x.sin() + x.cos())).abs() < 1e-12);
    }
    let x: Vec<f64> = joined.inputs.iter().step_by(2).copied().collect();
    assert!(x.iter().copied().fold(0.0, f64::min) < -2.5 && x.iter().copied().fold(0.0, f64::max) > 2.5);
}

/// A network per θ: each member's sums are those of its own weights at its own θ.
#[test]
fn a_retrained_landscape_has_the_loss_of_each_member_at_its_theta() {
    let study = study(&["train.epochs=3", "landscape.retrain={ points = [2, 3], seeds = 2, epochs = 2, batch = 20 }"]);
    let model = study.model().unwrap();
    let prepared = prepare(&study, &model, None).unwrap();
    let axes = study.retrain_axes(&model).unwrap();
    let retrain = study.landscape.retrain.as_ref().unwrap();
    let config = retrain.training(study.train.as_ref().unwrap(), &axes);
    let members = config.population.members(config.seed, &model);
    assert_eq!((members.len(), config.epochs, config.batch), (12, 2, 20));
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let training = Training {
        device: &device,
        config: &config,
        objective: &model.objective,
        train: &prepared.train,
        validation: None,
        single: false,
        checkpoint: None,
    };
    let trained = training.run(|_| true).unwrap();
    let base = [1.0, 0.0];
    let grid = retrained(&device, &prepared.test, (&trained.last, &members), axes.clone(), &base).unwrap();
    for (place, sums) in grid.sums.iter().enumerate() {
        // Two seeds at each point, the last axis varying fastest.
        let theta = [axes[0].values[place / 3], axes[1].values[place % 3]].map(|v| v as f32 as f64);
        let mut expected = 0.0;
        for seed in 0..2 {
            let values = trained.last.member(2 * place + seed).to_vec();
            let weights = greybox::program::Weights { members: 1, values };
            let single = |index: usize| Axis { values: vec![theta[index]], ..axes[index].clone() };
            let block = vec![0; prepared.test.count];
            let sweep = greybox::study::Sweep::new(&device, &weights, &prepared.test, &block);
            let map = landscape(&sweep, &model.objective, &[], vec![single(0), single(1)], &base).unwrap();
            expected += map.quantity("rmse").unwrap()[0].powi(2) / 2.0;
        }
        let sums = sums.unwrap();
        assert_close(
            "loss",
            &[sums.squared_error / sums.present],
            &[expected],
            Tolerance { relative: 1e-12, absolute: 0.0 },
        );
    }
}

/// Rows of a file are shuffled; `by = "episode"` keeps files together.
#[test]
fn rows_of_a_file_are_windows() {
    let folder = std::env::temp_dir().join(format!("greybox-rows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, shift) in [("one.csv", 0.0), ("two.csv", 100.0), ("three.csv", 200.0)] {
        let lines = (0..10).map(|i| format!("{},{}\n", shift + i as f64, 2.0 * (shift + i as f64)));
        std::fs::write(folder.join(file), format!("x,y\n{}", lines.collect::<String>())).unwrap();
    }
    let of = |settings: &[&str]| {
        let study = study(settings);
        let model = study.model().unwrap();
        prepare(&study, &model, Some(&folder))
    };
    let prepared = of(&["data.split={ ratios = [0.6, 0.2, 0.2] }"]).unwrap();
    let counts = [&prepared.train, &prepared.validation, &prepared.test].map(|t| t.count);
    assert_eq!(counts, [18, 6, 6]);
    let train = &prepared.train;
    let hundreds: std::collections::BTreeSet<i64> = train.inputs.iter().map(|x| (*x / 100.0) as i64).collect();
    assert_eq!(hundreds.len(), 3, "rows of all files train");
    for (row, y) in train.targets.as_ref().unwrap().iter().enumerate() {
        assert_eq!(*y, 2.0 * train.inputs[2 * row + 1]);
    }
    let prepared = of(&["data.split={ by = \"episode\", ratios = [0.34, 0.33, 0.33] }"]).unwrap();
    let hundreds: std::collections::BTreeSet<i64> = prepared.train.inputs.iter().map(|x| (*x / 100.0) as i64).collect();
    assert_eq!((prepared.train.count, hundreds.len()), (10, 1), "one file trains");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_does_not_fit_a_static_study_is_refused_with_a_remedy() {
    let refused = |settings: &[&str], parts: &[&str]| {
        let study = study(settings);
        let model = study.model().unwrap();
        let asked = study.criteria(&model).map(drop).and_then(|()| study.retrain_axes(&model).map(drop));
        let message = match asked {
            Err(error) => error.to_string(),
            Ok(()) => prepare(&study, &model, None).expect_err("this is wrong").to_string(),
        };
        for part in parts.iter().chain(&["help:"]) {
            assert!(message.contains(part), "{settings:?}: {message} lacks {part}");
        }
    };
    refused(&["data.simulate.steps=3"], &["simulate.steps", "no time"]);
    refused(&["data.simulate.dt=0.1"], &["simulate.dt", "no time"]);
    refused(&["data.simulate.inputs={}", "data.simulate.steps=2", "data.simulate.dt=0.1"], &["static truth", "inputs"]);
    refused(&["data.simulate.inputs={}"], &["simulate.steps", "is 0"]);
    refused(&["data.simulate.inputs={ x = { smooth = [0.0, 1.0] } }"], &["inputs.x", "smooth"]);
    refused(&["data.simulate.inputs={ x = [2.0, 1.0] }"], &["inputs.x", "above"]);
    refused(&["data.simulate.inputs={ z = 1.0 }"], &["inputs.z"]);
    refused(&["data.simulate.episodes=0"], &["simulate.episodes"]);
    refused(&["data.window={ history = 1, horizon = 3 }"], &["window", "single rows"]);
    refused(&["estimate.criteria=[\"orthogonality + nothing\"]"], &["orthogonality + nothing", "A + B"]);
    refused(&["landscape.retrain={ points = 1 }"], &["landscape.retrain.points", "at least 2"]);
    refused(&["landscape.retrain={ points = 400 }"], &["landscape.retrain", "members"]);
    refused(&["landscape.retrain={ seeds = 0 }"], &["landscape.retrain", "seeds"]);
    refused(&["landscape.retrain={ epochs = 0 }"], &["landscape.retrain", "epochs"]);
    refused(&["landscape.retrain={ points = [3, 3, 3] }"], &["landscape.retrain.points", "a, c"]);
    let moving = "[model]\nphysics = \"m.wgsl\"\n[solver]\nmethod = \"rk4\"\ndt = 0.1\n[data]\npath = \"d.csv\"\n\
                  split = { by = \"row\" }\n";
    let study: Study = moving.parse().unwrap();
    let model = study.compile("struct State { x: f32 }\nfn physics(s: State) -> State { return s; }").unwrap();
    let message = prepare(&study, &model, None).unwrap_err().to_string();
    assert!(message.contains("split.by") && message.contains("help:"), "{message}");
}
