//! The landscape phase: into files, chunk by chunk, by one process or by several that share them.

use super::Failure;
use super::interrupt::Stop;
use super::pipeline::{Folder, Pipeline};
use super::run::{PhaseArguments, weights};
use crate::program::Weights;
use crate::study::{
    Axis, Contents, Criterion, Filled, Identity, Landscape, LandscapeError, LandscapeStore, Part, Sweep, chunk_points,
    identity, quantity_names, thin, trajectories,
};
use anyhow::{Context, anyhow};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Name of the landscape in a folder of results.
pub(super) const LANDSCAPE: &str = "landscape.zarr";

/// Landscapes of more points are held in memory in part.
const HELD: usize = 1_000_000;

/// Compute and draw the landscape with the weights of a finished training.
#[derive(Args)]
#[command(after_help = "Examples:\n  greybox train study.toml && greybox landscape study.toml\n  \
    greybox landscape study.toml --set landscape.points=3000 --shard $SLURM_ARRAY_TASK_ID/8\n\n\
    A landscape that was interrupted is continued. `greybox verify FOLDER` tells whether it is complete.")]
pub struct LandscapeArguments {
    #[command(flatten)]
    phase: PhaseArguments,
    /// Compute only chunks I, I + N, I + 2N, … of the landscape, I from 0 to N - 1, and draw nothing. Any number of
    /// processes may share a folder.
    #[arg(long, value_name = "I/N")]
    shard: Option<Part>,
}

/// The landscape only.
pub fn run(arguments: &LandscapeArguments) -> Result<(), Failure> {
    let mut pipeline = Pipeline::open(&arguments.phase.study, Folder::Read)?;
    super::pipeline::require_free(&pipeline)?;
    let weights = weights(&pipeline, &arguments.phase)?;
    let middle: Vec<f64> = (0..pipeline.model.theta.len()).map(|i| pipeline.model.theta_spec(i).at(0.5)).collect();
    let found = match arguments.shard {
        Some(part) => pipeline.fill_landscape(&weights, &middle, Some(part))?.map(drop),
        None => match pipeline.landscape(&weights, &middle)? {
            Some(landscape) => {
                let figures = super::landscape_figures::landscape_figures(&pipeline, &landscape, &[], &[])?;
                figures.iter().for_each(|(path, _)| println!("{}", path.display()));
                Some(())
            }
            None => None,
        },
    };
    if found.is_none() {
        return Err(anyhow!("a parameter has no bounds\nhelp: give [theta.NAME] bounds = [low, high]").into());
    }
    println!("{}", pipeline.out.join(LANDSCAPE).display());
    Ok(())
}

impl Pipeline {
    /// The landscape around an estimate: what is missing of it is computed.
    pub fn landscape(&mut self, weights: &Weights, base: &[f64]) -> Result<Option<Landscape>, Failure> {
        let start = Instant::now();
        let Some(store) = self.fill_landscape(weights, base, None)? else { return Ok(None) };
        let landscape = store.load(base, HELD)?;
        self.timings.push(("landscape".into(), start.elapsed().as_secs_f64()));
        Ok(Some(landscape))
    }

    /// Computes a part of the landscape, or all of it, in which case a landscape of something else makes room.
    fn fill_landscape(
        &self,
        weights: &Weights,
        base: &[f64],
        part: Option<Part>,
    ) -> Result<Option<LandscapeStore>, Failure> {
        let axes = self.study.axes(&self.model)?;
        if axes.is_empty() || !self.has_boxes() {
            return Ok(None);
        }
        // Shards share the folder; who draws there has it alone.
        match part {
            Some(_) => self.share()?,
            None => self.hold()?,
        }
        let (windows, most) = (self.test_windows(), self.landscape_trajectories());
        let (chosen, block) =
            thin(&trajectories(windows, &self.prepared.dataset.residual_scale), &windows.blocks(), most);
        let sweep = Sweep::new(self.device.as_ref(), weights, &chosen, &block);
        let (objective, criteria) = (&self.model.objective, self.study.criteria(&self.model)?);
        let path = self.out.join(LANDSCAPE);
        let own = identity(&sweep, &axes, base);
        let by_work = || chunk_points(&self.model, chosen.count, chosen.steps);
        let chunk = self.study.landscape.chunk.unwrap_or_else(by_work);
        let open = || self.open_landscape(&path, (&axes, base, &criteria), chunk, own.clone());
        let store = match open() {
            // Processes that share a folder may still be writing the other one.
            Err(LandscapeError::Foreign { .. } | LandscapeError::Unreadable { .. }) if part.is_none() => {
                move_away(&path)?;
                open()
            }
            opened => opened,
        }?;
        let (stop, progress) = (Stop::listen(), Progress::new(&store));
        let go_on = |filled| {
            progress.show(filled);
            !stop.asked()
        };
        let filled = store.fill(&sweep, (objective, &criteria), base, part.unwrap_or(Part::ALL), go_on)?;
        progress.finish(filled);
        if filled.computed + filled.kept < filled.all {
            return Err(Failure::Interrupted(format!(
                "stopped after {} of {} chunks; the same command continues with {}",
                filled.computed + filled.kept,
                filled.all,
                path.display()
            )));
        }
        Ok(Some(store))
    }

    /// Opens a landscape of this study, or makes it.
    pub(super) fn open_landscape(
        &self,
        path: &Path,
        (axes, base, criteria): (&[Axis], &[f64], &[Criterion]),
        chunk: usize,
        identity: Identity,
    ) -> Result<LandscapeStore, LandscapeError> {
        let quantities = quantity_names(&self.model.objective, criteria);
        let (title, model) = (self.study.study.title.as_str(), &self.model);
        LandscapeStore::create(path, Contents { title, model, axes, base, quantities, chunk, identity })
    }
}

/// Gives the place of a landscape to another one; nothing is lost.
fn move_away(path: &Path) -> Result<(), Failure> {
    let free = |n: &usize| !aside(path, *n).exists();
    let place = aside(path, (1..).find(free).unwrap_or(0));
    std::fs::rename(path, &place).with_context(|| format!("cannot move {} away", path.display()))?;
    eprintln!("note: {} held a landscape of something else, which is now {}", path.display(), place.display());
    Ok(())
}

fn aside(path: &Path, number: usize) -> PathBuf {
    path.with_extension(format!("{number}.zarr"))
}

/// A progress bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: Option<indicatif::ProgressBar>,
    start: Instant,
    points: usize,
}

impl Progress {
    fn new(store: &LandscapeStore) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = indicatif::ProgressStyle::with_template("chunk {pos}/{len} {bar:30} {eta} left");
            let bar = indicatif::ProgressBar::new(store.chunks().count() as u64);
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        Progress { bar, start: Instant::now(), points: store.chunks().points() }
    }

    fn show(&self, filled: Filled) {
        let done = filled.computed + filled.kept;
        match &self.bar {
            Some(bar) => {
                bar.set_length(filled.all as u64);
                bar.set_position(done as u64);
            }
            None if filled.computed > 0 && done.is_multiple_of(filled.all.div_ceil(10)) && done < filled.all => {
                let left = self.start.elapsed().as_secs_f64() / filled.computed as f64 * (filled.all - done) as f64;
                eprintln!("chunk {done}/{}: {left:.0} s left", filled.all);
            }
            None => {}
        }
    }

    fn finish(&self, filled: Filled) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if filled.all > 1 || filled.kept > 0 {
            let Filled { computed, kept, all } = filled;
            eprintln!("landscape of {} points: {computed} chunks of {all} computed, {kept} were there", self.points);
        }
    }
}
