//! Example trajectories as small multiples: observations against predictions.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::error::ReportError;
use super::legend::{Entry, Legend, Symbol};
use super::panel::Panel;
use super::style::{Colour, INK, LABEL, MUTED, ROW, series_colour, shortened};

/// The height of one small plot.
const HEIGHT: f64 = 118.0;
/// The least width of one small plot.
const WIDTH: f64 = 150.0;
/// The width of the whole figure unless the columns need more.
const TOTAL: f64 = 900.0;
/// Opacity of the spread.
const BAND: f64 = 0.25;
/// The colour of observations.
const OBSERVED: Colour = Colour::new(150, 155, 164);

/// One output of one example.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Observed values at the example's times; NaN where missing.
    pub observed: Vec<f64>,
    /// Predicted values at the example's times.
    pub predicted: Vec<f64>,
    /// Lowest and highest prediction over the values of θ.
    pub spread: Option<(Vec<f64>, Vec<f64>)>,
}

/// One trajectory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Example {
    /// The name above its column, such as `episode 12`.
    pub name: String,
    /// The times of its values.
    pub time: Vec<f64>,
    /// Its outputs, in the order of [`Trajectories::outputs`].
    pub traces: Vec<Trace>,
}

/// Observed and predicted trajectories: a column for each example, a row for each output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trajectories {
    /// The name of the time axis with its unit.
    pub time_label: String,
    /// The names of the outputs with their units.
    pub outputs: Vec<String>,
    /// The examples from left to right; the figure widens beyond five.
    pub examples: Vec<Example>,
}

impl Trajectories {
    /// The vertical axis of one output, shared by all examples so that they can be compared.
    fn output_axis(&self, output: usize) -> Axis {
        let traces = self.examples.iter().filter_map(|example| example.traces.get(output));
        let values = traces.flat_map(|trace| {
            let spread = trace.spread.iter().flat_map(|(low, high)| low.iter().chain(high));
            trace.observed.iter().chain(&trace.predicted).chain(spread).copied()
        });
        Axis::fit(Scale::Linear, values).padded()
    }

    fn legend(&self, width: f64) -> Legend {
        let mut entries = vec![
            Entry::new(Symbol::Points(OBSERVED), "observed"),
            Entry::new(Symbol::Line(series_colour(0)), "predicted"),
        ];
        if self.examples.iter().flat_map(|example| &example.traces).any(|trace| trace.spread.is_some()) {
            entries.push(Entry::new(Symbol::Band(series_colour(0).with_alpha(BAND)), "predictions over the box of θ"));
        }
        Legend::new("", entries, width)
    }
}

impl Trace {
    fn draw(&self, canvas: &mut Canvas<'_>, panel: &Panel, time: &[f64]) {
        if let Some((low, high)) = &self.spread {
            panel.band(canvas, time, low, high, series_colour(0).with_alpha(BAND));
        }
        // Wider than the line on top of them, so that they stay visible where prediction and observation agree.
        panel.points(canvas, time, &self.observed, OBSERVED, 2.5);
        panel.curve(canvas, time, &self.predicted, series_colour(0), 1.5);
    }
}

impl Draw for Trajectories {
    fn svg(&self) -> Result<String, ReportError> {
        let axes: Vec<Axis> = (0..self.outputs.len()).map(|output| self.output_axis(output)).collect();
        let left = axes.iter().map(|axis| Panel::label_width(axis, HEIGHT)).fold(30.0, f64::max) + 14.0;
        let (columns, rows) = (self.examples.len().max(1) as f64, axes.len().max(1) as f64);
        let (gap, right) = (18.0, 24.0);
        let plot_width = ((TOTAL - left - right - gap * (columns - 1.0)) / columns).max(WIDTH);
        let width = left + plot_width * columns + gap * (columns - 1.0) + right;
        let legend = self.legend(width - left - right);
        let heading = 14.0 + legend.height() + ROW;
        let height = heading + rows * (HEIGHT + ROW + 12.0) + 46.0;

        Canvas::draw("Observed and predicted trajectories", width, height, |canvas| {
            legend.draw(canvas, left, 8.0);
            for (column, example) in self.examples.iter().enumerate() {
                let start = left + column as f64 * (plot_width + gap);
                let name = shortened(&example.name, LABEL, plot_width);
                canvas.text((start, 14.0 + legend.height() + 0.5 * ROW), &name, LABEL, MUTED, Align::Left);
                let x = Axis::fit(Scale::Linear, example.time.iter().copied());
                for (row, (label, y)) in self.outputs.iter().zip(&axes).enumerate() {
                    let top = heading + row as f64 * (HEIGHT + ROW + 12.0) + ROW;
                    if column == 0 {
                        canvas.bold(
                            (left, top - 0.5 * ROW - 1.0),
                            &shortened(label, LABEL, width),
                            LABEL,
                            INK,
                            Align::Left,
                        );
                    }
                    let area = Rect { left: start, top, right: start + plot_width, bottom: top + HEIGHT };
                    let panel = Panel { area, x, y: *y };
                    let last = row + 1 == axes.len();
                    panel.frame(canvas, last && x.filled, column == 0 && y.filled);
                    if let Some(trace) = example.traces.get(row) {
                        trace.draw(canvas, &panel, &example.time);
                    }
                    panel.empty_note(canvas);
                    if last {
                        panel.name_x(canvas, &self.time_label);
                    }
                }
            }
        })
    }
}
