//! What is done with a hostile input, by kind of input: everything that the program does with it short of a long run.
//! `tools/fuzz` calls these without end, the tests of this folder with a small corpus. Every target returns what happened in
//! a few words, without numbers and names, so that inputs that do something new can be told from those that do not.

use greybox::data::table::Table;
use greybox::data::{DataConfig, Dataset, load};
use greybox::device::cpu::Cpu;
use greybox::device::{DEFAULT_BUDGET, Device, Job, Start, Trajectories, Wanted, gpu};
use greybox::model::{Model, load_weights};
use greybox::program::{Operation, Weights};
use greybox::study::{Stability, Study, prepare};
use greybox::train::{Checkpoint, TrainConfig, Training};
use std::path::Path;

/// A kind of input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// How the file of an input is called.
    pub file: &'static str,
    /// Uses the input, which is written to `file` in the folder given.
    pub run: fn(&Path) -> Result<String, String>,
}

/// All kinds.
pub const TARGETS: [Target; 6] = [
    Target { name: "wgsl", file: "input.wgsl", run: wgsl },
    Target { name: "study", file: "input.toml", run: study },
    Target { name: "npz", file: "input.npz", run: npz },
    Target { name: "weights", file: "input.safetensors", run: weights },
    Target { name: "checkpoint", file: "input.safetensors", run: checkpoint },
    Target { name: "csv", file: "input.csv", run: csv },
];

/// Most operations of a model, and numbers of its state, that is also run.
const SMALL: usize = 2_000;

impl Target {
    /// Runs the target on an input in a folder; returns what happened in a few words.
    pub fn happens(&self, folder: &Path, input: &[u8]) -> String {
        std::fs::write(folder.join(self.file), input).expect("a folder for inputs");
        match (self.run)(folder) {
            Ok(what) => format!("ok: {what}"),
            Err(message) => gist(&message),
        }
    }
}

/// The first line of a message without what is quoted, numbers, and paths.
fn gist(message: &str) -> String {
    let mut gist = String::new();
    let mut quote = None;
    for c in message.lines().next().unwrap_or("").chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if c == '`' || c == '"' => quote = Some(c),
            None if c.is_ascii_digit() || c == '/' => {}
            None => gist.push(c),
        }
    }
    gist.chars().take(120).collect()
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("the input")).into_owned()
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A model's WGSL; the words `grid`, `line`, `static`, `map`, `sensitivity` and `nets: NAMES` of its first line say what the
/// study around it is like.
fn wgsl(folder: &Path) -> Result<String, String> {
    let source = text(&folder.join("input.wgsl"));
    let first = source.lines().next().unwrap_or("");
    let has = |word: &str| first.split_whitespace().any(|w| w == word);
    let method = ["static", "map", "euler"].into_iter().find(|m| has(m)).unwrap_or("rk4");
    let mut toml = format!("[model]\nphysics = \"input.wgsl\"\n[solver]\nmethod = \"{method}\"\ndt = 0.1\n");
    for (word, size) in [("grid", "[3, 4]"), ("line", "[5]")] {
        if has(word) {
            toml += &format!("[grid]\nsize = {size}\nspacing = 0.5\n");
            break;
        }
    }
    let names = first.split_once("nets:").map_or("", |(_, names)| names);
    let names = names.split_whitespace().filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric()));
    for name in names.take(3) {
        toml += &format!("[net.{name}]\nkind = \"mlp\"\nhidden = [3]\n");
    }
    if has("sensitivity") {
        toml += "[[penalty]]\nkind = \"sensitivity\"\n";
    }
    let study = Study::parse(&folder.join("study.toml"), toml, false).map_err(words)?;
    let model = study.compile(&source).map_err(words)?;
    used(&model)
}

/// A study's TOML; the second word of a comment in its first line says in which of the examples' folders it stands.
fn study(folder: &Path) -> Result<String, String> {
    let text = text(&folder.join("input.toml"));
    let example = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or("toy");
    let known = |c: char| c.is_ascii_lowercase() || c == '-';
    let example = if example.chars().all(known) { example } else { "toy" };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = [root.join("examples"), root.join("../../examples")].into_iter().find(|f| f.join("toy").exists());
    let path = examples.expect("the examples").join(example).join("input.toml");
    let full = Study::parse(&path, text.clone(), true).and(Ok(()));
    let study = Study::parse(&path, text, false).map_err(words)?;
    full.map_err(words)?;
    let model = study.model().map_err(words)?;
    study.require_boxes(&model).map_err(words)?;
    study.require_training(&model).map_err(words)?;
    study.require_estimation(&model).map_err(words)?;
    study.criteria(&model).map_err(words)?;
    study.axes(&model).map_err(words)?;
    study.reduced(&model).map_err(words)?;
    study.forecasters(&model).map_err(words)?;
    study.retrain_axes(&model).map_err(words)?;
    if let Some(data) = &study.data {
        data.validate(false).map_err(words)?;
        let simulated = data.simulate.as_ref().map(|s| [s.episodes, s.steps.max(1), s.substeps, model.cells()]);
        let work = simulated.map_or(0, |sizes| sizes.into_iter().fold(1usize, usize::saturating_mul));
        if work <= SMALL {
            prepare(&study, &model, None).map_err(words)?;
        }
    }
    used(&model)
}

/// Everything that is made of a model before it runs; small models also run, forward and backward.
fn used(model: &Model) -> Result<String, String> {
    let _ = Stability::of(model, &[vec![0.0; model.state.len()]]);
    let kernels = gpu::kernels(model, None).map_or("cpu only", |_| "kernels");
    let of = |operation: &Operation| match operation {
        Operation::Map { function, .. } => function.operations(),
        _ => 1,
    };
    let programs = [&model.evolve, &model.observe];
    let operations: usize = programs.iter().flat_map(|p| &p.values).map(|v| of(&v.operation)).sum();
    let size = [model.integrated_len(), model.output_len(), model.weights.per_member() / 8, model.window_len()];
    if operations.max(size.into_iter().fold(0, usize::max)) > SMALL || model.spec.solver.substeps > 50 {
        return Ok(format!("large, {kernels}"));
    }
    let (count, steps) = (3, 2);
    let values = |length: usize| (0..length).map(|i| ((i * 7 + 3) % 11) as f64 / 7.0 - 0.6).collect::<Vec<f64>>();
    let start = match model.has_encoders() {
        true => Start::Observations(values(count * model.window_len())),
        false => Start::States(values(count * model.integrated_len())),
    };
    let trajectories = Trajectories {
        start,
        inputs: values(count * (steps + 1) * model.inputs.len()),
        targets: Some(values(count * steps * model.output_len())),
        ..Trajectories::from_states(count, steps, Vec::new())
    };
    let (rows, theta) = (trajectories.rows(), values(count * model.theta.len()));
    let weights = Weights { members: 1, values: values(model.weights.per_member()) };
    let job = Job::new(&trajectories, &rows, &theta, &weights, &model.objective);
    let device = Cpu::<f32>::new(model, DEFAULT_BUDGET);
    let rollout = device.simulate(&job).map_err(words)?;
    device.gradient(&job, Wanted { weights: true, inputs: true }).map_err(words)?;
    let finite = rollout.states.iter().all(|v| v.is_finite());
    Ok(format!("{} operations, {kernels}, {finite}", operations.ilog2_or_zero()))
}

trait Logarithm {
    fn ilog2_or_zero(self) -> u32;
}

impl Logarithm for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

/// An archive of arrays, as data of studies of several shapes.
fn npz(folder: &Path) -> Result<String, String> {
    let path = folder.join("input.npz");
    let table = Table::read(&path, None).map_err(words)?;
    for name in table.arrays.names().chain(["missing"]) {
        let _ = table.column(name);
        let _ = table.column(&format!("{name}[1]"));
    }
    let _: Vec<bool> = table.arrays.iter().map(|(_, array)| array.first_non_finite().is_some()).collect();
    loaded(&path, "y")
}

/// A text table, likewise.
fn csv(folder: &Path) -> Result<String, String> {
    let path = folder.join("input.csv");
    Table::read(&path, None).map_err(words)?;
    let _ = Table::read(&path, Some(';'));
    loaded(&path, "columns")
}

/// Episodes and windows of a file by several settings; what happened with the last one that worked.
fn loaded(path: &Path, whole: &str) -> Result<String, String> {
    let settings = [
        "outputs = \"WHOLE\"",
        "outputs = { a = \"WHOLE[0]\" }\ndrop_missing = true\nscale = { a = 2.0 }",
        "outputs = { a = \"WHOLE[1]\" }\ninputs = \"u\"\ntime = \"t\"",
        "outputs = { a = \"y\" }\ntime = \"t\"\nresample = 0.25\ndrop_missing = true\nepisodes = { column = \"e\" }",
        "outputs = { a = \"a\", b = \"y\" }\nepisodes = { length = 3 }\nnormalise = \"std\"\nsteps = [0, 2]",
        "outputs = { a = \"y\" }\nepisodes = { starts = \"e\" }\nmax = 1.0",
        "outputs = { a = \"y\" }\ninputs = \"u\" # two",
    ];
    let mut happened: Result<String, String> = Err("no setting".into());
    for (i, setting) in settings.iter().enumerate() {
        let text = setting.replace("WHOLE", whole);
        let toml =
            format!("model = {{ physics = \"m.wgsl\" }}\nsolver = {{ method = \"rk4\", dt = 0.1 }}\n[data]\n{text}\n");
        let study = Study::parse(Path::new("study.toml"), toml, false).map_err(words)?;
        let config = DataConfig { path: Some(path.into()), ..study.data.expect("there is one") };
        let outputs: Vec<String> = if text.contains("b = ") { vec!["a".into(), "b".into()] } else { vec!["a".into()] };
        let inputs: Vec<String> = match (text.contains("inputs"), text.contains("# two")) {
            (false, _) => Vec::new(),
            (true, false) => vec!["u".into()],
            (true, true) => vec!["u".into(), "v".into()],
        };
        let grids: [&[usize]; 3] = [&[], &[2], &[2, 3]];
        for grid in grids {
            let episodes = load(&config, Path::new(""), None, &outputs, &inputs, grid).map_err(words);
            let found = episodes.and_then(|episodes| {
                let config = DataConfig {
                    window: greybox::data::WindowConfig { history: 1, horizon: 1, ..Default::default() },
                    ..config.clone()
                };
                Dataset::assemble(&config, Path::new(""), episodes).map_err(words)
            });
            match found {
                Ok(data) => happened = Ok(format!("setting {i}, {} windows", data.train.count.ilog2_or_zero())),
                Err(message) if happened.is_err() => happened = Err(message),
                Err(_) => {}
            }
        }
    }
    happened
}

const SPRING: &str = "struct State { x: f32, v: f32 }\nstruct Theta { k: f32 }\n\
    fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x); }";

/// The model whose weights and checkpoints are read.
pub fn spring() -> Model {
    let toml = "[model]\nphysics = \"m.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [3]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.1\n[[penalty]]\nkind = \"balance\"\n";
    let study: Study = toml.parse().unwrap_or_else(|e| panic!("{e}"));
    study.compile(SPRING).unwrap_or_else(|e| panic!("{e}"))
}

/// A file of weights.
fn weights(folder: &Path) -> Result<String, String> {
    let model = spring();
    let weights = load_weights(&folder.join("input.safetensors"), &model.weights).map_err(words)?;
    let data = Trajectories::from_states(1, 1, vec![0.5, 0.5]);
    let job = Job::new(&data, &[0], &[1.0], &weights, &model.objective);
    Cpu::<f32>::new(&model, DEFAULT_BUDGET).simulate(&job).map_err(words)?;
    Ok("weights".into())
}

/// The settings of the training that a checkpoint continues.
pub fn training() -> TrainConfig {
    TrainConfig { epochs: 3, batch: 2, checkpoint_every: 1, ..TrainConfig::default() }
}

/// Trains, or continues from the checkpoint in the folder.
pub fn train(folder: &Path, config: &TrainConfig) -> Result<String, String> {
    let model = spring();
    let device = Cpu::<f32>::new(&model, DEFAULT_BUDGET);
    let windows = Trajectories {
        targets: Some(vec![0.3; 3 * 2 * 2]),
        ..Trajectories::from_states(3, 2, vec![0.5, 0.1, -0.5, 0.2, 0.0, 0.9])
    };
    let path = folder.join("input.safetensors");
    let training = Training {
        device: &device,
        config,
        objective: &model.objective,
        train: &windows,
        validation: Some(&windows),
        single: true,
        checkpoint: Some((&path, "study")),
    };
    let trained = training.run(|_| true).map_err(words)?;
    for member in 0..trained.members.len() {
        let _ = trained.metrics(member);
    }
    Ok(format!("{} epochs, first {}", trained.history.len(), trained.first()))
}

/// A checkpoint: read, reported, continued.
fn checkpoint(folder: &Path) -> Result<String, String> {
    // What an input before has left would take the place of a damaged one.
    let _ = std::fs::remove_file(folder.join("input.safetensors.previous"));
    let read = Checkpoint::load(&folder.join("input.safetensors")).map_err(words)?;
    if let Some(checkpoint) = read.filter(|c| c.study == "study") {
        let _ = checkpoint.trained(&spring(), &training());
    }
    train(folder, &training())
}
