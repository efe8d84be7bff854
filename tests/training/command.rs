//! The command with trained parameters and populations: what it prints, what it leaves, what it refuses.

use super::SPRING;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A study of the spring whose data have k = 1.3 and the damping that its network has to find.
fn study(more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("model.wgsl", SPRING);
    write("truth.wgsl", &SPRING.replace("-theta.k * s.x", "-theta.k * s.x - 0.3 * s.v"));
    write(
        "study.toml",
        &format!(
            "[model]\nphysics = \"model.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n\
             [solver]\nmethod = \"rk4\"\ndt = 0.2\n[[penalty]]\nkind = \"least_action\"\nweight = 0.01\n\
             [data]\nwindow = {{ history = 1, horizon = 4, stride = 4 }}\n\
             [data.simulate]\ntruth = \"truth.wgsl\"\ntheta = {{ k = 1.3 }}\ninitial = {{ x = [-1.0, 1.0], v = 0.0 }}\n\
             episodes = 12\nsteps = 12\ndt = 0.2\n{more}"
        ),
    );
    folder
}

/// Exit code, stdout and stderr.
fn greybox(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap_or(-1), out, err)
}

const INDUCTIVE: &str = "[train]\nmode = \"inductive\"\nepochs = 40\nbatch = 8\nrate = [1e-2, 1e-3]\n\
                         theta_rate = [5e-2, 1e-3]\n";

#[test]
fn an_inductive_run_prints_the_trained_theta_and_lists_it_first() {
    let folder = study(&format!("{INDUCTIVE}[estimate]\npoints = 11\nbootstrap = 4\ntransductive = true\n"));
    let run = || greybox(folder.path(), &["run", "study.toml", "--out", "out"]);
    let (code, out, err) = run();
    assert_eq!(code, 0, "{err}");
    let printed: f64 = out.lines().find_map(|l| l.strip_prefix("theta k = ")).unwrap().parse().unwrap();
    assert!((1.0..1.6).contains(&printed), "{out}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let estimates: serde_json::Value = serde_json::from_str(&read("estimates.json")).unwrap();
    let criteria: Vec<&str> = estimates.as_array().unwrap().iter().map(|e| e["criterion"].as_str().unwrap()).collect();
    assert_eq!(criteria, ["inductive", "transductive", "least_action"]);
    assert_eq!(estimates[0]["theta"]["k"].as_f64(), Some(printed));
    let last = read("metrics.jsonl").lines().last().unwrap().to_string();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["members"][0]["theta"][0].as_f64(), Some(printed));
    assert!(read("report.html").contains("inductive: trained with the weights"));
    assert!(read("transductive/metrics.jsonl").lines().count() == 40);
    // A finished run is not run again, and its phases read what it left.
    let (code, again, err) = run();
    assert_eq!((code, again), (0, out), "{err}");
    let (code, estimated, err) = greybox(folder.path(), &["estimate", "study.toml", "--out", "out"]);
    assert!(code == 0 && estimated.contains(&format!("theta k = {printed}")), "{estimated}{err}");
    let (_, trained, _) = greybox(folder.path(), &["train", "study.toml", "--out", "out"]);
    assert!(trained.contains(&format!("theta k = {printed}")), "{trained}");
}

#[test]
fn a_population_leaves_the_weights_of_every_member_and_an_interval() {
    let more = format!("{INDUCTIVE}[train.population]\nseeds = 3\n[estimate]\npoints = 11\nbootstrap = 4\n");
    let folder = study(&more);
    let (code, out, err) = greybox(folder.path(), &["run", "study.toml", "--out", "out"]);
    assert_eq!(code, 0, "{err}");
    let path = |name: &str| folder.path().join("out").join(name);
    let bytes = |name: &str| std::fs::read(path(name)).unwrap();
    assert_eq!(bytes("weights.safetensors"), bytes("members/000.safetensors"));
    assert_ne!(bytes("members/001.safetensors"), bytes("members/002.safetensors"));
    let members: serde_json::Value = serde_json::from_slice(&bytes("members.json")).unwrap();
    let theta = |m: usize| members[m]["theta"]["k"].as_f64().unwrap();
    assert!(out.contains(&format!("theta k = {}", theta(0))), "{out}");
    let estimates: serde_json::Value = serde_json::from_slice(&bytes("estimates.json")).unwrap();
    let ends: Vec<f64> = (0..3).map(theta).collect();
    let (low, high) = (ends.iter().copied().fold(f64::MAX, f64::min), ends.iter().copied().fold(f64::MIN, f64::max));
    assert_eq!(estimates[0]["interval"][0][0].as_f64(), Some(low));
    assert_eq!(estimates[0]["interval"][0][1].as_f64(), Some(high));
    // Member 2 is the run of its seed.
    let alone = ["run", "study.toml", "--out", "alone", "--seed", "2", "--set", "train.population={}"];
    let (code, alone, err) = greybox(folder.path(), &alone);
    assert!(code == 0 && alone.contains(&format!("theta k = {}", theta(2))), "{alone}{err}");
    // Fewer members leave nothing of more.
    let fewer = ["train", "study.toml", "--out", "out", "--restart", "--set", "train.population={ seeds = 2 }"];
    let (code, _, err) = greybox(folder.path(), &fewer);
    assert!(
        code == 0 && path("members/001.safetensors").exists() && !path("members/002.safetensors").exists(),
        "{err}"
    );
}

#[test]
fn a_parameter_without_bounds_is_trained_and_nothing_else_is_asked_of_it() {
    let folder = study(&format!("{INDUCTIVE}theta_start = {{ k = 1.0 }}\n"));
    let path = folder.path().join("study.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("[theta.k]\nbounds = [0.5, 2.0]\n", "");
    std::fs::write(&path, text).unwrap();
    let (code, out, err) = greybox(folder.path(), &["run", "study.toml", "--out", "out"]);
    assert!(code == 0 && out.contains("theta k = 1."), "{out}{err}");
    assert!(err.contains("note: a parameter has no bounds"), "{err}");
}

#[test]
fn bad_settings_are_refused_before_the_training() {
    let folder = study(INDUCTIVE);
    let refused = |setting: &str, parts: &[&str]| {
        let (code, _, err) = greybox(folder.path(), &["run", "study.toml", "--out", "out", "--set", setting]);
        assert!(code == 1 || code == 2, "{setting}: {code}\n{err}");
        assert_eq!(err.matches("error:").count(), 1, "{err}");
        for part in parts.iter().chain(&["help: "]) {
            assert!(err.contains(part), "{setting}: `{part}` is not in\n{err}");
        }
    };
    refused("train.mode=\"inductiv\"", &["inductiv", "did you mean `inductive`?"]);
    refused("train.mode=\"adaptive\"", &["train.theta_rate", "trains no theta"]);
    refused("train.theta=\"cut\"", &["cut", "project"]);
    refused("train.theta_rate=[-1.0, 1.0]", &["train.theta_rate[0] = -1"]);
    refused("train.theta_start={ q = 1.0 }", &["train.theta_start: `q`", "use k"]);
    refused("train.dual={ rate = 0.0 }", &["train.dual.rate = 0"]);
    refused("train.dual={ tau = 1.0 }", &["tau"]);
    refused("train.stages=[{ train = \"theta\" }]", &["end with theta"]);
    refused("train.stages=[{ train = \"physics\" }]", &["physics", "did you mean"]);
    refused("train.draw=\"sobol\"", &["draws no theta"]);
    refused("train.population={ seeds = 0 }", &["train.population.seeds is 0"]);
    refused("train.population={ theta = { k = 3 } }", &["there is no theta to train"]);
    assert!(!folder.path().join("out").exists(), "nothing was run");
}
