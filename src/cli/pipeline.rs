//! The phases of a study, each usable alone: open, data, train, estimate, landscape.

use super::Failure;
use super::device::{DeviceArguments, tuning};
use super::fit::CHECKPOINT;
use super::folder::own_folder;
use crate::data::Windows;
use crate::device::Device;
use crate::device::gpu::Tuning;
use crate::model::{Model, load_weights};
use crate::program::Weights;
use crate::store::RunLock;
use crate::study::{
    Criterion, Estimate, Forecaster, Oracle, Prepared, Stability, Study, Sweep, encoded_estimate, estimate, prepare,
    thin, trained_estimates, trajectories,
};
use crate::train::{TrainConfig, Trained};
use anyhow::anyhow;
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// What all commands on a study share.
#[derive(Args, Clone)]
pub struct StudyArguments {
    /// The study's TOML.
    pub study: PathBuf,
    /// Read data from here (file or folder) in place of what the study's data table says.
    #[arg(long)]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArguments,
    /// Folder of results; default: runs/NAME, NAME being the study's folder, and its file unless that is
    /// study.toml; with --full runs/NAME-full.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Seed of weights, θ, batches and bootstrap in place of train.seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Use the published setting, its full table.
    #[arg(long)]
    pub full: bool,
    /// Set a key of the study, for example --set train.epochs=20; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

/// A study being run.
pub struct Pipeline {
    /// The study.
    pub study: Study,
    /// What was asked.
    pub arguments: StudyArguments,
    /// The model.
    pub model: Model,
    /// The device.
    pub device: Box<dyn Device>,
    /// The data.
    pub prepared: Prepared,
    /// What `[forecast]` integrates.
    pub forecasters: Vec<Forecaster>,
    /// The windows that estimates use.
    chosen: Windows,
    /// Folder of results.
    pub out: PathBuf,
    /// How adapters find their schedules.
    tuning: Tuning,
    /// Seconds of each phase.
    pub timings: Vec<(String, f64)>,
    /// Whether trainings give up what earlier runs have left in their folders.
    pub restart: bool,
    /// Keeps other processes out of the folder of results.
    pub(super) lock: OnceLock<RunLock>,
    /// Breakdowns that devices have survived which are gone.
    pub(super) recoveries: Mutex<Vec<String>>,
}

/// Which way a command uses the folder of results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// It is the command's own from the beginning.
    Own,
    /// It is read; what is written there comes at the end.
    Read,
}

impl Pipeline {
    /// Opens a study: model, data and device.
    pub fn open(arguments: &StudyArguments, folder: Folder) -> Result<Pipeline, Failure> {
        let start = Instant::now();
        let mut study = Study::open_with(&arguments.study, arguments.full, &arguments.settings)?;
        if let (Some(seed), Some(train)) = (arguments.seed, &mut study.train) {
            train.seed = seed;
        }
        let model = study.model()?;
        study.require_boxes(&model)?;
        study.require_training(&model)?;
        study.require_estimation(&model)?;
        study.criteria(&model)?;
        study.axes(&model)?;
        // Compiled before the long training that it comes after.
        study.reduced(&model)?;
        let forecasters = study.forecasters(&model)?;
        study.retrain_axes(&model)?;
        let out =
            arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(results_name(&study.path, arguments.full)));
        let batch = |t: &TrainConfig| t.batch * t.draws * t.population.members(t.seed, &model).len();
        let compiled = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let prepared = prepare(&study, &model, arguments.data.as_deref())?;
        let data = start.elapsed().as_secs_f64();
        // The schedule that is chosen is written there.
        let lock = OnceLock::new();
        if folder == Folder::Own {
            let _ = lock.set(own_folder(&out)?);
        }
        let start = Instant::now();
        let tuning = tuning(&out, CHECKPOINT, study.train.as_ref().map_or(0, batch), folder == Folder::Own);
        let device = arguments.device.open_tuned(&model, &tuning)?;
        let opened = start.elapsed().as_secs_f64();
        eprintln!("device: {}", device.description());
        let counts = [prepared.train.count, prepared.validation.count, prepared.test.count];
        eprintln!("data: {} training, {} validation, {} test windows", counts[0], counts[1], counts[2]);
        note_stability(&model, &prepared);
        let timings = vec![("compile".into(), compiled + opened), ("data".into(), data)];
        let chosen = study.estimate.chosen(&prepared.dataset);
        let arguments = arguments.clone();
        Ok(Pipeline {
            study,
            arguments,
            model,
            device,
            prepared,
            forecasters,
            chosen,
            out,
            tuning,
            timings,
            restart: false,
            lock,
            recoveries: Mutex::default(),
        })
    }

    /// Opens the device with another model of this study.
    pub(super) fn open_device(&self, model: &Model) -> Result<Box<dyn Device>, Failure> {
        Ok(self.arguments.device.open_tuned(model, &self.tuning)?)
    }

    pub(super) fn seed(&self) -> u64 {
        self.study.train.as_ref().map_or(0, |t| t.seed)
    }

    /// The weights that estimates use: those of a file, or of the first member that did not diverge.
    pub fn chosen(&self, trained: &Trained, weights: Option<&Path>) -> Result<Weights, Failure> {
        if let Some(path) = weights {
            return Ok(load_weights(path, &self.model.weights)?);
        }
        let all = if self.study.train.as_ref().is_some_and(|t| t.keep_best) { &trained.best } else { &trained.last };
        Ok(Weights { members: 1, values: all.member(trained.first()).to_vec() })
    }

    /// The windows that estimates, landscape and oracle use: test windows, unless the study says otherwise.
    pub fn test_windows(&self) -> &Windows {
        &self.chosen
    }

    /// The estimates that training yields by itself: of the study's mode, then of a transductive run beside it.
    pub fn trained_estimates(&mut self, trained: &Trained) -> Result<Vec<Estimate>, Failure> {
        let config = self.study.section(&self.study.train, "train")?;
        let mut estimates = trained_estimates(&self.model, config, trained);
        if let Some((config, trained)) = self.transductive()? {
            estimates.extend(trained_estimates(&self.model, &config, &trained));
        }
        Ok(estimates)
    }

    /// Estimates θ by every criterion of the study; none where a parameter has no box to look in.
    pub fn estimate(&mut self, weights: &Weights) -> Result<Vec<Estimate>, Failure> {
        let start = Instant::now();
        if !self.has_boxes() {
            eprintln!("note: a parameter has no bounds, so nothing is minimised over theta");
            return Ok(Vec::new());
        }
        let criteria = self.study.criteria(&self.model)?;
        let windows = self.test_windows();
        let most = self.most_trajectories();
        let (chosen, block) =
            thin(&trajectories(windows, &self.prepared.dataset.residual_scale), &windows.blocks(), most);
        let sweep = Sweep::new(self.device.as_ref(), weights, &chosen, &block);
        let estimates = estimate(&sweep, &criteria, &self.study.estimate, self.seed())?;
        if let Some(nowhere) = estimates.iter().find(|e| !e.value.is_finite()) {
            return Err(anyhow!(
                "estimate by {}: some trajectory leaves the finite numbers wherever theta was tried\nhelp: use smaller \
                 steps (solver.substeps) or narrower bounds of theta, or train longer",
                nowhere.criterion
            )
            .into());
        }
        self.timings.push(("estimate".into(), start.elapsed().as_secs_f64()));
        Ok(estimates)
    }

    /// θ that a network makes of the observed windows, if one does.
    pub fn encoded(&self, weights: &Weights) -> Result<Option<Estimate>, Failure> {
        let windows = self.test_windows();
        let all = trajectories(windows, &self.prepared.dataset.residual_scale);
        let (chosen, block) = thin(&all, &windows.blocks(), usize::MAX);
        let sweep = Sweep::new(self.device.as_ref(), weights, &chosen, &block);
        Ok(encoded_estimate(&sweep, &self.study.estimate, self.seed())?)
    }

    /// How many trajectories an estimate uses: all on a grid over one parameter, fewer where gradients are followed.
    pub(super) fn most_trajectories(&self) -> usize {
        if self.free().len() > 1 { self.study.estimate.trajectories } else { usize::MAX }
    }

    /// How many trajectories a landscape uses.
    pub(super) fn landscape_trajectories(&self) -> usize {
        self.study.landscape.trajectories.unwrap_or_else(|| self.most_trajectories())
    }

    /// Parameters that are neither fixed nor without a box.
    pub fn free(&self) -> Vec<usize> {
        (0..self.model.theta.len())
            .filter(|i| {
                let [low, high] = self.model.theta_spec(*i).range();
                low < high
            })
            .collect()
    }

    /// Whether every parameter has bounds or a fixed value.
    pub(super) fn has_boxes(&self) -> bool {
        (0..self.model.theta.len()).all(|i| self.model.theta_spec(i).range()[0].is_finite())
    }

    /// θ where each criterion is least with the perfect correction, for one or two free parameters.
    pub fn oracles(&self, criteria: &[Criterion]) -> Vec<Option<Vec<f64>>> {
        if !self.has_boxes() {
            return vec![None; criteria.len()];
        }
        self.oracle().map_or(vec![None; criteria.len()], |oracle| oracle.minima(criteria))
    }

    /// The perfect correction on the windows that estimates use, where the data tell it.
    pub(super) fn oracle(&self) -> Option<Oracle<'_>> {
        let (windows, episodes) = (self.test_windows(), &self.prepared.dataset.episodes);
        let of_truth = match &self.prepared.truth {
            // Frames of fields are few and their rates exact; trajectories have penalties at their stages.
            Some(truth) if self.model.grid.is_some() => Oracle::of_truth(&self.model, windows, episodes, truth),
            _ => None,
        };
        of_truth.or_else(|| Oracle::new(&self.model, windows, episodes))
    }
}

/// The study's folder, and its file unless that is study.toml: a folder may hold several studies. The published setting has
/// results of its own.
fn results_name(study: &Path, full: bool) -> OsString {
    let file = std::path::absolute(study).ok();
    let folder = file.as_deref().and_then(Path::parent).and_then(Path::file_name);
    let mut name = folder.map_or("study".into(), OsStr::to_os_string);
    if let Some(stem) = study.file_stem().filter(|stem| *stem != "study") {
        name.push("-");
        name.push(stem);
    }
    if full {
        name.push("-full");
    }
    name
}

/// Says whether the steps suit the grid, around uniform states with the least, middle and largest observed values.
fn note_stability(model: &Model, prepared: &Prepared) {
    let (cells, k) = (model.cells(), model.output_len());
    let windows = &prepared.dataset.train;
    let range = |output: usize| {
        let of_output = (0..windows.count)
            .flat_map(|w| windows.initial(w).chunks(k).flat_map(|frame| &frame[output * cells..(output + 1) * cells]))
            .copied();
        of_output.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let position = |name: &String| model.outputs.iter().position(|output| output == name);
    let ranges: Vec<(f64, f64)> = model.state.iter().map(|name| position(name).map_or((0.0, 0.0), range)).collect();
    let level = |share: f64| ranges.iter().map(|(low, high)| low + share * (high - low)).collect();
    if let Some(stability) = Stability::of(model, &[0.0, 0.5, 1.0].map(level)) {
        eprintln!("stability: {}", stability.summary(model));
        if let Some(warning) = stability.warning(model, "solver") {
            tracing::warn!("{warning}");
        }
    }
}

/// Refuses studies without free parameters where an estimate is asked for.
pub fn require_free(pipeline: &Pipeline) -> Result<(), Failure> {
    if pipeline.free().is_empty() {
        return Err(anyhow!("no parameter is free\nhelp: give [theta.NAME] bounds = [low, high] and no `fixed`").into());
    }
    Ok(())
}
