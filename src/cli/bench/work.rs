//! Random trajectories of a benchmark.

use super::workloads::BuiltIn;
use crate::device::{Job, Start, Trajectories};
use crate::model::{Model, Objective};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use crate::train::draw_theta;

/// Most samples of a forward job, and most trajectories that are drawn.
const PART: usize = 1 << 16;

/// Most bytes of trajectories. A larger batch runs through them again, each time with other θ, so that what is held hardly
/// grows with the batch.
const DRAWN: usize = 128 << 20;

/// Random trajectories: θ from its prior, inputs and observations uniform in [-1, 1], states in the range of the workload.
pub struct Work {
    /// The trajectories.
    pub trajectories: Trajectories,
    /// A trajectory for each sample of the batch.
    pub rows: Vec<u32>,
    /// θ of each sample.
    theta: Vec<f64>,
    parameters: usize,
}

impl Work {
    /// A batch of bounded memory.
    pub fn new(model: &Model, built_in: &BuiltIn, batch: usize, steps: usize) -> Work {
        let numbers = model.state_len() + (steps + 1) * model.inputs.len() + steps * model.output_len();
        let count = batch.min(DRAWN / (8 * numbers)).clamp(1, PART);
        Work::drawn(model, built_in, [count, batch], steps)
    }

    /// A batch that runs through `count` trajectories.
    pub fn drawn(model: &Model, built_in: &BuiltIn, [count, batch]: [usize; 2], steps: usize) -> Work {
        let stream = Stream::new(0, Purpose::Starts);
        let draw = |numbers: usize, step: u32, [low, high]: [f64; 2]| -> Vec<f64> {
            (0..numbers).map(|i| low + (high - low) * stream.uniform(i as u32, step)).collect()
        };
        let states = model.lift(&draw(count * model.state_len(), 0, built_in.start));
        Work {
            trajectories: Trajectories {
                inputs: draw(count * (steps + 1) * model.inputs.len(), 1, [-1.0, 1.0]),
                targets: Some(draw(count * steps * model.output_len(), 2, [-1.0, 1.0])),
                ..Trajectories::from_states(count, steps, states)
            },
            rows: (0..batch).map(|i| (i % count) as u32).collect(),
            theta: draw_theta(model, &Stream::new(0, Purpose::Theta), 0, batch, 0),
            parameters: model.theta.len(),
        }
    }

    /// Memory of the trajectories and of θ.
    pub fn bytes(&self) -> usize {
        let t = &self.trajectories;
        let (Start::States(start) | Start::Observations(start)) = &t.start;
        let numbers = start.len() + t.inputs.len() + t.targets.as_ref().map_or(0, Vec::len);
        8 * (numbers + self.theta.len()) + 4 * self.rows.len()
    }

    /// One group of the whole batch.
    pub fn job<'a>(&'a self, weights: &'a Weights, objective: &'a Objective) -> Job<'a> {
        Job::new(&self.trajectories, &self.rows, &self.theta, weights, objective)
    }

    /// The batch in jobs of bounded size, for what needs no more than their sums.
    pub fn parts<'a>(&'a self, weights: &'a Weights, objective: &'a Objective) -> Vec<Job<'a>> {
        let part = |(part, rows): (usize, &'a [u32])| {
            let first = part * PART * self.parameters;
            let theta = &self.theta[first..first + rows.len() * self.parameters];
            Job::new(&self.trajectories, rows, theta, weights, objective)
        };
        self.rows.chunks(PART).enumerate().map(part).collect()
    }
}
