//! Demonstrations of a pendulum that others recorded, if they lie beside the repository.

use crate::common::{Tolerance, assert_close, skipped};
use greybox::data::config::SplitConfig;
use greybox::data::{Arrays, Windows};
use greybox::model::Model;
use greybox::study::{Study, prepare};
use std::path::Path;

#[test]
fn the_published_windows_of_the_pendulum_are_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/data/pendulum");
    let file = folder.join("expert_pendulum.npz");
    if !file.is_file() {
        let place = file.display();
        skipped(&format!("{place} is not there; it holds third-party data that the repository does not copy"));
        return;
    }
    let mut study = Study::open(&root.join("examples/pendulum/study.toml"), true).unwrap();
    let model = Model::load(study.spec.clone(), study.base()).unwrap();
    let split = SplitConfig { file: Some("splits.json".into()), key: Some("0".into()), ..SplitConfig::default() };
    study.data.as_mut().unwrap().split = split;
    let prepared = prepare(&study, &model, Some(&file)).unwrap();
    let data = &prepared.dataset;
    assert_eq!([data.train.count, data.validation.count, data.test.count], [3600, 2700, 2700]);
    assert_eq!([prepared.train.count, prepared.validation.count, prepared.test.count], [3600, 2700, 2700]);

    // The windows of three places, taken from the file by hand: first and last of an episode, and of the whole list.
    let arrays = Arrays::read(&file).unwrap();
    let (obs, starts) = (arrays.lookup("obs").unwrap(), arrays.lookup("episode_starts").unwrap());
    let first: Vec<usize> = (0..starts.values.len()).filter(|row| starts.values[*row] == 1.0).collect();
    assert_eq!(first.len(), 100);
    let frame = |episode: usize, step: usize| &obs.values[(first[episode] + step) * 3..(first[episode] + step) * 3 + 3];
    let holds = |windows: &Windows, w: usize, episode: usize, start: usize| {
        assert_eq!((windows.episode[w] as usize, windows.start[w] as usize), (episode, start), "window {w}");
        assert_eq!(&windows.past[w * 3..w * 3 + 3], frame(episode, start), "window {w}");
        for step in 0..10 {
            let place = (w * 10 + step) * 3;
            assert_eq!(&windows.future[place..place + 3], frame(episode, start + 1 + step), "window {w}, step {step}");
        }
    };
    // The lists of split 0 begin with episodes 82, 36 (training), 30 (validation), 92 (test) and end with 15, 91, 95.
    holds(&data.train, 0, 82, 0);
    holds(&data.train, 89, 82, 89);
    holds(&data.train, 90, 36, 0);
    holds(&data.train, 3599, 15, 89);
    holds(&data.validation, 0, 30, 0);
    holds(&data.validation, 2699, 91, 89);
    holds(&data.test, 0, 92, 0);
    holds(&data.test, 2699, 95, 89);
    let circle: Vec<f64> = data.train.past.chunks(3).map(|y| y[0].hypot(y[1])).collect();
    assert_close("cos² + sin²", &circle, &vec![1.0; 3600], Tolerance { relative: 1e-6, absolute: 0.0 });
    // Without a time column, time counts from the beginning of the recording.
    assert_close(
        "t0",
        &data.train.t0[88..91],
        &[88.0 * 0.05, 89.0 * 0.05, 0.0],
        Tolerance { relative: 1e-12, absolute: 0.0 },
    );
}
