//! The oracle: where a penalty is least when the correction is perfect.
//!
//! The perfect correction is g*(s) = ds/dt − f(s; θ). It needs no network, only data whose every frame gives the state
//! (`initial`, or outputs named like the state): ds/dt comes from a cubic spline through the observed states, or, where
//! fields were simulated, from the truth itself at the frames. It tells how far a penalty's target lies from the truth
//! because physics and the missing part correlate.

use super::simulate::Truth;
use super::spline::Spline;
use super::surface::{Surface, search};
use super::sweep::Criterion;
use crate::data::{Episode, Windows};
use crate::device::reference::evaluate_plain;
use crate::model::{MOST_OBSERVABLES, Model, Observable, RELATIVE_FLOOR, Sums, ThetaSpec};
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
        if model.is_static() {
            return Oracle::of_rows(model, windows);
        }
        let encode = model.encode.as_ref().filter(|_| !model.has_encoders())?;
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
                        let all = evaluate_plain(encode, &[y, &theta, u, &[frame as f64 * solver.dt]].concat());
                        all[..model.state_len()].to_vec()
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
        let encode = model.encode.as_ref().filter(|_| !model.has_encoders())?;
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
            let mut state = evaluate_plain(encode, &[&y[..], &theta, &[time]].concat());
            state.truncate(model.state_len());
            let rate = truth.rate(index, &state, time);
            Point { state, rate, input: Vec::new(), time }
        };
        let frames: Vec<(usize, usize)> =
            used(model, windows).into_iter().flat_map(|w| (0..=windows.horizon).map(move |f| (w, f))).collect();
        let points: Vec<Point> = frames.into_par_iter().map(point).collect();
        (!points.is_empty()).then_some(Oracle { model, points })
    }

    /// The oracle of a static model whose outputs are its state: the observed rows themselves.
    fn of_rows(model: &'a Model, windows: &Windows) -> Option<Oracle<'a>> {
        let (k, m) = (model.output_len(), model.inputs.len());
        if model.outputs != model.state || model.grid.is_some() {
            return None;
        }
        let point = |w: usize| {
            let rate = windows.future[w * k..(w + 1) * k].to_vec();
            let input = windows.u[(w * 2 + 1) * m..(w * 2 + 2) * m].to_vec();
            let time = windows.t0[w] + model.spec.solver.dt;
            Point { state: vec![0.0; k], rate, input, time }
        };
        let points: Vec<Point> =
            (0..windows.count).map(point).filter(|p| p.rate.iter().all(|y| y.is_finite())).collect();
        (windows.horizon == 1 && !points.is_empty()).then_some(Oracle { model, points })
    }

    /// Sums of the stage observables with the perfect correction at θ; those that need a network are NaN.
    pub fn sums(&self, theta: &[f64]) -> Sums {
        let of_point = |point: &Point| -> [f64; MOST_OBSERVABLES] {
            let mut sums = [0.0; MOST_OBSERVABLES];
            let f = self.physics(point, theta);
            let g: Vec<f64> = point.rate.iter().zip(&f).map(|(rate, f)| rate - f).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let size = dot(&point.state, &point.state).sqrt() + RELATIVE_FLOOR;
            for (sum, observable) in sums.iter_mut().zip(&self.model.objective.observables.stages) {
                *sum = match observable {
                    Observable::CorrectionSquared => dot(&g, &g),
                    Observable::Product => dot(&f, &g),
                    Observable::PhysicsSquared => dot(&f, &f),
                    Observable::RelativeCorrection if self.model.grid.is_none() => dot(&g, &g) / (size * size),
                    Observable::IdentityDistance => g.iter().zip(&point.state).map(|(g, s)| (g - s).powi(2)).sum(),
                    Observable::Prior(position) => {
                        let prior = &self.model.objective.priors[*position as usize];
                        let index = self.model.theta.iter().position(|name| *name == prior.theta);
                        index.map_or(f64::NAN, |i| ((theta[i] - prior.mean) / prior.deviation).powi(2))
                    }
                    _ => f64::NAN,
                };
            }
            sums
        };
        // Collected first: the order of additions must not depend on the threads.
        let parts: Vec<[f64; MOST_OBSERVABLES]> = self.points.par_iter().map(of_point).collect();
        let mut sums = Sums { stage_count: self.points.len() as f64, ..Sums::default() };
        for part in parts {
            sums.observables.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        sums
    }

    /// Physics alone: the model's physics program.
    fn physics(&self, point: &Point, theta: &[f64]) -> Vec<f64> {
        evaluate_plain(&self.model.physics, &[&point.state[..], theta, &point.input, &[point.time]].concat())
    }

    /// θ where each criterion is least over the box of one or two free parameters. `None` for criteria with a loss, and
    /// with two parameters for ⟨f, g⟩ or E‖f‖² − E‖g‖² alone, or the
    /// logarithm of one of them: these vanish along curves, not at a point.
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
            let counted: Vec<_> = criterion.objective.penalties.iter().filter(|p| p.weight != 0.0).collect();
            let vanishes = |code: Option<(u32, bool)>| matches!(code, Some((1 | 2, _)));
            // A logarithm is least wherever its argument vanishes, whatever is added to it.
            let endless = counted.iter().any(|p| vanishes(p.code()) && matches!(p.code(), Some((_, true))));
            let zeros = endless || matches!(counted[..], [one] if vanishes(one.code()));
            criterion.objective.loss_weight != 0.0 || (free.len() == 2 && zeros)
        };
        let least = |criterion: &Criterion| {
            let value = |unit: &[f64]| criterion.objective.evaluate(&sums(unit), &[]).0.objective;
            // What is read at observations, or is made of pairs, does not follow from rates.
            let mut counted = criterion.objective.penalties.iter().filter(|p| p.weight != 0.0);
            let of_rates = counted.all(|p| {
                let read = p.observables();
                !read.is_empty() && read.iter().all(|o| !o.of_observation())
            });
            let known = of_rates && value(&vec![0.5; free.len()]).is_finite();
            (known && !vague(criterion)).then(|| at(&search(free.len(), points, rounds as usize, value)))
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
        let plain = model.observe.ports.len() == 4 && model.rollouts.count() == 1;
        let observed = if plain && (model.networks.is_empty() || model.observe.values.len() <= 6) {
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
