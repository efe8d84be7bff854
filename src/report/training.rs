//! How training went: loss, penalties and learning rate over the epochs.

use super::Draw;
use super::error::ReportError;
use super::lines::{LineFigure, Plot, Series};
use super::style::Size;

/// What was recorded during training. Lists may be shorter than `epoch` or hold NaN where nothing was recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainingCurve {
    /// The epochs at which the other lists were recorded.
    pub epoch: Vec<f64>,
    /// The training loss.
    pub loss: Vec<f64>,
    /// The penalty terms by name, without their weights.
    pub penalties: Vec<(String, Vec<f64>)>,
    /// The validation loss; NaN in epochs without a validation.
    pub validation: Vec<f64>,
    /// The learning rate.
    pub rate: Vec<f64>,
}

impl TrainingCurve {
    /// The figure as stacked plots: losses, penalties, learning rate, as far as recorded.
    pub fn figure(&self) -> LineFigure {
        let mut losses = vec![Series::new("training", self.epoch.clone(), self.loss.clone())];
        if !self.validation.is_empty() {
            losses.push(self.validation_series());
        }
        let mut plots = vec![Plot { label: "loss".into(), series: losses, log: true, ..Plot::default() }];
        if !self.penalties.is_empty() {
            plots.push(self.penalty_plot());
        }
        if !self.rate.is_empty() {
            let series = vec![Series::new("", self.epoch.clone(), self.rate.clone())];
            plots.push(Plot { label: "learning rate".into(), series, log: true, ..Plot::default() });
        }
        LineFigure {
            title: "Training".into(),
            x_label: "epoch".into(),
            size: Size { width: 900, height: if plots.len() == 1 { 420 } else { 100 + 180 * plots.len() as u32 } },
            plots,
            ..LineFigure::default()
        }
    }

    /// Validation is often computed in every n-th epoch only, so the line connects what there is.
    fn validation_series(&self) -> Series {
        let (x, y) = self
            .epoch
            .iter()
            .zip(&self.validation)
            .filter(|(_, value)| value.is_finite())
            .unzip::<_, _, Vec<f64>, Vec<f64>>();
        Series::new("validation", x, y)
    }

    /// Penalties have a logarithmic axis unless one of them takes negative values, as `log_X` penalties do.
    fn penalty_plot(&self) -> Plot {
        let signed = self.penalties.iter().flat_map(|(_, values)| values).any(|value| *value < 0.0);
        let series =
            self.penalties.iter().map(|(name, values)| Series::new(name.clone(), self.epoch.clone(), values.clone()));
        Plot { label: "penalties".into(), series: series.collect(), log: !signed, ..Plot::default() }
    }
}

impl Draw for TrainingCurve {
    fn svg(&self) -> Result<String, ReportError> {
        self.figure().svg()
    }
}
