//! `greybox bench`: its JSON contract for every workload, comparisons, figures, and what it refuses. No times are judged.

use serde_json::Value;
use std::process::Command;

/// Options that make every phase tiny.
const TINY: [&str; 10] =
    ["--steps", "2", "--repeats", "1", "--seconds", "0.01", "--points", "3", "--point-trajectories", "2"];

/// Exit code, stdout and stderr.
fn bench(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greybox"));
    let output = command.arg("bench").args(arguments).env("RAYON_NUM_THREADS", "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code().unwrap_or(-1), out, error)
}

/// The lines of a run with tiny sizes.
fn lines(arguments: &[&str]) -> Vec<Value> {
    let (code, out, error) = bench(&[arguments, &TINY, &["--json"]].concat());
    assert_eq!(code, 0, "{error}");
    out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of_phase<'a>(lines: &'a [Value], phase: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["phase"] == phase).collect()
}

#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let (code, out, error) = bench(arguments);
    assert!(code == 1 || code == 2, "exit code {code}\n{error}");
    assert_eq!(out, "", "nothing is measured");
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in\n{error}");
    }
}

#[test]
fn every_workload_keeps_the_contract() {
    for (workload, hidden) in
        [("pendulum", "4,4"), ("lotka-volterra", "4"), ("hamiltonian", "4,4"), ("reaction-diffusion", "2")]
    {
        let mut arguments = vec![workload, "--device", "cpu", "--batch", "3", "--hidden", hidden];
        if workload == "reaction-diffusion" {
            arguments.extend(["--grid", "4"]);
        }
        let lines = lines(&arguments);
        for line in &lines {
            for key in
                ["workload", "device", "phase", "batch", "ms", "ms_min", "ms_max", "trajectories_per_s", "gflops"]
            {
                assert!(line.get(key).is_some(), "`{key}` is not in {line}");
            }
            let [least, median, most] = ["ms_min", "ms", "ms_max"].map(|key| line[key].as_f64().expect(key));
            assert!(0.0 < least && least <= median && median <= most, "{line}");
        }
        let phases: Vec<&str> =
            lines.iter().filter(|l| l["workload"] == workload).map(|l| l["phase"].as_str().unwrap()).collect();
        assert_eq!(phases, ["compile", "forward", "gradient", "train_step", "landscape"]);
        let gradient = of_phase(&lines, "gradient")[0];
        let product = of_phase(&lines, "peak_product")[0]["gflops"].as_f64().unwrap();
        let share = gradient["gflops"].as_f64().unwrap() / product;
        assert!((gradient["share_of_peak"].as_f64().unwrap() / share - 1.0).abs() < 1e-9, "{gradient}");
        assert_eq!(gradient["batch"], 3);
        let landscape = of_phase(&lines, "landscape")[0];
        assert_eq!((&landscape["points"], &landscape["batch"]), (&3.into(), &2.into()));
        assert!(of_phase(&lines, "peak_copy")[0]["gb_per_s"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn useful_work_is_that_of_the_networks() {
    let lines = lines(&["pendulum", "--device", "cpu", "--batch", "3", "--hidden", "4,4"]);
    // 6 features, two layers of 4, 2 outputs; 2 steps of 4 stages.
    let forward = 2.0 * (6 * 4 + 4 * 4 + 4 * 2) as f64 * 3.0 * 8.0;
    for (phase, flops) in [("forward", forward), ("gradient", 3.0 * forward)] {
        let line = of_phase(&lines, phase)[0];
        let found = line["gflops"].as_f64().unwrap() * line["ms"].as_f64().unwrap() * 1e6;
        assert!((found / flops - 1.0).abs() < 1e-9, "{phase}: {found} and not {flops}");
    }
}

#[test]
fn devices_and_batches_stand_side_by_side() {
    let arguments = ["pendulum", "--device", "cpu-f64,cpu-f32", "--batch", "5,2", "--hidden", "4/6,6"];
    let lines = lines(&[&arguments[..], &["--phases", "forward,gradient"]].concat());
    let forward = of_phase(&lines, "forward");
    let key = |line: &Value| (line["hidden"].to_string(), line["batch"].as_u64().unwrap(), line["target"].to_string());
    let found: Vec<(String, u64, String)> = forward.into_iter().map(key).collect();
    let mut expected = Vec::new();
    for hidden in ["[[4]]", "[[6,6]]"] {
        for batch in [2, 5] {
            expected.extend(["\"cpu f32\"", "\"cpu f64\""].map(|target| (hidden.into(), batch, target.into())));
        }
    }
    assert_eq!(found, expected);
    assert!(of_phase(&lines, "train_step").is_empty() && of_phase(&lines, "compile").is_empty());
    for pair in of_phase(&lines, "gradient").chunks(2) {
        let ratio = pair[0]["ms"].as_f64().unwrap() / pair[1]["ms"].as_f64().unwrap();
        assert!((pair[1]["speed_to_cpu_f32"].as_f64().unwrap() / ratio - 1.0).abs() < 1e-9);
        assert!(pair[0].get("speed_to_cpu_f32").is_none());
    }
}

#[test]
fn tables_and_figures_show_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let arguments = ["lotka-volterra", "--device", "cpu", "--batch", "2,3", "--hidden", "4/8", "--figures", path];
    let (code, out, error) = bench(&[&arguments[..], &TINY, &["--points", "2,4"]].concat());
    assert_eq!(code, 0, "{error}");
    for part in ["matrix product", "GFLOP/s", "train_step", "4 x 2", "hidden layers 8", "cpu f32: cpu f32, 1 threads"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    for (kind, axis) in [("4-batch", "trajectories in a batch"), ("hidden", "width"), ("8-points", "values of θ")] {
        let text = std::fs::read_to_string(folder.path().join(format!("lotka-volterra-{kind}.svg"))).expect(kind);
        assert!(text.contains(axis) && text.contains(", ms"), "{kind}");
    }
}

#[test]
fn what_would_take_too_long_is_left_out_and_named() {
    let arguments = ["pendulum", "--device", "cpu", "--batch", "2,4000", "--hidden", "8", "--longest", "1e-9"];
    let lines = lines(&arguments);
    let left_out: Vec<(&str, u64)> = of_phase(&lines, "left_out")
        .iter()
        .map(|l| (l["left_out"].as_str().unwrap(), l["batch"].as_u64().unwrap()))
        .collect();
    assert_eq!(left_out, [("forward", 4000), ("gradient", 4000), ("train_step", 4000)]);
    assert!(of_phase(&lines, "left_out").iter().all(|l| l["reason"].as_str().unwrap().contains("--longest")));
}

#[test]
fn wrong_calls_are_refused_before_anything_is_measured() {
    refused(&[], &["WORKLOAD"]);
    refused(&["pendulums"], &["pendulums", "`lotka-volterra`", "`hamiltonian`"]);
    refused(&["pendulum", "--batch", "50,0"], &["--batch", "use 1 or more"]);
    refused(&["pendulum", "--batch", "many"], &["--batch", "`many` is not a whole number"]);
    refused(&["pendulum", "--hidden", "16/a"], &["--hidden", "`a` is not a whole number"]);
    refused(&["pendulum", "--seconds", "0"], &["--seconds", "above 0"]);
    refused(&["pendulum", "--phases", "backward"], &["--phases", "train-step"]);
    refused(&["pendulum", "--device", "cpu,"], &["--device", "a name is missing", "help:"]);
    refused(&["pendulum", "--device", "cpu,abacus"], &["abacus", "help:"]);
    refused(&["pendulum", "--device", "gpu", "--precision", "f64"], &["f32", "help:"]);
    refused(&["pendulum", "--members", "2", "--batch", "2,4"], &["--members", "help:"]);
}

#[test]
fn memory_decides_what_a_gradient_keeps() {
    let keeps = |memory: &str| {
        let sizes =
            ["--batch", "64", "--steps", "40", "--hidden", "64,64,64", "--phases", "gradient", "--repeats", "1"];
        let (code, out, error) = bench(
            &[&["pendulum", "--device", "cpu", "--memory", memory, "--seconds", "0.01", "--json"][..], &sizes].concat(),
        );
        assert_eq!(code, 0, "{error}");
        let line = out.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        let memory = line.filter(|line| line["phase"] == "gradient").map(|line| line["memory"].clone()).next().unwrap();
        (memory["keeps"].as_str().unwrap().to_string(), memory["planned"].as_u64().unwrap())
    };
    let (all, most) = keeps("512");
    let (segments, least) = keeps("1");
    assert!(all.contains("all stages of all"), "{all}");
    assert!(segments.contains("states every"), "{segments}");
    assert!(8 * least < most, "{least} of {most} bytes");
    refused(&["pendulum", "--memory", "0"], &["--memory", "use 1 or more"]);
}

#[test]
fn floors_follow_from_sizes_and_peaks() {
    let (code, out, error) =
        bench(&["pendulum", "--floor", "--json", "--batch", "3", "--steps", "2", "--hidden", "4,4"]);
    assert_eq!(code, 0, "{error}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let [chips, forward, gradient] = &lines[..] else { panic!("{out}") };
    // 6 features, two layers of 4, 2 outputs; 2 steps of 4 stages, 3 trajectories.
    let flops = 2.0 * (6 * 4 + 4 * 4 + 4 * 2) as f64 * 24.0;
    // State, gravity, and 2 observations of 3 outputs; 58 weights, of a gradient twice.
    for (line, factor, numbers) in [(forward, 1.0, 3 * 9 + 58), (gradient, 3.0, 3 * 9 + 2 * 58)] {
        assert!((line["gflop"].as_f64().unwrap() / (factor * flops * 1e-9) - 1.0).abs() < 1e-12, "{line}");
        assert!((line["mb"].as_f64().unwrap() / (4e-6 * f64::from(numbers)) - 1.0).abs() < 1e-12, "{line}");
        for (chip, time) in chips.as_array().unwrap().iter().zip(line["ms"].as_array().unwrap()) {
            let rate = |key: &str| chip[key].as_f64().unwrap();
            let arithmetic = 1e3 * line["gflop"].as_f64().unwrap() / rate("gflops");
            let memory = line["mb"].as_f64().unwrap() / rate("gb_per_s");
            assert!((time[1].as_f64().unwrap() / arithmetic.max(memory) - 1.0).abs() < 1e-9, "{line} on {chip}");
        }
    }
    assert!(gradient["kept_mb"].as_f64().unwrap() > 0.0 && forward["kept_mb"] == 0.0);
}
