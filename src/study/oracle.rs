//! The oracle: where a penalty is least when the correction is perfect.
//!
//! The perfect correction is g*(s) = ds/dt − f(s; θ) with ds/dt from a cubic spline through the observed states. It needs
//! no network, only data whose every frame gives the state (`initial`, or outputs named like the state). It tells how far
//! a penalty's target lies from the truth because physics and the missing part correlate.

use crate::data::{Episode, Windows};
use crate::device::reference::evaluate_plain;
use crate::model::{Model, Sums};
use crate::solve::tableau;

/// States and their time derivatives at every stage time of a set of windows.
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
        let (k, m) = (model.outputs.len(), model.inputs.len());
        let solver = &model.spec.solver;
        let theta: Vec<f64> = (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect();
        let mut splines: Vec<Option<Vec<Spline>>> = vec![None; episodes.len()];
        let mut points = Vec::new();
        for w in 0..windows.count {
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

    /// Sums of the stage observables with the perfect correction at θ.
    pub fn sums(&self, theta: &[f64]) -> Sums {
        let mut sums = Sums { stage_count: self.points.len() as f64, ..Sums::default() };
        for point in &self.points {
            let f = self.physics(point, theta);
            for (f, rate) in f.iter().zip(&point.rate) {
                let g = rate - f;
                sums.stages[0] += g * g;
                sums.stages[1] += f * g;
                sums.stages[2] += f * f;
            }
        }
        sums
    }

    /// Physics alone: the model's physics program.
    fn physics(&self, point: &Point, theta: &[f64]) -> Vec<f64> {
        evaluate_plain(&self.model.physics, &[&point.state[..], theta, &point.input, &[point.time]].concat())
    }
}

/// Splines of the state's components, those that are angles unwrapped.
fn fit(model: &Model, states: &[Vec<f64>], theta: &[f64], dt: f64) -> Vec<Spline> {
    (0..model.state.len())
        .map(|component| {
            let mut values: Vec<f64> = states.iter().map(|s| s[component]).collect();
            if is_angle(model, &states[0], component, theta, dt) {
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
