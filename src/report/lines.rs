//! Line figures: one plot, or several stacked on a shared horizontal axis.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Canvas, Rect};
use super::error::ReportError;
use super::legend::{Entry, Legend, Symbol};
use super::marks::{Mark, MarkKind};
use super::number::number;
use super::panel::{Panel, inside};
use super::style::{Size, series_colour};

/// The least height of the data area of a plot in pixels.
const LEAST_HEIGHT: f64 = 70.0;
/// Space between stacked plots.
const BETWEEN: f64 = 18.0;
/// Space below the last plot for tick labels and the name of the axis.
const BELOW: f64 = 52.0;
/// Opacity of bands.
const BAND: f64 = 0.22;

/// A named line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The name in the legend; an empty name has no entry.
    pub name: String,
    /// Horizontal values.
    pub x: Vec<f64>,
    /// Vertical values; NaN and infinite ones interrupt the line.
    pub y: Vec<f64>,
}

impl Series {
    /// A line through the pairs of `x` and `y`.
    pub fn new(name: impl Into<String>, x: impl Into<Vec<f64>>, y: impl Into<Vec<f64>>) -> Series {
        Series { name: name.into(), x: x.into(), y: y.into() }
    }
}

/// The shaded area between two lines, in the colour of the series at the same position.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Band {
    /// The name in the legend; an empty name has no entry.
    pub name: String,
    /// Horizontal values.
    pub x: Vec<f64>,
    /// Lower limits.
    pub low: Vec<f64>,
    /// Upper limits.
    pub high: Vec<f64>,
}

/// One plot of a line figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plot {
    /// The name of the vertical axis with its unit, written above the plot.
    pub label: String,
    /// The lines.
    pub series: Vec<Series>,
    /// Shaded areas behind the lines.
    pub bands: Vec<Band>,
    /// Whether the vertical axis is logarithmic; values that are not positive are then left out.
    pub log: bool,
    /// Whether a linear vertical axis starts at zero, so that a flat line looks flat.
    pub from_zero: bool,
}

/// One or several plots over a shared horizontal axis, with marks in all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineFigure {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The name of the horizontal axis with its unit.
    pub x_label: String,
    /// Whether the horizontal axis is logarithmic.
    pub log_x: bool,
    /// The plots from top to bottom.
    pub plots: Vec<Plot>,
    /// Vertical lines through all plots.
    pub marks: Vec<Mark>,
    /// The interval of the estimate, shaded in all plots.
    pub interval: Option<(f64, f64)>,
    /// The size; the height grows with the number of plots if needed.
    pub size: Size,
}

impl Plot {
    fn axis(&self) -> Axis {
        let lines = self.series.iter().flat_map(|series| series.x.iter().zip(&series.y));
        let low = self.bands.iter().flat_map(|band| band.x.iter().zip(&band.low));
        let high = self.bands.iter().flat_map(|band| band.x.iter().zip(&band.high));
        // A value without a place on the horizontal axis must not stretch the vertical one.
        let shown = lines.chain(low).chain(high).filter(|(x, _)| x.is_finite()).map(|(_, &y)| y);
        let axis = Axis::fit(Scale::of(self.log), shown);
        if self.from_zero { axis.with_zero() } else { axis.padded() }
    }

    fn legend(&self, width: f64) -> Legend {
        let named = self.series.iter().map(|series| &series.name).enumerate();
        let lines = named.map(|(index, name)| (name, Symbol::Line(series_colour(index))));
        let bands = self.bands.iter().map(|band| &band.name).enumerate();
        let areas = bands.map(|(index, name)| (name, Symbol::Band(series_colour(index).with_alpha(BAND))));
        let entries = lines.chain(areas).filter(|(name, _)| !name.is_empty());
        Legend::new(&self.label, entries.map(|(name, symbol)| Entry::new(symbol, name)).collect(), width)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, panel: &Panel) {
        for (index, band) in self.bands.iter().enumerate() {
            panel.band(canvas, &band.x, &band.low, &band.high, series_colour(index).with_alpha(BAND));
        }
        for (index, series) in self.series.iter().enumerate() {
            panel.curve(canvas, &series.x, &series.y, series_colour(index), 1.9);
        }
    }
}

impl LineFigure {
    /// The horizontal axis: the data, and the marks that are near it.
    fn axis(&self) -> Axis {
        let series = self.plots.iter().flat_map(|plot| &plot.series).flat_map(|series| &series.x);
        let bands = self.plots.iter().flat_map(|plot| &plot.bands).flat_map(|band| &band.x);
        let axis = Axis::fit(Scale::of(self.log_x), series.chain(bands).copied());
        if !axis.filled {
            // With no data at all, the marks are what there is to see.
            return Axis::fit(axis.scale, self.marks.iter().map(|mark| mark.value)).padded();
        }
        self.marks.iter().fold(axis, |axis, mark| axis.reaching(mark.value))
    }

    fn mark_legend(&self, axis: &Axis, width: f64) -> Legend {
        let mut entries = Vec::new();
        for mark in self.marks.iter().filter(|mark| mark.value.is_finite()) {
            entries.push(Entry::new(Symbol::Mark(mark.kind), mark.entry(inside(axis, mark.value))));
        }
        if let Some((low, high)) = self.interval.filter(|(low, high)| !low.is_nan() && !high.is_nan()) {
            let shade = MarkKind::Estimate.colour().with_alpha(0.18);
            let text = format!("interval {} … {}", number(low.min(high)), number(low.max(high)));
            entries.push(Entry::new(Symbol::Band(shade), text));
        }
        Legend::new("", entries, width)
    }
}

impl Draw for LineFigure {
    fn svg(&self) -> Result<String, ReportError> {
        let (width, height) = self.size.sane();
        let x = self.axis();
        let axes: Vec<Axis> = self.plots.iter().map(Plot::axis).collect();
        let count = axes.len().max(1) as f64;

        let label_width = axes.iter().map(|axis| Panel::label_width(axis, height / count)).fold(30.0, f64::max);
        let (left, right) = (label_width + 14.0, width - 30.0);
        let marks = self.mark_legend(&x, right - left);
        let legends: Vec<Legend> = self.plots.iter().map(|plot| plot.legend(right - left)).collect();

        let mark_space = if marks.height() > 0.0 { marks.height() + 10.0 } else { 4.0 };
        let fixed = 8.0 + mark_space + legends.iter().map(|legend| legend.height() + 8.0).sum::<f64>() + BELOW;
        let plot_height = ((height - fixed - BETWEEN * (count - 1.0)) / count).max(LEAST_HEIGHT);
        let height = height.max(fixed + plot_height * count + BETWEEN * (count - 1.0));

        Canvas::draw(&self.title, width, height, |canvas| {
            marks.draw(canvas, left, 8.0);
            let mut top = 8.0 + mark_space;
            for (index, ((plot, legend), axis)) in self.plots.iter().zip(&legends).zip(axes).enumerate() {
                legend.draw(canvas, left, top);
                top += legend.height() + 8.0;
                let panel = Panel { area: Rect { left, top, right, bottom: top + plot_height }, x, y: axis };
                let last = index + 1 == self.plots.len();
                panel.frame(canvas, last && x.filled, axis.filled);
                if let Some(interval) = self.interval {
                    panel.interval(canvas, interval, MarkKind::Estimate.colour());
                }
                plot.draw(canvas, &panel);
                panel.marks(canvas, &self.marks);
                panel.empty_note(canvas);
                if last {
                    panel.name_x(canvas, &self.x_label);
                }
                top = panel.area.bottom + BETWEEN;
            }
        })
    }
}
