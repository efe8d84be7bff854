//! Inputs made to exhaust memory or time are refused by the command with a remedy, in 2 GiB of address space.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

const WGSL: &str = "struct State { x: f32, v: f32 }
struct Theta { k: f32 }
fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }
";

const STUDY: &str = "[model]
physics = \"model.wgsl\"
[theta.k]
bounds = [0.5, 2.0]
[net.g]
kind = \"mlp\"
hidden = [3]
[solver]
method = \"rk4\"
dt = 0.1
substeps = 1
[data]
window = { history = 1, horizon = 2, stride = 1 }
[data.simulate]
truth = \"model.wgsl\"
theta = { k = 1.0 }
initial = { x = 1.0, v = 0.0 }
episodes = 6
steps = 4
dt = 0.1
[train]
epochs = 2
batch = 4
[estimate]
points = 8
[landscape]
points = 5
";

/// Generous, because other tests run beside: a refusal takes a tenth of a second.
const LONGEST: Duration = Duration::from_secs(60);

fn folder(wgsl: &str, toml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.wgsl"), wgsl).unwrap();
    std::fs::write(folder.path().join("study.toml"), toml).unwrap();
    folder
}

/// Exit code and stderr of the command in a folder, with little memory.
fn run(folder: &Path, arguments: &str) -> (i32, String) {
    let start = Instant::now();
    let line = format!("ulimit -v 2097152; exec \"$0\" {arguments}");
    let output = Command::new("sh")
        .args(["-c", &line, env!("CARGO_BIN_EXE_greybox")])
        .env("RAYON_NUM_THREADS", "2")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(start.elapsed() < LONGEST, "{arguments}: {:?}", start.elapsed());
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn refused(folder: &TempDir, arguments: &str, parts: &[&str]) {
    let (code, text) = run(folder.path(), arguments);
    // What is quoted of a long line does not belong into a failure of this test.
    let text = text.lines().map(|line| line.chars().take(500).collect::<String>()).collect::<Vec<_>>().join("\n");
    assert_eq!(code, 1, "{text}");
    for part in parts.iter().chain(&["help:"]) {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[track_caller]
fn body(body: &str, parts: &[&str]) {
    let text = format!("{WGSL}fn features(s: State) -> f32 {{ {body} }}\n");
    refused(&folder(&text, STUDY), "check study.toml", parts);
}

#[test]
fn the_sound_study_needs_little() {
    assert_eq!(run(folder(WGSL, STUDY).path(), "check study.toml"), (0, String::new()));
}

#[test]
fn loops_and_arrays_without_end() {
    body("var a = s.x; for (var i = 0; i < 1000000000; i++) { a += 1.0; } return a;", &["10000 rounds"]);
    body("var a = s.x; for (var i = 0; i < 1000000000; i++) { a = sin(a) + s.v; } return a;", &["model.wgsl:4"]);
    body("var a: array<f32, 1000000>; return a[i32(s.x)];", &["too large"]);
    body("let a = array<f32, 100000000>(); return a[3];", &["model.wgsl:4", "too large"]);
    let state = WGSL.replace("x: f32, v", "x: f32, a: array<f32, 1000000>, v");
    refused(&folder(&state, STUDY), "check study.toml", &["model.wgsl:1", "too large"]);
    let constant = format!("const A = array<f32, 400000000>();\nconst B = A[7];\n{WGSL}");
    refused(&folder(&constant, STUDY), "check study.toml", &["model.wgsl"]);
}

#[test]
fn texts_that_nest_without_end() {
    for depth in [200, 30_000] {
        body(&format!("return {}s.x{};", "(".repeat(depth), ")".repeat(depth)), &["model.wgsl:4"]);
        body(&format!("return {}s.x;", "-(".repeat(depth)), &["model.wgsl:4"]);
        body(&format!("{} return s.x; {}", "{".repeat(depth), "}".repeat(depth)), &["model.wgsl:4"]);
    }
    body(&format!("return {}s.x;", "- ".repeat(30_000)), &["model.wgsl:4"]);
    body(&format!("return s.x{};", " + s.x * s.v".repeat(50_000)), &["model.wgsl:4"]);
    body(&format!("return s{};", ".x".repeat(50_000)), &["model.wgsl:4"]);
    let ladder: String = (0..20_000).map(|i| format!("else if s.x > {i}.0 {{ return {i}.5; }} ")).collect();
    body(&format!("if s.x < 0.0 {{ return 1.0; }} {ladder} return s.x;"), &["model.wgsl"]);
    let types =
        format!("{WGSL}fn h(a: {}f32{}) -> f32 {{ return 1.0; }}\n", "array<".repeat(5_000), ", 1>".repeat(5_000));
    refused(&folder(&types, STUDY), "check study.toml", &["model.wgsl"]);
    let toml = format!("{STUDY}[study]\ntitle = {}{}\n", "[".repeat(50_000), "]".repeat(50_000));
    refused(&folder(WGSL, &toml), "check study.toml", &["study.toml:"]);
}

#[test]
fn long_texts() {
    let text = format!("{WGSL}{}", "// nothing to see here\n".repeat(100_000));
    refused(&folder(&text, STUDY), "check study.toml", &["model.wgsl", "bytes"]);
    let helpers: String = (0..3_000).map(|i| format!("fn h{i}(x: f32) -> f32 {{ return x; }}\n")).collect();
    assert_eq!(run(folder(&format!("{WGSL}{helpers}"), STUDY).path(), "check study.toml").0, 0);
}

#[test]
fn numbers_beyond_reason() {
    let changed = |from: &str, to: &str, parts: &[&str]| {
        assert!(STUDY.contains(from), "{from}");
        refused(&folder(WGSL, &STUDY.replace(from, to)), "check study.toml", parts);
    };
    changed("epochs = 2", "epochs = 1_000_000_000_000_000_000", &["train.epochs", "10000000"]);
    changed("epochs = 2", "epochs = 1000000000000000000000000000000", &["study.toml:"]);
    changed("epochs = 2", "epochs = -1", &["study.toml:"]);
    changed("batch = 4", "batch = 1_000_000_000_000", &["train.batch", "windows"]);
    changed("batch = 4", "batch = 4000\ndraws = 1_000_000_000_000_000_000", &["draws"]);
    changed("batch = 4", "batch = 4\npopulation = { seeds = 1_000_000_000 }", &["train.population", "members"]);
    changed("hidden = [3]", "hidden = [1_000_000_000]", &["net.g.hidden[0]", "65536"]);
    changed("hidden = [3]", "hidden = [60_000, 60_000, 60_000]", &["net.g", "weights"]);
    let deep = format!("hidden = [{}]", "2, ".repeat(20_000));
    changed("hidden = [3]", &deep, &["net.g.hidden", "layers"]);
    changed("substeps = 1", "substeps = 1_000_000_000_000", &["solver.substeps"]);
    changed("horizon = 2", "horizon = 1_000_000_000_000_000_000", &["window.horizon"]);
    changed("history = 1", "history = 9_000_000_000_000_000_000", &["window.history"]);
    changed("episodes = 6", "episodes = 1_000_000_000_000_000_000", &["simulate.episodes"]);
    changed("steps = 4", "steps = 1_000_000_000_000", &["simulate.steps"]);
    changed("dt = 0.1\n[train]", "dt = 0.1\nsubsteps = 1_000_000_000_000\n[train]", &["simulate.substeps"]);
    changed("[estimate]\npoints = 8", "[estimate]\npoints = 1_000_000_000", &["estimate.points"]);
    changed("points = 8", "points = 8\nbootstrap = 1_000_000_000_000", &["estimate.bootstrap"]);
    changed("points = 8", "method = \"gradient\"\nstarts = 1_000_000_000_000", &["estimate.starts"]);
    changed("[landscape]\npoints = 5", "[landscape]\npoints = 1_000_000_000", &["landscape.points", "more than"]);
    changed(
        "[landscape]\npoints = 5",
        "[landscape]\npoints = 5\nchunk = 1_000_000_000",
        &["landscape.chunk", "more than"],
    );
    let encoder = "[encode]\nframes = 1_000_000_000_000\n[net.e]\nkind = \"mlp\"\nencodes = \"theta\"\n[train]";
    changed("[train]", encoder, &["encode.frames"]);
    changed("[train]", "[grid]\nsize = [4_000_000_000, 4_000_000_000]\nspacing = 1.0\n[train]", &["grid.size"]);
    let wide = "struct State { x: f32, v: f32, a: array<f32, 60000> }\nstruct Theta { k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return s; }";
    let grid = STUDY.replace("[train]", "[grid]\nsize = [4000, 4000]\nspacing = 1.0\n[train]");
    refused(&folder(wide, &grid), "check study.toml", &["State", "cells"]);
}

/// A data set that is too large is refused where its size is known, before it is made.
#[test]
fn simulations_without_end() {
    let study = STUDY.replace("episodes = 6", "episodes = 100_000").replace("steps = 4", "steps = 1_000_000");
    refused(&folder(WGSL, &study), "simulate study.toml --output data.npz", &["simulate.episodes", "frames"]);
}

fn archive(arrays: &[(&str, Vec<u8>, usize)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, header, zeros) in arrays {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(header).unwrap();
        let part = vec![0u8; 1 << 20];
        for first in (0..*zeros).step_by(part.len()) {
            archive.write_all(&part[..part.len().min(zeros - first)]).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

fn header(text: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[track_caller]
fn data_refused(name: &str, content: &[u8], parts: &[&str]) {
    let study = STUDY.split("[data.simulate]").next().unwrap().to_string() + "[train]\nepochs = 1\n";
    let folder = folder(WGSL, &study);
    std::fs::write(folder.path().join(name), content).unwrap();
    refused(&folder, &format!("run study.toml --device cpu --data {name}"), parts);
}

#[test]
fn archives_that_unpack_without_end() {
    let of =
        |kind: &str, shape: &str| header(&format!("{{'descr': '{kind}', 'fortran_order': True, 'shape': {shape}}}\n"));
    // A file of 300 KiB that says and holds 300 MB.
    let zeros = archive(&[("y.npy", of("|u1", "(300000000,)"), 300_000_000)]);
    assert!(zeros.len() < 1 << 20);
    data_refused("data.npz", &zeros, &["data.npz", "\"y\"", "numpy.savez"]);
    // Some that each stay below what is allowed.
    let names: Vec<String> = (0..9).map(|i| format!("a{i}.npy")).collect();
    let many: Vec<(&str, Vec<u8>, usize)> =
        names.iter().map(|name| (name.as_str(), of("|u1", "(4000000,)"), 4_000_000)).collect();
    data_refused("data.npz", &archive(&many), &["numpy.savez"]);
    // One that says more than it holds, and products that overflow.
    data_refused("data.npz", &archive(&[("y.npy", of("<f8", "(1000000000000,)"), 64)]), &["numpy.savez"]);
    data_refused("data.npz", &archive(&[("y.npy", of("<f8", "(1000,)"), 64)]), &["\"y\""]);
    data_refused("data.npz", &archive(&[("y.npy", of("<f8", "(4294967296, 4294967296)"), 64)]), &["memory"]);
    data_refused("data.npz", &archive(&[("y.npy", of("<f8", "(99999999999999999999,)"), 64)]), &["memory"]);
    let nested = format!("{{'shape': {}1{}}}", "(".repeat(20_000), ")".repeat(20_000));
    data_refused("data.npz", &archive(&[("y.npy", header(&nested), 0)]), &["deeply"]);
}

#[test]
fn tables_of_absurd_width() {
    let row = "1,".repeat(200_000) + "1\n";
    data_refused("data.csv", row.repeat(3).as_bytes(), &["data.csv", "200001 columns"]);
    let names: String = (0..16_000).map(|i| format!("a{i},")).collect::<String>() + "x\n";
    let values = "1,".repeat(16_000) + "1\n";
    data_refused("data.csv", (names + &values.repeat(3)).as_bytes(), &["there is no column \"v\""]);
}
