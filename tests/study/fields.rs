//! Studies on grids: simulated fields, the stability of their steps, the oracle over two parameters, mass, R.

use crate::common::{Tolerance, assert_close, model};
use greybox::device::{Device, Job, Trajectories, cpu::Cpu};
use greybox::model::{Model, initialise};
use greybox::program::Weights;
use greybox::study::{Oracle, Prepared, Stability, Study, Sweep, landscape, prepare};
use std::path::{Path, PathBuf};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("study.toml")
}

/// An example with settings, its model and its data.
fn opened(name: &str, settings: &[&str]) -> (Study, Model, Prepared) {
    let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
    let study = Study::open_with(&example(name), false, &settings).unwrap_or_else(|e| panic!("{e}"));
    let model = study.model().unwrap_or_else(|e| panic!("{e}"));
    let prepared = prepare(&study, &model, None).unwrap_or_else(|e| panic!("{e}"));
    (study, model, prepared)
}

const SHORT: [&str; 2] = ["data.simulate.episodes=8", "data.simulate.substeps=10"];

/// Five points, the rim repeated.
fn laplacian(field: &[f64], (rows, columns): (usize, usize), h: f64) -> Vec<f64> {
    let at = |row: usize, column: usize| field[row.min(rows - 1) * columns + column.min(columns - 1)];
    let cell = |i: usize| {
        let (r, c) = (i / columns, i % columns);
        let around = at(r, c + 1) + at(r + 1, c) + at(r, c.saturating_sub(1)) + at(r.saturating_sub(1), c);
        (around - 4.0 * at(r, c)) / (h * h)
    };
    (0..field.len()).map(cell).collect()
}

/// First states are independent from cell to cell, from channel to channel and from episode to episode.
#[test]
fn simulated_fields_start_from_noise_in_every_cell_and_follow_the_truth() {
    let (_, model, prepared) = opened("reaction-diffusion", &SHORT);
    let episodes = &prepared.dataset.episodes;
    assert_eq!((episodes.len(), episodes[0].len, episodes[0].cells), (8, 16, 1024));
    let first: Vec<f64> = episodes.iter().flat_map(|e| e.outputs[..2048].to_vec()).collect();
    let mean = first.iter().sum::<f64>() / first.len() as f64;
    let covariance = |lag: usize| {
        let pairs = first.iter().zip(&first[lag..]);
        12.0 * pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / (first.len() - lag) as f64
    };
    assert!((mean - 0.5).abs() < 0.01 && (covariance(0) - 1.0).abs() < 0.03, "{mean} {}", covariance(0));
    for lag in [1, 32, 1024, 2048] {
        assert!(covariance(lag).abs() < 0.03, "cells {lag} apart: {}", covariance(lag));
    }
    // One frame more by the midpoint of the truth's equations, whose error at this step is of the order of 1e-3.
    let h = 0.064_516_129_0;
    let (a, b) = (0.0015, 0.005);
    let rate = |s: &[f64]| -> Vec<f64> {
        let (u, v) = s.split_at(1024);
        let (lu, lv) = (laplacian(u, (32, 32), h), laplacian(v, (32, 32), h));
        let of_u = (0..1024).map(|i| a * lu[i] + u[i] - u[i].powi(3) - 0.005 - v[i]);
        of_u.chain((0..1024).map(|i| b * lv[i] + u[i] - v[i])).collect()
    };
    let moved = |s: &[f64], k: &[f64], h: f64| -> Vec<f64> { s.iter().zip(k).map(|(s, k)| s + h * k).collect() };
    let outputs = &episodes[3].outputs;
    let mut s = outputs[10 * 2048..11 * 2048].to_vec();
    for _ in 0..50 {
        let half = moved(&s, &rate(&s), 0.001);
        s = moved(&s, &rate(&half), 0.002);
    }
    assert_close("next frame", &s, &outputs[11 * 2048..12 * 2048], Tolerance { relative: 0.0, absolute: 1e-5 });
    assert_eq!(model.cells(), 1024);
}

/// With g = r + (θ_true − θ)·ΔU the least ‖g‖² lies at θ_true + E[ΔU r] / E[(ΔU)²], for each channel by itself.
#[test]
fn the_oracle_of_two_parameters_has_the_closed_form() {
    let (study, model, prepared) = opened("reaction-diffusion", &SHORT);
    let windows = &prepared.dataset.train;
    let truth = prepared.truth.as_ref().unwrap();
    let oracle = Oracle::of_truth(&model, windows, &prepared.dataset.episodes, truth).unwrap();
    let mut sums = [[0.0f64; 2]; 2];
    for w in 0..windows.count {
        let frames = windows.past[w * 2048..(w + 1) * 2048].chunks(2048);
        for s in frames.chain(windows.future[w * 15 * 2048..(w + 1) * 15 * 2048].chunks(2048)) {
            let (u, v) = s.split_at(1024);
            for (channel, field) in [u, v].into_iter().enumerate() {
                for (i, l) in laplacian(field, (32, 32), 0.064_516_129_0).into_iter().enumerate() {
                    let r = if channel == 0 { u[i] - u[i].powi(3) - 0.005 - v[i] } else { u[i] - v[i] };
                    sums[channel][0] += l * r;
                    sums[channel][1] += l * l;
                }
            }
        }
    }
    let expected = [0.0015 + sums[0][0] / sums[0][1], 0.005 + sums[1][0] / sums[1][1]];
    let criteria = study.criteria(&model).unwrap();
    let minima = oracle.minima(&criteria);
    assert_eq!(criteria.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["log_least_action", "penalties"]);
    let found = minima[0].as_ref().expect("a minimum of E‖g‖²");
    assert_close("perfect correction", found, &expected, Tolerance { relative: 1e-4, absolute: 0.0 });
    // Known from independent random fields.
    assert_close("a, b", found, &[1.18e-3, 5.60e-3], Tolerance { relative: 0.01, absolute: 0.0 });
    // |E⟨f, g⟩| vanishes along a curve.
    assert_eq!(minima[1], None);
    // The spline through ten times coarser frames tells the same story, less exactly.
    let spline = Oracle::new(&model, windows, &prepared.dataset.episodes).unwrap();
    let rough = spline.minima(&criteria)[0].clone().unwrap();
    assert!((rough[1] - found[1]).abs() < 3e-3, "{rough:?}");
}

#[test]
fn noise_is_added_by_channel_and_the_oracle_does_not_see_it() {
    let (_, model, clean) = opened("reaction-diffusion", &SHORT);
    let (_, _, noisy) = opened("reaction-diffusion", &[&SHORT[..], &["data.simulate.noise={ v = 0.2 }"]].concat());
    let (one, other) = (&clean.dataset.episodes[5].outputs, &noisy.dataset.episodes[5].outputs);
    let deviation = |channel: usize| {
        let cells = (0..one.len()).filter(|i| i / 1024 % 2 == channel);
        (cells.map(|i| (other[i] - one[i]).powi(2)).sum::<f64>() / (0.5 * one.len() as f64)).sqrt()
    };
    assert_eq!(deviation(0), 0.0);
    assert!((deviation(1) - 0.2).abs() < 0.01, "{}", deviation(1));
    let sums = [&clean, &noisy].map(|p| {
        let oracle = Oracle::of_truth(&model, &p.dataset.test, &p.dataset.episodes, p.truth.as_ref().unwrap());
        oracle.unwrap().sums(&[0.0012, 0.007]).observables
    });
    assert_close("sums", &sums[1], &sums[0], Tolerance { relative: 1e-12, absolute: 0.0 });
}

/// Diffusion: 4 D dimensions / h². The reaction and the wind come on top.
#[test]
fn stability_numbers_are_those_of_the_finest_waves() {
    let of = |size: &str, body: &str, method: &str, state: f64| {
        let toml = format!(
            "[model]\nphysics = \"t.wgsl\"\n[theta.d]\nbounds = [0.1, 0.5]\n[grid]\nsize = {size}\nspacing = 0.5\n\
             [solver]\nmethod = \"{method}\"\ndt = 0.2\nsubsteps = {}\n",
            if method == "map" { 1 } else { 2 }
        );
        let wgsl = format!(
            "struct State {{ x: f32 }}\nstruct Theta {{ d: f32 }}\n\
             fn physics(s: State, near: Near, theta: Theta) -> State {{ return State({body}); }}"
        );
        let model = model(&toml, &wgsl);
        (Stability::of(&model, &[vec![state]]).map(|s| (s.number, s.limit, s.theta[0], s.is_stable())), model)
    };
    let number = |size: &str, body: &str, method: &str, state: f64, expected: f64, limit: f64| {
        let (number, end, theta, stable) = of(size, body, method, state).0.unwrap();
        assert!((number - expected).abs() < 1e-6 * expected, "{body}: {number}, expected {expected}");
        assert!((end - limit).abs() < 1e-3 && theta == 0.5 && stable == (expected <= limit), "{body}");
    };
    number("[8, 8]", "theta.d * near.laplacian.x", "euler", 0.0, 0.1 * 0.5 * 8.0 / 0.25, 2.0);
    number("[8]", "theta.d * near.laplacian.x", "rk4", 0.0, 0.1 * 0.5 * 4.0 / 0.25, 2.785);
    number("[8]", "3.0 * theta.d * (near.left.x + near.right.x - 2.0 * s.x) / 0.25", "heun", 0.0, 2.4, 2.0 / 1.0);
    // A diffusivity that grows with the state is taken where the state is.
    number("[8]", "theta.d * s.x * s.x * near.laplacian.x", "rk38", 2.0, 0.1 * 0.5 * 4.0 * 4.0 / 0.25, 2.785);
    number("[8, 8]", "-theta.d * (near.dx.x + near.dy.x) - s.x", "rk4", 0.0, 0.1 * (0.5 * 2.0 / 0.5 + 1.0), 2.785);
    let (stability, model) = of("[8]", "6.0 * theta.d * near.laplacian.x", "euler", 0.0);
    assert!(stability.is_some());
    let warning = Stability::of(&model, &[vec![0.0]]).unwrap().warning(&model, "solver").unwrap();
    for part in ["4.8", "d = 0.5", "euler", "2.000", "help:", "solver.substeps = 5", "learned correction"] {
        assert!(warning.contains(part), "`{part}` is not in\n{warning}");
    }
    assert_eq!(of("[8]", "theta.d * near.laplacian.x", "map", 0.0).0, None);
}

/// Whatever the network says, flux form keeps the mass: in f32 to 1e-6 over a rollout.
#[test]
fn the_mass_of_the_tracer_is_conserved() {
    let (_, model, prepared) = opened("advection", &["data.simulate.episodes=5", "data.simulate.noise=0.0"]);
    let mut weights = initialise(&model.weights, &model.networks, 1, 7);
    weights.values.iter_mut().for_each(|w| *w *= 2.0);
    let windows: &Trajectories = &prepared.train;
    let (rows, n, cells) = (windows.rows(), model.state_len(), model.cells());
    let theta: Vec<f64> = rows.iter().map(|row| 0.3 * *row as f64).collect();
    let job = Job::new(windows, &rows, &theta, &weights, &model.objective);
    let devices: [Box<dyn Device>; 2] =
        [Box::new(Cpu::<f32>::new(&model, 1 << 28)), Box::new(Cpu::<f64>::new(&model, 1 << 28))];
    for (device, allowed) in devices.iter().zip([1e-6, 1e-13]) {
        let rollout = device.simulate(&job).unwrap();
        assert_eq!(rollout.evaluation.failures(), 0);
        for states in rollout.states.chunks((windows.steps + 1) * n) {
            let mass: Vec<f64> = states.chunks(n).map(|s| s[..cells].iter().sum()).collect();
            let drift = mass.iter().map(|m| (m / mass[0] - 1.0).abs()).fold(0.0, f64::max);
            assert!(drift < allowed, "{}: {drift:e}", device.description());
            let change: f64 =
                states[..cells].iter().zip(&states[windows.steps * n..]).map(|(a, b)| (a - b).abs()).sum();
            assert!(change > 0.01 * mass[0], "the tracer does not move");
        }
    }
    // The truth conserves it as well.
    for episode in &prepared.dataset.episodes {
        let mass: Vec<f64> = episode.outputs.chunks(n).map(|s| s[..cells].iter().sum()).collect();
        assert!(mass.iter().all(|m| (m / mass[0] - 1.0).abs() < 1e-12), "{mass:?}");
    }
}

/// R is the weighted sum of the penalties, and a diverging trajectory is named and masked.
#[test]
fn landscapes_have_r_and_name_the_first_divergence() {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.d]\nbounds = [-60.0, 1.0]\n[grid]\nsize = [6]\nspacing = 1.0\n\
                [net.g]\nkind = \"conv\"\nchannels = [2]\n[solver]\nmethod = \"euler\"\ndt = 1.0\n\
                [[penalty]]\nkind = \"log_least_action\"\nweight = 2e-6\n[[penalty]]\nkind = \"balance\"\nweight = 1e-6\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { d: f32 }\nfn physics(near: Near, theta: Theta) -> State {\n\
                return State(theta.d * near.laplacian.x * near.laplacian.x); }";
    let model = model(toml, wgsl);
    let weights: Weights = initialise(&model.weights, &model.networks, 1, 1);
    let states = (0..18).map(|i| (i as f64).sin()).collect();
    let trajectories = Trajectories::from_states(3, 12, states);
    let device = Cpu::<f32>::new(&model, 1 << 28);
    let block = [0, 1, 2];
    let axes = Study::parse(Path::new("t.toml"), toml.into(), false).unwrap().axes(&model).unwrap();
    let found =
        landscape(&Sweep::new(&device, &weights, &trajectories, &block), &model.objective, &[], axes, &[0.0]).unwrap();
    let first = found.first_failure.clone().expect("squares of squares overflow");
    assert_eq!((first.theta[0], found.failures[0]), (-60.0, 3.0));
    assert!(first.sample == 0 && (2..12).contains(&first.step), "{first:?}");
    let finite: Vec<usize> = (0..101).filter(|i| found.failures[*i] == 0.0).collect();
    assert!(!finite.is_empty() && finite.len() < 101);
    let of = |name: &str, i: usize| found.quantity(name).unwrap()[i];
    for i in 0..101 {
        assert_eq!(of("penalties", i).is_nan(), !finite.contains(&i));
    }
    for i in finite {
        let expected = of("penalty/log_least_action", i) + 0.5 * of("penalty/balance", i);
        assert!((of("penalties", i) - expected).abs() < 1e-9 * (1.0 + expected.abs()));
    }
}
