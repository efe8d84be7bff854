//! `[theta.NAME]`: the box of a parameter, its scale and its prior.

use super::error::ModelError;
use serde::Deserialize;

/// `[theta.NAME]`: one physics parameter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThetaSpec {
    /// Box `[low, high]`.
    pub bounds: Option<[f64; 2]>,
    /// A known value: neither drawn nor estimated.
    pub fixed: Option<f64>,
    /// Distribution that training draws from; uniform over the box if absent.
    pub prior: Option<Prior>,
    /// Coordinate in which the box is walked.
    #[serde(default)]
    pub scale: Scale,
    /// The true value where one knows it: drawn in figures, never used.
    pub truth: Option<f64>,
    /// Unit for figures and tables.
    pub unit: Option<String>,
}

/// Prior of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prior {
    /// Uniform over the box, in the coordinate of `scale`.
    Uniform,
    /// Normal with `[mean, standard deviation]`, redrawn into the box.
    Normal([f64; 2]),
}

/// Coordinate of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// The value itself.
    #[default]
    Linear,
    /// Its logarithm; bounds must be positive.
    Log,
}

impl ThetaSpec {
    /// Checks what the table says alone.
    pub(super) fn check(&self, name: &str) -> Result<(), ModelError> {
        let key = format!("theta.{name}");
        if let Some([low, high]) = self.bounds {
            if !(low.is_finite() && high.is_finite() && low < high) {
                let message = format!("bounds [{low}, {high}] are not an increasing pair of numbers");
                return Err(ModelError::setting(key + ".bounds", message, "write [low, high] with low < high"));
            }
            if self.scale == Scale::Log && low <= 0.0 {
                let message = format!("scale = \"log\" needs positive bounds, the lower one is {low}");
                return Err(ModelError::setting(
                    key + ".bounds",
                    message,
                    "raise the lower bound or use scale = \"linear\"",
                ));
            }
        } else if self.fixed.is_none() {
            return Err(ModelError::setting(
                key,
                "neither bounds nor fixed",
                "add bounds = [low, high] or fixed = value",
            ));
        }
        if let Some(Prior::Normal([mean, deviation])) = self.prior {
            if !(mean.is_finite() && deviation.is_finite() && deviation > 0.0) {
                let message = format!("normal prior with mean {mean} and standard deviation {deviation}");
                return Err(ModelError::setting(key + ".prior", message, "write { normal = [mean, deviation > 0] }"));
            }
            let [low, high] = self.bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
            if mean + 3.0 * deviation < low || mean - 3.0 * deviation > high {
                let message = "the normal prior lies more than three deviations outside of the bounds";
                return Err(ModelError::setting(key + ".prior", message, "move the mean or the bounds"));
            }
        }
        for (what, value) in [("fixed", self.fixed), ("truth", self.truth)] {
            if value.is_some_and(|v| !v.is_finite()) {
                return Err(ModelError::setting(format!("{key}.{what}"), "not a finite number", "write a number"));
            }
        }
        Ok(())
    }

    /// The box: the bounds, or the fixed value twice.
    pub fn range(&self) -> [f64; 2] {
        match (self.fixed, self.bounds) {
            (Some(value), _) => [value, value],
            (None, Some(bounds)) => bounds,
            (None, None) => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// The value at a box coordinate in \[0, 1\], along the parameter's scale.
    pub fn at(&self, unit: f64) -> f64 {
        let [low, high] = self.range();
        match self.scale {
            _ if low == high => low,
            Scale::Linear => low + (high - low) * unit,
            Scale::Log => (low.ln() + (high.ln() - low.ln()) * unit).exp(),
        }
    }

    /// The box coordinate of a value.
    pub fn unit(&self, value: f64) -> f64 {
        let [low, high] = self.range();
        match self.scale {
            _ if low == high => 0.5,
            Scale::Linear => (value - low) / (high - low),
            Scale::Log => (value.ln() - low.ln()) / (high.ln() - low.ln()),
        }
    }

    /// d value / d box coordinate at a value.
    pub fn slope(&self, value: f64) -> f64 {
        let [low, high] = self.range();
        match self.scale {
            _ if low == high => 0.0,
            Scale::Linear => high - low,
            Scale::Log => value * (high.ln() - low.ln()),
        }
    }
}
