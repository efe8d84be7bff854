//! Self-tuning: which schedule runs a model fastest on an adapter, found by small gradients of the model itself.
//!
//! The choice is part of the bits of a result, so it is kept: beside a run's checkpoint, where the run finds it again, and
//! in the user's cache for other runs of the same kernels on the same adapter and driver.

use super::adapters::driver;
use super::choice::{Choice, candidates};
use super::chosen::{self, Chosen};
use super::{Gpu, Schedule, cache, context, kernels};
use crate::device::{Device, DeviceError, Job, Start, Trajectories, Wanted};
use crate::model::{Model, initialise};
use crate::program::Weights;
use crate::store::{Checksum, fault};
use std::cell::LazyCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How a schedule is found where none is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Whether work of more than a moment follows, so that measuring pays. The variable `GREYBOX_TUNE`, on or off, overrules it.
    pub measure: bool,
    /// Trajectories of a typical job.
    pub samples: usize,
    /// A file of the run. What it says is taken.
    pub record: Option<PathBuf>,
    /// Whether what is chosen is written there.
    pub keeps: bool,
}

/// The file in the user's cache.
const FILE: &str = "schedules.json";

/// Time after which no further candidate is tried.
const PATIENCE: Duration = Duration::from_secs(8);

/// A measurement as long as this is long enough, if fewer trajectories than a typical job's took it.
const ENOUGH: f64 = 0.05;

/// Trajectories of a measurement, at first and at most.
const SAMPLES: [usize; 2] = [64, 4096];

/// What a candidate's time must be below, as a share of the best before it: nothing changes for the sake of noise.
const GAIN: f64 = 0.95;

impl Tuning {
    /// Opens the best candidate, and says why it is that. `open` opens a choice, `None` for that by the widths.
    pub fn open(
        &self,
        model: &Model,
        wanted: Option<Schedule>,
        adapter: &wgpu::AdapterInfo,
        open: &dyn Fn(Option<Choice>) -> Result<Gpu, DeviceError>,
    ) -> Result<Gpu, DeviceError> {
        let key = LazyCell::new(|| self.key(model, adapter));
        let recorded = self.record.as_deref().and_then(|path| chosen::find(path, &key));
        let has_record = recorded.is_some();
        let cached = || cache::folder().map(|folder| folder.join(FILE));
        let gpu = if let Some(schedule) = wanted {
            open(Some(schedule.into()))?
        } else if let Some(Chosen { choice, reason }) = recorded {
            open(Some(choice))?.because(reason)
        } else if !self.measures(std::env::var("GREYBOX_TUNE").ok().as_deref(), &adapter.name)? {
            open(None)?
        } else if let Some(Chosen { choice, reason }) = cached().and_then(|path| chosen::find(&path, &key)) {
            open(Some(choice))?.because(reason)
        } else {
            let gpu = self.fastest(model, adapter.device_type == wgpu::DeviceType::Cpu, open)?;
            if let Some(path) = cached() {
                chosen::keep(&path, &key, &gpu.chosen());
            }
            gpu
        };
        // A schedule asked for once is no choice for the calls to come.
        if let Some(path) = self.record.as_ref().filter(|_| self.keeps && (wanted.is_none() || !has_record)) {
            chosen::keep(path, &key, &gpu.chosen());
        }
        Ok(gpu)
    }

    /// What a choice depends on: adapter, driver, everything that the kernels are made of, and roughly the batch.
    fn key(&self, model: &Model, adapter: &wgpu::AdapterInfo) -> String {
        let mut text = String::new();
        for kernels in Schedule::ALL.into_iter().filter_map(|schedule| kernels(model, Some(schedule)).ok()) {
            text += &kernels.summary;
            text.extend(kernels.sources.iter().map(|source| source.text.as_str()));
        }
        let sizes: Vec<&[usize]> = model.networks.iter().map(|network| network.sizes.as_slice()).collect();
        text += &format!("{sizes:?} {} {}", model.cells(), model.spec.solver.substeps);
        let mut sum = Checksum::new();
        sum.add(text.as_bytes());
        let (driver, sum, samples) = (driver(adapter), sum.digits(), self.samples());
        let wgpu::AdapterInfo { name, backend, .. } = adapter;
        format!("{name} ({backend}), {driver}: model {sum}, {samples} trajectories")
    }

    /// Trajectories of the largest measurement.
    fn samples(&self) -> usize {
        self.samples.next_power_of_two().clamp(SAMPLES[0], SAMPLES[1])
    }

    /// Whether to measure, under a value of `GREYBOX_TUNE`.
    fn measures(&self, overruled: Option<&str>, device: &str) -> Result<bool, DeviceError> {
        match overruled {
            None | Some("") => Ok(self.measure),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(other) => Err(DeviceError::Unavailable {
                device: device.into(),
                message: format!("the variable GREYBOX_TUNE is `{other}`"),
                remedy: "set it to on or off, or leave it unset".into(),
            }),
        }
    }

    /// Tries the candidates.
    fn fastest(
        &self,
        model: &Model,
        software: bool,
        open: &dyn Fn(Option<Choice>) -> Result<Gpu, DeviceError>,
    ) -> Result<Gpu, DeviceError> {
        let memory = context::default_limits().max_compute_workgroup_storage_size as usize;
        let all = candidates(model, memory, software);
        if all.len() < 2 {
            return open(None);
        }
        let (probe, start) = (Probe::new(model, self.samples()), Instant::now());
        let mut best: Option<(Gpu, f64)> = None;
        let mut words = Vec::new();
        for choice in all {
            if start.elapsed() > PATIENCE {
                words.push(format!("{choice} not tried"));
                continue;
            }
            let measure = || open(Some(choice)).and_then(|gpu| probe.seconds(&gpu).map(|seconds| (gpu, seconds)));
            match fault::without(measure) {
                // A breakdown says nothing of the schedule, and would keep it out of the cache for good.
                Err(error) if error.breakdown().is_some() => return Err(error),
                Ok((gpu, seconds)) => {
                    words.push(format!("{choice} {:.3} ms", seconds * 1e3));
                    if best.as_ref().is_none_or(|(_, least)| seconds < least * GAIN) {
                        best = Some((gpu, seconds));
                    }
                }
                Err(reason) => {
                    tracing::debug!(%choice, %reason, "cannot be measured");
                    words.push(format!("{choice} fails"));
                }
            }
        }
        match best {
            Some((gpu, _)) => {
                Ok(gpu.because(format!("measured per trajectory and interval of a gradient: {}", words.join(", "))))
            }
            None => open(None),
        }
    }
}

/// Small gradients of a model.
struct Probe<'a> {
    model: &'a Model,
    trajectories: Trajectories,
    theta: Vec<f64>,
    weights: Weights,
}

impl<'a> Probe<'a> {
    fn new(model: &'a Model, count: usize) -> Probe<'a> {
        // One interval takes no turn of the loop over intervals.
        let steps = if model.is_static() { 1 } else { 2 };
        // Times hardly depend on values; these suit logarithms and roots.
        let some = |numbers: usize| vec![0.1; numbers];
        let start = match model.has_encoders() {
            true => Start::Observations(some(count * model.window_len())),
            false => Start::States(model.lift(&some(count * model.state_len()))),
        };
        let middle = |i: usize| Some(model.theta_spec(i).at(0.5)).filter(|value| value.is_finite()).unwrap_or(1.0);
        let theta: Vec<f64> = (0..model.theta.len()).map(middle).collect();
        Probe {
            model,
            trajectories: Trajectories {
                start,
                inputs: some(count * (steps + 1) * model.inputs.len()),
                targets: Some(some(count * steps * model.output_len())),
                ..Trajectories::from_states(count, steps, Vec::new())
            },
            theta: theta.repeat(count),
            weights: initialise(&model.weights, &model.networks, 1, 0),
        }
    }

    /// Seconds per trajectory and interval, of as many trajectories as are needed to tell.
    fn seconds(&self, gpu: &Gpu) -> Result<f64, DeviceError> {
        let (all, p) = (self.trajectories.count, self.model.theta.len());
        let rows = self.trajectories.rows();
        let run = |count: usize| -> Result<f64, DeviceError> {
            let (rows, theta) = (&rows[..count], &self.theta[..count * p]);
            let job = Job::new(&self.trajectories, rows, theta, &self.weights, &self.model.objective);
            let start = Instant::now();
            gpu.gradient(&job, Wanted { weights: true, inputs: false })?;
            Ok(start.elapsed().as_secs_f64())
        };
        let mut count = SAMPLES[0].min(all);
        // The first run compiles.
        run(count)?;
        let mut seconds = run(count)?;
        while count < all && seconds < ENOUGH {
            count = (4 * count).min(all);
            run(count)?;
            seconds = run(count)?;
        }
        Ok(seconds.min(run(count)?) / (count * self.trajectories.steps) as f64)
    }
}
