//! The objective: a functional of means over the batch, loss + Σ weight · penalty.
//!
//! Devices add up observables; everything nonlinear (absolute values, logarithms, weights) happens here, once, in f64:
//! reduce first, transform after. [`Objective::evaluate`] also returns the cotangents that seed the reverse pass.

use super::error::ModelError;
use super::spec::PenaltySpec;

/// A scalar that every stage evaluation contributes. f is physics, g := rhs − physics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum StageObservable {
    /// ‖g‖²
    CorrectionSquared,
    /// ⟨f, g⟩
    Product,
    /// ‖f‖²
    PhysicsSquared,
}

impl StageObservable {
    /// All of them, in the order in which evolve programs yield them.
    pub const ALL: [StageObservable; 3] =
        [StageObservable::CorrectionSquared, StageObservable::Product, StageObservable::PhysicsSquared];

    /// Name in tables and landscapes.
    pub fn name(self) -> &'static str {
        match self {
            StageObservable::CorrectionSquared => "correction_squared",
            StageObservable::Product => "physics_times_correction",
            StageObservable::PhysicsSquared => "physics_squared",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Base {
    LeastAction,
    Orthogonality,
    Balance,
}

/// One penalty of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// Name in outputs.
    pub name: String,
    /// Kind, as in the TOML.
    pub kind: String,
    /// Factor in the objective.
    pub weight: f64,
    base: Base,
    log: bool,
}

/// The kinds that `[[penalty]] kind` accepts.
pub const KINDS: [&str; 6] =
    ["least_action", "orthogonality", "balance", "log_least_action", "log_orthogonality", "log_balance"];

/// Below this a logarithmic penalty is flat: ln max(X, FLOOR).
const FLOOR: f64 = 1e-30;

impl Penalty {
    /// Reads a penalty from the TOML.
    pub fn new(spec: &PenaltySpec, position: usize) -> Result<Penalty, ModelError> {
        let (log, stem) = match spec.kind.strip_prefix("log_") {
            Some(stem) => (true, stem),
            None => (false, spec.kind.as_str()),
        };
        let base = match stem {
            "least_action" => Base::LeastAction,
            "orthogonality" => Base::Orthogonality,
            "balance" => Base::Balance,
            _ => {
                let nearest = KINDS
                    .iter()
                    .max_by(|a, b| strsim::jaro_winkler(a, &spec.kind).total_cmp(&strsim::jaro_winkler(b, &spec.kind)));
                return Err(ModelError::setting(
                    format!("penalty[{position}].kind"),
                    format!("unknown penalty `{}`; did you mean `{}`?", spec.kind, nearest.unwrap_or(&"")),
                    format!("use one of {}", KINDS.join(", ")),
                ));
            }
        };
        if !(spec.weight.is_finite() && spec.weight >= 0.0) {
            return Err(ModelError::setting(
                format!("penalty[{position}].weight"),
                format!("weight {} is not a number of at least 0", spec.weight),
                "use weight >= 0",
            ));
        }
        let name = spec.name.clone().unwrap_or_else(|| spec.kind.clone());
        Ok(Penalty { name, kind: spec.kind.clone(), weight: spec.weight, base, log })
    }

    /// The observables it reads.
    pub fn observables(&self) -> &'static [StageObservable] {
        match self.base {
            Base::LeastAction => &[StageObservable::CorrectionSquared],
            Base::Orthogonality => &[StageObservable::Product],
            Base::Balance => &[StageObservable::PhysicsSquared, StageObservable::CorrectionSquared],
        }
    }

    /// True if its derivative does not depend on the means, so that one pass over the batch suffices.
    pub fn is_linear(&self) -> bool {
        self.weight == 0.0 || (self.base == Base::LeastAction && !self.log)
    }

    /// Number of the base kind (least action 0, orthogonality 1, balance 2) and whether its logarithm is taken: what a
    /// kernel needs.
    pub fn code(&self) -> (u32, bool) {
        (self.base as u32, self.log)
    }

    /// Value and partials with respect to the means in the order of [`StageObservable::ALL`].
    fn value(&self, means: [f64; 3]) -> (f64, [f64; 3]) {
        let [gg, fg, ff] = means;
        // sign(0) = 0: the middle of the subgradient of |·|.
        let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
        let (x, slope) = match self.base {
            Base::LeastAction => (gg, [1.0, 0.0, 0.0]),
            Base::Orthogonality => (fg.abs(), [0.0, sign(fg), 0.0]),
            Base::Balance => ((ff - gg).abs(), [-sign(ff - gg), 0.0, sign(ff - gg)]),
        };
        if !self.log {
            return (x, slope);
        }
        // `max` would turn a NaN into the floor; a NaN must stay visible.
        let clamped = if x < FLOOR { FLOOR } else { x };
        let factor = if x > FLOOR { 1.0 / x } else { 0.0 };
        (clamped.ln(), slope.map(|s| s * factor))
    }
}

/// Sums over a group of samples, each sample multiplied by its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Σ of squared residuals over present entries.
    pub squared_error: f64,
    /// Number of present entries.
    pub present: f64,
    /// Σ of each stage observable, in the order of [`StageObservable::ALL`].
    pub stages: [f64; 3],
    /// Number of stage evaluations.
    pub stage_count: f64,
}

impl Sums {
    /// Adds another group, `weight` times.
    pub fn add(&mut self, other: &Sums, weight: f64) {
        self.squared_error += weight * other.squared_error;
        self.present += weight * other.present;
        self.stage_count += weight * other.stage_count;
        for (a, b) in self.stages.iter_mut().zip(other.stages) {
            *a += weight * b;
        }
    }

    /// Means of the stage observables; 0 without stages.
    pub fn means(&self) -> [f64; 3] {
        self.stages.map(|s| if self.stage_count > 0.0 { s / self.stage_count } else { 0.0 })
    }
}

/// Values of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveTerms {
    /// Mean square residual over present entries; `None` without observations.
    pub loss: Option<f64>,
    /// Each penalty in order, without its weight.
    pub penalties: Vec<f64>,
    /// Means of the stage observables.
    pub means: [f64; 3],
    /// loss + Σ weight · penalty.
    pub objective: f64,
}

/// Derivatives of the objective with respect to every contribution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seeds {
    /// d objective / d (one squared residual).
    pub squared_error: f64,
    /// d objective / d (one stage observable), in the order of [`StageObservable::ALL`].
    pub stages: [f64; 3],
}

/// Loss and penalties with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objective {
    /// The penalties.
    pub penalties: Vec<Penalty>,
    /// Factor of the loss: 1 for the contract's objective, 0 to minimise penalties alone.
    pub loss_weight: f64,
}

impl Objective {
    /// Reads the penalties of a study; the loss has weight 1.
    pub fn new(specs: &[PenaltySpec]) -> Result<Objective, ModelError> {
        let penalties: Vec<Penalty> =
            specs.iter().enumerate().map(|(i, s)| Penalty::new(s, i)).collect::<Result<_, _>>()?;
        for (i, penalty) in penalties.iter().enumerate() {
            if penalties[..i].iter().any(|p| p.name == penalty.name) {
                return Err(ModelError::setting(
                    format!("penalty[{i}]"),
                    format!("a second penalty is called `{}`", penalty.name),
                    "give each its own name = \"...\"",
                ));
            }
        }
        Ok(Objective { penalties, loss_weight: 1.0 })
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

    /// Observables that some penalty with a weight reads, as marks in the order of [`StageObservable::ALL`].
    pub fn observed(&self) -> [bool; 3] {
        let weighted = self.penalties.iter().filter(|p| p.weight != 0.0);
        let read: Vec<StageObservable> = weighted.flat_map(|p| p.observables().iter().copied()).collect();
        StageObservable::ALL.map(|o| read.contains(&o))
    }

    /// Values and seeds from the sums of a group.
    pub fn evaluate(&self, sums: &Sums) -> (ObjectiveTerms, Seeds) {
        let means = sums.means();
        let loss = (sums.present > 0.0).then(|| sums.squared_error / sums.present);
        let mut objective = self.loss_weight * loss.unwrap_or(0.0);
        let mut seeds = Seeds::default();
        if sums.present > 0.0 {
            seeds.squared_error = self.loss_weight / sums.present;
        }
        let mut penalties = Vec::with_capacity(self.penalties.len());
        for penalty in &self.penalties {
            let (value, slope) = penalty.value(means);
            if penalty.weight != 0.0 {
                objective += penalty.weight * value;
                for (seed, s) in seeds.stages.iter_mut().zip(slope) {
                    *seed += penalty.weight * s / sums.stage_count.max(1.0);
                }
            }
            penalties.push(value);
        }
        (ObjectiveTerms { loss, penalties, means, objective }, seeds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str) -> PenaltySpec {
        PenaltySpec { kind: kind.into(), weight: 0.5, name: None }
    }

    #[test]
    fn seeds_are_the_derivatives_of_the_objective() {
        let objective = Objective::new(&KINDS.map(spec)).unwrap();
        let sums = Sums { squared_error: 3.0, present: 4.0, stages: [7.0, -2.0, 5.0], stage_count: 10.0 };
        let (_, seeds) = objective.evaluate(&sums);
        let value = |change: &dyn Fn(&mut Sums, f64), h: f64| {
            let mut s = sums;
            change(&mut s, h);
            objective.evaluate(&s).0.objective
        };
        let slope = |change: &dyn Fn(&mut Sums, f64)| (value(change, 1e-5) - value(change, -1e-5)) / 2e-5;
        assert!((slope(&|s, h| s.squared_error += h) - seeds.squared_error).abs() < 1e-8);
        for q in 0..3 {
            assert!((slope(&|s, h| s.stages[q] += h) - seeds.stages[q]).abs() < 1e-8, "observable {q}");
        }
    }

    #[test]
    fn logarithms_are_floored_and_nan_stays_visible() {
        let objective = Objective::new(&[spec("log_least_action")]).unwrap();
        let zero = Sums { stage_count: 1.0, ..Sums::default() };
        let (terms, seeds) = objective.evaluate(&zero);
        assert_eq!(terms.penalties[0], 1e-30f64.ln());
        assert_eq!(seeds.stages, [0.0; 3]);
        let (terms, _) = objective.evaluate(&Sums { stages: [f64::NAN, 0.0, 0.0], ..zero });
        assert!(terms.objective.is_nan());
    }
}
