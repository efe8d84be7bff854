//! One tile: up to [`LANES`] samples of one group, stepped together; on a grid a single sample with all its cells.
//!
//! A tile is always computed at full width. Lanes without a sample repeat the first one and have cotangent zero, so a
//! trajectory's bits depend neither on the size of the batch nor on its place in it. On a grid states and observations are
//! planes of cells, everything else rows of lanes as before.

use super::rows::{Row, Rows, mark, read_rows, row_of, write_row, write_rows};
use super::run::{Scratch, run};
use super::step::{Address, Linked};
use super::weights::WeightValues;
use super::{Cpu, LANES};
use crate::device::{Job, Start, Status, StatusCode};
use crate::graph::Vector;
use crate::model::{MOST_OBSERVABLES, Sums, ports};
use crate::solve::TimeGrid;

/// Which samples a tile holds.
#[derive(Clone, Copy, Debug)]
pub struct TileRange {
    /// First sample of the job.
    pub first: usize,
    /// Number of samples, 1 to [`LANES`].
    pub count: usize,
    /// Group of all of them.
    pub group: usize,
}

/// Everything that is the same for all tiles of a job.
pub struct Setting<'a, T> {
    /// The device.
    pub cpu: &'a Cpu<T>,
    /// The job.
    pub job: &'a Job<'a>,
    /// Times.
    pub grid: &'a TimeGrid,
    /// Weights of every member in the device's precision.
    pub weights: &'a [WeightValues<T>],
}

/// Buffers of a tile, reused from tile to tile.
#[derive(Default)]
pub struct Buffers<T> {
    /// Work space and frames of the evolve program.
    pub evolve: Vec<T>,
    pub(super) observe: Vec<T>,
    pub(super) encode: Vec<T>,
    pub(super) scratch: Scratch<T>,
    pub(super) rates: Vec<T>,
    /// States at the ends of intervals of the current segment.
    pub(super) trail: Vec<T>,
}

/// A tile on its way.
pub struct Tile<'a, T> {
    pub(super) setting: &'a Setting<'a, T>,
    pub(super) range: TileRange,
    pub(super) theta: Vec<T>,
    /// The current state, a row per component.
    pub state: Vec<T>,
    /// Rows of states and observations.
    pub(super) rows: Rows,
    t0: [f64; LANES],
    squared_error: [f64; LANES],
    present: [f64; LANES],
    /// Sums of the observables.
    observables: [[f64; LANES]; MOST_OBSERVABLES],
    /// Coordinates of the points of each sample, in the order of time.
    points: Vec<Vec<f64>>,
    pub(super) failed: [Option<u32>; LANES],
    pub(super) adjoint_failed: [Option<u32>; LANES],
}

impl<'a, T: Vector> Tile<'a, T> {
    /// A tile at its initial state.
    pub fn new(setting: &'a Setting<'a, T>, range: TileRange, buffers: &mut Buffers<T>) -> Self {
        let (job, model) = (setting.job, &setting.cpu.model);
        let (n, p) = (model.integrated_len(), model.theta.len());
        let rows = setting.cpu.rows;
        let mut tile = Tile {
            setting,
            range,
            theta: vec![T::ZERO; model.parameters() * LANES],
            state: vec![T::ZERO; model.integrated() * rows.length],
            rows,
            t0: [0.0; LANES],
            squared_error: [0.0; LANES],
            present: [0.0; LANES],
            observables: [[0.0; LANES]; MOST_OBSERVABLES],
            points: vec![Vec::new(); if model.objective.needs_points() { range.count } else { 0 }],
            failed: [None; LANES],
            adjoint_failed: [None; LANES],
        };
        for lane in 0..LANES {
            let sample = tile.sample(lane);
            for i in 0..p {
                tile.theta[i * LANES + lane] = T::from_f64(job.theta[sample * p + i]);
            }
            let row = job.rows[sample] as usize;
            tile.t0[lane] = job.trajectories.t0.get(row).copied().unwrap_or(0.0);
        }
        if let Start::States(states) = &job.trajectories.start {
            let mut state = std::mem::take(&mut tile.state);
            tile.fill(&mut state, states, n);
            tile.state = state;
        }
        if let Start::Observations(first) = &job.trajectories.start {
            tile.encode(first, buffers);
        }
        tile
    }

    /// Writes each sample's numbers of `arrays`, `[trajectories, width]`, into rows.
    fn fill(&self, rows: &mut [T], arrays: &[f64], width: usize) {
        for (component, row) in rows.chunks_exact_mut(self.rows.length).enumerate() {
            for (place, value) in row.iter_mut().enumerate().take(self.rows.places()) {
                let (lane, index) = self.rows.entry(component, place);
                let trajectory = self.setting.job.rows[self.sample(lane)] as usize;
                *value = T::from_f64(arrays[trajectory * width + index]);
            }
        }
    }

    /// The sample in a lane; lanes beyond the tile repeat its first sample.
    pub(super) fn sample(&self, lane: usize) -> usize {
        self.range.first + if lane < self.range.count { lane } else { 0 }
    }

    pub(super) fn weights(&self) -> &'a WeightValues<T> {
        &self.setting.weights[self.setting.job.member(self.range.group)]
    }

    /// Runs the encode program; leaves its memory ready for the reverse part.
    pub(super) fn encode(&mut self, first: &[f64], buffers: &mut Buffers<T>) {
        let Some(linked) = &self.setting.cpu.encode else { return };
        let memory = &mut buffers.encode;
        super::run::allocate(memory, linked, 1);
        let frame = linked.work;
        let model = &self.setting.cpu.model;
        let mut observation = vec![T::ZERO; model.window.frames * model.outputs.len() * self.rows.length];
        self.fill(&mut observation, first, model.window_len());
        write_rows(memory, linked.ports[0], frame, &observation);
        write_rows(memory, linked.ports[1], frame, &self.theta[..model.theta.len() * LANES]);
        self.write_inputs(memory, linked.ports[2], frame, 0, 1.0, 0.0);
        self.write_time(memory, linked.ports[3], frame, self.setting.grid.observation(0));
        run(linked, 0..linked.forward, memory, frame, self.weights(), None, &mut buffers.scratch);
        read_rows(memory, &linked.outputs[0], frame, self.rows.length, &mut self.state);
        if model.makes_parameters() {
            // Parameters come first; where they are held, only the latents behind them are taken.
            let held = if self.setting.job.hold_theta { model.theta.len() } else { 0 };
            read_rows(memory, &linked.outputs[1][held..], frame, LANES, &mut self.theta[held * LANES..]);
        }
    }

    fn write_inputs(&self, memory: &mut [T], port: Address, frame: usize, interval: usize, left: f64, right: f64) {
        let (job, m) = (self.setting.job, self.setting.cpu.model.inputs.len());
        let per_row = (job.trajectories.steps + 1) * m;
        for i in 0..m {
            let row: Row<T> = std::array::from_fn(|lane| {
                let start = job.rows[self.sample(lane)] as usize * per_row + interval * m + i;
                let u = &job.trajectories.inputs;
                // The next value is read only where it counts: a held input needs none.
                T::from_f64(if right == 0.0 { left * u[start] } else { left * u[start] + right * u[start + m] })
            });
            write_row(memory, port, frame, i, &row);
        }
    }

    fn write_time(&self, memory: &mut [T], port: Address, frame: usize, time: f64) {
        let row: Row<T> = std::array::from_fn(|lane| T::from_f64(self.t0[lane] + time));
        write_row(memory, port, frame, 0, &row);
    }

    /// Steps through one interval. Stage frames start at `frames` and are one frame apart if `keep`; with `count`,
    /// observables are added up and the state is checked.
    pub fn interval(
        &mut self,
        linked: &Linked,
        buffers: &mut Buffers<T>,
        interval: usize,
        keep: Option<usize>,
        count: bool,
    ) {
        let Setting { cpu, grid, .. } = self.setting;
        let tableau = &cpu.tableau;
        let (n, stages) = (self.state.len(), tableau.stages());
        let interpolation = cpu.model.spec.model.inputs;
        let h = T::from_f64(grid.step_length(interval));
        let weights = self.weights();
        buffers.rates.resize(stages * n, T::ZERO);
        write_rows(&mut buffers.evolve, linked.ports[ports::THETA], linked.work, &self.theta);
        for substep in 0..grid.substeps() {
            for stage in 0..stages {
                let frame = linked.work + keep.map_or(0, |first| (first + substep * stages + stage) * linked.frame);
                let memory = &mut buffers.evolve;
                for row in 0..n / LANES {
                    let mut at: Row<T> = row_of(&self.state, row);
                    for (j, a) in tableau.a[stage].iter().enumerate().filter(|(_, a)| **a != 0.0) {
                        let factor = h * T::from_f64(*a);
                        let rate: Row<T> = row_of(&buffers.rates[j * n..], row);
                        for lane in 0..LANES {
                            at[lane] += factor * rate[lane];
                        }
                    }
                    write_row(memory, linked.ports[ports::STATE], frame, row, &at);
                }
                let c = tableau.c[stage];
                let w = grid.input_weights(interpolation, substep, c);
                self.write_inputs(memory, linked.ports[ports::INPUT], frame, interval, w.left, w.right);
                self.write_time(memory, linked.ports[ports::TIME], frame, grid.stage(interval, substep, c));
                run(linked, 0..linked.forward, memory, frame, weights, None, &mut buffers.scratch);
                let rate = &mut buffers.rates[stage * n..(stage + 1) * n];
                read_rows(memory, &linked.outputs[0], frame, self.rows.length, rate);
                if count {
                    for (sums, address) in self.observables.iter_mut().zip(&linked.outputs[1]) {
                        let row = &memory[address.at(frame)..][..LANES];
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum += value.to_f64();
                        }
                    }
                }
            }
            if tableau.map {
                self.state.copy_from_slice(&buffers.rates[..n]);
            } else {
                for (stage, b) in tableau.b.iter().enumerate() {
                    let factor = h * T::from_f64(*b);
                    for (s, k) in self.state.iter_mut().zip(&buffers.rates[stage * n..(stage + 1) * n]) {
                        *s += factor * *k;
                    }
                }
            }
        }
        if count {
            mark(&mut self.failed, &self.state, self.rows, interval);
        }
    }

    /// Runs observe at the end of an interval and adds the residuals; predictions go to `predictions` if given.
    pub fn observe(&mut self, buffers: &mut Buffers<T>, interval: usize, predictions: Option<&mut [T]>) {
        let targets = &self.setting.job.trajectories.targets;
        let model = &self.setting.cpu.model;
        let extended = model.observe.ports.len() > ports::TARGET;
        if targets.is_none() && predictions.is_none() && !extended {
            return;
        }
        let linked = &self.setting.cpu.observe;
        self.run_observe(buffers, interval);
        let memory = &buffers.observe;
        let frame = linked.work;
        if targets.is_some() {
            for (component, address) in linked.outputs[0].iter().enumerate() {
                let row = &memory[address.at(frame)..][..self.rows.places()];
                for (place, value) in row.iter().enumerate() {
                    let (lane, index) = self.rows.entry(component, place);
                    if lane >= self.range.count {
                        break;
                    }
                    if let Some((residual, _)) = self.residual(lane, interval, (component, index), *value) {
                        self.squared_error[lane] += (residual * residual).to_f64();
                        self.present[lane] += 1.0;
                    }
                }
            }
        }
        if let Some(output) = model.observables_output() {
            let first = model.objective.observables.stages.len();
            for (sums, address) in self.observables[first..].iter_mut().zip(&linked.outputs[output]) {
                let row = &memory[address.at(frame)..][..LANES];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value.to_f64();
                }
            }
        }
        if let Some(output) = model.points_output() {
            for lane in 0..self.range.count {
                if self.point(lane, interval).is_some() {
                    let coordinates = linked.outputs[output].iter();
                    self.points[lane].extend(coordinates.map(|a| memory[a.at(frame) + lane].to_f64()));
                }
            }
        }
        if let Some(predictions) = predictions {
            read_rows(memory, &linked.outputs[0], frame, self.rows.length, predictions);
        }
    }

    /// The place among the points of its group that a lane has at the end of an interval, if it has one.
    pub(super) fn point(&self, lane: usize, interval: usize) -> Option<usize> {
        let (job, steps) = (self.setting.job, self.setting.grid.intervals());
        let in_group = self.range.first + lane - self.range.group * job.per_group();
        self.setting.cpu.model.objective.points.place(in_group * steps + interval, job.per_group() * steps)
    }

    /// Coordinates of the points of all samples, one after the other.
    pub fn points(&mut self) -> Vec<f64> {
        std::mem::take(&mut self.points).concat()
    }

    /// (ŷ − y) / scale and 1 / scale for a present entry.
    pub(super) fn residual(
        &self,
        lane: usize,
        interval: usize,
        (component, index): (usize, usize),
        value: T,
    ) -> Option<(T, T)> {
        let t = self.setting.job.trajectories;
        let k = self.setting.cpu.model.output_len();
        let row = self.setting.job.rows[self.sample(lane)] as usize;
        let target = t.targets.as_ref()?[(row * t.steps + interval) * k + index];
        let inverse = T::from_f64(1.0 / t.residual_scale.as_ref().map_or(1.0, |s| s[component]));
        (!target.is_nan()).then(|| ((value - T::from_f64(target)) * inverse, inverse))
    }

    /// The forward part of observe at the end of an interval: sees u and time of the observation.
    pub(super) fn run_observe(&self, buffers: &mut Buffers<T>, interval: usize) {
        let linked = &self.setting.cpu.observe;
        let memory = &mut buffers.observe;
        let frame = linked.work;
        if memory.is_empty() {
            super::run::allocate(memory, linked, 1);
        }
        write_rows(memory, linked.ports[ports::STATE], frame, &self.state);
        write_rows(memory, linked.ports[ports::THETA], frame, &self.theta);
        self.write_inputs(memory, linked.ports[ports::INPUT], frame, interval + 1, 1.0, 0.0);
        self.write_time(memory, linked.ports[ports::TIME], frame, self.setting.grid.observation(interval + 1));
        if self.setting.cpu.model.observe.ports.len() > ports::TARGET {
            self.write_targets(memory, interval);
        }
        run(linked, 0..linked.forward, memory, frame, self.weights(), None, &mut buffers.scratch);
    }

    /// Writes observations, 0 where missing, and the weight of each entry.
    fn write_targets(&self, memory: &mut [T], interval: usize) {
        let linked = &self.setting.cpu.observe;
        let (t, k) = (self.setting.job.trajectories, self.setting.cpu.model.output_len());
        let [target, present] = [ports::TARGET, ports::PRESENT].map(|port| linked.ports[port].at(linked.work));
        for component in 0..self.setting.cpu.model.outputs.len() {
            let weight = 1.0 / t.residual_scale.as_ref().map_or(1.0, |s| s[component]);
            for place in 0..self.rows.places() {
                let (lane, index) = self.rows.entry(component, place);
                let row = self.setting.job.rows[self.sample(lane)] as usize;
                let value = t.targets.as_ref().map_or(f64::NAN, |y| y[(row * t.steps + interval) * k + index]);
                let at = component * self.rows.length + place;
                memory[target + at] = T::from_f64(if value.is_nan() { 0.0 } else { value });
                memory[present + at] = T::from_f64(if value.is_nan() { 0.0 } else { weight });
            }
        }
    }

    /// Appends the current state to the trail of the segment.
    pub fn leave_trail(&self, buffers: &mut Buffers<T>, position: usize) {
        let n = self.state.len();
        let size = buffers.trail.len().max((position + 1) * n);
        buffers.trail.resize(size, T::ZERO);
        buffers.trail[position * n..(position + 1) * n].copy_from_slice(&self.state);
    }

    /// Sums of every sample.
    pub fn sums(&self) -> impl Iterator<Item = Sums> + '_ {
        let entries = (self.setting.grid.intervals() * self.setting.cpu.model.output_len()) as f64;
        let evaluations = (self.setting.grid.steps() * self.setting.cpu.tableau.stages()) as f64;
        (0..self.range.count).map(move |lane| Sums {
            squared_error: self.squared_error[lane],
            present: self.present[lane],
            observables: std::array::from_fn(|q| self.observables[q][lane]),
            stage_count: evaluations,
            entries,
        })
    }

    /// Status of every sample.
    pub fn status(&self) -> impl Iterator<Item = Status> + '_ {
        (0..self.range.count).map(|lane| match (self.failed[lane], self.adjoint_failed[lane]) {
            (Some(step), _) => Status { code: StatusCode::NonFiniteState, step },
            (None, Some(step)) => Status { code: StatusCode::NonFiniteAdjoint, step },
            (None, None) => Status::default(),
        })
    }
}
