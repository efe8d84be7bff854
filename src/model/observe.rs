//! The observe program of a model.

use super::composer::{Composer, Parts};
use super::encode;
use super::observable::{Count, Observable};
use crate::graph::NodeId;
use crate::program::{Builder, Grid, Program, View};

/// The prediction and, where penalties read observations, their observables and points.
pub(super) fn observe(parts: &Parts, names: (&[String], &[String])) -> Program {
    let Parts { sizes, rollouts, objective, .. } = *parts;
    let (mut composer, states) = Composer::of_states(sizes, rollouts.count());
    let y = composer.prediction(parts, states[0]);
    let wanted = &objective.observables.observations;
    if wanted.is_empty() && !objective.needs_points() {
        return composer.builder.finish(vec![y]);
    }
    let on_grid = sizes.grid.is_some();
    let [target, present] = ["target", "present"].map(|name| composer.builder.port(name, sizes.outputs, on_grid));
    let of_physics = rollouts.of_physics().map(|position| composer.prediction(parts, states[position]));
    let of_network = rollouts.of_network().map(|position| composer.prediction(parts, states[position]));
    let mut outputs = vec![y];
    if !wanted.is_empty() {
        let at_data: Vec<Observable> = wanted.iter().filter(|o| o.count() == Count::Complete).copied().collect();
        let corrections = (!at_data.is_empty()).then(|| {
            let state = encode::initial(&mut composer, parts.module, names, target).expect("checked before");
            composer.enter(state);
            composer.rates(parts, |mut rates| at_data.iter().map(|o| rates.observable(*o)).collect())
        });
        let cells = sizes.grid.map_or(1, Grid::cells) as f64;
        let found: Vec<View> = wanted
            .iter()
            .map(|observable| {
                let b = &mut composer.builder;
                let local = match (observable, of_physics, of_network, corrections) {
                    (Observable::CompleteFrames, ..) => complete(b, present, None, 1.0 / cells),
                    (Observable::PhysicsResidual, Some(other), ..) => weighted_distance(b, target, other, present),
                    (Observable::FromPhysics, Some(other), ..) => distance(b, y, other),
                    (Observable::FromNetwork, _, Some(other), _) => distance(b, y, other),
                    (_, _, _, Some(all)) => {
                        let place = at_data.iter().position(|o| o == observable).expect("one of them");
                        complete(b, present, Some(all.slice(place, 1)), 1.0)
                    }
                    (other, ..) => unreachable!("{other:?} is no observable of observations"),
                };
                composer.summed(local)
            })
            .collect();
        outputs.push(composer.builder.concat(&found));
    }
    if objective.needs_points() {
        let mut coordinates = Vec::new();
        if objective.points.correction > 0 {
            composer.enter(states[0]);
            coordinates
                .push(composer.rates(parts, |rates| rates.physics.into_iter().chain(rates.correction).collect()));
        }
        if objective.points.predictions > 0 {
            coordinates.extend([Some(y), of_physics].into_iter().flatten());
        }
        outputs.push(composer.builder.concat(&coordinates));
    }
    composer.builder.finish(outputs)
}

/// `value`, or `otherwise` where it is not given, in frames or cells of which every entry is present; else 0.
fn complete(builder: &mut Builder, present: View, value: Option<View>, otherwise: f64) -> View {
    let arguments: Vec<View> = std::iter::once(present).chain(value).collect();
    builder.map_with(&arguments, |g, parts| {
        let zero = g.constant(0.0);
        let mut result = if parts.len() > 1 { parts[1][0] } else { g.constant(otherwise) };
        for weight in parts[0] {
            let there = g.less(zero, *weight);
            result = g.select(there, result, zero);
        }
        vec![result]
    })
}

/// ‖a − b‖²
fn distance(builder: &mut Builder, a: View, b: View) -> View {
    builder.map_with(&[a, b], |g, parts| {
        let terms: Vec<NodeId> = parts[0]
            .iter()
            .zip(parts[1])
            .map(|(x, y)| {
                let apart = g.sub(*x, *y);
                g.mul(apart, apart)
            })
            .collect();
        vec![g.sum(&terms)]
    })
}

/// Σ (w (a − b))² over entries with a weight.
fn weighted_distance(builder: &mut Builder, a: View, b: View, weight: View) -> View {
    builder.map_with(&[a, b, weight], |g, parts| {
        let zero = g.constant(0.0);
        let terms: Vec<NodeId> = (0..parts[0].len())
            .map(|i| {
                let apart = g.sub(parts[0][i], parts[1][i]);
                let scaled = g.mul(apart, parts[2][i]);
                let square = g.mul(scaled, scaled);
                let there = g.less(zero, parts[2][i]);
                g.select(there, square, zero)
            })
            .collect();
        vec![g.sum(&terms)]
    })
}
