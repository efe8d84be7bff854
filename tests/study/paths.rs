//! Where a study looks for its files.

use greybox::model::Model;
use greybox::study::{PrepareError, Prepared, Study, prepare};
use std::path::Path;

const STUDY: &str = "[model]\nphysics = \"m.wgsl\"\n[solver]\nmethod = \"euler\"\ndt = 0.1\n\
                     [data]\npath = \"data/d.csv\"\nwindow = { horizon = 2 }\nsplit = { file = \"s.json\" }\n\
                     episodes = { length = 4 }\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let table = |first: i32| -> String {
        std::iter::once("x".to_string()).chain((first..first + 8).map(|v| v.to_string())).collect::<Vec<_>>().join("\n")
    };
    write("study/study.toml", STUDY.into());
    write("study/m.wgsl", "struct State { x: f32 }\nfn physics(s: State) -> State { return State(-s.x); }".into());
    write("study/data/d.csv", table(0));
    write("study/s.json", "{\"train\": [0], \"test\": [1]}".into());
    write("other/e.csv", table(100));
    write("other/s.json", "{\"train\": [1]}".into());
    folder
}

fn prepared(folder: &Path, data: Option<&Path>) -> Result<Prepared, PrepareError> {
    let study = Study::open(&folder.join("study/study.toml"), false)?;
    assert_eq!(study.base(), folder.join("study"));
    let model = Model::load(study.spec.clone(), study.base())?;
    prepare(&study, &model, data)
}

#[test]
fn paths_in_a_study_start_from_its_folder() {
    let folder = folder();
    let found = prepared(folder.path(), None).unwrap();
    assert_eq!(found.dataset.train.past, [0.0, 1.0]);
    assert_eq!(found.dataset.test.past, [4.0, 5.0]);
}

/// A split file stands beside the data that it splits.
#[test]
fn data_given_to_the_command_brings_its_own_split() {
    let folder = folder();
    for data in ["other/e.csv", "other"] {
        let found = prepared(folder.path(), Some(&folder.path().join(data))).unwrap();
        assert_eq!(found.dataset.train.past, [104.0, 105.0], "{data}");
        assert_eq!(found.test.count, 0);
    }
}

#[test]
fn missing_data_is_named_with_its_whole_path() {
    let folder = folder();
    let path = folder.path().join("study/data/d.csv");
    std::fs::remove_file(&path).unwrap();
    let message = prepared(folder.path(), None).unwrap_err().to_string();
    assert!(message.contains(&format!("{}", path.display())) && message.contains("\nhelp: "), "{message}");
}
