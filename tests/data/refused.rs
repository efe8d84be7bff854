//! What is refused: one message that says what, where and what to do.

use super::{Folder, config, strings};
use greybox::data::{DataError, Dim, Split, load};

#[track_caller]
fn says<T>(result: Result<T, DataError>, parts: &[&str]) {
    let text = result.err().expect("this is wrong and must be refused").to_string();
    assert_eq!(text.matches("\nhelp: ").count(), 1, "one remedy\n{text}");
    assert_eq!(text.lines().count(), 2, "one line of problem, one of help\n{text}");
    assert!(!text.lines().last().unwrap().trim_end().ends_with("help:"), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

const TABLE: &str = "time,position,speed,note\n0,1,2,a\n1,3,4,b\n2,5,6,c\n3,7,8,d\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.text("d.csv", TABLE);
    folder.npz("d.npz", &[("obs", &[4, 2], vec![0.0; 8]), ("push", &[3], vec![0.0; 3]), ("none", &[0, 2], vec![])]);
    folder
}

#[track_caller]
fn load_says(toml: &str, outputs: &[&str], inputs: &[&str], parts: &[&str]) {
    says(folder().load(toml, outputs, inputs), parts);
}

/// The table written differently, in windows of 1 + 1 that all train.
#[track_caller]
fn table_says(from: &str, to: &str, more: &str, parts: &[&str]) {
    let folder = folder();
    assert!(TABLE.contains(from));
    folder.text("d.csv", TABLE.replace(from, to));
    let toml = format!(
        "path = \"d.csv\"\nwindow = {{ history = 1, horizon = 1 }}\nsplit = {{ by = \"time\", ratios = [1, 0, 0] }}\n{more}"
    );
    says(folder.dataset(&toml, &["position"], &["speed"]), parts);
}

#[test]
fn files_that_cannot_be_read() {
    load_says("path = \"none.csv\"", &["x"], &[], &["none.csv", "No such file", "correct the path"]);
    let folder = folder();
    folder.text("bad.npz", "text");
    says(folder.load("path = \"bad.npz\"", &["x"], &[]), &["bad.npz", "not an .npz archive", "numpy.savez"]);
    folder.text("empty.csv", "\n\n");
    says(folder.load("path = \"empty.csv\"", &["x"], &[]), &["empty.csv", "no rows"]);
    folder.text("names.csv", "x,v\n");
    says(folder.load("path = \"names.csv\"", &["x"], &[]), &["names.csv", "no rows of numbers"]);
    folder.text("ragged.csv", "x,v\n1,2\n1,2,3\n");
    says(folder.load("path = \"ragged.csv\"", &["x"], &[]), &["ragged.csv", "line 3 has 3 cells", "2"]);
    says(folder.load("path = \".\"\nfiles = [\"d.cvs\"]", &["x"], &[]), &["d.cvs", "did you mean \"d.csv\"?"]);
    says(folder.load("path = \"d.csv\"\nexclude = [\"a.csv\"]", &["x"], &[]), &["exclude", "not a folder"]);
}

#[test]
fn names_that_are_not_there() {
    load_says("path = \"d.csv\"", &["postion"], &[], &["d.csv", "no column \"postion\"", "did you mean \"position\"?"]);
    load_says("path = \"d.npz\"", &["obz"], &[], &["d.npz", "\"obz\"", "did you mean \"obs\"?"]);
    load_says("path = \"d.npz\"\noutputs = \"ops\"", &["x", "v"], &[], &["\"ops\"", "did you mean \"obs\"?"]);
    load_says("path = \"d.csv\"\ntime = \"tme\"", &["speed"], &[], &["\"tme\"", "did you mean \"time\"?"]);
    load_says("path = \"d.csv\"\noutputs = { sped = \"speed\" }", &["speed"], &[], &["\"sped\"", "\"speed\""]);
    load_says("path = \"d.csv\"\nscale = { sped = 2.0 }", &["speed"], &[], &["scale", "\"sped\"", "\"speed\""]);
    load_says("path = \"d.csv\"\nepisodes = { column = \"tim\" }", &["speed"], &[], &["\"tim\"", "\"time\""]);
}

#[test]
fn shapes_that_do_not_fit() {
    load_says("path = \"d.npz\"\noutputs = \"obs\"", &["x"], &[], &["\"obs\" is [4, 2]", "2 members", "obs[0]"]);
    load_says(
        "path = \"d.npz\"\noutputs = { x = \"obs\" }",
        &["x"],
        &[],
        &["\"obs\" is [4, 2]", "one number per step"],
    );
    load_says("path = \"d.npz\"\noutputs = { x = \"obs[2]\" }", &["x"], &[], &["\"obs[2]\"", "index from 0 to 1"]);
    let both = "path = \"d.npz\"\noutputs = \"obs\"\ninputs = \"push\"";
    load_says(both, &["x", "v"], &["push"], &["\"push\" is [3]", "\"obs\" has [4]"]);
    load_says("path = \"d.npz\"\noutputs = \"none\"", &["x", "v"], &[], &["\"none\" is [0, 2]", "no rows"]);
    load_says("path = \"d.csv\"\nepisodes = { length = 3 }", &["speed"], &[], &["4 rows", "episodes of 3"]);
    let arrays = greybox::data::Arrays::read(&folder().base().join("d.npz"));
    says(
        arrays.unwrap().require("obs", &[Dim::Any("B"), Dim::Is("n", 3)]).cloned(),
        &["obs must be [B, n = 3]", "[4, 2]"],
    );
}

#[test]
fn arrays_of_which_some_have_episodes_and_others_have_not() {
    let folder = folder();
    folder.npz("d.npz", &[("x", &[6], vec![0.0; 6]), ("u", &[6, 2, 1], vec![0.0; 12]), ("v", &[3, 2], vec![0.0; 6])]);
    let toml = "path = \"d.npz\"\noutputs = { x = \"x\" }\ninputs = \"u\"";
    let parts = ["d.npz", "\"x\" is [6], but \"u\" is [6, 2, 1]", "[episodes, steps]"];
    says(folder.load(toml, &["x"], &["a", "b"]), &parts);
}

/// The mean of equal numbers is rounded, so that they seem to vary.
#[test]
fn an_output_that_is_stuck() {
    let rows: String = (0..100).map(|row| format!("{row},0.1,{row}\n")).collect();
    let folder = folder();
    folder.text("d.csv", format!("time,position,speed\n{rows}"));
    let toml = "path = \"d.csv\"\nwindow = { history = 1, horizon = 1 }\nnormalise = \"std\"\nsplit = { by = \"time\", ratios = [1, 0, 0] }";
    says(folder.dataset(toml, &["position"], &["speed"]), &["output 0", "does not vary"]);
}

#[test]
fn a_delimiter_of_one_byte() {
    load_says("path = \"d.csv\"\ndelimiter = \"§\"", &["position"], &[], &["delimiter", "not ASCII"]);
}

#[test]
fn numbers_that_cannot_be_used_are_named_with_their_place() {
    table_says("3,4,b", "3,fast,b", "", &["d.csv, line 3, column 3 (speed)", "\"fast\" is not a number"]);
    table_says("1,3,4", "1,inf,4", "", &["d.csv", "\"position\" is infinite in row 1 (from 0)"]);
    // NaN means not observed: no output at the start of a window, and no input anywhere.
    table_says("1,3,4", "1,NaN,4", "", &["d:", "starts at step 1", "output 0 of step 1", "drop_missing"]);
    table_says("1,3,4", "1,3,NaN", "", &["d:", "input speed is missing at step 1 (from 0)"]);
    table_says("1,3,4", ",3,4", "time = \"time\"", &["d:", "the time of row 1 (from 0) is missing"]);
    table_says("1,3,4", "0,3,4", "time = \"time\"", &["d:", "time goes from 0 to 0 at row 1"]);
    table_says("1,3,4", "1.5,3,4", "time = \"time\"", &["d:", "not equally spaced", "0 to 1.5", "resample"]);
    table_says("1,3,4", "1,3,4", "normalise = \"std\"\nscale = { position = 0.0 }", &["output 0", "does not vary"]);
    table_says("1,3,4", "1,3,4", "max = 0.5", &["training data", "above max = 0.5"]);
    let starts = |column: &str| {
        let folder = folder();
        folder.text("d.csv", format!("x,start\n1,{}\n", column.replace(' ', "\n2,")));
        folder.load("path = \"d.csv\"\nepisodes = { starts = \"start\" }", &["x"], &[])
    };
    says(starts("1 0 2"), &["\"start\" is 2 in row 2 (from 0)"]);
    says(starts("0 0 1"), &["\"start\" does not mark row 0"]);
}

#[test]
fn lengths_that_hold_no_window() {
    table_says("time", "time", "steps = [2, 9]", &["d:", "4 steps", "[2, 9]"]);
    let toml = "path = \"d.csv\"\nwindow = { history = 2, horizon = 3 }\nsplit = { by = \"time\", ratios = [1, 0, 0] }";
    says(folder().dataset(toml, &["speed"], &[]), &["training data", "2 + 3 frames", "4 steps", "window.horizon"]);
}

#[test]
fn splits_that_cannot_be() {
    let folder = Folder::new();
    let split = |text: &str, key: Option<&str>| Split::from_json(&folder.text("s.json", text), key, 4);
    says(split("{\"train\": [0, 1], \"test\": [1]}", None), &["episode 1 is in train and again in test"]);
    says(split("{\"train\": [0, 0]}", None), &["episode 0 is in train and again in train"]);
    says(split("{\"train\": [0], \"test\": [4]}", None), &["test lists episode 4", "there are 4 (counted from 0)"]);
    says(split("{\"train\": [-1]}", None), &["s.json", "-1"]);
    says(split("{\"train\": []}", None), &["no episode trains"]);
    says(split("{\"train\": [0], \"valid\": [1]}", None), &["s.json", "`valid`", "validation"]);
    says(split("{\"train\": [0]", None), &["s.json", "line 1"]);
    let several = "{\"first\": {\"train\": [0]}, \"second\": {\"train\": [1]}}";
    says(split(several, None), &["several splits", "split.key", "\"first\", \"second\""]);
    says(split(several, Some("frist")), &["no key \"frist\"", "did you mean \"first\"?"]);
    says(split("{\"train\": [0]}", Some("first")), &["\"first\"", "leave split.key out"]);
    says(Split::from_json(&folder.base().join("none.json"), None, 4), &["none.json", "No such file"]);
}

#[test]
fn tables_that_contradict_themselves() {
    let folder = folder();
    let refused = |toml: &str, parts: &[&str]| {
        says(load(&config(toml), folder.base(), None, &strings(&["speed"]), &[], &[]), parts);
    };
    refused("", &["[data] path", "no data", "--data"]);
    let given = |more: &str, parts: &[&str]| refused(&format!("path = \"d.csv\"\n{more}"), parts);
    given("window = { horizon = 0 }", &["window.horizon", "0"]);
    given("steps = [3, 3]", &["steps", "[3, 3]"]);
    given("resample = 0.1", &["resample", "time"]);
    given("episodes = { length = 0 }", &["episodes.length"]);
    given("split = { ratios = [0.5, 0.4, 0.2] }", &["split.ratios", "1.100"]);
    given("split = { ratios = [0.0, 0.5, 0.5] }", &["split.ratios", "training"]);
    given("split = { file = \"s.json\", seed = 1 }", &["split", "both given"]);
    given("split = { key = \"a\" }", &["split.key", "split.file"]);
    given("split = { by = \"time\", seed = 1 }", &["split.seed"]);
    given("simulate = { truth = \"t.wgsl\", episodes = 1, steps = 1, dt = 0.1 }", &["both a file and a simulation"]);
}
