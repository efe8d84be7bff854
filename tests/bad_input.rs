//! Bad input to the command: one clear message, an exit code other than 0, never a panic.

use greybox::data::npz::{Array, Arrays, Element, write_npz};
use greybox::model::save_weights;
use greybox::program::{WeightTable, Weights};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const WGSL: &str = "struct State { x: f32, v: f32 }
struct Theta { k: f32 }
struct Input { force: f32 }
fn physics(s: State, theta: Theta, u: Input) -> State {
    return State(s.v, u.force - theta.k * s.x);
}
fn features(s: State) -> array<f32, 2> { return array<f32, 2>(s.x, s.v); }
";

const TOML: &str = "[model]
physics = \"model.wgsl\"
[theta.k]
bounds = [0.5, 2.0]
[net.g]
kind = \"mlp\"
hidden = [3]
[solver]
method = \"rk4\"
dt = 0.1
";

const LAYERS: [(&str, usize, usize, bool); 4] =
    [("g.0.weight", 3, 2, false), ("g.0.bias", 3, 1, true), ("g.1.weight", 2, 3, false), ("g.1.bias", 2, 1, true)];

/// A folder with a model that is sound until a test spoils it.
struct Case(TempDir);

impl Case {
    fn new(wgsl: &str, toml: &str) -> Case {
        let case = Case(tempfile::tempdir().unwrap());
        std::fs::write(case.path("model.wgsl"), wgsl).unwrap();
        std::fs::write(case.path("model.toml"), toml).unwrap();
        case.weights(&LAYERS, 0.1);
        case.arrays(&[]);
        case
    }

    fn sound() -> Case {
        Case::new(WGSL, TOML)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn weights(&self, layers: &[(&str, usize, usize, bool)], value: f64) {
        let mut table = WeightTable::default();
        for (name, rows, columns, bias) in layers {
            table.add(name.to_string(), *rows, *columns, *bias);
        }
        let weights = Weights { members: 1, values: vec![value; table.per_member()] };
        save_weights(&self.path("w.safetensors"), &table, &weights, 0, false).unwrap();
    }

    /// Writes in.npz with some arrays in place of the sound ones; `None` leaves an array out.
    fn arrays(&self, changed: &[(&str, Option<Array>)]) {
        let zeros = |shape: &[usize]| Array { shape: shape.to_vec(), values: vec![0.5; shape.iter().product()] };
        let mut all = vec![("s0", zeros(&[2, 2])), ("theta", zeros(&[2, 1])), ("u", zeros(&[2, 4, 1]))];
        for (name, array) in changed {
            all.retain(|(n, _)| n != name);
            all.extend(array.clone().map(|a| (*name, a)));
        }
        let views: Vec<(&str, &Array, Element)> = all.iter().map(|(n, a)| (*n, a, Element::F64)).collect();
        write_npz(&self.path("in.npz"), &views).unwrap();
    }

    /// Exit code and stderr of a command run in the folder.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
        let output = command.args(arguments).current_dir(self.0.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains("panicked"), "{text}");
        (output.status.code().unwrap_or(-1), text)
    }

    fn eval(&self, more: &[&str]) -> (i32, String) {
        let arguments =
            ["eval", "model.toml", "--weights", "w.safetensors", "--input", "in.npz", "--output", "out.npz"];
        self.run(&[&arguments, more].concat())
    }
}

#[track_caller]
fn refused(result: (i32, String), parts: &[&str]) {
    let (code, text) = result;
    assert!(code == 1 || code == 2, "exit code {code}\n{text}");
    assert_eq!(text.matches("error:").count(), 1, "one message\n{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[track_caller]
fn wgsl_refused(wgsl: &str, parts: &[&str]) {
    refused(Case::new(wgsl, TOML).run(&["check", "model.toml"]), parts);
}

#[track_caller]
fn toml_refused(from: &str, to: &str, parts: &[&str]) {
    assert!(TOML.contains(from));
    refused(Case::new(WGSL, &TOML.replace(from, to)).run(&["check", "model.toml"]), parts);
}

#[track_caller]
fn array_refused(name: &str, array: Option<Array>, parts: &[&str]) {
    let case = Case::sound();
    case.arrays(&[(name, array)]);
    refused(case.eval(&[]), parts);
}

fn filled(shape: &[usize], value: f64) -> Option<Array> {
    Some(Array { shape: shape.to_vec(), values: vec![value; shape.iter().product()] })
}

#[test]
fn the_sound_case_runs() {
    let case = Case::sound();
    assert_eq!(case.eval(&["--grad"]), (0, String::new()));
    assert_eq!(case.run(&["check", "model.toml"]), (0, String::new()));
}

#[test]
fn wrong_wgsl() {
    let physics = "    return State(s.v, u.force - theta.k * s.x);";
    let with = |body: &str| WGSL.replace(physics, body);
    wgsl_refused(&with("    return State(s.v s.x);"), &["model.wgsl:5:", "expected", "return State(s.v s.x);"]);
    wgsl_refused(&with("    return State(s.v, 1i * s.x);"), &["model.wgsl:5:", "i32", "f32", "help:"]);
    wgsl_refused("fn physics() -> f32 { return 1.0; }", &["model.wgsl:1:1:", "no `struct State`", "help:"]);
    wgsl_refused(&with("    return State(s.v, dpdx(s.x));"), &["model.wgsl:5:"]);
    let long =
        "    var a = s.x;\n    for (var i = 0; i < 9000; i++) { a = sin(a) * 1.5 + 0.25; }\n    return State(s.v, a);";
    wgsl_refused(&with(long), &["model.wgsl:", "operations", "help:"]);
}

#[test]
fn wrong_toml() {
    toml_refused("hidden", "hiden", &["model.toml:", "unknown field `hiden`", "help: did you mean `hidden`?"]);
    toml_refused("dt = 0.1", "dt = \"fast\"", &["model.toml:10:", "help:"]);
    toml_refused("method = \"rk4\"", "method = \"rk5\"", &["model.toml:9:", "rk5", "help: did you mean `rk4`?"]);
    toml_refused("[0.5, 2.0]", "[2.0, 0.5]", &["theta.k.bounds", "[2, 0.5]", "help:"]);
    toml_refused("[theta.k]", "[theta.kk]", &["theta.kk", "did you mean `k`?", "help:"]);
    let penalty = |text: &str| format!("dt = 0.1\n[[penalty]]\n{text}");
    let kind = penalty("kind = \"orthogonal\"");
    toml_refused("dt = 0.1", &kind, &["penalty[0].kind", "did you mean `orthogonality`?", "help:"]);
    let weight = penalty("kind = \"balance\"\nweight = -1.0");
    toml_refused("dt = 0.1", &weight, &["penalty[0].weight", "-1", "help:"]);
    toml_refused("model.wgsl", "none.wgsl", &["none.wgsl"]);
}

#[test]
fn wrong_weights() {
    let case = Case::sound();
    let mut wide = LAYERS;
    wide[0].1 = 4;
    case.weights(&wide, 0.1);
    refused(case.eval(&[]), &["w.safetensors", "`g.0.weight`", "[4, 2]", "[3, 2]", "help:"]);
    case.weights(&LAYERS[..2], 0.1);
    refused(case.eval(&[]), &["w.safetensors", "no tensor for `g.1.weight`", "help:"]);
    case.weights(&LAYERS, f64::NAN);
    refused(case.eval(&[]), &["w.safetensors", "`g.0.weight`", "non-finite", "help:"]);
    std::fs::write(case.path("w.safetensors"), "not weights").unwrap();
    refused(case.eval(&[]), &["w.safetensors", "not a safetensors file", "help:"]);
}

#[test]
fn wrong_arrays() {
    array_refused("theta", None, &["in.npz", "theta"]);
    array_refused("s0", None, &["in.npz", "s0"]);
    array_refused("u", None, &["u"]);
    array_refused("s0", filled(&[2, 3], 0.0), &["in.npz", "s0", "[2, 3]"]);
    array_refused("theta", filled(&[3, 1], 0.0), &["in.npz", "theta", "[3, 1]"]);
    array_refused("u", filled(&[2, 4, 2], 0.0), &["in.npz", "u", "[2, 4, 2]"]);
    array_refused("s0", filled(&[2, 2], f64::NAN), &["s0", "non-finite", "index 0"]);
    array_refused("theta", filled(&[2, 1], f64::NAN), &["theta", "non-finite", "index 0"]);
    array_refused("u", filled(&[2, 4, 1], f64::NAN), &["u", "non-finite", "index 0"]);
    array_refused("s0", filled(&[0, 2], 0.0), &["s0", "no rows"]);
    array_refused("u", filled(&[2, 1, 1], 0.0), &["no steps"]);
    array_refused("y", filled(&[2, 5, 2], 0.0), &["y: T = 5", "u: T = 3"]);
    let case = Case::sound();
    std::fs::write(case.path("in.npz"), "").unwrap();
    refused(case.eval(&[]), &["in.npz", "not an .npz archive"]);
}

#[test]
fn wrong_calls() {
    let case = Case::sound();
    refused(case.eval(&["--device", "abacus"]), &["abacus", "help:"]);
    refused(case.run(&["check", "none.toml"]), &["none.toml"]);
    refused(case.run(&["simulate", "model.toml", "--output", "x.npz"]), &["[data]", "help:"]);
    refused(case.run(&["bench", "model.toml", "--batch", "0"]), &["--batch"]);
    refused(case.run(&["bench", "nothing"]), &["nothing", "pendulum"]);
    refused(case.run(&["bench", "pendulum", "--grid", "8"]), &["pendulum", "no grid", "help:"]);
    refused(case.run(&["bench", "reaction-diffusion", "--grid", "2"]), &["grid.size", "at least 3"]);
    refused(case.run(&["check", "model.wgsl"]), &["model.wgsl", "TOML"]);
    refused(case.run(&["simulate", "model.toml", "--output", "x.csv"]), &["x.csv", ".npz"]);
    let without = ["eval", "model.toml", "--input", "in.npz", "--output", "out.npz"];
    refused(case.run(&without), &["(g)", "--weights"]);
    let (_, text) = case.run(&["check", "none.toml"]);
    assert_eq!(text.matches("No such file").count(), 1, "{text}");
}

#[test]
fn questions_are_refused_before_the_training() {
    let data = "[data]\npath = \"none.npz\"\n[train]\n";
    let ask = |more: &str, parts: &[&str]| {
        refused(Case::new(WGSL, &format!("{TOML}{data}{more}")).run(&["run", "model.toml"]), parts);
    };
    ask("[estimate]\ncriteria = [\"action\"]\n", &["estimate.criteria", "action", "loss, objective"]);
    ask("[landscape]\naxes = [\"q\"]\n", &["landscape.axes", "`q`", "use k"]);
    ask("[landscape]\naxes = [\"k\", \"k\"]\n", &["landscape.axes", "twice"]);
    let unknown = TOML.replace("[theta.k]\nbounds = [0.5, 2.0]\n", "");
    for command in ["run", "bench"] {
        let case = Case::new(WGSL, &format!("{unknown}{data}"));
        refused(case.run(&[command, "model.toml"]), &["theta.k", "bounds = [low, high]"]);
    }
}

#[test]
fn a_folder_stands_for_its_study() {
    let case = Case::sound();
    std::fs::write(case.path("study.toml"), TOML).unwrap();
    assert_eq!(case.run(&["check", "."]), (0, String::new()));
}

#[test]
fn a_diverging_trajectory_is_named_and_written() {
    let wgsl = "struct State { x: f32 }\nstruct Theta { k: f32 }\n\
        fn physics(s: State, theta: Theta) -> State { return State(theta.k * s.x * s.x); }";
    let toml =
        "[model]\nphysics = \"model.wgsl\"\n[theta.k]\nbounds = [0.0, 9.0]\n[solver]\nmethod = \"rk4\"\ndt = 1.0\n";
    let case = Case::new(wgsl, toml);
    let s0 = Array { shape: vec![2, 1], values: vec![0.0, 3.0] };
    let theta = Array { shape: vec![2, 1], values: vec![1.0, 8.5] };
    case.arrays(&[("s0", Some(s0)), ("theta", Some(theta)), ("u", None)]);
    let (code, text) = case.run(&["eval", "model.toml", "--input", "in.npz", "--output", "out.npz", "--steps", "8"]);
    assert_eq!(code, 3, "{text}");
    for part in ["sample 1", "at step", "k = 8.5", "help:"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let out = Arrays::read(Path::new(&case.path("out.npz"))).unwrap();
    assert_eq!(out.get("status").unwrap().values, [0.0, 1.0]);
    assert_eq!(out.get("states").unwrap().shape, [2, 9, 1]);
}

const PLATE_WGSL: &str = "struct State { u: f32 }
struct Theta { d: f32 }
fn physics(near: Near, theta: Theta) -> State { return State(theta.d * near.laplacian.u); }
";

const PLATE: &str = "[model]
physics = \"model.wgsl\"
[theta.d]
bounds = [0.1, 1.0]
[grid]
size = [4, 6]
spacing = 0.5
[solver]
method = \"rk4\"
dt = 0.05
";

#[test]
fn wrong_grids() {
    let check = |from: &str, to: &str, parts: &[&str]| {
        assert!(PLATE.contains(from));
        refused(Case::new(PLATE_WGSL, &PLATE.replace(from, to)).run(&["check", "model.toml"]), parts);
    };
    assert_eq!(Case::new(PLATE_WGSL, PLATE).run(&["check", "model.toml"]), (0, String::new()));
    check("[4, 6]", "[2, 6]", &["grid.size", "2 cells", "at least 3"]);
    check("[4, 6]", "[4, 6, 8]", &["grid.size", "3 axes", "help:"]);
    check("spacing = 0.5", "spacing = 0.0", &["grid.spacing", "0", "positive"]);
    check("spacing = 0.5", "spacing = -1.0", &["grid.spacing", "-1", "positive"]);
    check("spacing = 0.5\n", "", &["missing field `spacing`", "help:"]);
    check("spacing = 0.5", "spacing = 0.5\nboundary = \"mirror\"", &["mirror", "periodic"]);
    check("[grid]\nsize = [4, 6]\nspacing = 0.5\n", "", &["model.wgsl:3", "Near", "[grid]"]);
    let conv = TOML.replace("kind = \"mlp\"\nhidden = [3]", "kind = \"conv\"\nchannels = [3]");
    refused(Case::new(WGSL, &conv).run(&["check", "model.toml"]), &["net.g.kind", "needs a grid", "help:"]);
}

#[test]
fn fields_of_the_wrong_shape() {
    let case = Case::new(PLATE_WGSL, PLATE);
    let eval = ["eval", "model.toml", "--input", "in.npz", "--output", "out.npz"];
    let theta = ("theta", filled(&[2, 1], 0.5));
    let arrays = |s0: &[usize], y: &[usize]| {
        case.arrays(&[theta.clone(), ("u", None), ("s0", filled(s0, 0.5)), ("y", filled(y, 0.5))]);
        case.run(&eval)
    };
    assert_eq!(arrays(&[2, 1, 4, 6], &[2, 3, 1, 4, 6]), (0, String::new()));
    let out = Arrays::read(&case.path("out.npz")).unwrap();
    let shape = |name: &str| out.get(name).unwrap().shape.clone();
    assert_eq!((shape("states"), shape("y_hat")), (vec![2, 4, 1, 4, 6], vec![2, 3, 1, 4, 6]));
    refused(arrays(&[2, 1, 6, 4], &[2, 3, 1, 4, 6]), &["s0", "[B, C = 1, H = 4, W = 6]", "[2, 1, 6, 4]"]);
    refused(arrays(&[2, 24], &[2, 3, 1, 4, 6]), &["s0", "H = 4, W = 6", "[2, 24]"]);
    refused(arrays(&[2, 1, 4, 6], &[2, 3, 1, 6, 4]), &["y", "T, C = 1, H = 4, W = 6", "[2, 3, 1, 6, 4]"]);
    let line = Case::new(PLATE_WGSL, &PLATE.replace("[4, 6]", "[6]"));
    line.arrays(&[theta.clone(), ("u", None), ("s0", filled(&[2, 1, 4, 6], 0.5))]);
    refused(line.run(&[&eval[..], &["--steps", "2"]].concat()), &["s0", "[B, C = 1, W = 6]", "[2, 1, 4, 6]"]);
    // Recordings that do not lie on the grid of the study.
    let study = format!("{PLATE}[data]\npath = \"in.npz\"\noutputs = \"y\"\n[train]\n");
    std::fs::write(case.path("study.toml"), study).unwrap();
    case.arrays(&[("y", filled(&[3, 20, 1, 6, 4], 0.5))]);
    refused(case.run(&["run", "study.toml"]), &["in.npz", "[3, 20, 1, 6, 4]", "[4, 6]", "[grid] size"]);
}

#[test]
fn steps_too_long_for_a_grid_are_noted_and_blow_ups_named() {
    let unstable = PLATE.replace("dt = 0.05", "dt = 2.0");
    let case = Case::new(PLATE_WGSL, &unstable);
    let (code, text) = case.run(&["check", "model.toml"]);
    assert_eq!(code, 0, "{text}");
    for part in ["solver", "64.0", "2.785", "d = 1", "substeps = 23", "learned correction"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let rough = Array { shape: vec![1, 1, 4, 6], values: (0..24).map(|i| (i * i % 7) as f64).collect() };
    case.arrays(&[("s0", Some(rough)), ("theta", filled(&[1, 1], 1.0)), ("u", None)]);
    let (code, text) = case.run(&["eval", "model.toml", "--input", "in.npz", "--output", "out.npz", "--steps", "60"]);
    assert_eq!(code, 3, "{text}");
    for part in ["sample 0", "at step", "d = 1.0", "solver.substeps"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    // The truth of a simulated data set is watched likewise.
    let simulate = "[data.simulate]\ntruth = \"model.wgsl\"\nepisodes = 2\nsteps = 60\ndt = 2.0\ntheta = { d = 1.0 }\n\
                    initial = { u = [0.0, 1.0] }\n";
    std::fs::write(case.path("study.toml"), format!("{unstable}{simulate}")).unwrap();
    let simulated = case.run(&["simulate", "study.toml", "--output", "data.npz"]);
    refused(simulated, &["data.simulate", "too long", "diverged", "d = 1.0", "data.simulate.substeps"]);
    let smooth = simulate.replace("[0.0, 1.0]", "{ smooth = [0.0, 1.0] }").replace("dt = 2.0", "dt = 0.05");
    std::fs::write(case.path("study.toml"), format!("{PLATE}{smooth}")).unwrap();
    assert_eq!(case.run(&["simulate", "study.toml", "--output", "data.npz"]), (0, String::new()));
    assert_eq!(Arrays::read(&case.path("data.npz")).unwrap().get("outputs").unwrap().shape, [2, 61, 1, 4, 6]);
}

#[test]
fn a_simulated_data_set_is_written() {
    let truth = "struct State { x: f32, v: f32 }\nstruct Input { force: f32 }\n\
        fn control(s: State, t: f32) -> Input { return Input(-s.v); }\n\
        fn physics(s: State, u: Input) -> State { return State(s.v, u.force - s.x); }";
    let simulate = "[data.simulate]\ntruth = \"truth.wgsl\"\nepisodes = 4\nsteps = 12\ndt = 0.1\n\
        [data.simulate.initial]\nx = [-1.0, 1.0]\nv = 0.0\n";
    let case = Case::new(WGSL, &format!("{TOML}{simulate}"));
    std::fs::write(case.path("truth.wgsl"), truth).unwrap();
    let result = case.run(&["simulate", "model.toml", "--output", "data.npz"]);
    assert_eq!(result, (0, String::new()));
    let out = Arrays::read(&case.path("data.npz")).unwrap();
    assert_eq!(out.get("outputs").unwrap().shape, [4, 13, 2]);
    assert_eq!(out.get("inputs").unwrap().shape, [4, 13, 1]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_program_without_a_word() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Command::new(env!("CARGO_BIN_EXE_greybox")).arg("penalties").stdout(writer).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(141), ""));
}
