//! Interrupted, killed and continued runs are the run that was left alone.

use super::{Run, TrainConfig, assert_same, lines, settings};
use greybox::device::cpu::Cpu;
use greybox::train::{Checkpoint, CheckpointError, EpochMetrics, Trained};
use std::path::Path;
use std::process::Command;

fn continued(run: &Run, path: &Path, study: &str, proceed: impl FnMut(&EpochMetrics) -> bool) -> Trained {
    let device = Cpu::<f32>::new(&run.model, 1 << 26);
    let mut training = run.on(&device);
    training.checkpoint = Some((path, study));
    training.run(proceed).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn an_interrupted_run_continues_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let run = Run::new(settings());
    let whole = run.whole();
    // Stopped twice, once between the checkpoints that are due.
    for (stop, done) in [(3, 3), (6, 6)] {
        let part = continued(&run, &path, "study", |m| m.epoch < stop);
        assert!(part.interrupted);
        assert_eq!(lines(&part.history), lines(&whole.history[..done]));
    }
    assert_same(&continued(&run, &path, "study", |_| true), &whole);
    // A finished run is not run again.
    let again = continued(&run, &path, "study", |m| panic!("epoch {} ran again", m.epoch));
    assert_same(&again, &whole);
}

#[test]
fn a_killed_run_continues_from_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
    let run = Run::new(settings());
    // What lies on the disk when epoch 5 has just been computed is the checkpoint of epoch 4.
    let whole = continued(&run, &path, "study", |m| {
        if m.epoch == 5 {
            std::fs::copy(&path, &left).unwrap();
        }
        true
    });
    assert_eq!(Checkpoint::load(&left).unwrap().unwrap().epoch, 4);
    let mut seen = Vec::new();
    let rest = continued(&run, &left, "study", |m| {
        seen.push(m.epoch);
        true
    });
    assert_eq!(seen, [5, 6, 7, 8]);
    assert_same(&rest, &whole);
    assert_same(&whole, &run.whole());
}

#[test]
fn a_checkpoint_returns_every_bit_and_one_of_another_study_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let run = Run::new(settings());
    assert!(Checkpoint::load(&path).unwrap().is_none());
    let whole = continued(&run, &path, "study", |_| true);
    let checkpoint = Checkpoint::load(&path).unwrap().unwrap();
    assert_eq!((checkpoint.epoch, checkpoint.optimiser.steps, checkpoint.study.as_str()), (8, 24, "study"));
    assert_eq!(checkpoint.history, whole.history);
    let copy = folder.path().join("copy.safetensors");
    checkpoint.save(&copy).unwrap();
    assert_eq!(Checkpoint::load(&copy).unwrap().unwrap(), checkpoint);
    let error = Checkpoint::load_of(&path, "another study").unwrap_err();
    assert!(matches!(error, CheckpointError::OtherRun { .. }), "{error}");
    assert_eq!(Checkpoint::load(&path).unwrap().unwrap(), checkpoint);
    Checkpoint::remove(&path).unwrap();
    let mut epochs = 0;
    let fresh = continued(&run, &path, "another study", |_| {
        epochs += 1;
        true
    });
    assert_eq!(epochs, 8);
    assert_same(&fresh, &whole);
}

#[test]
fn running_out_of_patience_leaves_the_last_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let config = TrainConfig { epochs: 12, rate: [1e-2, 3.0], patience: 2, checkpoint_every: 100, ..settings() };
    let trained = continued(&Run::new(config), &path, "study", |_| true);
    assert!(trained.history.len() < 12);
    let checkpoint = Checkpoint::load(&path).unwrap().expect("it is written at the end");
    assert_eq!((checkpoint.epoch, &checkpoint.weights), (trained.history.len(), &trained.last));
}

/// The command's metrics.jsonl has one line per epoch, also where a killed run has left more or less.
#[test]
fn the_metrics_file_of_a_continued_run_is_that_of_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("model.wgsl", super::SPRING);
    write("truth.wgsl", &super::SPRING.replace("-theta.k * s.x", "-theta.k * s.x - 0.8 * s.v"));
    write(
        "study.toml",
        "[model]\nphysics = \"model.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n\
         [solver]\nmethod = \"rk4\"\ndt = 0.2\n[data]\nwindow = { history = 1, horizon = 4, stride = 4 }\n\
         [data.simulate]\ntruth = \"truth.wgsl\"\ntheta = { k = 1.0 }\ninitial = { x = [-1.0, 1.0], v = 0.0 }\n\
         episodes = 6\nsteps = 12\ndt = 0.2\n[train]\nepochs = 4\nbatch = 5\ncheckpoint_every = 2\n",
    );
    let train = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
        let output = command.args(["train", "study.toml", "--out", "out"]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(folder.path().join("out/metrics.jsonl")).unwrap()
    };
    let whole = train();
    assert_eq!(whole.lines().count(), 4);
    write("out/metrics.jsonl", &format!("{whole}{}\n", whole.lines().last().unwrap()));
    assert_eq!(train(), whole);
    write("out/metrics.jsonl", "");
    assert_eq!(train(), whole);
}
