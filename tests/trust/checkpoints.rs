//! Checkpoint files that are damaged, foreign, of another version or another run.

use crate::common::run::{Run, settings};
use crate::common::{SPRING, model};
use greybox::device::cpu::Cpu;
use greybox::model::{initialise, save_weights};
use greybox::train::{Checkpoint, CheckpointError, TrainConfig, Training};
use std::fs;
use std::path::{Path, PathBuf};

const STUDY: &str = "model=1 train=2 data=3";

fn run() -> Run {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [2]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n";
    Run::of(model(toml, SPRING), TrainConfig { epochs: 4, ..settings() })
}

/// Trains up to an epoch and leaves a checkpoint of it, and of epoch 2 before.
fn train(run: &Run, path: &Path, study: &str, until: usize) -> Result<usize, greybox::train::TrainError> {
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let training = Training {
        device: &device,
        config: &run.config,
        objective: &run.model.objective,
        train: &run.train,
        validation: Some(&run.validation),
        single: true,
        checkpoint: Some((path, study)),
    };
    let mut seen = 0;
    training.run(|m| {
        seen += 1;
        m.epoch < until
    })?;
    Ok(seen)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", path.display()))
}

#[test]
fn damage_anywhere_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    train(&run(), &path, STUDY, 4).unwrap();
    fs::remove_file(beside(&path, "previous")).unwrap();
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::load(&path).expect_err(what).to_string();
        assert!(error.contains("c.safetensors") && error.contains("\nhelp: "), "{what}: {error}");
    };
    for length in (0..whole.len()).step_by(97).chain([1, 7, 8, 9, whole.len() - 1]) {
        refused(&whole[..length], &format!("{length} of {} bytes", whole.len()));
    }
    for place in (0..whole.len()).step_by(13).chain(whole.len() - 8..whole.len()) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        refused(&bytes, &format!("a bit of byte {place}"));
    }
    refused(&[&whole[..], b"x"].concat(), "a byte more");
    refused(b"no checkpoint", "a text");
    fs::write(&path, &whole).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap().unwrap().epoch, 4);
}

/// Wherever the newest one is damaged, whatever that looks like.
#[test]
fn damage_anywhere_leaves_the_checkpoint_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    train(&run(), &path, STUDY, 4).unwrap();
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for place in (0..header).chain((header..whole.len()).step_by(101)) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&path, bytes).unwrap();
        let found = Checkpoint::load(&path).unwrap_or_else(|error| panic!("a bit of byte {place}: {error}"));
        assert_eq!(found.unwrap().epoch, 2, "a bit of byte {place}");
    }
    assert!(!beside(&path, "damaged").exists(), "who only reads sets nothing aside");
}

/// JSON has no numbers that are not finite, and the history is kept as JSON.
#[test]
fn a_penalty_that_is_not_finite_and_only_reported_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    train(&run(), &path, STUDY, 2).unwrap();
    let mut checkpoint = Checkpoint::load(&path).unwrap().unwrap();
    checkpoint.history[0].penalties = vec![f64::INFINITY, 1.5];
    checkpoint.history[1].loss = f64::NAN;
    checkpoint.save(&path).unwrap();
    let again = Checkpoint::load(&path).unwrap().unwrap().history;
    assert!(again[0].penalties[0].is_nan() && again[0].penalties[1] == 1.5 && again[1].loss.is_nan());
    assert_eq!(again[0].loss, checkpoint.history[0].loss);
}

#[test]
fn a_damaged_checkpoint_of_another_run_is_left_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let run = run();
    train(&run, &path, STUDY, 4).unwrap();
    fs::write(&path, "x").unwrap();
    let error = train(&run, &path, "model=1 train=4 data=3", 4).unwrap_err().to_string();
    assert!(error.contains("of another run: train differ"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"x");
}

#[test]
fn the_checkpoint_before_takes_the_place_of_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let run = run();
    train(&run, &path, STUDY, 4).unwrap();
    let whole = Checkpoint::load(&path).unwrap().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(train(&run, &path, STUDY, 4).unwrap(), 2, "epochs 3 and 4 again");
    let again = Checkpoint::load(&path).unwrap().unwrap();
    assert_eq!((again.epoch, &again.weights, &again.optimiser), (4, &whole.weights, &whole.optimiser));
    assert_eq!(fs::read(beside(&path, "damaged")).unwrap().len(), bytes.len() / 2);
    assert_eq!(Checkpoint::load(&beside(&path, "previous")).unwrap().unwrap().epoch, 2);
    // The same where the newest is missing; with both damaged there is nothing to go on from.
    fs::remove_file(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap().unwrap().epoch, 2);
    fs::write(&path, "x").unwrap();
    fs::write(beside(&path, "previous"), "y").unwrap();
    let error = Checkpoint::load(&path).unwrap_err();
    assert!(matches!(&error, CheckpointError::Damaged { path: named, .. } if *named == path), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"x", "it is left for whoever wants to see it");
    Checkpoint::remove(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap(), None);
}

#[test]
fn files_of_other_kinds_versions_and_runs_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let run = run();
    let weights = initialise(&run.model.weights, &run.model.networks, 1, 0);
    save_weights(&path, &run.model.weights, &weights, 0, false).unwrap();
    let foreign = train(&run, &path, STUDY, 4).unwrap_err().to_string();
    assert!(foreign.contains("is no checkpoint of greybox") && foreign.contains("help: move it away"), "{foreign}");
    fs::remove_file(&path).unwrap();
    train(&run, &path, STUDY, 4).unwrap();
    let whole = fs::read(&path).unwrap();
    let error = train(&run, &path, "model=1 train=4 seed=3", 4).unwrap_err().to_string();
    assert!(error.contains("of another run: data, seed, train differ") && error.contains("--restart"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), whole);
    let place = whole.windows(12).position(|w| w == b"\"format\":\"2\"").unwrap();
    let mut newer = whole.clone();
    newer[place + 10] = b'3';
    // Its checksum may be another as well.
    let place = newer.windows(10).position(|w| w == b"\"checksum\"").unwrap();
    newer[place + 1] = b'C';
    fs::write(&path, &newer).unwrap();
    let error = train(&run, &path, STUDY, 4).unwrap_err().to_string();
    assert!(error.contains("has checkpoint format 3, this greybox reads 2") && error.contains("help: "), "{error}");
    assert_eq!(fs::read(&path).unwrap(), newer);
}

#[test]
fn the_clock_asks_for_checkpoints_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let mut run = run();
    run.config = TrainConfig { checkpoint_every: 100, checkpoint_seconds: 0.0, ..run.config };
    train(&run, &path, STUDY, 4).unwrap();
    assert_eq!(Checkpoint::load(&beside(&path, "previous")).unwrap().unwrap().epoch, 3);
}
