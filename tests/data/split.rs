//! Splits: by shares and seed, and by lists in a file.

use super::{Folder, config, numbered};
use greybox::data::{Dataset, Episode, Split};
use std::collections::BTreeSet;
use std::path::Path;

fn lists(split: &Split) -> [&[usize]; 3] {
    [&split.train, &split.validation, &split.test]
}

#[test]
fn every_episode_is_in_one_part_and_the_seed_decides_which() {
    for episodes in [3, 7, 10, 100] {
        let ratios = [0.6, 0.2, 0.2];
        let split = Split::by_seed(episodes, ratios, 5).unwrap();
        assert_eq!(split, Split::by_seed(episodes, ratios, 5).unwrap());
        let all: Vec<usize> = lists(&split).concat();
        assert_eq!(all.len(), episodes, "each once");
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (0..episodes).collect::<BTreeSet<_>>());
    }
    let of_seed = |seed| Split::by_seed(100, [0.4, 0.3, 0.3], seed).unwrap();
    assert_ne!(of_seed(0), of_seed(1));
    assert_ne!(of_seed(0), of_seed(1 << 32), "the upper half of a seed counts");
    assert_ne!(of_seed(0).train, (0..40).collect::<Vec<_>>(), "episodes are shuffled");
}

#[test]
fn shares_become_the_nearest_whole_numbers_and_none_is_empty() {
    let counts = |episodes, ratios| lists(&Split::by_seed(episodes, ratios, 0).unwrap()).map(<[usize]>::len);
    assert_eq!(counts(100, [0.4, 0.3, 0.3]), [40, 30, 30]);
    assert_eq!(counts(10, [0.5, 0.25, 0.25]), [5, 3, 2]);
    assert_eq!(counts(7, [0.6, 0.2, 0.2]), [4, 2, 1]);
    assert_eq!(counts(4, [0.9, 0.05, 0.05]), [2, 1, 1]);
    assert_eq!(counts(10, [0.3, 0.0, 0.2]), [3, 0, 2], "what is left of 1 is not used");
    assert!(Split::by_seed(2, [0.6, 0.2, 0.2], 0).unwrap_err().to_string().contains("too few"));
}

/// The windows of a part come from its own episodes only.
#[test]
fn no_episode_has_windows_in_two_parts() {
    let episodes: Vec<Episode> = (0..12).map(|e| numbered(e, 9)).collect();
    let toml = "window = { history = 1, horizon = 3, stride = 1 }\nsplit = { ratios = [0.5, 0.25, 0.25], seed = 3 }";
    let data = Dataset::assemble(&config(toml), Path::new("."), episodes.clone()).unwrap();
    let parts = [&data.train, &data.validation, &data.test].map(|w| w.episode.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(parts.each_ref().map(BTreeSet::len), [6, 3, 3]);
    assert_eq!(parts.iter().flatten().collect::<BTreeSet<_>>().len(), 12);
    assert_eq!([&data.train, &data.validation, &data.test].map(|w| w.count), [36, 18, 18]);
    assert_eq!(data, Dataset::assemble(&config(toml), Path::new("."), episodes.clone()).unwrap());
    let other = Dataset::assemble(&config(&toml.replace("seed = 3", "seed = 4")), Path::new("."), episodes).unwrap();
    assert_ne!(data.train.episode, other.train.episode);
}

#[test]
fn lists_in_a_file_are_followed_in_order() {
    let folder = Folder::new();
    folder.text("one.json", "{\"train\": [2, 0], \"test\": [1]}");
    folder.text("two.json", "{\"a\": {\"train\": [0]}, \"b\": {\"train\": [1], \"validation\": [2], \"test\": [0]}}");
    let data = |split: &str| {
        let toml = format!("window = {{ history = 1, horizon = 1, stride = 1 }}\nsplit = {{ {split} }}");
        let episodes = (0..3).map(|e| numbered(e, 2)).collect();
        let data = Dataset::assemble(&config(&toml), folder.base(), episodes).unwrap();
        [data.train.episode, data.validation.episode, data.test.episode]
    };
    assert_eq!(data("file = \"one.json\""), [vec![2, 0], vec![], vec![1]]);
    assert_eq!(data("file = \"two.json\", key = \"b\""), [vec![1], vec![2], vec![0]]);
    assert_eq!(data("file = \"two.json\", key = \"a\""), [vec![0], vec![], vec![]]);
}
