//! The model part of the TOML: `[model]`, `[theta]`, `[net]`, `[solver]`, `[[penalty]]`.

use super::error::ModelError;
use super::grid_spec::GridSpec;
use super::limits::{MOST_SUBSTEPS, too_many};
use super::net_spec::NetSpec;
use super::pairs::{Between, Measure};
use super::theta_spec::ThetaSpec;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything about a model that TOML says.
#[derive(Clone, Debug, Default)]
pub struct ModelSpec {
    /// `[model]`
    pub model: ModelTable,
    /// `[theta.NAME]`
    pub theta: BTreeMap<String, ThetaSpec>,
    /// `[net.NAME]`
    pub nets: BTreeMap<String, NetSpec>,
    /// `[grid]`
    pub grid: Option<GridSpec>,
    /// `[solver]`
    pub solver: SolverSpec,
    /// `[encode]`
    pub encode: Option<EncodeSpec>,
    /// `[[penalty]]`
    pub penalties: Vec<PenaltySpec>,
}

/// `[model]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTable {
    /// The WGSL file, relative to the TOML.
    pub physics: PathBuf,
    /// How measured inputs vary inside an interval.
    #[serde(default)]
    pub inputs: Interpolation,
}

/// How inputs vary between the times at which they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Linear from u\[k\] to u\[k+1\].
    #[default]
    Linear,
    /// u\[k\] on the whole interval.
    Hold,
}

/// `[solver]`
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SolverTable")]
pub struct SolverSpec {
    /// The scheme.
    pub method: Method,
    /// Interval between observations; 1 unless given for a static model.
    pub dt: f64,
    /// Equal steps per interval.
    pub substeps: usize,
}

/// `[solver]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SolverTable {
    method: Method,
    dt: Option<f64>,
    #[serde(default = "one")]
    substeps: usize,
}

impl TryFrom<SolverTable> for SolverSpec {
    type Error = &'static str;

    fn try_from(table: SolverTable) -> Result<SolverSpec, &'static str> {
        let dt = match (table.dt, table.method) {
            (Some(dt), _) => dt,
            (None, Method::Static) => 1.0,
            (None, _) => return Err("missing field `dt`"),
        };
        Ok(SolverSpec { method: table.method, dt, substeps: table.substeps })
    }
}

impl Default for SolverSpec {
    fn default() -> Self {
        SolverSpec { method: Method::Rk4, dt: 1.0, substeps: 1 }
    }
}

fn one() -> usize {
    1
}

/// Names of the schemes; what they are stands in `solve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Explicit Euler, order 1.
    Euler,
    /// Explicit midpoint, order 2.
    Midpoint,
    /// Heun's trapezoidal rule, order 2.
    Heun,
    /// Classic Runge–Kutta, order 4.
    Rk4,
    /// Kutta's 3/8 rule, order 4.
    Rk38,
    /// A discrete map: physics and rhs return the next state.
    Map,
    /// No time: physics and rhs return the state that belongs to the inputs of the same row.
    Static,
}

/// `[[penalty]]`; which settings a kind has stands in its [entry](super::ENTRIES).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltySpec {
    /// What is penalised: a kind of the catalogue, or `log_` before one that has a logarithmic form.
    pub kind: String,
    /// Factor in the objective.
    #[serde(default = "unit_weight")]
    pub weight: f64,
    /// Name in outputs; the kind if absent.
    pub name: Option<String>,
    /// Where the correction is looked at.
    pub at: Option<Place>,
    /// What the full model is compared with.
    pub from: Option<Reduced>,
    /// The sensitivity that is enough.
    pub level: Option<f64>,
    /// How dependence is measured.
    pub measure: Option<Measure>,
    /// Between what dependence is measured.
    pub between: Option<Between>,
    /// Most points that pairs are made of.
    pub points: Option<usize>,
    /// The parameter of a prior.
    pub theta: Option<String>,
    /// Where a prior is zero.
    pub mean: Option<f64>,
    /// Scale of a prior.
    pub deviation: Option<f64>,
}

impl PenaltySpec {
    /// Names of the settings that are given besides kind, weight and name.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("at", self.at.is_some()),
            ("from", self.from.is_some()),
            ("level", self.level.is_some()),
            ("measure", self.measure.is_some()),
            ("between", self.between.is_some()),
            ("points", self.points.is_some()),
            ("theta", self.theta.is_some()),
            ("mean", self.mean.is_some()),
            ("deviation", self.deviation.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

/// Where the correction is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// At the stages of the steps taken.
    Path,
    /// At the states that observations give.
    Data,
}

/// The reduced model that the full one is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduced {
    /// Physics alone.
    Physics,
    /// The correction alone.
    Network,
    /// Each of them.
    Both,
}

/// `[encode]`: what networks that encode see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodeSpec {
    /// Frames.
    pub frames: usize,
    /// Which frames.
    #[serde(default)]
    pub sees: Seen,
}

impl Default for EncodeSpec {
    fn default() -> Self {
        EncodeSpec { frames: 1, sees: Seen::Past }
    }
}

/// Which frames encoders see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// The last ones of the history, up to the initial observation: forecasting.
    #[default]
    Past,
    /// The initial observation and those to be predicted: auto-encoding.
    Whole,
}

fn unit_weight() -> f64 {
    1.0
}

impl ModelSpec {
    /// Checks what can be checked without the WGSL.
    pub fn check(&self) -> Result<(), ModelError> {
        for (name, theta) in &self.theta {
            theta.check(name)?;
        }
        let solver = &self.solver;
        if !(solver.dt.is_finite() && solver.dt > 0.0) {
            return Err(ModelError::setting(
                "solver.dt",
                format!("the interval is {}", solver.dt),
                "use a positive number",
            ));
        }
        if solver.substeps == 0 {
            return Err(ModelError::setting("solver.substeps", "no step per interval", "use 1 or more"));
        }
        if let Some((message, remedy)) = too_many(solver.substeps, MOST_SUBSTEPS) {
            return Err(ModelError::setting("solver.substeps", message, remedy));
        }
        if matches!(solver.method, Method::Map | Method::Static) && solver.substeps != 1 {
            return Err(ModelError::setting(
                "solver.substeps",
                format!("a map is applied once per interval, not {} times", solver.substeps),
                "remove substeps, or use a Runge-Kutta method",
            ));
        }
        if solver.method == Method::Static && self.model.inputs == Interpolation::Hold {
            let message = "a static model sees the inputs of its own row, there is no interval to hold them";
            return Err(ModelError::setting("model.inputs", message, "remove inputs = \"hold\""));
        }
        if self.encode.is_some_and(|e| e.frames == 0) {
            return Err(ModelError::setting("encode.frames", "no frames to see", "use 1 or more"));
        }
        if let Some(grid) = &self.grid {
            grid.grid()?;
        }
        for (name, net) in &self.nets {
            net.check(name, self.grid.is_some())?;
        }
        Ok(())
    }
}
