//! Parts to windows: how many, which frames, times, missing and large values, normalisation.

use super::{Folder, config, numbered};
use crate::common::{Tolerance, assert_close};
use greybox::data::config::WindowConfig;
use greybox::data::window::Part;
use greybox::data::{Dataset, Episode, Windows};
use std::path::Path;

/// Every window of every small part, found by trying all starts, against those that were cut.
#[test]
fn windows_are_all_that_fit_and_hold_their_own_frames() {
    let episodes: Vec<Episode> = (0..10).map(|len| numbered(len, len)).collect();
    let parts: Vec<Part> = (0..10)
        .flat_map(|episode| {
            // The whole episode, and one cut at both ends.
            let whole = Part { episode, steps: 0..episode };
            [whole, Part { episode, steps: (episode / 4)..episode - episode / 3 }]
        })
        .collect();
    let mut total = 0;
    for (history, horizon, stride) in
        (1..4).flat_map(|h| (1..5).flat_map(move |t| (1..4).map(move |stride| (h, t, stride))))
    {
        let setting = WindowConfig { history, horizon, stride, ..WindowConfig::default() };
        let windows = Windows::cut(&episodes, &parts, &setting, None).unwrap();
        let expected: Vec<(usize, usize)> = parts
            .iter()
            .flat_map(|part| {
                let starts =
                    (0..part.steps.len()).filter(|s| s % stride == 0 && s + history + horizon <= part.steps.len());
                starts.map(|s| (part.episode, part.steps.start + s)).collect::<Vec<_>>()
            })
            .collect();
        let found: Vec<(usize, usize)> =
            windows.episode.iter().zip(&windows.start).map(|(e, s)| (*e as usize, *s as usize)).collect();
        assert_eq!(found, expected, "{setting:?}");
        assert_eq!(windows.count, expected.len());
        total += expected.len();
        let frames = |from: usize, count: usize| (from..from + count).map(|f| f as f64).collect::<Vec<f64>>();
        for (w, (episode, start)) in expected.into_iter().enumerate() {
            let first = 1000 * episode + start;
            assert_eq!(windows.past[w * history..(w + 1) * history], frames(first, history));
            assert_eq!(windows.future[w * horizon..(w + 1) * horizon], frames(first + history, horizon));
            // Inputs begin with the initial frame, which is the last of the history.
            let inputs: Vec<f64> = frames(first + history - 1, horizon + 1).iter().map(|v| -v).collect();
            assert_eq!(windows.u[w * (horizon + 1)..(w + 1) * (horizon + 1)], inputs);
            assert_eq!(windows.t0[w], (start + history - 1) as f64);
        }
        let short = parts.iter().filter(|part| part.steps.len() < history + horizon).count();
        assert_eq!(windows.short_parts, short);
    }
    assert!(total > 500, "{total} windows only");
}

#[test]
fn a_hundred_steps_give_ninety_windows_of_one_and_ten() {
    let windows = Windows::cut(
        &[numbered(0, 100)],
        &[Part { episode: 0, steps: 0..100 }],
        &WindowConfig { history: 1, horizon: 10, stride: 1, ..WindowConfig::default() },
        None,
    );
    assert_eq!(windows.unwrap().count, 90);
}

#[test]
fn start_times_come_from_the_time_column_or_count_steps_of_the_recording() {
    let folder = Folder::new();
    let rows: String = (0..12).map(|i| format!("{},{i}\n", 3.0 + 0.25 * i as f64)).collect();
    folder.text("d.csv", format!("t,x\n{rows}"));
    let common = "path = \"d.csv\"\nsteps = [2, 12]\nwindow = { history = 2, horizon = 3, stride = 2 }\n\
                  split = { by = \"time\", ratios = [1.0, 0.0, 0.0] }";
    let mut with = folder.dataset(&format!("time = \"t\"\n{common}"), &["x"], &[]).unwrap();
    let mut without = folder.dataset(common, &["x"], &[]).unwrap();
    with.set_dt(0.1);
    without.set_dt(0.1);
    // Windows begin at steps 0, 2, 4 of the part used; the initial frame is the next one.
    let tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };
    assert_close("times of the column", &with.train.t0, &[3.75, 4.25, 4.75], tolerance);
    assert_close("steps times dt", &without.train.t0, &[0.3, 0.5, 0.7], tolerance);
    assert_close("spacing", &[with.spacing.unwrap()], &[0.25], tolerance);
}

#[test]
fn missing_values_stay_missing_in_the_future_and_large_ones_drop_their_windows() {
    let mut episode = numbered(0, 8);
    episode.outputs[5] = f64::NAN;
    let cut = |horizon, end, max| {
        let setting = WindowConfig { history: 1, horizon, ..WindowConfig::default() };
        Windows::cut(std::slice::from_ref(&episode), &[Part { episode: 0, steps: 0..end }], &setting, max)
    };
    let windows = cut(2, 7, None).unwrap();
    assert_eq!(windows.count, 5);
    let missing: Vec<usize> = (0..10).filter(|i| windows.future[*i].is_nan()).collect();
    // Step 5 is the second frame of the window from 3 and the first of the window from 4.
    assert_eq!(missing, [7, 8]);
    let error = cut(2, 8, None).unwrap_err().to_string();
    assert!(error.contains("starts at step 5") && error.contains("output 0 of step 5"), "{error}");
    let few = cut(2, 7, Some(3.5)).unwrap();
    assert_eq!((few.count, few.above_max, few.start), (2, 3, vec![0, 1]));
}

/// The scale is measured on the steps of training windows, each once, whatever the overlap and the other parts hold.
#[test]
fn normalisation_uses_each_training_step_once() {
    let values = [1.0, 2.0, 4.0, 8.0, 3.0];
    let train = Episode { outputs: values.to_vec(), inputs: Vec::new(), input_count: 0, ..numbered(0, 5) };
    let other = Episode { outputs: vec![1e6; 5], ..train.clone() };
    let folder = Folder::new();
    folder.text("s.json", "{\"train\": [1], \"test\": [0]}");
    let scale = |kind: &str, horizon: usize| {
        let toml = format!(
            "normalise = \"{kind}\"\nwindow = {{ history = 1, horizon = {horizon}, stride = 1 }}\nsplit = {{ file = \"s.json\" }}"
        );
        Dataset::assemble(&config(&toml), folder.base(), vec![other.clone(), train.clone()]).unwrap().residual_scale
    };
    let mean = values.iter().sum::<f64>() / 5.0;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0;
    let tolerance = Tolerance { relative: 1e-14, absolute: 0.0 };
    for horizon in [1, 2, 4] {
        assert_close("std", &scale("std", horizon), &[variance.sqrt()], tolerance);
        assert_close("range", &scale("range", horizon), &[7.0], tolerance);
        assert_close("none", &scale("none", horizon), &[1.0], tolerance);
    }
}

#[test]
fn a_split_by_time_cuts_every_episode_and_no_window_crosses_a_cut() {
    let toml = "window = { history = 1, horizon = 3, stride = 1 }\nsplit = { by = \"time\", ratios = [0.5, 0.3, 0.2] }";
    let data = Dataset::assemble(&config(toml), Path::new("."), vec![numbered(0, 20), numbered(1, 40)]).unwrap();
    let ends = |windows: &Windows, episode: u32| -> (u32, u32) {
        let of = windows.episode.iter().zip(&windows.start).filter(|(e, _)| **e == episode).map(|(_, s)| *s);
        let starts: Vec<u32> = of.collect();
        (*starts.first().unwrap(), starts.last().unwrap() + 4)
    };
    // First step and the step after the last, per episode.
    assert_eq!((ends(&data.train, 0), ends(&data.train, 1)), ((0, 10), (0, 20)));
    assert_eq!((ends(&data.validation, 0), ends(&data.validation, 1)), ((10, 16), (20, 32)));
    assert_eq!((ends(&data.test, 0), ends(&data.test, 1)), ((16, 20), (32, 40)));
}
