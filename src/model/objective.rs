//! The objective: a functional of means over the batch, loss + Σ weight · penalty.
//!
//! Devices add up observables; everything nonlinear (absolute values, logarithms, pairs, weights) happens here, once, in
//! f64: reduce first, transform after. [`Objective::evaluate`] also returns the cotangents that seed the reverse pass.

use super::error::ModelError;
use super::observable::{Observables, Seeds, Sums};
use super::pairs::{Between, Pairs, PointLayout};
use super::penalty::{Kind, Penalty, QuadraticPrior};
use super::spec::PenaltySpec;

/// Values of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveTerms {
    /// Mean square residual over present entries; `None` without observations.
    pub loss: Option<f64>,
    /// Each penalty in order, without its weight.
    pub penalties: Vec<f64>,
    /// Means of the base observables over the stages.
    pub means: [f64; 3],
    /// loss + Σ weight · penalty.
    pub objective: f64,
}

/// Loss and penalties with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objective {
    /// The penalties.
    pub penalties: Vec<Penalty>,
    /// Factor of the loss: 1 for the contract's objective, 0 to minimise penalties alone.
    pub loss_weight: f64,
    /// The observables that the model's programs yield.
    pub observables: Observables,
    /// The priors among the penalties.
    pub priors: Vec<QuadraticPrior>,
    /// What points consist of, for penalties that are functions of pairs.
    pub points: PointLayout,
}

impl Objective {
    /// Reads the penalties of a study; the loss has weight 1. `widths` are those of a state and of an observation.
    pub fn new(specs: &[PenaltySpec], widths: [usize; 2]) -> Result<Objective, ModelError> {
        let mut objective = Objective { loss_weight: 1.0, ..Objective::default() };
        for (i, spec) in specs.iter().enumerate() {
            let penalty = Penalty::new(spec, i, &mut objective.priors)?;
            if objective.penalties.iter().any(|p| p.name == penalty.name) {
                return Err(ModelError::setting(
                    format!("penalty[{i}]"),
                    format!("a second penalty is called `{}`", penalty.name),
                    "give each its own name = \"...\"",
                ));
            }
            penalty.observables().into_iter().for_each(|o| objective.observables.require(o));
            if let Some(pairs) = penalty.pairs() {
                match pairs.between {
                    Between::Correction => objective.points.correction = widths[0],
                    Between::Predictions => objective.points.predictions = widths[1],
                }
                objective.points.most = objective.points.most.max(pairs.points);
            }
            objective.penalties.push(penalty);
        }
        if objective.observables.len() > super::observable::MOST_OBSERVABLES {
            return Err(ModelError::setting(
                "penalty",
                format!("the penalties read {} different quantities", objective.observables.len()),
                format!("use penalties with at most {} together", super::observable::MOST_OBSERVABLES),
            ));
        }
        Ok(objective)
    }

    /// The same penalties with other weights of loss and penalties.
    pub fn reweighted(&self, loss_weight: f64, weights: impl Fn(usize, &Penalty) -> f64) -> Objective {
        let mut other = self.clone();
        other.loss_weight = loss_weight;
        for (i, p) in other.penalties.iter_mut().enumerate() {
            p.weight = weights(i, &self.penalties[i]);
        }
        other
    }

    /// R alone: the penalties in proportion to their weights, the largest of which becomes 1, without the loss. `None` if
    /// no penalty has a weight.
    pub fn penalties_alone(&self) -> Option<Objective> {
        let largest = self.penalties.iter().map(|p| p.weight).fold(0.0, f64::max);
        (largest > 0.0).then(|| self.reweighted(0.0, |_, p| p.weight / largest))
    }

    /// True if the seeds are known before the batch has been summed.
    pub fn is_linear(&self) -> bool {
        self.penalties.iter().all(Penalty::is_linear)
    }

    /// True if a penalty that counts is a function of pairs of points.
    pub fn needs_points(&self) -> bool {
        self.penalties.iter().any(|p| p.pairs().is_some())
    }

    /// True if a penalty with a weight is made of pairs: its value does not follow a resampling of blocks, so there is no
    /// bootstrap of it.
    pub fn counts_pairs(&self) -> bool {
        self.penalties.iter().any(|p| p.weight != 0.0 && p.pairs().is_some())
    }

    /// True if reverse passes must visit observations: for the loss, or for a penalty that reads them.
    pub fn seeds_observations(&self) -> bool {
        let reads = |p: &Penalty| p.pairs().is_some() || p.observables().iter().any(|o| o.of_observation());
        self.loss_weight != 0.0 || self.penalties.iter().any(|p| p.weight != 0.0 && reads(p))
    }

    /// Whether the sums of a sample make the objective something else than a finite number.
    pub fn is_spoilt_by(&self, sums: &Sums) -> bool {
        let finite = |o: super::Observable| self.observables.place(o).is_none_or(|i| sums.observables[i].is_finite());
        let counted = self.penalties.iter().filter(|p| p.weight != 0.0);
        (self.loss_weight != 0.0 && !sums.squared_error.is_finite())
            || !counted.flat_map(Penalty::observables).all(finite)
    }

    /// Values and seeds from the sums and the points `[points, width]` of a group. Without points, penalties that are made
    /// of pairs are NaN, and count only if they have a weight.
    pub fn evaluate(&self, sums: &Sums, points: &[f64]) -> (ObjectiveTerms, Seeds) {
        let mut cotangents = vec![0.0; points.len()];
        let (terms, seeds) =
            self.transform(sums, |_, pairs, factor| pairs.evaluate(points, &self.points, factor, &mut cotangents));
        (terms, Seeds { points: cotangents, ..seeds })
    }

    /// What every penalty that is made of pairs measures on points `[points, width]`; 0 for the others.
    pub fn pair_values(&self, points: &[f64]) -> Vec<f64> {
        let value = |p: &Penalty| p.pairs().map_or(0.0, |pairs| pairs.evaluate(points, &self.points, 0.0, &mut []));
        self.penalties.iter().map(value).collect()
    }

    /// Values from the sums of a group where [`Objective::pair_values`] are known: many sums may share them.
    pub fn terms(&self, sums: &Sums, pair_values: &[f64]) -> ObjectiveTerms {
        self.transform(sums, |penalty, _, _| pair_values.get(penalty).copied().unwrap_or(f64::NAN)).0
    }

    /// Values and seeds; `measure` evaluates the pairs of a penalty and adds its derivatives times a factor.
    fn transform(&self, sums: &Sums, mut measure: impl FnMut(usize, &Pairs, f64) -> f64) -> (ObjectiveTerms, Seeds) {
        let means = sums.means();
        let loss = (sums.present > 0.0).then(|| sums.squared_error / sums.present);
        let mut objective = if self.loss_weight == 0.0 { 0.0 } else { self.loss_weight * loss.unwrap_or(0.0) };
        let mut seeds = Seeds::default();
        if sums.present > 0.0 {
            seeds.squared_error = self.loss_weight / sums.present;
        }
        let count = |o: super::Observable| sums.count(o.count(), &self.observables);
        let mean = |o: super::Observable| {
            let place = self.observables.place(o).map_or(0.0, |place| sums.observables[place]);
            if count(o) > 0.0 { place / count(o) } else { 0.0 }
        };
        let mut penalties = Vec::with_capacity(self.penalties.len());
        for (i, penalty) in self.penalties.iter().enumerate() {
            let (value, slopes) = match &penalty.how {
                Kind::Pairs { pairs, sign } => (sign * measure(i, pairs, penalty.weight * sign), Vec::new()),
                _ => penalty.value(&mean),
            };
            if penalty.weight != 0.0 {
                objective += penalty.weight * value;
                for (observable, slope) in slopes {
                    if let Some(place) = self.observables.place(observable) {
                        // With nothing to count there is nothing to differentiate either.
                        seeds.observables[place] += penalty.weight * slope / count(observable).max(1e-300);
                    }
                }
            }
            penalties.push(value);
        }
        (ObjectiveTerms { loss, penalties, means, objective }, seeds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::observable::MOST_OBSERVABLES;
    use super::super::penalty::kinds;
    use super::*;

    fn spec(kind: &str) -> PenaltySpec {
        let theta = (kind == "prior").then(|| "k".to_string());
        PenaltySpec { kind: kind.into(), weight: 0.5, theta, ..PenaltySpec::default() }
    }

    fn objective(kinds: &[&str]) -> Objective {
        let specs: Vec<PenaltySpec> = kinds.iter().map(|kind| spec(kind)).collect();
        Objective::new(&specs, [2, 1]).unwrap()
    }

    fn sums() -> Sums {
        let observables = std::array::from_fn(|i| [7.0, -2.0, 5.0, 1.5, 0.3, 2.0, 4.0][i % 7]);
        Sums { squared_error: 3.0, present: 4.0, observables, stage_count: 10.0, entries: 6.0 }
    }

    #[test]
    fn seeds_are_the_derivatives_of_the_objective() {
        for kind in kinds() {
            let objective = objective(&[&kind]);
            let (_, seeds) = objective.evaluate(&sums(), &[]);
            let value = |change: &dyn Fn(&mut Sums, f64), h: f64| {
                let mut s = sums();
                change(&mut s, h);
                objective.evaluate(&s, &[]).0.objective
            };
            if objective.needs_points() {
                assert!(value(&|_, _| {}, 0.0).is_nan(), "{kind}: no points, no value");
                continue;
            }
            let slope = |change: &dyn Fn(&mut Sums, f64)| (value(change, 1e-5) - value(change, -1e-5)) / 2e-5;
            assert!((slope(&|s, h| s.squared_error += h) - seeds.squared_error).abs() < 1e-8);
            for q in 0..MOST_OBSERVABLES {
                // The number of complete frames does not depend on what is differentiated.
                if objective.observables.observations.contains(&super::super::Observable::CompleteFrames)
                    && objective.observables.place(super::super::Observable::CompleteFrames) == Some(q)
                {
                    continue;
                }
                let found = slope(&|s, h| s.observables[q] += h);
                assert!((found - seeds.observables[q]).abs() < 1e-8, "{kind}, observable {q}");
            }
        }
    }

    #[test]
    fn logarithms_are_floored_and_nan_stays_visible() {
        let objective = objective(&["log_least_action"]);
        let zero = Sums { stage_count: 1.0, ..Sums::default() };
        let (terms, seeds) = objective.evaluate(&zero, &[]);
        assert_eq!(terms.penalties[0], 1e-30f64.ln());
        assert_eq!(seeds.observables, [0.0; MOST_OBSERVABLES]);
        let mut bad = zero;
        bad.observables[0] = f64::NAN;
        assert!(objective.evaluate(&bad, &[]).0.objective.is_nan());
    }

    #[test]
    fn settings_of_another_kind_are_refused() {
        let refused = |change: &dyn Fn(&mut PenaltySpec), kind: &str| {
            let mut spec = spec(kind);
            change(&mut spec);
            Objective::new(&[spec], [2, 1]).unwrap_err().to_string()
        };
        assert!(refused(&|s| s.level = Some(1.0), "balance").contains("no setting `level`"));
        assert!(refused(&|s| s.points = Some(3), "independence").contains("at least 4"));
        assert!(refused(&|s| s.theta = None, "prior").contains("theta"));
        assert!(refused(&|s| s.weight = -1.0, "identity").contains("at least 0"));
        assert!(refused(&|s| s.deviation = Some(0.0), "prior").contains("positive"));
        assert!(refused(&|_| {}, "log_prior").contains("unknown penalty"));
        assert!(refused(&|_| {}, "hsic").contains("use one of"));
    }
}
