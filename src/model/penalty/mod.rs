//! The catalogue of regularizers: what each measures, from which means, and when to use it.
//!
//! A penalty is a function of means of observables ("reduce first, transform after"), or of pairs of points
//! (`model::pairs`). One module each; [`ENTRIES`] is what `greybox penalties` prints.

mod action;
mod alone;
mod dependence;
mod prior;
mod product;
mod reduced;
mod sensitivity;

use super::error::ModelError;
use super::observable::Observable;
use super::pairs::Pairs;
use super::spec::{PenaltySpec, Place};

/// What a penalty of the catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Kind, as in the TOML.
    pub kind: &'static str,
    /// Formula.
    pub formula: &'static str,
    /// Units.
    pub units: &'static str,
    /// Keys of `[[penalty]]` besides kind, weight and name.
    pub settings: &'static [&'static str],
    /// Whether there is a logarithmic form, `log_KIND`.
    pub log: bool,
    /// Where it comes from.
    pub source: &'static str,
    /// When to use it.
    pub when: &'static str,
}

/// All penalties.
pub const ENTRIES: [Entry; 11] = [
    action::LEAST_ACTION,
    action::RELATIVE_ACTION,
    action::IDENTITY,
    product::ORTHOGONALITY,
    product::BALANCE,
    alone::PHYSICS_ALONE,
    dependence::DEPENDENCE,
    dependence::INDEPENDENCE,
    sensitivity::SENSITIVITY,
    reduced::REDUCED_DISTANCE,
    prior::PRIOR,
];

/// All kinds that `[[penalty]] kind` accepts, logarithmic forms behind the plain ones.
pub fn kinds() -> Vec<String> {
    let plain = ENTRIES.iter().map(|e| e.kind.to_string());
    plain.chain(ENTRIES.iter().filter(|e| e.log).map(|e| format!("log_{}", e.kind))).collect()
}

/// Values and partials with respect to the means that it read.
pub(super) type Slopes = (f64, Vec<(Observable, f64)>);

/// Means of observables.
pub(super) type Means<'a> = &'a dyn Fn(Observable) -> f64;

/// How a kind is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The mean of one observable.
    Mean(Observable),
    /// |E⟨f, g⟩|
    Orthogonality,
    /// |E‖f‖² − E‖g‖²|
    Balance,
    /// max(0, level − √E‖∂rhs/∂f‖²)
    Sensitivity { level: f64 },
    /// Mean of the distances from physics alone and from the network alone.
    BothReduced,
    /// A function of pairs of points, with its sign: 1 to minimise, −1 to maximise.
    Pairs { pairs: Pairs, sign: f64 },
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
    pub(super) how: Kind,
    pub(super) log: bool,
}

/// A quadratic prior on a parameter: ((θ − mean) / deviation)².
#[derive(Clone, Debug, PartialEq)]
pub struct QuadraticPrior {
    /// Name of the parameter.
    pub theta: String,
    /// Where it is zero.
    pub mean: f64,
    /// Scale.
    pub deviation: f64,
}

/// Below this a logarithmic penalty is flat: ln max(X, FLOOR).
const FLOOR: f64 = 1e-30;

impl Penalty {
    /// Reads a penalty from the TOML; priors are appended to `priors`.
    pub fn new(spec: &PenaltySpec, position: usize, priors: &mut Vec<QuadraticPrior>) -> Result<Penalty, ModelError> {
        let refuse = |key: &str, message: String, remedy: String| {
            Err(ModelError::setting(format!("penalty[{position}].{key}"), message, remedy))
        };
        let (log, stem) = match spec.kind.strip_prefix("log_") {
            Some(stem) => (true, stem),
            None => (false, spec.kind.as_str()),
        };
        let found = ENTRIES.iter().find(|e| e.kind == stem && (e.log || !log));
        let Some(entry) = found else {
            let known = kinds();
            let score = |k: &String| strsim::jaro_winkler(k, &spec.kind);
            let nearest = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
            return refuse(
                "kind",
                format!("unknown penalty `{}`; did you mean `{}`?", spec.kind, nearest.map_or("", |n| n)),
                format!("use one of {}; `greybox penalties` explains them", known.join(", ")),
            );
        };
        if !(spec.weight.is_finite() && spec.weight >= 0.0) {
            let message = format!("weight {} is not a number of at least 0", spec.weight);
            return refuse("weight", message, "use weight >= 0".into());
        }
        if let Some(key) = spec.given().into_iter().find(|key| !entry.settings.contains(key)) {
            let remedy = match entry.settings {
                [] => "remove it".to_string(),
                known => format!("it has {}", known.join(", ")),
            };
            return refuse(key, format!("`{stem}` has no setting `{key}`"), remedy);
        }
        let how = match stem {
            "least_action" | "relative_action" => action::kind(stem, spec.at.unwrap_or(Place::Path)),
            "identity" => Ok(Kind::Mean(Observable::IdentityDistance)),
            "orthogonality" => Ok(Kind::Orthogonality),
            "balance" => Ok(Kind::Balance),
            "physics_alone" => Ok(Kind::Mean(Observable::PhysicsResidual)),
            "reduced_distance" => Ok(reduced::kind(spec.from)),
            "sensitivity" => sensitivity::kind(spec.level),
            "prior" => prior::kind(spec, priors),
            _ => dependence::kind(spec, if stem == "dependence" { -1.0 } else { 1.0 }),
        };
        let how = match how {
            Ok(how) => how,
            Err((key, message, remedy)) => return refuse(key, message, remedy),
        };
        let name = spec.name.clone().unwrap_or_else(|| spec.kind.clone());
        Ok(Penalty { name, kind: spec.kind.clone(), weight: spec.weight, how, log })
    }

    /// The observables that it reads.
    pub fn observables(&self) -> Vec<Observable> {
        match &self.how {
            Kind::Mean(observable) => vec![*observable],
            Kind::Orthogonality => vec![Observable::Product],
            Kind::Balance => vec![Observable::PhysicsSquared, Observable::CorrectionSquared],
            Kind::Sensitivity { .. } => vec![Observable::Sensitivity],
            Kind::BothReduced => vec![Observable::FromPhysics, Observable::FromNetwork],
            Kind::Pairs { .. } => Vec::new(),
        }
    }

    /// The pairs that it is a function of, if it is.
    pub(super) fn pairs(&self) -> Option<&Pairs> {
        match &self.how {
            Kind::Pairs { pairs, .. } => Some(pairs),
            _ => None,
        }
    }

    /// True if its derivative follows from counts that are known before the batch has been summed.
    pub fn is_linear(&self) -> bool {
        let counted = |o: Observable| o.count() != super::observable::Count::Complete;
        self.weight == 0.0 || (!self.log && matches!(self.how, Kind::Mean(o) if counted(o)))
    }

    /// Number of the base kind (least action 0, orthogonality 1, balance 2) and whether its logarithm is taken, where it
    /// is one of those that kernels know.
    pub fn code(&self) -> Option<(u32, bool)> {
        let base = match self.how {
            Kind::Mean(Observable::CorrectionSquared) => 0,
            Kind::Orthogonality => 1,
            Kind::Balance => 2,
            _ => return None,
        };
        Some((base, self.log))
    }

    /// Value and partials with respect to the means that it reads; for pairs see [`Pairs`].
    pub(super) fn value(&self, mean: Means) -> Slopes {
        let (x, slopes) = match &self.how {
            Kind::Mean(observable) => (mean(*observable), vec![(*observable, 1.0)]),
            Kind::Orthogonality => product::orthogonality(mean),
            Kind::Balance => product::balance(mean),
            Kind::Sensitivity { level } => sensitivity::hinge(mean, *level),
            Kind::BothReduced => reduced::both(mean),
            Kind::Pairs { .. } => (0.0, Vec::new()),
        };
        if !self.log {
            return (x, slopes);
        }
        // `max` would turn a NaN into the floor; a NaN must stay visible.
        let clamped = if x < FLOOR { FLOOR } else { x };
        let factor = if x > FLOOR { 1.0 / x } else { 0.0 };
        (clamped.ln(), slopes.into_iter().map(|(o, s)| (o, s * factor)).collect())
    }
}
