//! Reading a study's TOML, with errors that name file, line, column and the nearest key.

use super::baselines::BaselinesConfig;
use super::estimate_config::EstimateConfig;
use super::forecast::ForecastConfig;
use super::landscape::LandscapeConfig;
use crate::data::DataConfig;
use crate::model::{
    EncodeSpec, GridSpec, Model, ModelError, ModelSpec, ModelTable, NetSpec, PenaltySpec, SolverSpec, ThetaSpec,
};
use crate::train::TrainConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `[study]`: what the report says about it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyTable {
    /// Title of the report.
    pub title: String,
    /// The question it answers.
    pub question: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: ModelTable,
    #[serde(default)]
    theta: BTreeMap<String, ThetaSpec>,
    #[serde(default)]
    net: BTreeMap<String, NetSpec>,
    solver: SolverSpec,
    #[serde(default)]
    penalty: Vec<PenaltySpec>,
    grid: Option<GridSpec>,
    encode: Option<EncodeSpec>,
    #[serde(default)]
    study: StudyTable,
    data: Option<DataConfig>,
    train: Option<TrainConfig>,
    #[serde(default)]
    estimate: EstimateConfig,
    #[serde(default)]
    landscape: LandscapeConfig,
    forecast: Option<ForecastConfig>,
    baselines: Option<BaselinesConfig>,
    #[serde(default)]
    #[allow(dead_code, reason = "merged over the rest before the file is read")]
    full: toml::Table,
}

/// A study or model file, read and checked.
#[derive(Clone, Debug)]
pub struct Study {
    /// The file.
    pub path: PathBuf,
    /// Its exact text.
    pub text: String,
    /// Its tables, those of `[full]` merged over them where they count, and keys set outside of the file.
    pub tables: toml::Table,
    /// The model part.
    pub spec: ModelSpec,
    /// `[study]`
    pub study: StudyTable,
    /// `[data]`
    pub data: Option<DataConfig>,
    /// `[train]`
    pub train: Option<TrainConfig>,
    /// `[estimate]`
    pub estimate: EstimateConfig,
    /// `[landscape]`
    pub landscape: LandscapeConfig,
    /// `[forecast]`
    pub forecast: Option<ForecastConfig>,
    /// `[baselines]`
    pub baselines: Option<BaselinesConfig>,
}

/// Why a study could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The file system refused.
    #[error("{path}: {reason}\nhelp: give the path of a study's or model's TOML, or of a folder that holds study.toml", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The text is not a study.
    #[error("{file}:{line}:{column}: {message}\n{line} | {source_line}\nhelp: {remedy}")]
    Text {
        /// The file.
        file: String,
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line.
        source_line: String,
        /// What to do.
        remedy: String,
    },
    /// A section or value does not fit.
    #[error("{path}: {message}\nhelp: {remedy}", path = path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}

impl Study {
    /// Reads a study. With `full` the `[full]` table, the published setting, is merged over the rest.
    pub fn open(path: &Path, full: bool) -> Result<Study, StudyError> {
        Study::open_with(path, full, &[])
    }

    /// Reads a study and then sets keys, each given as `table.key=VALUE` with a TOML value, which replaces what
    /// was there.
    pub fn open_with(path: &Path, full: bool, settings: &[String]) -> Result<Study, StudyError> {
        if path.extension().is_some_and(|e| e == "wgsl") {
            let remedy = "give the study's TOML, which names this file as model.physics";
            return Err(setting(path, "this is WGSL, not a study".into(), remedy));
        }
        let inside = path.join("study.toml");
        let path = if path.is_dir() { &inside } else { path };
        let text = std::fs::read_to_string(path).map_err(|reason| StudyError::File { path: path.into(), reason })?;
        let settings = settings.iter().map(|text| {
            Setting::parse(text).ok_or_else(|| {
                setting(path, format!("--set {text}: not KEY=VALUE"), "write for example --set train.epochs=20")
            })
        });
        let settings = settings.collect::<Result<Vec<Setting>, StudyError>>()?;
        Study::parse_with(path, text, full, settings)
    }

    /// Reads a study from text; `path` is what its relative paths start from.
    pub fn parse(path: &Path, text: String, full: bool) -> Result<Study, StudyError> {
        Study::parse_with(path, text, full, Vec::new())
    }

    fn parse_with(path: &Path, text: String, full: bool, settings: Vec<Setting>) -> Result<Study, StudyError> {
        let mut file: File = toml::from_str(&text).map_err(|e| located(path, &text, &e))?;
        let mut whole: toml::Table = toml::from_str(&text).map_err(|e| located(path, &text, &e))?;
        if !file.full.is_empty() || !settings.is_empty() {
            let read = |table: &toml::Table, what: &str| {
                table.clone().try_into::<File>().map_err(|e| {
                    // The second line of the message names the key.
                    let message = plain(e.to_string().trim()).replace('\n', " ");
                    setting(path, format!("{what}: {message}"), &remedy(&plain(e.message().trim())))
                })
            };
            if let Some(toml::Value::Table(over)) = whole.remove("full") {
                let mut published = whole.clone();
                merge(&mut published, over);
                // Read in any case: a wrong key must not wait for the day of the long run.
                let read = read(&published, "[full]")?;
                if full {
                    (whole, file) = (published, read);
                }
            }
            if !settings.is_empty() {
                for setting in settings {
                    setting.apply(&mut whole);
                }
                file = read(&whole, "--set")?;
            }
        }
        if let Some((message, remedy)) = file.train.as_ref().and_then(TrainConfig::problem) {
            return Err(setting(path, message, &remedy));
        }
        Ok(Study {
            path: path.into(),
            text,
            tables: whole,
            spec: ModelSpec {
                model: file.model,
                theta: file.theta,
                nets: file.net,
                grid: file.grid,
                solver: file.solver,
                encode: file.encode,
                penalties: file.penalty,
            },
            study: file.study,
            data: file.data,
            train: file.train,
            estimate: file.estimate,
            landscape: file.landscape,
            forecast: file.forecast,
            baselines: file.baselines,
        })
    }

    /// Compiles the model with the WGSL file that the study names.
    pub fn model(&self) -> Result<Model, ModelError> {
        Model::load(self.spec.clone(), self.base())
    }

    /// Compiles the model with WGSL text in place of the file, which then only gives its name to messages.
    pub fn compile(&self, wgsl: &str) -> Result<Model, ModelError> {
        Model::compile(self.spec.clone(), &self.spec.model.physics.display().to_string(), wgsl)
    }

    /// The folder that relative paths start from; empty for the current one.
    pub fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// A required section.
    pub fn section<'a, S>(&self, section: &'a Option<S>, name: &str) -> Result<&'a S, StudyError> {
        section.as_ref().ok_or_else(|| {
            setting(&self.path, format!("there is no [{name}]"), &format!("add a [{name}] table; see examples/"))
        })
    }
}

/// A key given outside of the file, and its value.
struct Setting {
    keys: Vec<String>,
    value: toml::Value,
}

impl Setting {
    /// Reads `table.key=VALUE`. A value that is no TOML by itself is a string: `data.split.file=splits.json`.
    fn parse(text: &str) -> Option<Setting> {
        let (key, value) = text.split_once('=')?;
        let value = value.trim();
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
        let value = parsed.and_then(|mut t| t.remove("value")).unwrap_or_else(|| value.into());
        // The TOML reader takes the key apart, whatever its quotes: it becomes one table inside another.
        let mut inner = toml::Value::Table(toml::from_str(&format!("{key} = 0")).ok()?);
        let mut keys = Vec::new();
        while let toml::Value::Table(table) = inner {
            let (key, next) = table.into_iter().next()?;
            keys.push(key);
            inner = next;
        }
        Some(Setting { keys, value })
    }

    /// Puts the value in the place of what is there: a table given as a value replaces a table.
    fn apply(self, whole: &mut toml::Table) {
        let mut place = whole;
        let Some((last, tables)) = self.keys.split_last() else { return };
        for key in tables {
            let inner = place.entry(key).or_insert_with(|| toml::Table::new().into());
            if !inner.is_table() {
                *inner = toml::Table::new().into();
            }
            let toml::Value::Table(inner) = inner else { return };
            place = inner;
        }
        place.insert(last.clone(), self.value);
    }
}

/// A study written in a program rather than in a file; messages call it `study.toml`.
impl FromStr for Study {
    type Err = StudyError;

    fn from_str(text: &str) -> Result<Study, StudyError> {
        Study::parse(Path::new("study.toml"), text.into(), false)
    }
}

pub(super) fn setting(path: &Path, message: String, remedy: &str) -> StudyError {
    StudyError::Setting { path: path.into(), message, remedy: remedy.into() }
}

/// Tables merge key by key; other values replace.
fn merge(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(a)), toml::Value::Table(b)) => merge(a, b),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Turns toml's error into one with a place and a remedy.
fn located(path: &Path, text: &str, error: &toml::de::Error) -> StudyError {
    let offset = error.span().map_or(0, |s| s.start).min(text.len());
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let message = plain(error.message().trim());
    StudyError::Text {
        file: path.display().to_string(),
        line,
        column,
        source_line: text.lines().nth(line - 1).unwrap_or("").to_string(),
        remedy: remedy(&message),
        message,
    }
}

/// Types by names that need no knowledge of Rust.
fn plain(message: &str) -> String {
    message
        .replace("expected usize", "expected a whole number")
        .replace("expected u64", "expected a whole number")
        .replace("expected f64", "expected a number")
}

fn remedy(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") && !known.is_empty() => {
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, unknown).total_cmp(&strsim::jaro_winkler(b, unknown)));
            format!("did you mean `{}`?", nearest.unwrap_or(&known[0]))
        }
        Some((missing, _)) if message.starts_with("missing field") => format!("add `{missing} = …`"),
        _ if message.ends_with("string") => {
            "put the value in quotes: key = \"value\" (in a shell: --set 'table.key=\"value\"')".into()
        }
        _ if message.starts_with("invalid type") => "give a value of the type that is expected".into(),
        _ => "see the example studies for every key and its form".into(),
    }
}
