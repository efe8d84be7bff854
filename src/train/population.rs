//! Populations: independent members trained by one run.

use crate::model::Model;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[train.population]`. The members are all combinations of seeds, factors and grid points; each behaves as a run of its
/// own with that seed, those weights of the penalties and those parameters fixed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Population {
    /// Number of seeds, counted from `train.seed`.
    pub seeds: usize,
    /// Factors of all penalties' weights: a sweep over λ; none for the weights as they are.
    pub weights: Vec<f64>,
    /// Points per axis of a grid of fixed θ, by name: the retrained landscape. The first name varies slowest.
    pub theta: BTreeMap<String, usize>,
}

impl Default for Population {
    fn default() -> Self {
        Population { seeds: 1, weights: Vec::new(), theta: BTreeMap::new() }
    }
}

/// What tells a member from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Seed of its weights, θ and batches.
    pub seed: u64,
    /// Factor of every penalty's weight.
    pub factor: f64,
    /// Parameters that it holds: index and value.
    pub held: Vec<(usize, f64)>,
}

/// Most members of a population.
const MOST: usize = 1 << 16;

impl Population {
    /// Number of members.
    pub fn count(&self) -> usize {
        let points = self.theta.values().fold(1usize, |all, points| all.saturating_mul(*points));
        self.seeds.saturating_mul(self.weights.len().max(1)).saturating_mul(points)
    }

    /// What is wrong with a setting, and the remedy.
    pub fn problem(&self) -> Option<(String, String)> {
        if self.seeds == 0 {
            return Some(("train.population.seeds is 0".into(), "use 1 or more".into()));
        }
        if let Some(factor) = self.weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            let message = format!("train.population.weights: {factor} is not a number of at least 0");
            return Some((message, "give factors of at least 0, for example [0.1, 1.0, 10.0]".into()));
        }
        if let Some((name, _)) = self.theta.iter().find(|(_, points)| **points == 0) {
            return Some((format!("train.population.theta.{name} has 0 points"), "use 1 or more".into()));
        }
        if self.count() > MOST {
            let message = format!("train.population has {} members", self.count());
            return Some((message, format!("use fewer points, factors or seeds, at most {MOST} members")));
        }
        None
    }

    /// The members: grid points, then factors, then seeds, the last varying fastest. Member 0 has the first of each.
    pub fn members(&self, seed: u64, model: &Model) -> Vec<Member> {
        let mut points: Vec<Vec<(usize, f64)>> = vec![Vec::new()];
        for (name, count) in &self.theta {
            let Some(index) = model.theta.iter().position(|other| other == name) else { continue };
            let spec = model.theta_spec(index);
            let value = |i: usize| spec.at(if *count == 1 { 0.5 } else { i as f64 / (count - 1) as f64 });
            let axis = |point: &Vec<(usize, f64)>| -> Vec<Vec<(usize, f64)>> {
                (0..*count).map(|i| [&point[..], &[(index, value(i) as f32 as f64)]].concat()).collect()
            };
            points = points.iter().flat_map(axis).collect();
        }
        let factors = if self.weights.is_empty() { &[1.0][..] } else { &self.weights };
        let seeds = || (0..self.seeds as u64).map(|s| seed.wrapping_add(s));
        let mut members = Vec::with_capacity(self.count());
        for held in &points {
            for factor in factors {
                members.extend(seeds().map(|seed| Member { seed, factor: *factor, held: held.clone() }));
            }
        }
        members
    }
}
