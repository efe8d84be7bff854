//! The landscape over one parameter: prediction error and every penalty, one below the other.

use super::Draw;
use super::error::ReportError;
use super::lines::{Band, LineFigure, Plot, Series};
use super::marks::Mark;
use super::style::Size;

/// One quantity of a landscape.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ingredient {
    /// The name with its unit, such as `RMSE (rad)` or `E‖g‖²`.
    pub label: String,
    /// The values at each θ; NaN where the rollout failed.
    pub values: Vec<f64>,
    /// Lower and upper limits at each θ, over seeds or windows.
    pub spread: Option<(Vec<f64>, Vec<f64>)>,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// Whether the vertical axis starts at zero. Choose it for prediction errors: magnified to fill the plot, a variation of one
    /// per cent looks like a minimum.
    pub from_zero: bool,
}

/// How well each value of one parameter explains the data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Landscape {
    /// The name of the parameter with its unit.
    pub parameter: String,
    /// The values of the parameter, in increasing order.
    pub theta: Vec<f64>,
    /// Whether the parameter's axis is logarithmic.
    pub log_theta: bool,
    /// The quantities from top to bottom, the prediction error first.
    pub ingredients: Vec<Ingredient>,
    /// Truth, oracle and estimate.
    pub marks: Vec<Mark>,
    /// The interval of the estimate.
    pub interval: Option<(f64, f64)>,
}

impl Landscape {
    /// The figure as stacked plots.
    pub fn figure(&self) -> LineFigure {
        let plots: Vec<Plot> = self.ingredients.iter().map(|ingredient| ingredient.plot(&self.theta)).collect();
        let rows = plots.len().max(1) as u32;
        LineFigure {
            title: format!("Landscape over {}", self.parameter),
            x_label: self.parameter.clone(),
            log_x: self.log_theta,
            size: Size { width: 900, height: if rows == 1 { 420 } else { 110 + 165 * rows } },
            plots,
            marks: self.marks.clone(),
            interval: self.interval,
        }
    }
}

impl Ingredient {
    fn plot(&self, theta: &[f64]) -> Plot {
        let bands = self.spread.iter().map(|(low, high)| Band {
            name: String::new(),
            x: theta.to_vec(),
            low: low.clone(),
            high: high.clone(),
        });
        Plot {
            label: self.label.clone(),
            series: vec![Series::new("", theta, self.values.clone())],
            bands: bands.collect(),
            log: self.log,
            from_zero: self.from_zero,
        }
    }
}

impl Draw for Landscape {
    fn svg(&self) -> Result<String, ReportError> {
        self.figure().svg()
    }
}
