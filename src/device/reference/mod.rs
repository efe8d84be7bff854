//! The reference: programs and rollouts written as plainly as possible, one sample after another, on two number types.
//!
//! f64 gives values and, with stop-gradients held, finite differences; [`Dual`] gives forward-mode derivatives. It shares
//! the programs with the devices, but neither their memory plans nor their reverse pass, so it judges both.

mod number;
mod program;

pub use number::{Dual, Held, Number};
pub use program::evaluate_plain;

use super::batch::{Job, Start};
use crate::model::{Model, ObjectiveTerms, Sums, ports};
use crate::solve::tableau;
use program::{add, evaluate, mul};

/// What a rollout depends on, in the reference's numbers.
#[derive(Clone, Debug)]
pub struct Point<N> {
    /// Weights of one member.
    pub weights: Vec<N>,
    /// θ `[samples, p]`
    pub theta: Vec<N>,
    /// Initial states `[samples, n]`.
    pub start: Vec<N>,
}

impl Point<f64> {
    /// The point of a job with one member. Without given states, `start` is empty.
    pub fn of(job: &Job, model: &Model) -> Point<f64> {
        let n = model.integrated_len();
        let start = match &job.trajectories.start {
            Start::States(states) => {
                job.rows.iter().flat_map(|r| states[*r as usize * n..(*r as usize + 1) * n].to_vec()).collect()
            }
            // They follow from the window.
            Start::Observations(_) => Vec::new(),
        };
        Point { weights: job.weights.member(0).to_vec(), theta: job.theta.to_vec(), start }
    }

    /// The point with a direction.
    pub fn along(&self, direction: &Point<f64>) -> Point<Dual> {
        let join = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(value, slope)| Dual { value: *value, slope: *slope }).collect()
        };
        Point {
            weights: join(&self.weights, &direction.weights),
            theta: join(&self.theta, &direction.theta),
            start: join(&self.start, &direction.start),
        }
    }

    /// The point moved by `step` times a direction.
    pub fn moved(&self, direction: &Point<f64>, step: f64) -> Point<f64> {
        let go = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, d)| x + step * d).collect();
        Point {
            weights: go(&self.weights, &direction.weights),
            theta: go(&self.theta, &direction.theta),
            start: go(&self.start, &direction.start),
        }
    }
}

/// The objective of a job with one group at a point: its terms, and its derivative if the numbers carry one.
pub fn objective<N: Number>(model: &Model, job: &Job, point: &Point<N>, held: &mut Held) -> (ObjectiveTerms, f64) {
    let grid = job.grid(model).expect("a checked job");
    let scheme = tableau(model.spec.solver.method);
    let t = job.trajectories;
    let (n, p, m, k) = (model.integrated_len(), model.theta.len(), model.inputs.len(), model.output_len());
    let layout = &model.objective.points;
    let candidates = job.samples() * t.steps;
    let mut points: Vec<N> = Vec::new();
    let weight = |id: u32, index: usize| point.weights[model.weights.shapes()[id as usize].offset + index];
    let mut sums = Sums::default();
    let mut slopes = Sums::default();
    let mut record = |x: N, target: &dyn Fn(&mut Sums) -> &mut f64, times: f64| {
        *target(&mut sums) += times * x.value();
        *target(&mut slopes) += times * x.slope();
    };
    let stage_observables = model.objective.observables.stages.len();
    let mut counts = (0.0, 0.0, 0.0);
    for sample in 0..job.samples() {
        let row = job.rows[sample] as usize;
        let t0 = t.t0.get(row).copied().unwrap_or(0.0);
        let theta = &point.theta[sample * p..(sample + 1) * p];
        let times = job.multiplicity(sample);
        let input = |interval: usize, left: f64, right: f64| -> Vec<N> {
            (0..m)
                .map(|i| {
                    let at = |k: usize| t.inputs[(row * (t.steps + 1) + k) * m + i];
                    N::constant(if right == 0.0 {
                        left * at(interval)
                    } else {
                        left * at(interval) + right * at(interval + 1)
                    })
                })
                .collect()
        };
        let (mut state, encoded) = match (&t.start, &model.encode) {
            (Start::Observations(windows), Some(encode)) => {
                let width = model.window_len();
                let seen: Vec<N> = windows[row * width..(row + 1) * width].iter().map(|v| N::constant(*v)).collect();
                let time = [N::constant(t0)];
                let mut out = evaluate(encode, &[&seen, theta, &input(0, 1.0, 0.0), &time], &weight, held);
                let made = (out.len() > 1).then(|| out.swap_remove(1));
                (out.swap_remove(0), made)
            }
            _ => (point.start[sample * n..(sample + 1) * n].to_vec(), None),
        };
        let theta = encoded.as_deref().unwrap_or(theta);
        for interval in 0..grid.intervals() {
            let h = N::constant(grid.step_length(interval));
            for substep in 0..grid.substeps() {
                let mut rates: Vec<Vec<N>> = Vec::new();
                for stage in 0..scheme.stages() {
                    let mut at = state.clone();
                    for (a, rate) in scheme.a[stage].iter().zip(&rates) {
                        for (x, r) in at.iter_mut().zip(rate) {
                            *x = add(*x, mul(mul(h, N::constant(*a)), *r));
                        }
                    }
                    let w = grid.input_weights(model.spec.model.inputs, substep, scheme.c[stage]);
                    let u = input(interval, w.left, w.right);
                    let time = [N::constant(t0 + grid.stage(interval, substep, scheme.c[stage]))];
                    let inputs: [&[N]; 4] = [&at, theta, &u, &time];
                    let mut out = evaluate(&model.evolve, &inputs, &weight, held);
                    for (i, value) in out[1].iter().enumerate() {
                        record(*value, &|s| &mut s.observables[i], times);
                    }
                    counts.1 += times;
                    rates.push(out.swap_remove(0));
                }
                if scheme.map {
                    state = rates.swap_remove(0);
                } else {
                    for (b, rate) in scheme.b.iter().zip(&rates) {
                        for (x, r) in state.iter_mut().zip(rate) {
                            *x = add(*x, mul(mul(h, N::constant(*b)), *r));
                        }
                    }
                }
            }
            counts.2 += times * k as f64;
            let entry = |i: usize| {
                let target = t.targets.as_ref().map_or(f64::NAN, |y| y[(row * t.steps + interval) * k + i]);
                let scale = t.residual_scale.as_ref().map_or(1.0, |s| s[i / model.cells()]);
                (!target.is_nan()).then_some((target, 1.0 / scale))
            };
            let u = input(interval + 1, 1.0, 0.0);
            let time = [N::constant(t0 + grid.observation(interval + 1))];
            let mut inputs: Vec<&[N]> = vec![&[]; 4];
            inputs[ports::STATE] = &state;
            inputs[ports::THETA] = theta;
            inputs[ports::INPUT] = &u;
            inputs[ports::TIME] = &time;
            let entries: Vec<(f64, f64)> = (0..k).map(|i| entry(i).unwrap_or_default()).collect();
            let target: Vec<N> = entries.iter().map(|(target, _)| N::constant(*target)).collect();
            let present: Vec<N> = entries.iter().map(|(_, weight)| N::constant(*weight)).collect();
            if model.observe.ports.len() > inputs.len() {
                inputs.extend([&target[..], &present[..]]);
            }
            let y = evaluate(&model.observe, &inputs, &weight, held);
            for (i, y) in y[0].iter().enumerate() {
                if let Some((target, weight)) = entry(i) {
                    let residual = mul(add(*y, N::constant(-target)), N::constant(weight));
                    record(mul(residual, residual), &|s| &mut s.squared_error, times);
                    counts.0 += times;
                }
            }
            if let Some(output) = model.observables_output() {
                for (i, value) in y[output].iter().enumerate() {
                    record(*value, &|s| &mut s.observables[stage_observables + i], times);
                }
            }
            if let (Some(output), Some(_)) =
                (model.points_output(), layout.place(sample * t.steps + interval, candidates))
            {
                points.extend(&y[output]);
            }
        }
    }
    sums.present = counts.0;
    sums.stage_count = counts.1;
    sums.entries = counts.2;
    let coordinates: Vec<f64> = points.iter().map(|x| x.value()).collect();
    let (terms, seeds) = job.objective.evaluate(&sums, &coordinates);
    let mut derivative = seeds.squared_error * slopes.squared_error;
    for (seed, slope) in seeds.observables.iter().zip(slopes.observables) {
        derivative += seed * slope;
    }
    for (seed, point) in seeds.points.iter().zip(&points) {
        derivative += seed * point.slope();
    }
    (terms, derivative)
}
