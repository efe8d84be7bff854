//! The study file: what is refused where, `[full]`, and settings given outside of it.

use crate::common::{Tolerance, assert_close};
use greybox::model::Model;
use greybox::study::{Points, Study, StudyError};
use std::path::Path;

const STUDY: &str = "[model]
physics = \"model.wgsl\"
[theta.k]
bounds = [0.5, 2.0]
[net.g]
kind = \"mlp\"
hidden = [8, 8]
[solver]
method = \"rk4\"
dt = 0.1
[[penalty]]
kind = \"balance\"
weight = 0.1
[data]
path = \"d.csv\"
window = { horizon = 5 }
split = { ratios = [0.6, 0.2, 0.2], seed = 0 }
[train]
epochs = 20
rate = [1e-3, 1e-4]
[estimate]
points = 50
[landscape]
points = 11
[full.train]
epochs = 500
[full.net.g]
hidden = [128]
";

fn parse(text: &str, full: bool) -> Result<Study, StudyError> {
    Study::parse(Path::new("study.toml"), text.to_string(), full)
}

/// The study with a text replaced must be refused at a line and column, with the line shown and a remedy.
#[track_caller]
fn refused_at(from: &str, to: &str, line: usize, column: usize, parts: &[&str]) {
    assert!(STUDY.contains(from), "`{from}` is not in the study");
    let text = STUDY.replacen(from, to, 1);
    let message = parse(&text, false).expect_err("this is wrong").to_string();
    let shown = text.lines().nth(line - 1).unwrap();
    assert!(message.starts_with(&format!("study.toml:{line}:{column}: ")), "{message}");
    assert!(message.contains(&format!("\n{line} | {shown}\n")), "{message}");
    assert_eq!(message.matches("\nhelp: ").count(), 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in\n{message}");
    }
}

#[test]
fn the_sound_study_is_read() {
    let study = parse(STUDY, false).unwrap();
    assert_eq!(study.train.as_ref().map(|t| (t.epochs, t.rate)), Some((20, [1e-3, 1e-4])));
    assert_eq!((study.estimate.points, study.landscape.points), (50, Some(Points::Every(11))));
    assert_eq!(study.spec.nets["g"].hidden, [8, 8]);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    refused_at("hidden", "hiden", 7, 1, &["unknown field `hiden`", "did you mean `hidden`?"]);
    refused_at("epochs", "epoch", 19, 1, &["`epoch`", "did you mean `epochs`?"]);
    refused_at("[estimate]\npoints", "[estimate]\npionts", 22, 1, &["`pionts`", "did you mean `points`?"]);
    refused_at("weight", "wieght", 13, 1, &["`wieght`", "did you mean `weight`?"]);
    refused_at("horizon", "horizn", 16, 12, &["`horizn`", "did you mean `horizon`?"]);
    refused_at("[landscape]", "[landcsape]", 23, 2, &["`landcsape`", "did you mean `landscape`?"]);
    refused_at("\"rk4\"", "\"rk44\"", 9, 10, &["`rk44`", "did you mean `rk4`?"]);
    refused_at("\"mlp\"", "\"mpl\"", 6, 8, &["`mpl`", "did you mean `mlp`?"]);
}

#[test]
fn mistyped_values_are_shown_in_their_line() {
    refused_at("dt = 0.1", "dt = \"fast\"", 10, 6, &["string \"fast\""]);
    refused_at("epochs = 20", "epochs = -3", 19, 10, &["-3"]);
    refused_at("epochs = 20", "epochs = 2.5", 19, 10, &["2.5"]);
    refused_at("rate = [1e-3, 1e-4]", "rate = 1e-3", 20, 8, &["0.001"]);
    refused_at("[0.5, 2.0]", "[0.5]", 4, 10, &["array"]);
    refused_at("hidden = [8, 8]", "hidden = [8, \"8\"]", 7, 14, &["string \"8\""]);
    refused_at("physics = \"model.wgsl\"", "physics = 3", 2, 11, &["integer `3`", "quotes"]);
    refused_at("dt = 0.1\n", "", 8, 1, &["missing field `dt`", "add `dt = …`"]);
    refused_at("dt = 0.1", "dt = 0.1 0.2", 10, 6, &["quoted"]);
    refused_at("rate = [1e-3, 1e-4]", "epochs = 30", 20, 1, &["duplicate key"]);
}

#[test]
fn values_that_cannot_be_are_refused_by_their_key() {
    let refused = |from: &str, to: &str, parts: &[&str]| {
        assert!(STUDY.contains(from));
        let wgsl = "struct State { x: f32 }\nstruct Theta { k: f32 }\n\
                    fn physics(s: State, theta: Theta) -> State { return State(-theta.k * s.x); }";
        let message = match parse(&STUDY.replacen(from, to, 1), false) {
            Err(error) => error.to_string(),
            Ok(study) => Model::compile(study.spec, "model.wgsl", wgsl).expect_err("this is wrong").to_string(),
        };
        assert_eq!(message.matches("\nhelp: ").count(), 1, "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in\n{message}");
        }
    };
    refused("[0.5, 2.0]", "[2.0, 0.5]", &["theta.k.bounds", "[2, 0.5]", "low < high"]);
    refused("[0.5, 2.0]", "[1.0, 1.0]", &["theta.k.bounds", "[1, 1]"]);
    refused("[0.5, 2.0]", "[0.0, inf]", &["theta.k.bounds", "inf"]);
    refused("[0.5, 2.0]", "[-1.0, 2.0]\nscale = \"log\"", &["theta.k.bounds", "positive"]);
    refused("[0.5, 2.0]", "[0.5, 2.0]\nprior = { normal = [9.0, 0.1] }", &["theta.k.prior"]);
    refused("bounds = [0.5, 2.0]", "unit = \"m\"", &["theta.k", "bounds", "fixed"]);
    refused("dt = 0.1", "dt = 0.0", &["solver.dt", "positive"]);
    refused("dt = 0.1", "dt = 0.1\nsubsteps = 0", &["solver.substeps"]);
    refused("[8, 8]", "[8, 0]", &["net.g.hidden[1]"]);
    refused("epochs = 20", "epochs = 0", &["train.epochs"]);
    refused("[model]", "[grid]\nsize = [4]\n[model]", &["[grid]"]);
}

#[test]
fn the_full_table_is_merged_key_by_key_when_asked_for() {
    let (short, full) = (parse(STUDY, false).unwrap(), parse(STUDY, true).unwrap());
    let train = |study: &Study| study.train.clone().unwrap();
    assert_eq!((train(&short).epochs, train(&full).epochs), (20, 500));
    assert_eq!(train(&full).rate, [1e-3, 1e-4], "keys that [full] does not name stay");
    assert_eq!(full.spec.nets["g"].hidden, [128], "a list is replaced, not extended");
    assert_eq!((full.spec.solver.dt, full.estimate.points), (0.1, 50));
    // A study without [full] is its own published setting.
    let cut = &STUDY[..STUDY.find("[full.train]").unwrap()];
    assert_eq!(parse(cut, true).unwrap().train, short.train);
    // Its mistakes show before the day of the long run.
    for full in [false, true] {
        let message = parse(&STUDY.replace("epochs = 500", "epoch = 500"), full).unwrap_err().to_string();
        for part in ["study.toml", "[full]", "`epoch`", "did you mean `epochs`?", "train"] {
            assert!(message.contains(part), "`{part}` is not in\n{message}");
        }
    }
}

fn with(settings: &[&str], full: bool) -> Result<Study, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    std::fs::write(&path, STUDY).unwrap();
    let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
    Study::open_with(&path, full, &settings).map_err(|e| e.to_string())
}

#[test]
fn settings_replace_what_the_file_and_its_full_table_say() {
    let study = with(&["train.epochs=7", "train.rate = [1e-2, 1e-2]", "solver.dt=0.05"], true).unwrap();
    let train = study.train.unwrap();
    assert_eq!((train.epochs, train.rate), (7, [1e-2, 1e-2]));
    assert_close("dt", &[study.spec.solver.dt], &[0.05], Tolerance { relative: 0.0, absolute: 0.0 });
    assert_eq!(study.spec.nets["g"].hidden, [128]);
    // Strings need no quotes that a shell would take away, and later settings win.
    let study = with(&["solver.method=euler", "data.path=other.csv", "data.path=\"more.csv\""], false).unwrap();
    assert_eq!(study.data.unwrap().path.unwrap(), Path::new("more.csv"));
    assert_eq!(study.spec.solver.method, greybox::model::Method::Euler);
    // A table replaces a table: ratios make room for a file.
    let study = with(&["data.split={ file = \"splits.json\", key = \"0\" }"], false).unwrap();
    let split = study.data.unwrap().split;
    assert_eq!((split.file.as_deref(), split.key.as_deref()), (Some(Path::new("splits.json")), Some("0")));
    assert_eq!((split.ratios, split.seed), (None, None));
    // Tables that the file lacks are made.
    let study = with(&["theta.k.prior.normal=[1.0, 0.2]", "study.title=New"], false).unwrap();
    assert_eq!((study.study.title.as_str(), study.spec.theta["k"].prior.is_some()), ("New", true));
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let refused = |setting: &str, parts: &[&str]| {
        let message = with(&[setting], false).unwrap_err();
        assert_eq!(message.matches("\nhelp: ").count(), 1, "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in\n{message}");
        }
    };
    refused("train.epochs", &["--set train.epochs: not KEY=VALUE"]);
    refused("=3", &["--set =3: not KEY=VALUE"]);
    refused("train.epoch=3", &["--set", "`epoch`", "train", "did you mean `epochs`?"]);
    refused("train.epochs=many", &["--set", "\"many\"", "train.epochs"]);
    refused("data.split.key=0", &["--set", "data.split.key", "quotes"]);
    refused("train.epochs=0", &["train.epochs is 0"]);
}

#[test]
fn a_file_that_is_not_there_is_named_once() {
    let message = Study::open(Path::new("nowhere/study.toml"), false).unwrap_err();
    assert!(message.to_string().starts_with("nowhere/study.toml: "), "{message}");
    // The command prints the chain of causes: the reason must not be in it twice.
    assert!(std::error::Error::source(&message).is_none(), "{message}");
}
