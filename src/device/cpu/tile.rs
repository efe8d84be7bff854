//! One tile: up to [`LANES`] samples of one group, stepped together; on a grid a single sample with all its cells.
//!
//! A tile is always computed at full width. Lanes without a sample repeat the first one and have cotangent zero, so a
//! trajectory's bits depend neither on the size of the batch nor on its place in it. On a grid states and observations are
//! planes of cells, everything else rows of lanes as before.

use super::link::{Address, Linked};
use super::matrix::Vector;
use super::plane::Planes;
use super::run::{Scratch, run};
use super::weights::{WeightGradient, WeightValues};
use super::{Cpu, LANES};
use crate::device::{Job, Start, Status, StatusCode};
use crate::graph::Real;
use crate::model::{Seeds, Sums, ports};
use crate::solve::TimeGrid;

/// One row of lanes.
pub type Row<T> = [T; LANES];

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
    observe: Vec<T>,
    encode: Vec<T>,
    scratch: Scratch<T>,
    rates: Vec<T>,
    /// States at the ends of intervals of the current segment.
    trail: Vec<T>,
}

/// Rows of states and observations: lanes of samples, or the cells of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Numbers per row.
    pub length: usize,
    /// Cells; 0 where the places of a row are samples.
    cells: usize,
}

impl Rows {
    /// The rows of a model's states.
    pub fn of(planes: Option<&Planes>) -> Rows {
        planes.map_or(Rows { length: LANES, cells: 0 }, |p| Rows { length: p.stride, cells: p.cells() })
    }

    /// Samples per row.
    pub fn samples(self) -> usize {
        if self.cells == 0 { LANES } else { 1 }
    }

    /// Places of a row that hold something.
    fn places(self) -> usize {
        if self.cells == 0 { LANES } else { self.cells }
    }

    /// Lane of the sample, and number inside its array, of a place of a component's row.
    fn entry(self, component: usize, place: usize) -> (usize, usize) {
        if self.cells == 0 { (place, component) } else { (0, component * self.cells + place) }
    }

    /// All numbers of a sample in the order of its array.
    pub fn array<T: Real>(self, rows: &[T], lane: usize) -> impl Iterator<Item = f64> + '_ {
        rows.chunks_exact(self.length).flat_map(move |row| {
            match self.cells {
                0 => row[lane..=lane].iter(),
                cells => row[..cells].iter(),
            }
            .map(|v| v.to_f64())
        })
    }
}

/// A tile on its way.
pub struct Tile<'a, T> {
    setting: &'a Setting<'a, T>,
    range: TileRange,
    theta: Vec<T>,
    /// The current state, a row per component.
    pub state: Vec<T>,
    /// Rows of states and observations.
    rows: Rows,
    t0: [f64; LANES],
    squared_error: [f64; LANES],
    present: [f64; LANES],
    stages: [[f64; LANES]; 3],
    failed: [Option<u32>; LANES],
    adjoint_failed: [Option<u32>; LANES],
}

/// Derivatives of a tile.
pub struct TileGradient<T> {
    /// θ̄, a row of lanes per parameter.
    pub theta: Vec<T>,
    /// Cotangent of the initial state, a row per component.
    pub start: Vec<T>,
}

impl<'a, T: Vector> Tile<'a, T> {
    /// A tile at its initial state.
    pub fn new(setting: &'a Setting<'a, T>, range: TileRange, buffers: &mut Buffers<T>) -> Self {
        let (job, model) = (setting.job, &setting.cpu.model);
        let (n, p) = (model.state_len(), model.theta.len());
        let rows = setting.cpu.rows;
        let mut tile = Tile {
            setting,
            range,
            theta: vec![T::ZERO; p * LANES],
            state: vec![T::ZERO; model.state.len() * rows.length],
            rows,
            t0: [0.0; LANES],
            squared_error: [0.0; LANES],
            present: [0.0; LANES],
            stages: [[0.0; LANES]; 3],
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
    fn sample(&self, lane: usize) -> usize {
        self.range.first + if lane < self.range.count { lane } else { 0 }
    }

    fn weights(&self) -> &'a WeightValues<T> {
        &self.setting.weights[self.setting.job.member(self.range.group)]
    }

    /// Runs the encode program; leaves its memory ready for the reverse part.
    fn encode(&mut self, first: &[f64], buffers: &mut Buffers<T>) {
        let Some(linked) = &self.setting.cpu.encode else { return };
        let memory = &mut buffers.encode;
        super::run::allocate(memory, linked, 1);
        let frame = linked.work;
        let model = &self.setting.cpu.model;
        let mut observation = vec![T::ZERO; model.outputs.len() * self.rows.length];
        self.fill(&mut observation, first, model.output_len());
        write_rows(memory, linked.ports[0], frame, &observation);
        write_rows(memory, linked.ports[1], frame, &self.theta);
        self.write_inputs(memory, linked.ports[2], frame, 0, 1.0, 0.0);
        self.write_time(memory, linked.ports[3], frame, self.setting.grid.observation(0));
        run(linked, 0..linked.forward, memory, frame, self.weights(), None, &mut buffers.scratch);
        read_rows(memory, &linked.outputs[0], frame, self.rows.length, &mut self.state);
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
                    for (sums, address) in self.stages.iter_mut().zip(&linked.outputs[1]) {
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
        if targets.is_none() && predictions.is_none() {
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
        if let Some(predictions) = predictions {
            read_rows(memory, &linked.outputs[0], frame, self.rows.length, predictions);
        }
    }

    /// (ŷ − y) / scale and 1 / scale for a present entry.
    fn residual(&self, lane: usize, interval: usize, (component, index): (usize, usize), value: T) -> Option<(T, T)> {
        let t = self.setting.job.trajectories;
        let k = self.setting.cpu.model.output_len();
        let row = self.setting.job.rows[self.sample(lane)] as usize;
        let target = t.targets.as_ref()?[(row * t.steps + interval) * k + index];
        let inverse = T::from_f64(1.0 / t.residual_scale.as_ref().map_or(1.0, |s| s[component]));
        (!target.is_nan()).then(|| ((value - T::from_f64(target)) * inverse, inverse))
    }

    /// The forward part of observe at the end of an interval: sees u and time of the observation.
    fn run_observe(&self, buffers: &mut Buffers<T>, interval: usize) {
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
        run(linked, 0..linked.forward, memory, frame, self.weights(), None, &mut buffers.scratch);
    }

    /// Walks the intervals `range` backwards. Frames of interval k start at frame `(k − range.start) · per_interval`;
    /// the states at the interval ends stand in the trail. `cotangent` and `theta` are updated in place.
    pub fn reverse(
        &mut self,
        buffers: &mut Buffers<T>,
        range: std::ops::Range<usize>,
        seeds: &Seeds,
        gradient: &mut TileGradient<T>,
        mut weights: Option<&mut WeightGradient<T>>,
    ) {
        let Setting { cpu, grid, job, .. } = self.setting;
        let (tableau, linked) = (&cpu.tableau, &cpu.evolve_reverse);
        let (n, stages) = (self.state.len(), tableau.stages());
        let values = self.weights();
        let lane_weight: [f64; LANES] =
            std::array::from_fn(|lane| if lane < self.range.count { job.multiplicity(self.sample(lane)) } else { 0.0 });
        write_rows(&mut buffers.evolve, linked.ports[ports::THETA], linked.work, &self.theta);
        for (i, seed) in seeds.stages.iter().enumerate() {
            let row: Row<T> = std::array::from_fn(|lane| T::from_f64(seed * lane_weight[lane]));
            write_row(&mut buffers.evolve, linked.ports[ports::TIME + 2], linked.work, i, &row);
        }
        let mut stage_cotangents = vec![T::ZERO; stages * n];
        for interval in range.clone().rev() {
            if job.trajectories.targets.is_some() && seeds.squared_error != 0.0 {
                let start = (interval - range.start) * n;
                self.state.copy_from_slice(&buffers.trail[start..start + n]);
                self.reverse_observe(buffers, interval, seeds, &lane_weight, gradient, weights.as_deref_mut());
            }
            let h = T::from_f64(grid.step_length(interval));
            for substep in (0..grid.substeps()).rev() {
                for stage in (0..stages).rev() {
                    let index = ((interval - range.start) * grid.substeps() + substep) * stages + stage;
                    let frame = linked.work + index * linked.frame;
                    let memory = &mut buffers.evolve;
                    let b = if tableau.map { T::ONE } else { h * T::from_f64(tableau.b[stage]) };
                    for row in 0..n / LANES {
                        let mut rate: Row<T> = row_of(&gradient.start, row);
                        for value in &mut rate {
                            *value = b * *value;
                        }
                        for later in stage + 1..stages {
                            let factor = h * T::from_f64(tableau.a[later][stage]);
                            let other: Row<T> = row_of(&stage_cotangents[later * n..], row);
                            for lane in 0..LANES {
                                rate[lane] += factor * other[lane];
                            }
                        }
                        write_row(memory, linked.ports[ports::TIME + 1], frame, row, &rate);
                    }
                    let steps = linked.forward..linked.steps.len();
                    run(linked, steps, memory, frame, values, weights.as_deref_mut(), &mut buffers.scratch);
                    let cotangent = &mut stage_cotangents[stage * n..(stage + 1) * n];
                    read_rows(memory, &linked.outputs[2], frame, self.rows.length, cotangent);
                    add_rows(memory, &linked.outputs[3], frame, LANES, &mut gradient.theta);
                }
                if tableau.map {
                    gradient.start.copy_from_slice(&stage_cotangents[..n]);
                } else {
                    for stage in 0..stages {
                        for (sum, c) in gradient.start.iter_mut().zip(&stage_cotangents[stage * n..]) {
                            *sum += *c;
                        }
                    }
                }
            }
            mark(&mut self.adjoint_failed, &gradient.start, self.rows, interval);
            mark(&mut self.adjoint_failed, &gradient.theta, Rows::of(None), interval);
        }
    }

    fn reverse_observe(
        &self,
        buffers: &mut Buffers<T>,
        interval: usize,
        seeds: &Seeds,
        lane_weight: &[f64; LANES],
        gradient: &mut TileGradient<T>,
        weights: Option<&mut WeightGradient<T>>,
    ) {
        let linked = &self.setting.cpu.observe;
        self.run_observe(buffers, interval);
        let (memory, frame) = (&mut buffers.observe, linked.work);
        for (component, address) in linked.outputs[0].iter().enumerate() {
            let row = address.at(frame);
            // The rest of a plane stays zero, as it was allocated.
            let cotangents = linked.ports[ports::TIME + 1].at(frame) + component * self.rows.length;
            for place in 0..self.rows.places() {
                let (lane, index) = self.rows.entry(component, place);
                let seed = T::from_f64(2.0 * seeds.squared_error * lane_weight[lane]);
                memory[cotangents + place] =
                    match self.residual(lane, interval, (component, index), memory[row + place]) {
                        Some((residual, inverse)) if lane < self.range.count => seed * residual * inverse,
                        _ => T::ZERO,
                    };
            }
        }
        let steps = linked.forward..linked.steps.len();
        run(linked, steps, memory, frame, self.weights(), weights, &mut buffers.scratch);
        add_rows(memory, &linked.outputs[1], frame, self.rows.length, &mut gradient.start);
        add_rows(memory, &linked.outputs[2], frame, LANES, &mut gradient.theta);
    }

    /// Carries the cotangent of the initial state on to θ through encode.
    pub fn reverse_encode(
        &mut self,
        buffers: &mut Buffers<T>,
        gradient: &mut TileGradient<T>,
        weights: Option<&mut WeightGradient<T>>,
    ) {
        let (Start::Observations(first), Some(linked)) =
            (&self.setting.job.trajectories.start, &self.setting.cpu.encode)
        else {
            return;
        };
        self.encode(first, buffers);
        let (memory, frame) = (&mut buffers.encode, linked.work);
        write_rows(memory, linked.ports[4], frame, &gradient.start);
        let steps = linked.forward..linked.steps.len();
        run(linked, steps, memory, frame, self.weights(), weights, &mut buffers.scratch);
        add_rows(memory, &linked.outputs[1], frame, LANES, &mut gradient.theta);
        mark(&mut self.adjoint_failed, &gradient.theta, Rows::of(None), 0);
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
        let evaluations = (self.setting.grid.steps() * self.setting.cpu.tableau.stages()) as f64;
        (0..self.range.count).map(move |lane| Sums {
            squared_error: self.squared_error[lane],
            present: self.present[lane],
            stages: std::array::from_fn(|q| self.stages[q][lane]),
            stage_count: evaluations,
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

fn row_of<T: Real>(rows: &[T], row: usize) -> Row<T> {
    let mut out = [T::ZERO; LANES];
    out.copy_from_slice(&rows[row * LANES..(row + 1) * LANES]);
    out
}

fn write_row<T: Real>(memory: &mut [T], port: Address, frame: usize, row: usize, values: &Row<T>) {
    let start = port.at(frame) + row * LANES;
    memory[start..start + LANES].copy_from_slice(values);
}

fn write_rows<T: Real>(memory: &mut [T], port: Address, frame: usize, values: &[T]) {
    let start = port.at(frame);
    memory[start..start + values.len()].copy_from_slice(values);
}

fn read_rows<T: Real>(memory: &[T], rows: &[Address], frame: usize, length: usize, to: &mut [T]) {
    for (row, address) in to.chunks_exact_mut(length).zip(rows) {
        row.copy_from_slice(&memory[address.at(frame)..][..length]);
    }
}

fn add_rows<T: Real>(memory: &[T], rows: &[Address], frame: usize, length: usize, to: &mut [T]) {
    for (row, address) in to.chunks_exact_mut(length).zip(rows) {
        for (sum, value) in row.iter_mut().zip(&memory[address.at(frame)..][..length]) {
            *sum += *value;
        }
    }
}

/// Records the first interval at which a sample's part of `values` was not finite.
fn mark<T: Real>(failed: &mut [Option<u32>; LANES], values: &[T], rows: Rows, interval: usize) {
    for row in values.chunks_exact(rows.length) {
        for (place, value) in row.iter().enumerate().take(rows.places()) {
            if !value.is_finite() {
                failed[rows.entry(0, place).0].get_or_insert(interval as u32);
            }
        }
    }
}
