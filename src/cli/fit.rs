//! The training phase of a study: begun, continued, found finished.

use super::Failure;
use super::folder::{MetricsFile, record_device};
use super::interrupt::Stop;
use super::lean::{Lean, with_all_penalties};
use super::members::save_members;
use super::pipeline::Pipeline;
use super::progress::Progress;
use crate::device::{Precision, Trajectories};
use crate::store::make_folder;
use crate::study::trajectories;
use crate::train::{Checkpoint, Mode, TrainConfig, Trained, Training, joined};
use anyhow::anyhow;
use std::path::Path;
use std::time::Instant;

/// Name of the checkpoint in a folder of results.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";

/// What a training on the windows of estimates depends on besides.
const TRANSDUCTIVE: &[&str] = &["estimate.windows"];

impl Pipeline {
    /// Trains, or continues from the checkpoint of this very run.
    pub fn train(&mut self) -> Result<Trained, Failure> {
        let start = Instant::now();
        let config = self.study.section(&self.study.train, "train")?.clone();
        let trained = match config.mode {
            Mode::Transductive => self.transduce(&config, &self.out),
            _ => self.fit(&config, &self.prepared.train, &self.out, &[]),
        };
        self.timings.push(("train".into(), start.elapsed().as_secs_f64()));
        trained
    }

    /// Weights and θ fitted from scratch to the training windows and the penalties of the test windows, where the study
    /// asks for it beside its training.
    pub fn transductive(&mut self) -> Result<Option<(TrainConfig, Trained)>, Failure> {
        let Some(train) = self.study.train.as_ref().filter(|_| self.study.estimate.transductive) else {
            return Ok(None);
        };
        if train.mode == Mode::Transductive {
            return Ok(None);
        }
        let (start, config) = (Instant::now(), train.transductive());
        eprintln!("transductive training:");
        let trained = self.transduce(&config, &self.out.join("transductive"))?;
        self.timings.push(("transductive".into(), start.elapsed().as_secs_f64()));
        Ok(Some((config, trained)))
    }

    fn transduce(&self, config: &TrainConfig, folder: &Path) -> Result<Trained, Failure> {
        let test = trajectories(self.test_windows(), &self.prepared.dataset.residual_scale);
        self.fit(config, &joined(&self.prepared.train, &test)?, folder, TRANSDUCTIVE)
    }

    /// One training run; checkpoint, metrics and weights of all members go to `folder`. `further` are keys of the study
    /// that it depends on, besides model, data and `[train]`.
    pub(super) fn fit(
        &self,
        config: &TrainConfig,
        windows: &Trajectories,
        folder: &Path,
        further: &[&str],
    ) -> Result<Trained, Failure> {
        self.hold()?;
        make_folder(folder)?;
        let (path, run) = (folder.join(CHECKPOINT), self.identity(&self.model.source, further));
        self.give_up(&path)?;
        let lean = Lean::open(self)?;
        let device = lean.as_ref().map_or(self.device.as_ref(), |lean| lean.device.as_ref());
        let training = Training {
            device,
            config,
            objective: &device.model().objective,
            train: windows,
            validation: Some(&self.prepared.validation),
            single: self.arguments.device.precision() == Precision::F32,
            checkpoint: Some((&path, &run)),
        };
        let state = training.resume()?;
        let done = state.as_ref().map_or(&[][..], |c| &c.history);
        let resumed = done.len();
        if resumed > 0 {
            eprintln!("continuing from epoch {resumed} of {} ({})", config.epochs, path.display());
        }
        if state.as_ref().is_none_or(|c| c.goes_on(config)) {
            record_device(&folder.join("run.json"), resumed, device, self.arguments.device.memory)?;
        }
        let mut metrics = MetricsFile::begin(folder.join("metrics.jsonl"), done)?;
        let progress = Progress::new(config.epochs, resumed, device.model());
        let stop = Stop::listen();
        let trained = training.run_from(state, |m| {
            progress.show(m);
            metrics.add(m) && !stop.asked()
        })?;
        progress.finish();
        metrics.end()?;
        self.note_recoveries(lean.as_ref().map(|lean| &*lean.device));
        save_members(folder, &self.model, config, &trained, self.arguments.device.precision() == Precision::F64)?;
        if trained.interrupted {
            return Err(Failure::Interrupted(format!(
                "stopped after epoch {}; {} continues from {}",
                trained.history.len(),
                self.same_command(),
                path.display()
            )));
        }
        Ok(with_all_penalties(&self.model, trained))
    }

    /// The finished training of this study, or an error that says how to get it.
    pub fn trained(&self) -> Result<Trained, Failure> {
        let config = self.study.section(&self.study.train, "train")?;
        let further = if config.mode == Mode::Transductive { TRANSDUCTIVE } else { &[] };
        let run = self.identity(&self.model.source, further);
        let Some(c) = Checkpoint::load_of(&self.out.join(CHECKPOINT), &run)?.filter(|c| c.epoch > 0) else {
            let command = format!("greybox train {}", self.arguments.study.display());
            return Err(anyhow!(
                "{} holds no training of this study\nhelp: run `{command}` with the same options first",
                self.out.display()
            )
            .into());
        };
        if c.goes_on(config) {
            let (done, epochs) = (c.epoch, config.epochs);
            eprintln!("note: this training stopped after epoch {done} of {epochs}; `greybox train` continues it");
        }
        Ok(with_all_penalties(&self.model, c.trained(&self.model, config)))
    }
}
