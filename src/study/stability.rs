//! Whether the time step suits the grid: the largest rate of the linearised physics against the scheme's stability.
//!
//! On a grid a step that is a little too long does not cost accuracy but lets the finest waves grow without bound. The
//! largest rate is bounded row by row (Gershgorin): the sum of the magnitudes of everything that a cell's derivative takes
//! from the cell and its neighbours. For diffusion this is 4·D·dimensions/h², which the chequered field attains.

use crate::model::{Model, ports};
use crate::program::{Operation, Stencil, View};
use crate::solve::tableau;
use std::collections::BTreeMap;

/// With more parameters than these θ is taken at its two extreme corners only.
const MOST_CORNERS: usize = 8;

/// The stability of a study's physics, without its correction.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// Step length times the largest rate.
    pub number: f64,
    /// Where the scheme begins to let errors grow, on the real axis.
    pub limit: f64,
    /// The θ where the number is largest.
    pub theta: Vec<f64>,
}

impl Stability {
    /// The stability of the physics around uniform states, each one number per component, at the corners of the box of θ;
    /// `None` without a grid and for maps.
    pub fn of(model: &Model, levels: &[Vec<f64>]) -> Option<Stability> {
        Stability::at(model, levels, corners(model))
    }

    /// The same at given values of θ.
    pub fn at(model: &Model, levels: &[Vec<f64>], thetas: Vec<Vec<f64>>) -> Option<Stability> {
        let scheme = tableau(model.spec.solver.method);
        if model.grid.is_none() || scheme.map {
            return None;
        }
        let step = model.spec.solver.dt / model.spec.solver.substeps as f64;
        let points = thetas.into_iter().flat_map(|theta| levels.iter().map(move |s| (theta.clone(), s)));
        let rates = points.filter_map(|(theta, state)| Some((largest_rate(model, state, &theta)?, theta)));
        let (rate, theta) = rates.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Stability { number: step * rate, limit: scheme.real_stability(), theta })
    }

    /// Whether the physics alone stays bounded.
    pub fn is_stable(&self) -> bool {
        self.number <= self.limit
    }

    /// The number in words.
    pub fn summary(&self, model: &Model) -> String {
        let names = model.theta.iter().zip(&self.theta).map(|(name, value)| format!("{name} = {value}"));
        let place = names.collect::<Vec<_>>().join(", ");
        let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
        format!(
            "step times largest rate of the physics is at most {:.3}{place}; {} is stable up to {:.3}",
            self.number,
            tableau(model.spec.solver.method).name,
            self.limit
        )
    }

    /// The warning of a step that is too long, with its remedy.
    pub fn warning(&self, model: &Model, key: &str) -> Option<String> {
        let needed = (self.number / self.limit * model.spec.solver.substeps as f64).ceil();
        (!self.is_stable()).then(|| {
            format!(
                "{key}: the step may be too long for this grid: {}\nhelp: set {key}.substeps = {needed} or more, shorten \
                 the box of theta, or use a coarser grid; a learned correction can raise the number further",
                self.summary(model)
            )
        })
    }
}

/// The corners of the box of θ; where there is no box, 0 is taken.
fn corners(model: &Model) -> Vec<Vec<f64>> {
    let range = |i: usize| model.theta_spec(i).range().map(|end| if end.is_finite() { end } else { 0.0 });
    let ranges: Vec<[f64; 2]> = (0..model.theta.len()).map(range).collect();
    match ranges.len() {
        p if p > MOST_CORNERS => [0, 1].map(|end| ranges.iter().map(|r| r[end]).collect()).to_vec(),
        p => (0..1usize << p).map(|c| ranges.iter().enumerate().map(|(i, r)| r[c >> i & 1]).collect()).collect(),
    }
}

/// The largest row sum of the physics' Jacobian around a uniform state.
fn largest_rate(model: &Model, state: &[f64], theta: &[f64]) -> Option<f64> {
    let (program, grid) = (&model.physics, model.grid.as_ref()?);
    let Operation::Map { function, arguments, .. } = &program.values[program.outputs[0].value.index()].operation else {
        return None;
    };
    // The value of each input of the map, and how a change of the state enters it.
    let mut inputs = Vec::new();
    let mut sources: Vec<Option<(Option<Stencil>, usize)>> = Vec::new();
    for view in arguments {
        for component in view.start..view.start + view.width {
            let (value, source) = match &program.values[view.value.index()].operation {
                Operation::Input(ports::STATE) => (state[component], Some((None, component))),
                Operation::Input(ports::THETA) => (theta[component], None),
                Operation::Stencil { stencil, x: View { start, .. }, .. } => {
                    let channel = start + component;
                    let weight: f64 = stencil.taps(grid).iter().map(|tap| tap.factor).sum();
                    // A uniform state has no derivatives, up to the rounding of their taps.
                    let copies = matches!(stencil, Stencil::Left | Stencil::Right | Stencil::Up | Stencil::Down);
                    (if copies { weight * state[channel] } else { 0.0 }, Some((Some(*stencil), channel)))
                }
                _ => (0.0, None),
            };
            inputs.push(value);
            sources.push(source);
        }
    }
    // Coefficients of ds/dt by component, channel seen and offset.
    let mut coefficients: BTreeMap<(usize, usize, isize, isize), f64> = BTreeMap::new();
    for (position, source) in sources.iter().enumerate() {
        let Some((stencil, channel)) = source else { continue };
        let width = 1e-4 * (1.0 + inputs[position].abs());
        let shifted = |sign: f64| {
            let mut moved = inputs.clone();
            moved[position] += sign * width;
            function.eval(&moved)
        };
        for (component, (up, down)) in shifted(1.0).iter().zip(shifted(-1.0)).enumerate() {
            let slope = (up - down) / (2.0 * width);
            let mut add = |row, column, factor: f64| {
                *coefficients.entry((component, *channel, row, column)).or_default() += slope * factor;
            };
            match stencil {
                None => add(0, 0, 1.0),
                Some(stencil) => stencil.taps(grid).iter().for_each(|tap| add(tap.row, tap.column, tap.factor)),
            }
        }
    }
    let row = |component: usize| -> f64 {
        coefficients.iter().filter(|(key, _)| key.0 == component).map(|(_, value)| value.abs()).sum()
    };
    (0..state.len()).map(row).filter(|sum| sum.is_finite()).reduce(f64::max)
}
