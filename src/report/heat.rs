//! Heat maps: a scalar over two parameters, with contour lines, a zero set and marks.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Canvas, Rect};
use super::error::ReportError;
use super::legend::{Entry, Legend, Symbol};
use super::marks::PointMark;
use super::panel::{Panel, inside};
use super::plane::{Plane, Shading, cell_axis, draw_marks};
use super::style::{Size, TICK, text_width};

/// One axis of a heat map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatAxis {
    /// The name of the parameter with its unit.
    pub label: String,
    /// The values of the parameter, in any order.
    pub values: Vec<f64>,
    /// Whether the axis is logarithmic.
    pub log: bool,
}

impl HeatAxis {
    /// A linear axis.
    pub fn new(label: impl Into<String>, values: &[f64]) -> HeatAxis {
        HeatAxis { label: label.into(), values: values.to_vec(), log: false }
    }
}

/// The colour scale of a heat map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// From dark (low) to light (high).
    #[default]
    Sequential,
    /// Blue below zero, orange above, neutral at zero. With a logarithmic scale: below and above the middle.
    Diverging,
}

/// Where contour lines are drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Levels {
    /// At the ticks of the colour bar.
    #[default]
    Ticks,
    /// At the given values.
    At(Vec<f64>),
    /// Nowhere.
    None,
}

/// A signed field whose zeros are drawn as a thick line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZeroSet {
    /// The name in the legend, such as `E⟨f, g⟩ = 0`.
    pub label: String,
    /// The values on the grid of the heat map.
    pub values: Vec<f64>,
}

/// A scalar over two parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatMap {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The horizontal parameter.
    pub x: HeatAxis,
    /// The vertical parameter.
    pub y: HeatAxis,
    /// The name of the value with its unit, beside the colour bar.
    pub label: String,
    /// The values, row-major: a row for each value of `y`, a column for each value of `x`. What is missing, not finite or not
    /// positive on a logarithmic scale is drawn in grey.
    pub values: Vec<f64>,
    /// Whether colours follow the logarithm of the value.
    pub log: bool,
    /// The colour scale.
    pub colours: Colours,
    /// Where contour lines are drawn.
    pub levels: Levels,
    /// A zero set to draw on top.
    pub zero: Option<ZeroSet>,
    /// Truth, oracle and estimate.
    pub marks: Vec<PointMark>,
    /// The size; the default is flat for a heat map, 900 × 560 shows more.
    pub size: Size,
}

/// A heat map made ready for drawing.
struct Prepared {
    plane: Plane,
    shading: Shading,
    levels: Vec<f64>,
    zeros: Option<Plane>,
}

impl HeatMap {
    fn prepared(&self) -> Prepared {
        let scale = Scale::of(self.log);
        let plane = Plane::new(&self.x, &self.y, &self.values, scale);
        let shading = Shading::fit(self.colours, scale, plane.field.iter().copied());
        let levels = match &self.levels {
            Levels::None => Vec::new(),
            Levels::At(values) => values.iter().filter_map(|value| scale.place(*value)).collect(),
            Levels::Ticks => shading.levels(),
        };
        let zeros = self.zero.as_ref().map(|zero| Plane::new(&self.x, &self.y, &zero.values, Scale::Linear));
        Prepared { plane, shading, levels, zeros }
    }

    fn legend(&self, prepared: &Prepared, x: &Axis, y: &Axis, width: f64) -> Legend {
        let finite = self.marks.iter().filter(|mark| mark.x.is_finite() && mark.y.is_finite());
        let mut entries: Vec<Entry> = finite
            .map(|mark| Entry::new(Symbol::Point(mark.kind), mark.entry(inside(x, mark.x) && inside(y, mark.y))))
            .collect();
        if let Some(zero) = &self.zero {
            entries.push(Entry::new(Symbol::ZeroSet, zero.label.clone()));
        }
        if prepared.shading.axis.filled && prepared.plane.has_gaps() {
            entries.push(Entry::new(Symbol::Masked, "no value"));
        }
        Legend::new("", entries, width)
    }
}

impl Draw for HeatMap {
    fn svg(&self) -> Result<String, ReportError> {
        let (width, height) = self.size.sane();
        let prepared = self.prepared();
        let Prepared { plane, shading, levels, zeros } = &prepared;
        let x = cell_axis(&plane.columns, Scale::of(self.x.log));
        let y = cell_axis(&plane.rows, Scale::of(self.y.log));
        let filled = shading.axis.filled;

        let left = Panel::label_width(&y, height).max(30.0) + 14.0;
        let bar_labels = shading.ticks().iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
        let bar_right = width - 36.0 - bar_labels;
        let right = if filled { (bar_right - 42.0).max(left + 100.0) } else { width - 30.0 };
        let legend = self.legend(&prepared, &x, &y, width - left - 30.0);
        let heading = Legend::new(&self.y.label, Vec::new(), right - left);

        let top = 8.0 + legend.height() + heading.height() + 12.0;
        let height = height.max(top + 180.0);
        let area = Rect { left, top, right, bottom: height - 52.0 };

        Canvas::draw(&self.title, width, height, |canvas| {
            legend.draw(canvas, left, 8.0);
            heading.draw(canvas, left, 12.0 + legend.height());
            // Whether there is anything to show is a matter of the values, not of the vertical parameter.
            let panel = Panel { area, x, y };
            panel.frame(canvas, x.filled, y.filled);
            if filled {
                plane.draw_cells(canvas, &panel, shading);
                plane.draw_levels(canvas, &panel, shading, levels);
                zeros.iter().for_each(|zeros| zeros.draw_zeros(canvas, &panel));
                let bar = Rect { left: bar_right - 16.0, right: bar_right, ..area };
                shading.draw_bar(canvas, bar, levels, &self.label, width - 10.0);
            } else {
                Panel { area, x, y: shading.axis }.empty_note(canvas);
            }
            draw_marks(canvas, &panel, &self.marks, 6.0);
            panel.name_x(canvas, &self.x.label);
        })
    }
}
