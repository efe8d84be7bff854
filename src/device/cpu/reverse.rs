//! The reverse pass of a tile: the exact reverse of the steps taken.

use super::LANES;
use super::rows::{Row, Rows, add_rows, mark, read_rows, row_of, write_row, write_rows};
use super::run::run;
use super::tile::{Buffers, Setting, Tile};
use super::weights::WeightGradient;
use crate::device::Start;
use crate::graph::Vector;
use crate::model::{Seeds, ports};

/// Derivatives of a tile.
pub struct TileGradient<T> {
    /// θ̄, a row of lanes per parameter.
    pub theta: Vec<T>,
    /// Cotangent of the initial state, a row per component.
    pub start: Vec<T>,
}

impl<T: Vector> Tile<'_, T> {
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
        let stage_observables = cpu.model.objective.observables.stages.len();
        for (i, seed) in seeds.observables[..stage_observables].iter().enumerate() {
            let row: Row<T> = std::array::from_fn(|lane| T::from_f64(seed * lane_weight[lane]));
            write_row(&mut buffers.evolve, linked.ports[ports::TIME + 2], linked.work, i, &row);
        }
        let observed = job.objective.seeds_observations()
            && (job.trajectories.targets.is_some() || cpu.model.observe.ports.len() > ports::TARGET);
        let mut stage_cotangents = vec![T::ZERO; stages * n];
        for interval in range.clone().rev() {
            if observed {
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
        let model = &self.setting.cpu.model;
        // Ports of cotangents follow those of the program.
        let cotangent = model.observe.ports.len();
        for (component, address) in linked.outputs[0].iter().enumerate() {
            let row = address.at(frame);
            // The rest of a plane stays zero, as it was allocated.
            let cotangents = linked.ports[cotangent].at(frame) + component * self.rows.length;
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
        if let Some(output) = model.observables_output() {
            let first = model.objective.observables.stages.len();
            for i in 0..model.objective.observables.observations.len() {
                let row: Row<T> =
                    std::array::from_fn(|lane| T::from_f64(seeds.observables[first + i] * lane_weight[lane]));
                write_row(memory, linked.ports[cotangent + output], frame, i, &row);
            }
        }
        if let Some(output) = model.points_output() {
            let width = model.objective.points.width();
            for i in 0..width {
                let row: Row<T> = std::array::from_fn(|lane| {
                    let place = (lane < self.range.count).then(|| self.point(lane, interval)).flatten();
                    T::from_f64(place.and_then(|p| seeds.points.get(p * width + i)).copied().unwrap_or(0.0))
                });
                write_row(memory, linked.ports[cotangent + output], frame, i, &row);
            }
        }
        let steps = linked.forward..linked.steps.len();
        run(linked, steps, memory, frame, self.weights(), weights, &mut buffers.scratch);
        let primal = model.observe.outputs.len();
        add_rows(memory, &linked.outputs[primal], frame, self.rows.length, &mut gradient.start);
        add_rows(memory, &linked.outputs[primal + 1], frame, LANES, &mut gradient.theta);
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
        let primal = if self.setting.cpu.model.makes_parameters() {
            // What reached the parameters goes on through the networks that made them.
            let held = if self.setting.job.hold_theta { self.setting.cpu.model.theta.len() * LANES } else { 0 };
            let mut made = gradient.theta.clone();
            made[..held].fill(T::ZERO);
            write_rows(memory, linked.ports[5], frame, &made);
            gradient.theta[held..].fill(T::ZERO);
            2
        } else {
            1
        };
        let steps = linked.forward..linked.steps.len();
        run(linked, steps, memory, frame, self.weights(), weights, &mut buffers.scratch);
        add_rows(memory, &linked.outputs[primal], frame, LANES, &mut gradient.theta);
        mark(&mut self.adjoint_failed, &gradient.theta, Rows::of(None), 0);
    }
}
