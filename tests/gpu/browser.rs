//! Another implementation of WebGPU: Dawn and its compiler Tint in headless Chromium, on SwiftShader. It compiles kernels and
//! repeats what wgpu did for a golden, whose expected values judge what it answers.

use super::goldens::evaluate;
use super::lavapipe;
use greybox::device::gpu::{Schedule, Source};
use serde::Deserialize;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

const INSTALL: &str = "the browser's part needs Chromium, Node 18 or later and tools/browser/node_modules; scripts/test \
                       installs them (apt-get install chromium nodejs npm; npm ci in tools/browser)";

/// What `tools/browser/run.mjs` says of a folder.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub browser: String,
    pub adapter: String,
    pub kernels: usize,
    #[serde(default)]
    pub dispatches: usize,
    pub refused: Vec<String>,
}

/// Compiles the kernels of a folder, or repeats its trace.
fn run(folder: &Path) -> Said {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/browser/run.mjs");
    let output =
        Command::new("node").arg(script).arg(folder).output().unwrap_or_else(|e| panic!("node: {e}; {INSTALL}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let said: Said = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}\n{}\n{INSTALL}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.success(), said.refused.is_empty(), "{said:?}");
    said
}

/// Compiles kernels; their names must differ.
pub fn compile<'a>(sources: impl IntoIterator<Item = (String, &'a Source)>) -> Said {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in sources {
        std::fs::write(folder.path().join(format!("{name}.wgsl")), &source.text).unwrap();
    }
    run(folder.path())
}

/// Records a golden on Mesa's adapter and repeats it in the browser: what that says, and the worst relative error of its
/// results, or what is wrong with them.
pub fn repeat(case: &str, schedule: Schedule) -> (Said, Result<f64, String>) {
    let folder = tempfile::tempdir().unwrap();
    let options = |name: &'static str, path: &Path| [OsStr::new(name).to_owned(), path.as_os_str().to_owned()];
    let eval = |[option, path]: &[std::ffi::OsString; 2]| {
        evaluate(case, "llvmpipe", &lavapipe(), schedule, &[option.as_os_str(), path.as_os_str()])
    };
    eval(&options("--trace", folder.path())).unwrap_or_else(|e| panic!("{case}: {e}"));
    let said = run(folder.path());
    let answers = folder.path().join("answers.bin");
    let judged = match said.refused.is_empty() {
        true => eval(&options("--answers", &answers)),
        false => Err(said.refused.join("\n")),
    };
    (said, judged)
}

#[test]
fn a_golden_in_the_browser() {
    let (said, error) = repeat("pendulum", Schedule::Tile);
    let error = error.unwrap_or_else(|e| panic!("{e}"));
    assert!(said.dispatches > 3 && said.kernels >= 4, "{said:?}");
    println!("pendulum in {} on {}: worst relative error {error:.1e}", said.browser, said.adapter);
}

/// Answers are judged, not taken on trust.
#[test]
fn wrong_answers_of_a_browser_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let trace = [OsStr::new("--trace"), folder.path().as_os_str()];
    evaluate("pendulum", "llvmpipe", &lavapipe(), Schedule::Lane, &trace).unwrap_or_else(|e| panic!("{e}"));
    let events: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("trace.json")).unwrap()).unwrap();
    let data = std::fs::read(folder.path().join("trace.bin")).unwrap();
    let number = |event: &serde_json::Value, key: &str| event[key].as_u64().unwrap() as usize;
    let reads = events.as_array().unwrap().iter().filter(|e| e["event"] == "download");
    let mut answers: Vec<u8> = reads.flat_map(|e| data[number(e, "at")..][..number(e, "bytes")].to_vec()).collect();
    let path = folder.path().join("answers.bin");
    let judge = |answers: &[u8]| {
        std::fs::write(&path, answers).unwrap();
        let options = [OsStr::new("--answers"), path.as_os_str()];
        evaluate("pendulum", "llvmpipe", &lavapipe(), Schedule::Lane, &options)
    };
    judge(&answers).unwrap_or_else(|e| panic!("the adapter's own answers: {e}"));
    let short = judge(&answers[..answers.len() - 4]).expect_err("too short");
    assert!(short.contains("fewer than are read back"), "{short}");
    let long = judge(&[answers.as_slice(), &[0; 4]].concat()).expect_err("too long");
    assert!(long.contains("1 word of the answers was not asked for"), "{long}");
    judge(&answers[..answers.len() - 3]).expect_err("half a word");
    let end = answers.len() - 4;
    answers[end..].copy_from_slice(&1e6f32.to_le_bytes());
    judge(&answers).expect_err("a wrong gradient");
}

/// What naga lets pass and Tint does not: a barrier that some threads may not reach.
#[test]
fn the_browser_refuses_what_is_not_wgsl() {
    let source = |body: &str| Source {
        name: "main".into(),
        text: format!(
            "@group(0) @binding(0) var<storage, read_write> data: array<f32>;\nvar<workgroup> shared_data: array<f32, 64>;\n\
             @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
        ),
    };
    let good = source("shared_data[i] = data[i]; workgroupBarrier(); data[i] = shared_data[63u - i];");
    let bad = source("if (data[i] > 0.0) { workgroupBarrier(); } data[i] = 1.0;");
    let said = compile([("good".to_string(), &good), ("bad".to_string(), &bad)]);
    assert_eq!((said.kernels, said.refused.len()), (2, 1), "{said:?}");
    assert!(said.refused[0].starts_with("bad") && said.refused[0].contains("uniform"), "{said:?}");
}
