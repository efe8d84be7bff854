//! The phases of one workload on one device.

use super::arguments::{BenchArguments, Phase};
use super::lines::{Line, Memory};
use super::measure::{Effort, Measured, Spread, Times, available_memory};
use super::peak::Peak;
use super::targets::Target;
use super::train_step;
use super::work::Work;
use super::workloads::Workload;
use crate::cli::Failure;
use crate::device::{Device, Wanted};
use crate::model::{Model, initialise};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use crate::solve::tableau;
use crate::study::{Sweep, sweep};
use crate::train::draw_theta;

/// A workload that was compiled, with the weights that all devices start from.
pub struct Case<'a> {
    /// The command line.
    pub arguments: &'a BenchArguments,
    /// What it was compiled from.
    pub workload: Workload<'a>,
    /// The model.
    pub model: Model,
    /// Initial weights of one member.
    pub weights: Weights,
    /// Intervals of a trajectory.
    pub steps: usize,
}

/// A device that holds the model of a case.
pub struct Opened<'a> {
    /// Which one.
    pub target: &'a Target,
    /// The device.
    pub device: Box<dyn Device>,
    /// Its measured speed.
    pub peak: Option<Peak>,
}

/// A phase that was timed, or why not.
pub type Outcome = Result<Line, String>;

const WEIGHTS: Wanted = Wanted { weights: true, inputs: false };

impl<'a> Case<'a> {
    /// Compiles a workload.
    pub fn new(arguments: &'a BenchArguments, workload: Workload<'a>) -> Result<Case<'a>, Failure> {
        let model = workload.load(arguments)?;
        let weights = initialise(&model.weights, &model.networks, 1, 0);
        let steps = if model.is_static() { 1 } else { arguments.steps(workload.sizes()) };
        Ok(Case { arguments, workload, model, weights, steps })
    }

    /// Random trajectories for it.
    pub fn work(&self, batch: usize) -> Work {
        Work::new(&self.model, self.workload.sizes(), batch, self.steps)
    }

    /// Batches, increasing.
    pub fn batches(&self) -> Vec<usize> {
        self.arguments.batches(self.workload.sizes())
    }

    /// Hidden layers of every network.
    pub fn hidden(&self) -> Vec<Vec<usize>> {
        self.model.networks.iter().map(|n| n.sizes[1..n.sizes.len() - 1].to_vec()).collect()
    }

    /// How often each phase is repeated.
    pub fn effort(&self) -> Effort {
        Effort { repeats: self.arguments.repeats, seconds: self.arguments.seconds }
    }

    /// Floating-point operations of the networks' products in so many rollouts.
    pub fn flops(&self, trajectories: usize) -> f64 {
        let solver = &self.model.spec.solver;
        let evaluations = trajectories * self.steps * solver.substeps * tableau(solver.method).stages();
        2.0 * evaluations as f64 * self.model.multiply_adds() as f64
    }

    fn line(&self, opened: &Opened, phase: Phase, batch: usize, spread: Spread) -> Line {
        Line {
            target: opened.target.label.clone(),
            steps: Some(self.steps),
            hidden: self.hidden(),
            ..Line::new(self.workload.name, &opened.device.description(), phase.name(), batch, spread)
        }
    }

    /// Opens a device: the time from the text of the study to the first gradient of a batch.
    pub fn compile<'t>(
        &self,
        target: &'t Target,
        peak: Option<Peak>,
        batch: usize,
    ) -> Result<(Opened<'t>, Line), Failure> {
        let work = self.work(batch);
        // What an adapter measures to choose its schedule is no part of a compilation; the choice is kept.
        drop(target.open(&self.model, batch)?);
        // A compilation is long and steady: a few repetitions tell all.
        let measured = self.effort().at_most(3).measure(false, || {
            let model = self.workload.load(self.arguments)?;
            let device = target.open(&model, batch)?;
            device.gradient(&work.job(&self.weights, &model.objective), WEIGHTS)?;
            Ok(device)
        })?;
        let Measured { times, peak_bytes, last: device } = measured;
        let opened = Opened { target, device, peak };
        let line = self.line(&opened, Phase::Compile, batch, times.spread());
        Ok((opened, Line { process_bytes: peak_bytes, ..line }))
    }

    /// Loss and penalties of a batch, in jobs of bounded size.
    pub fn forward(&self, opened: &Opened, work: &Work) -> Result<Line, Failure> {
        let (parts, batch) = (work.parts(&self.weights, &self.model.objective), work.rows.len());
        let measured = self.effort().measure(true, || {
            let failures = parts.iter().map(|job| Ok(opened.device.evaluate(job)?.failures()));
            failures.sum::<Result<usize, Failure>>()
        })?;
        if measured.last > 0 {
            eprintln!("warning: {} of {batch} random trajectories of {} diverged", measured.last, self.workload.name);
        }
        let line = self.line(opened, Phase::Forward, batch, measured.times.spread());
        let line = line.rated(batch, self.flops(batch), opened.peak.as_ref());
        Ok(Line { process_bytes: measured.peak_bytes, ..line })
    }

    /// Derivatives with respect to all weights.
    pub fn gradient(&self, opened: &Opened, work: &Work) -> Result<Outcome, Failure> {
        let (job, batch) = (work.job(&self.weights, &self.model.objective), work.rows.len());
        let plan = opened.device.memory(&job);
        if let (Some(plan), Some(available)) = (&plan, available_memory())
            && plan.bytes > available
        {
            let [need, have] = [plan.bytes, available].map(|bytes| bytes as f64 / 1e9);
            return Ok(Err(format!("its plan needs {need:.1} GB ({}), {have:.1} GB are available", plan.keeps)));
        }
        let measured = self.effort().measure(true, || Ok(opened.device.gradient(&job, WEIGHTS)?))?;
        let line = self.line(opened, Phase::Gradient, batch, measured.times.spread());
        let line = line.rated(batch, 3.0 * self.flops(batch), opened.peak.as_ref());
        let memory = plan.map(|plan| Memory {
            planned: plan.bytes,
            data: work.bytes(),
            peak: measured.peak_bytes,
            keeps: plan.keeps,
        });
        Ok(Ok(Line { memory, process_bytes: measured.peak_bytes, ..line }))
    }

    /// A gradient and a step of the optimiser, on the device if it can.
    pub fn train_step(&self, opened: &Opened, work: &Work) -> Result<Line, Failure> {
        let (device, objective, effort) = (opened.device.as_ref(), &self.model.objective, self.effort());
        let (times, peak_bytes, cost): (Times, _, _) =
            match train_step::resident(device, work, &self.weights, objective, effort)? {
                Some((times, peak_bytes, cost)) => (times, peak_bytes, Some(cost)),
                None => {
                    let precision = opened.target.precision();
                    let (times, peak_bytes) =
                        train_step::hosted(device, work, &self.weights, objective, precision, effort)?;
                    (times, peak_bytes, None)
                }
            };
        let batch = work.rows.len();
        let line = self.line(opened, Phase::TrainStep, batch, times.spread());
        let line = line.rated(batch, 3.0 * self.flops(batch), opened.peak.as_ref());
        let gb_per_s = cost.map(|cost| cost.bytes as f64 / line.spread.ms * 1e-6);
        let share_of_copy = gb_per_s.zip(opened.peak).map(|(rate, peak)| rate / peak.gb_per_s());
        Ok(Line { cost, gb_per_s, share_of_copy, process_bytes: peak_bytes, ..line })
    }

    /// Loss and penalties at many values of θ, as `greybox landscape` computes them: in jobs of bounded size.
    pub fn landscape(&self, opened: &Opened, points: usize, trajectories: usize) -> Result<Outcome, Failure> {
        let p = self.model.theta.len();
        if p == 0 {
            return Ok(Err("the model has no parameters".into()));
        }
        let work = self.work(trajectories);
        let block = vec![0; work.trajectories.count];
        let setting = Sweep::new(opened.device.as_ref(), &self.weights, &work.trajectories, &block);
        let stream = Stream::new(1, Purpose::Theta);
        let theta = |point: usize| draw_theta(&self.model, &stream, point as u32, 1, 0);
        let measured = self.effort().measure(true, || {
            let mut least = f64::INFINITY;
            sweep(&setting, (0..points).map(theta), |_, _, sums| {
                least = least.min(sums.terms(&self.model.objective, |_| 1.0).objective);
                true
            })?;
            Ok(least)
        })?;
        let samples = points * work.trajectories.count;
        let line = self.line(opened, Phase::Landscape, work.trajectories.count, measured.times.spread());
        let line = line.rated(samples, self.flops(samples), opened.peak.as_ref());
        let points_per_s = Some(points as f64 / line.spread.ms * 1e3);
        Ok(Ok(Line { points: Some(points), points_per_s, process_bytes: measured.peak_bytes, ..line }))
    }
}
