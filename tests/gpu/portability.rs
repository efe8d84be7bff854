//! The long form of the portability tests, which writes docs/portability.md: `scripts/portability`.

use super::browser::{self, Said};
use super::budget::{Needs, PRIVATE_BYTES, STATEMENTS};
use super::goldens::{CASES, GRIDS, evaluate};
use super::translate::Parsed;
use super::workloads::{sources, workloads};
use super::{ALL, greybox, lavapipe, precision, swiftshader};
use greybox::device::gpu::{Schedule, Source};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// What was found out about one text: each language in turn, needs, and whether the browser compiles it.
struct Verdict {
    languages: [bool; 4],
    needs: Needs,
    browser: bool,
}

const LANGUAGES: [&str; 4] = ["SPIR-V", "HLSL", "MSL", "GLSL"];

/// The texts, each once, with what is wrong.
struct Verdicts {
    by_text: HashMap<String, Verdict>,
    wrong: Vec<String>,
    said: Said,
}

impl Verdicts {
    fn of(texts: Vec<(String, Source)>) -> Verdicts {
        let folder = tempfile::tempdir().unwrap();
        let mut wrong = Vec::new();
        let numbered = texts.iter().enumerate().map(|(index, (_, source))| (format!("kernel_{index}"), source));
        let said = browser::compile(numbered);
        let mut by_text = HashMap::new();
        for (index, (name, source)) in texts.into_iter().enumerate() {
            let parsed = Parsed::new(&source).unwrap_or_else(|e| panic!("{name}: {e}"));
            let results = [parsed.spirv(&folder.path().join("kernel.spv")), parsed.hlsl(), parsed.msl(), parsed.glsl()];
            let languages = results.each_ref().map(Result::is_ok);
            let needs = Needs::of(&parsed);
            let mark = format!("kernel_{index}.wgsl:");
            let refused: Vec<&String> = said.refused.iter().filter(|message| message.starts_with(&mark)).collect();
            wrong.extend(results.into_iter().filter_map(Result::err).map(|e| format!("{name}: {e}")));
            wrong.extend(needs.excess().into_iter().map(|e| format!("{name}: {e}")));
            wrong.extend(refused.iter().map(|e| format!("{name}: {e}")));
            by_text.insert(source.text, Verdict { languages, needs, browser: refused.is_empty() });
        }
        Verdicts { by_text, wrong, said }
    }

    /// Cells of a row: kernels; each language; limits; largest needs; the browser's compiler.
    fn cells(&self, sources: &[Source]) -> String {
        let all: Vec<&Verdict> = sources.iter().map(|source| &self.by_text[&source.text]).collect();
        let cell = |good: &dyn Fn(&Verdict) -> bool| match all.iter().filter(|verdict| !good(verdict)).count() {
            0 => "yes".to_string(),
            bad => format!("**{bad} refused**"),
        };
        let most = all.iter().fold(Needs::default(), |most, verdict| most.max(verdict.needs));
        let languages = (0..4).map(|i| cell(&|verdict| verdict.languages[i])).collect::<Vec<String>>().join(" | ");
        format!(
            "{} | {languages} | {} | {} | {} | {}",
            all.len(),
            cell(&|verdict| verdict.needs.excess().is_empty()),
            most.statements,
            most.workgroup_bytes,
            cell(&|verdict| verdict.browser)
        )
    }
}

/// The adapters that wgpu drives: heading, what `--device` takes, the driver's description.
fn adapters() -> [(&'static str, &'static str, std::path::PathBuf); 3] {
    [
        ("lavapipe (Vulkan)", "llvmpipe", lavapipe()),
        ("llvmpipe (GL)", "gl", lavapipe()),
        ("SwiftShader (Vulkan)", "swiftshader", swiftshader()),
    ]
}

fn schedules(case: &str) -> &'static [Schedule] {
    if GRIDS.contains(&case) { &[Schedule::Layer] } else { &ALL }
}

/// The table of errors: goldens on every adapter and in the browser.
fn errors(wrong: &mut Vec<String>) -> String {
    let adapters = adapters();
    let mut table = String::from("| golden | schedule | Chromium: dispatches | error |");
    adapters.iter().for_each(|(heading, ..)| {
        let _ = write!(table, " {heading} |");
    });
    table += &format!("\n| --- | --- | --: | --: |{}\n", " --: |".repeat(adapters.len()));
    for case in CASES.into_iter().chain(GRIDS) {
        for schedule in schedules(case) {
            let mut cell = |target: &str, result: Result<f64, String>| match result {
                Ok(error) => format!("{error:.1e}"),
                Err(message) => {
                    wrong.push(format!("{case}, {}, {target}: {message}", schedule.name()));
                    "**fails**".into()
                }
            };
            let (said, judged) = browser::repeat(case, *schedule);
            let _ =
                write!(table, "| {case} | {} | {} | {} |", schedule.name(), said.dispatches, cell("browser", judged));
            for (heading, adapter, vulkan) in &adapters {
                let found = cell(heading, evaluate(case, adapter, vulkan, *schedule, &[]));
                let _ = write!(table, " {found} |");
            }
            table.push('\n');
        }
    }
    table
}

/// An adapter as `greybox devices` lists it.
fn listed(device: &str, vulkan: &Path) -> serde_json::Value {
    let output = greybox(vulkan).args(["devices", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut all = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let fits = |a: &serde_json::Value| {
        let full = format!("{} ({})", a["name"].as_str().unwrap_or(""), a["backend"].as_str().unwrap_or(""));
        full.to_lowercase().contains(device)
    };
    all.find(fits).unwrap_or_else(|| panic!("{device}: {text}"))
}

/// Adapters and their drivers.
fn drivers() -> String {
    let line = |(heading, device, vulkan): (&str, &str, std::path::PathBuf)| {
        let adapter = listed(device, &vulkan);
        let text = |key: &str| adapter[key].as_str().unwrap_or_default().to_string();
        format!("- {heading}: {}, driver {}", text("name"), text("driver"))
    };
    adapters().map(line).join("\n")
}

/// What the self-test found on each adapter.
fn arithmetic() -> String {
    let mut table = String::from("| |");
    let found = adapters().map(|(heading, device, vulkan)| {
        let _ = write!(table, " {heading} |");
        listed(device, &vulkan)["self_test"].clone()
    });
    let _ = writeln!(table, "\n| --- |{}", " --- |".repeat(found.len()));
    let number = |value: &serde_json::Value| value.as_f64().map_or("wrong".to_string(), |error| format!("{error:.1e}"));
    let mut row = |name: &str, cell: &dyn Fn(&serde_json::Value) -> String| {
        let cells: Vec<String> = found.iter().map(cell).collect();
        let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
    };
    for (index, name) in ["sin", "cos", "exp", "log", "tanh"].into_iter().enumerate() {
        row(name, &|test| {
            let builtin = &test["arithmetic"]["builtins"][index];
            assert_eq!(builtin["name"], name);
            let (own, library) = (number(&builtin["builtin"]), number(&builtin["library"]));
            let good = builtin["builtin"].as_f64().is_some_and(|error| error <= greybox::device::gpu::ACCURATE);
            if good { format!("{own} (kept)") } else { format!("{own} → {library}") }
        });
    }
    for (key, name) in [("division", "division"), ("sqrt", "sqrt"), ("inverse_sqrt", "inverseSqrt")] {
        row(name, &|test| number(&test["arithmetic"][key]));
    }
    row("fma", &|test| if test["arithmetic"]["fused"] == true { "rounds once" } else { "rounds twice" }.into());
    row("overflow", &|test| if test["arithmetic"]["overflows"] == true { "infinite" } else { "not seen" }.into());
    for schedule in ALL.map(Schedule::name) {
        row(&format!("gradient, {schedule}"), &|test| number(&test["gradients"][schedule]));
    }
    table.trim_end().to_string()
}

#[test]
#[ignore = "minutes long; scripts/portability runs it"]
fn the_whole_matrix() {
    let page =
        std::env::var("PORTABILITY_PAGE").expect("PORTABILITY_PAGE names the page to write; run scripts/portability");
    let workloads = workloads();
    let mut rows = Vec::new();
    let texts = super::workloads::distinct();
    for workload in &workloads {
        let found = sources(&workload.model);
        if found.is_empty() {
            rows.push((workload.name.clone(), None, Vec::new()));
        }
        rows.extend(found.into_iter().map(|(schedule, sources)| (workload.name.clone(), Some(schedule), sources)));
    }
    let mut verdicts = Verdicts::of(texts);
    let mut table = String::from("| model | schedule | kernels |");
    LANGUAGES.iter().for_each(|language| {
        let _ = write!(table, " {language} |");
    });
    table += " limits | statements | workgroup bytes | Tint |\n| --- | --- | --: | --- | --- | --- | --- | --- | --: | --: | --- |\n";
    for (name, schedule, sources) in &rows {
        let _ = match schedule {
            Some(schedule) => writeln!(table, "| {name} | {} | {} |", schedule.name(), verdicts.cells(sources)),
            None => writeln!(table, "| {name} | CPU only |{}", " – |".repeat(9)),
        };
    }
    let errors = errors(&mut verdicts.wrong);
    let Said { browser, adapter, kernels, .. } = &verdicts.said;
    let text = format!(
        include_str!("portability.md"),
        browser = browser,
        adapter = adapter,
        kernels = kernels,
        errors = errors,
        table = table.trim_end(),
        arithmetic = arithmetic(),
        precision = precision::table(&adapters()).trim_end(),
        statements = STATEMENTS,
        private = PRIVATE_BYTES,
        drivers = drivers(),
    );
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(page), text).unwrap();
    assert!(verdicts.wrong.is_empty(), "{}", verdicts.wrong.join("\n"));
}
