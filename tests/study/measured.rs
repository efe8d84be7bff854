//! The studies of measured series: read as their files are written, with small tables of the same form, and with the
//! measurements themselves where they are at hand.

use crate::common::skipped;
use greybox::study::{Prepared, Study, prepare};
use std::path::{Path, PathBuf};

fn examples(file: &str) -> Study {
    Study::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file), false)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn prepared(study: &Study, data: &Path) -> Prepared {
    prepare(study, &study.model().unwrap(), Some(data)).unwrap_or_else(|e| panic!("{e}"))
}

/// The folder of measurements: of the environment, or beside the repository. `None`, and a message, where there is none.
fn measurements(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("GREYBOX_DATA").map_or_else(beside, PathBuf::from).join(name);
    if !folder.exists() {
        let place = folder.display();
        skipped(&format!(
            "{place} is not there; it holds measurements that the repository does not copy: set GREYBOX_DATA to the folder \
             that holds {name}"
        ));
        return None;
    }
    Some(folder)
}

/// A chemostat: days that drift, rows that lack a value, columns that nobody asks for.
fn chemostat(days: usize) -> String {
    let mut text =
        "time (days), algae (10^6 cells/ml), rotifers (animals/ml), egg-ratio, external medium (mu mol N / l)\n"
            .to_string();
    for day in 0..days {
        let t = day as f64 + 0.03 * (day % 3) as f64;
        let rotifers = if day % 17 == 4 { "NaN".to_string() } else { format!("{:.2}", 20.0 + 10.0 * (0.7 * t).sin()) };
        text += &format!("{t:.2},{:.2},{rotifers},NaN,80.00\n", 1.5 + (0.7 * t).cos());
    }
    text
}

#[test]
fn chemostats_become_windows_of_whole_days_in_units_of_order_one() {
    let folder = tempfile::tempdir().unwrap();
    for (name, days) in [("C1.csv", 120), ("C2.csv", 110), ("C7.csv", 500)] {
        std::fs::write(folder.path().join(name), chemostat(days)).unwrap();
    }
    let study = examples("predator-prey/study.toml");
    let data = prepared(&study, folder.path()).dataset;
    assert_eq!(data.episodes.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["C1", "C2"], "C7 is left out");
    assert_eq!(data.spacing, Some(1.0));
    assert!(data.test.count > 0 && data.test.t0.iter().all(|t| *t == 0.0));
    let most = data.train.past.iter().chain(&data.train.future).copied().fold(0.0, f64::max);
    assert!(most > 0.9 && most < 2.0, "{most}");
    // Forecasts see the past alone, reconstructions all.
    let last = |w: &greybox::data::Windows| *w.seen().unwrap().last().unwrap();
    assert_eq!(last(&data.test), *data.test.past.last().unwrap());
    let published = Study::open(&study.path, true).unwrap_or_else(|e| panic!("{e}"));
    let whole = prepared(&published, folder.path()).dataset;
    assert_eq!(last(&whole.test), *whole.test.future.last().unwrap());
    examples("predator-prey/amortised.toml").model().unwrap();
}

#[test]
fn furs_are_read_with_their_mark_and_semicolons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("furs.csv");
    let rows = (0..60).map(|i| {
        let t = 0.6 * f64::from(i);
        format!("{};{:.2};{:.2}\n", 1900 + i, 40.0 + 30.0 * t.sin(), 25.0 + 20.0 * (t - 1.0).sin())
    });
    std::fs::write(&file, format!("\u{feff}Year;Hare;Lynx\n{}", rows.collect::<String>())).unwrap();
    let data = prepared(&examples("hare-lynx/study.toml"), &file).dataset;
    assert_eq!((data.episodes.len(), data.episodes[0].len), (1, 60));
    assert!(data.test.blocks().iter().max() > Some(&0), "one recording is resampled in stretches");
    assert_eq!(data.train.past[0], 4.0);
}

#[test]
fn measured_series_give_the_windows_they_gave() {
    if let Some(folder) = measurements("predator-prey") {
        let study = examples("predator-prey/study.toml");
        let data = prepared(&study, &folder).dataset;
        assert_eq!(data.episodes.len(), 9);
        assert!(data.test.count > 100, "{} test windows", data.test.count);
        // As published: about 1660 windows, 83 of them for tests.
        let published = prepared(&Study::open(&study.path, true).unwrap(), &folder).dataset;
        let all = published.train.count + published.validation.count + published.test.count;
        assert!((1550..1750).contains(&all), "{all} windows");
    }
    if let Some(folder) = measurements("hare-lynx") {
        let data = prepared(&examples("hare-lynx/study.toml"), &folder.join("hare_lynx.csv")).dataset;
        assert_eq!(data.episodes[0].len, 91);
    }
}
