//! The oracle: where a penalty is least when the correction is perfect.
//!
//! The perfect correction is g*(s) = ds/dt − f(s; θ). It needs no network, only data whose every frame gives the state
//! (`initial`, or outputs named like the state): ds/dt comes from a cubic spline through the observed states, or, where
//! fields were simulated, from the truth itself at the frames. It tells how far a penalty's target lies from the truth
//! because physics and the missing part correlate.

use super::simulate::Truth;
use super::sweep::Criterion;
use crate::data::{Episode, Windows};
use crate::device::reference::evaluate_plain;
use crate::model::{Model, StageObservable, Sums, ThetaSpec};
use crate::program::{Operation, Program, Value};
use crate::solve::tableau;
use rayon::prelude::*;

/// Windows used of fields, evenly chosen: a frame holds a value for every cell.
const FIELD_WINDOWS: usize = 12;

/// Operations of physics that a search may take where it has to be evaluated at every θ: a few seconds. Counted and not
/// timed, so that every machine finds the same minimum.
const OPERATIONS: f64 = 1e9;

/// States and their time derivatives at the stage times, or the frames, of a set of windows.
pub struct Oracle<'a> {
    model: &'a Model,
    points: Vec<Point>,
}

struct Point {
    state: Vec<f64>,
    rate: Vec<f64>,
    input: Vec<f64>,
    time: f64,
}

impl<'a> Oracle<'a> {
    /// The oracle of windows; `None` where states cannot be read off the data or the model is a map.
    pub fn new(model: &'a Model, windows: &Windows, episodes: &[Episode]) -> Option<Oracle<'a>> {
        let encode = model.encode.as_ref()?;
        let scheme = tableau(model.spec.solver.method);
        if scheme.map || windows.count == 0 {
            return None;
        }
        let (k, m) = (model.output_len(), model.inputs.len());
        let solver = &model.spec.solver;
        let theta: Vec<f64> = (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect();
        let mut splines: Vec<Option<Vec<Spline>>> = vec![None; episodes.len()];
        let mut points = Vec::new();
        for w in used(model, windows) {
            let index = windows.episode[w] as usize;
            let episode = &episodes[index];
            if splines[index].is_none() {
                let states: Vec<Vec<f64>> = (0..episode.len)
                    .map(|frame| {
                        let y = &episode.outputs[frame * k..(frame + 1) * k];
                        let u = &episode.inputs[frame * m..(frame + 1) * m];
                        evaluate_plain(encode, &[y, &theta, u, &[frame as f64 * solver.dt]].concat())
                    })
                    .collect();
                if states.iter().flatten().any(|v| !v.is_finite()) {
                    return None;
                }
                splines[index] = Some(fit(model, &states, &theta, solver.dt));
            }
            let splines = splines[index].as_ref()?;
            let first = windows.start[w] as usize + windows.history - 1;
            for interval in 0..windows.horizon {
                for substep in 0..solver.substeps {
                    for c in &scheme.c {
                        let place = interval as f64 + (substep as f64 + c) / solver.substeps as f64;
                        let frame = first as f64 + place;
                        let u = |i: usize| {
                            let at = |j: usize| windows.u[(w * (windows.horizon + 1) + interval + j) * m + i];
                            let right = place - interval as f64;
                            match model.spec.model.inputs {
                                crate::model::Interpolation::Hold => at(0),
                                crate::model::Interpolation::Linear => (1.0 - right) * at(0) + right * at(1),
                            }
                        };
                        points.push(Point {
                            state: splines.iter().map(|s| s.value(frame)).collect(),
                            rate: splines.iter().map(|s| s.slope(frame) / solver.dt).collect(),
                            input: (0..m).map(u).collect(),
                            time: windows.t0[w] + place * solver.dt,
                        });
                    }
                }
            }
        }
        Some(Oracle { model, points })
    }

    /// The oracle of simulated fields: ds/dt by the truth at the frames of windows, without their noise. `None` where the
    /// truth has another state, is a map or is driven by inputs.
    pub fn of_truth(model: &'a Model, windows: &Windows, episodes: &[Episode], truth: &Truth) -> Option<Oracle<'a>> {
        let encode = model.encode.as_ref()?;
        let maps = [model, &truth.model].iter().any(|m| tableau(m.spec.solver.method).map);
        let driven = !model.inputs.is_empty() || !truth.model.inputs.is_empty();
        if maps || driven || model.state != truth.model.state {
            return None;
        }
        let (k, dt) = (model.output_len(), model.spec.solver.dt);
        let theta: Vec<f64> = (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect();
        let point = |(w, frame): (usize, usize)| {
            let index = windows.episode[w] as usize;
            let episode = &episodes[index];
            let place = windows.start[w] as usize + windows.history - 1 + frame;
            let observed = &episode.outputs[place * k..(place + 1) * k];
            let y = truth.without_noise(index, episode.len, place, observed);
            let time = windows.t0[w] + frame as f64 * dt;
            let state = evaluate_plain(encode, &[&y[..], &theta, &[time]].concat());
            let rate = truth.rate(index, &state, time);
            Point { state, rate, input: Vec::new(), time }
        };
        let frames: Vec<(usize, usize)> =
            used(model, windows).into_iter().flat_map(|w| (0..=windows.horizon).map(move |f| (w, f))).collect();
        let points: Vec<Point> = frames.into_par_iter().map(point).collect();
        (!points.is_empty()).then_some(Oracle { model, points })
    }

    /// Sums of the stage observables with the perfect correction at θ.
    pub fn sums(&self, theta: &[f64]) -> Sums {
        let of_point = |point: &Point| -> [f64; 3] {
            let mut sums = [0.0; 3];
            for (f, rate) in self.physics(point, theta).iter().zip(&point.rate) {
                let g = rate - f;
                sums[0] += g * g;
                sums[1] += f * g;
                sums[2] += f * f;
            }
            sums
        };
        // Collected first: the order of additions must not depend on the threads.
        let parts: Vec<[f64; 3]> = self.points.par_iter().map(of_point).collect();
        let mut sums = Sums { stage_count: self.points.len() as f64, ..Sums::default() };
        for part in parts {
            sums.stages.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        sums
    }

    /// Physics alone: the model's physics program.
    fn physics(&self, point: &Point, theta: &[f64]) -> Vec<f64> {
        evaluate_plain(&self.model.physics, &[&point.state[..], theta, &point.input, &[point.time]].concat())
    }

    /// θ where each criterion is least over the box of one or two free parameters. `None` for criteria with a loss, and
    /// with two parameters for those that read ⟨f, g⟩ or E‖f‖² − E‖g‖²: these vanish along curves, not at a point.
    pub fn minima(&self, criteria: &[Criterion]) -> Vec<Option<Vec<f64>>> {
        let specs: Vec<ThetaSpec> = (0..self.model.theta.len()).map(|i| self.model.theta_spec(i)).collect();
        let free: Vec<usize> = (0..specs.len()).filter(|i| specs[*i].range()[0] < specs[*i].range()[1]).collect();
        let none = vec![None; criteria.len()];
        if free.is_empty() || free.len() > 2 {
            return none;
        }
        let base: Vec<f64> = specs.iter().map(|s| s.at(0.5)).collect();
        let at = |unit: &[f64]| {
            let mut theta = base.clone();
            free.iter().zip(unit).for_each(|(i, u)| theta[*i] = specs[*i].at(*u));
            theta
        };
        let direct = |unit: &[f64]| self.sums(&at(unit));
        let surface = Surface::fit(free.len(), &direct);
        let each = (self.points.len() * operations(&self.model.physics)) as f64;
        // The squares of a coarse grid and five finer ones.
        let rounds = 6.0;
        let points = match surface.exact {
            true => 41,
            false => ((OPERATIONS / each / rounds).powf(1.0 / free.len() as f64) as usize).clamp(5, 41),
        };
        let sums = |unit: &[f64]| if surface.exact { surface.sums(unit) } else { direct(unit) };
        let vague = |criterion: &Criterion| {
            let curves =
                criterion.objective.observed() != StageObservable::ALL.map(|o| o == StageObservable::CorrectionSquared);
            criterion.objective.loss_weight != 0.0 || (free.len() == 2 && curves)
        };
        let least = |criterion: &Criterion| {
            let value = |unit: &[f64]| criterion.objective.evaluate(&sums(unit)).0.objective;
            (!vague(criterion)).then(|| at(&search(free.len(), points, rounds as usize, value)))
        };
        criteria.iter().map(least).collect()
    }
}

/// Operations of one evaluation of a program, maps and stencils in all cells.
fn operations(program: &Program) -> usize {
    let of = |value: &Value| {
        let each = match &value.operation {
            Operation::Map { function, .. } => function.operations(),
            _ => value.width,
        };
        program.cells(value.field) * each.max(1)
    };
    program.values.iter().map(of).sum()
}

/// The windows that the oracle of a model uses.
fn used(model: &Model, windows: &Windows) -> Vec<usize> {
    let most = if model.grid.is_some() { FIELD_WINDOWS } else { windows.count };
    let count = windows.count.min(most);
    (0..count).map(|i| i * windows.count / count).collect()
}

/// The least value over the unit square (or interval): a grid, then finer ones around the best point.
fn search(dimensions: usize, points: usize, rounds: usize, value: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let (mut centre, mut half) = (vec![0.5; dimensions], 0.5);
    let mut best = (f64::INFINITY, centre.clone());
    for _ in 0..rounds {
        for index in 0..points.pow(dimensions as u32) {
            let place = |d: usize| (index / points.pow(d as u32) % points) as f64 / (points - 1) as f64;
            let unit: Vec<f64> =
                (0..dimensions).map(|d| (centre[d] + half * (2.0 * place(d) - 1.0)).clamp(0.0, 1.0)).collect();
            let found = value(&unit);
            if found < best.0 {
                best = (found, unit);
            }
        }
        centre.clone_from(&best.1);
        half *= 2.0 / (points - 1) as f64;
    }
    best.1
}

/// The sums as polynomials of degree two in box coordinates: exact where physics is affine in θ, which most is.
struct Surface {
    dimensions: usize,
    /// Constant, then slope and curvature per coordinate, then the mixed term of two, for each observable.
    coefficients: Vec<[f64; 3]>,
    stage_count: f64,
    /// Whether the polynomials predict the sums elsewhere.
    exact: bool,
}

impl Surface {
    fn fit(dimensions: usize, sums: &dyn Fn(&[f64]) -> Sums) -> Surface {
        let at = |changes: &[(usize, f64)]| {
            let mut unit = vec![0.5; dimensions];
            changes.iter().for_each(|(d, change)| unit[*d] += change);
            sums(&unit)
        };
        let middle = at(&[]);
        let mut coefficients = vec![middle.stages];
        for d in 0..dimensions {
            let (up, down) = (at(&[(d, 0.5)]).stages, at(&[(d, -0.5)]).stages);
            coefficients.push([0, 1, 2].map(|q| up[q] - down[q]));
            coefficients.push([0, 1, 2].map(|q| 2.0 * (up[q] + down[q] - 2.0 * middle.stages[q])));
        }
        let mut surface = Surface { dimensions, coefficients, stage_count: middle.stage_count, exact: true };
        if dimensions == 2 {
            let corner = at(&[(0, 0.5), (1, 0.5)]).stages;
            let without = surface.sums(&[1.0, 1.0]).stages;
            surface.coefficients.push([0, 1, 2].map(|q| 4.0 * (corner[q] - without[q])));
        }
        for place in [[0.1, 0.8], [0.7, 0.35]] {
            let unit = &place[..dimensions];
            let (found, expected) = (surface.sums(unit).stages, sums(unit).stages);
            let scale = expected[0] + expected[2];
            surface.exact &= found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-9 * scale);
        }
        surface
    }

    fn sums(&self, unit: &[f64]) -> Sums {
        let x: Vec<f64> = unit.iter().map(|u| u - 0.5).collect();
        let powers = x.iter().flat_map(|x| [*x, x * x]);
        let mixed = if self.dimensions == 2 { x[0] * x[1] } else { 0.0 };
        let basis: Vec<f64> = std::iter::once(1.0).chain(powers).chain([mixed]).collect();
        let mut sums = Sums { stage_count: self.stage_count, ..Sums::default() };
        for (coefficient, factor) in self.coefficients.iter().zip(basis) {
            sums.stages.iter_mut().zip(coefficient).for_each(|(sum, c)| *sum += c * factor);
        }
        sums
    }
}

/// Splines of the state's components, those that are angles unwrapped.
fn fit(model: &Model, states: &[Vec<f64>], theta: &[f64], dt: f64) -> Vec<Spline> {
    (0..model.state_len())
        .map(|component| {
            let mut values: Vec<f64> = states.iter().map(|s| s[component]).collect();
            if model.grid.is_none() && is_angle(model, &states[0], component, theta, dt) {
                for i in 1..values.len() {
                    let turns = ((values[i] - values[i - 1]) / std::f64::consts::TAU).round();
                    values[i] -= turns * std::f64::consts::TAU;
                }
            }
            Spline::natural(values)
        })
        .collect()
}

/// True if a full turn of a component changes neither physics nor observation.
fn is_angle(model: &Model, state: &[f64], component: usize, theta: &[f64], dt: f64) -> bool {
    let input = vec![0.0; model.inputs.len()];
    let at = |shift: f64| {
        let mut s = state.to_vec();
        s[component] += shift;
        let arguments = [&s[..], theta, &input, &[dt]].concat();
        let observed = if model.networks.is_empty() || model.observe.values.len() <= 6 {
            evaluate_plain(&model.observe, &arguments)
        } else {
            Vec::new()
        };
        [evaluate_plain(&model.physics, &arguments), observed].concat()
    };
    let (here, turned, half) = (at(0.0), at(std::f64::consts::TAU), at(1.0));
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-5 * (1.0 + x.abs()));
    close(&here, &turned) && !close(&here, &half)
}

/// A natural cubic spline through equally spaced values (spacing 1).
#[derive(Clone)]
struct Spline {
    values: Vec<f64>,
    curvatures: Vec<f64>,
}

impl Spline {
    fn natural(values: Vec<f64>) -> Spline {
        let n = values.len();
        let mut curvatures = vec![0.0; n];
        // Tridiagonal system m[i−1] + 4 m[i] + m[i+1] = 6 (y[i−1] − 2 y[i] + y[i+1]), m = 0 at both ends.
        let mut upper = vec![0.0; n];
        for i in 1..n.saturating_sub(1) {
            let right = 6.0 * (values[i - 1] - 2.0 * values[i] + values[i + 1]);
            let pivot = 4.0 - upper[i - 1];
            upper[i] = 1.0 / pivot;
            curvatures[i] = (right - curvatures[i - 1]) / pivot;
        }
        for i in (1..n.saturating_sub(1)).rev() {
            curvatures[i] -= upper[i] * curvatures[i + 1];
        }
        Spline { values, curvatures }
    }

    fn piece(&self, x: f64) -> (usize, f64) {
        let i = (x.floor().max(0.0) as usize).min(self.values.len().saturating_sub(2));
        (i, x - i as f64)
    }

    fn value(&self, x: f64) -> f64 {
        let (i, t) = self.piece(x);
        let (y, m, s) = (&self.values, &self.curvatures, 1.0 - t);
        let Some(next) = y.get(i + 1) else { return y[i] };
        s * y[i] + t * next + ((s * s * s - s) * m[i] + (t * t * t - t) * m[i + 1]) / 6.0
    }

    fn slope(&self, x: f64) -> f64 {
        let (i, t) = self.piece(x);
        let (y, m, s) = (&self.values, &self.curvatures, 1.0 - t);
        let Some(next) = y.get(i + 1) else { return 0.0 };
        next - y[i] + ((1.0 - 3.0 * s * s) * m[i] + (3.0 * t * t - 1.0) * m[i + 1]) / 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::Spline;

    #[test]
    fn splines_follow_a_smooth_function_and_its_slope() {
        let spline = Spline::natural((0..100).map(|i| (0.1 * i as f64).sin()).collect());
        for i in 20..160 {
            let x = 10.0 + i as f64 / 2.0;
            assert!((spline.value(x) - (0.1 * x).sin()).abs() < 1e-5);
            assert!((spline.slope(x) - 0.1 * (0.1 * x).cos()).abs() < 1e-5);
        }
    }
}
