//! Every input of the corpus, as it is and changed, is read or refused, without a panic.

use super::targets::{TARGETS, Target, train, training};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|t| t.name == name).expect("a target")
}

/// A panic that the program catches itself is one as well.
fn happens(target: &Target, folder: &Path, input: &[u8]) -> String {
    let happened = target.happens(folder, input);
    assert!(!happened.contains("the WGSL front end failed"), "{happened}");
    happened
}

#[test]
fn the_corpus_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for target in TARGETS {
        let inputs = corpus(&target);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for (path, input) in inputs {
            let happened = happens(&target, folder.path(), &input);
            assert!(!happened.is_empty(), "{}", path.display());
        }
    }
}

/// Without these the targets would refuse everything for a reason of their own.
#[test]
fn sound_inputs_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let ok = |name: &str, input: &[u8]| {
        let happened = happens(&target(name), folder.path(), input);
        assert!(happened.starts_with("ok: "), "{name}: {happened}");
    };
    let example = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    ok("wgsl", format!("// nets: g\n{}", example("tests/golden/pendulum/physics.wgsl")).as_bytes());
    for study in ["toy", "lotka-volterra"] {
        ok("study", format!("# {study}\n{}", example(&format!("examples/{study}/study.toml"))).as_bytes());
    }
    let rows: String = (0..24).map(|i| format!("{i},{i}.5,0.{i},3,{}\n", u8::from(i == 0))).collect();
    ok("csv", format!("t,a,y,u,e\n{rows}").as_bytes());
    train(folder.path(), &training()).unwrap();
    let checkpoint = std::fs::read(folder.path().join("input.safetensors")).unwrap();
    ok("checkpoint", &checkpoint);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes replaced, removed and doubled, anywhere in any input.
    #[test]
    fn changed_inputs_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3usize), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        for target in TARGETS {
            let inputs = corpus(&target);
            let mut input = inputs[which.index(inputs.len())].1.clone();
            for (at, byte, kind) in &changes {
                let at = at.index(input.len() + 1);
                match kind {
                    0 if at < input.len() => input[at] = *byte,
                    1 if at < input.len() => { input.remove(at); }
                    _ => input.insert(at, *byte),
                }
            }
            happens(&target, folder.path(), &input);
        }
    }
}
