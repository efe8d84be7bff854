//! Heat maps: a scalar over two parameters, with contour lines, a zero set and marks.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::contour::contours;
use super::error::ReportError;
use super::grid::{Cells, sampled};
use super::legend::{Entry, Legend, Symbol};
use super::marks::{MarkKind, PointMark};
use super::palette;
use super::panel::{Panel, inside};
use super::style::{BASE, Colour, INK, LABEL, MASKED, MUTED, PAPER, Size, TICK, shortened, text_width};

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

/// A heat map made ready for drawing; all values are placed by their scales.
struct Prepared {
    columns: Cells,
    rows: Cells,
    field: Vec<f64>,
    colour: Axis,
    levels: Vec<f64>,
    zero_lines: Vec<Vec<(f64, f64)>>,
}

impl HeatMap {
    fn prepared(&self) -> Prepared {
        let columns = Cells::new(&self.x.values, Scale::of(self.x.log));
        let rows = Cells::new(&self.y.values, Scale::of(self.y.log));
        let scale = Scale::of(self.log);
        let stride = self.x.values.len();
        let field = sampled(&columns, &rows, &self.values, stride, scale);
        // The field is placed already, so its axis is found as a linear one and renamed.
        let mut colour = Axis { scale, ..Axis::fit(Scale::Linear, field.iter().copied()) };
        if self.colours == Colours::Diverging && !self.log && colour.filled {
            let reach = colour.low.abs().max(colour.high.abs());
            colour = Axis { low: -reach, high: reach, ..colour };
        }
        let levels = match &self.levels {
            Levels::None => Vec::new(),
            Levels::At(values) => values.iter().filter_map(|value| scale.place(*value)).collect(),
            Levels::Ticks => {
                let ticks = colour.ticks(8);
                ticks.iter().map(|(share, _)| colour.low + share * (colour.high - colour.low)).collect()
            }
        };
        let zero_lines = self.zero.as_ref().map_or(Vec::new(), |zero| {
            let signed = sampled(&columns, &rows, &zero.values, stride, Scale::Linear);
            contours(&columns.centres, &rows.centres, &signed, 0.0)
        });
        Prepared { columns, rows, field, colour, levels, zero_lines }
    }

    fn legend(&self, prepared: &Prepared, x: &Axis, y: &Axis, width: f64) -> Legend {
        let finite = self.marks.iter().filter(|mark| mark.x.is_finite() && mark.y.is_finite());
        let mut entries: Vec<Entry> = finite
            .map(|mark| Entry::new(Symbol::Point(mark.kind), mark.entry(inside(x, mark.x) && inside(y, mark.y))))
            .collect();
        if let Some(zero) = &self.zero {
            entries.push(Entry::new(Symbol::ZeroSet, zero.label.clone()));
        }
        if prepared.colour.filled && prepared.field.iter().any(|value| value.is_nan()) {
            entries.push(Entry::new(Symbol::Masked, "no value"));
        }
        Legend::new("", entries, width)
    }

    fn shade(&self, share: f64) -> Colour {
        match self.colours {
            Colours::Sequential => palette::sequential(share),
            Colours::Diverging => palette::diverging(share),
        }
    }

    /// A colour for lines on the shade at `share`: white on dark shades, dark on light ones.
    fn line_colour(&self, share: f64) -> Colour {
        let dark = match self.colours {
            Colours::Sequential => share < 0.6,
            Colours::Diverging => (2.0 * share - 1.0).abs() > 0.65,
        };
        if dark { PAPER.with_alpha(0.7) } else { INK.with_alpha(0.45) }
    }

    fn draw_cells(&self, canvas: &mut Canvas<'_>, prepared: &Prepared, panel: &Panel) {
        let across = |edge: &f64| panel.area.left + share_of(&panel.x, *edge) * panel.area.width();
        let up = |edge: &f64| panel.area.bottom - share_of(&panel.y, *edge) * panel.area.height();
        let (x, y): (Vec<f64>, Vec<f64>) =
            (prepared.columns.edges().iter().map(across).collect(), prepared.rows.edges().iter().map(up).collect());
        let count = prepared.columns.centres.len();
        // From the top row down: each cell reaches a little under its right and lower neighbour, which hides the seams that
        // renderers leave between touching rectangles.
        for (row, values) in prepared.field.chunks(count.max(1)).enumerate().rev() {
            let shades: Vec<Option<Colour>> = values
                .iter()
                .map(|value| value.is_finite().then(|| self.shade(share_of(&prepared.colour, *value))))
                .collect();
            let mut start = 0;
            for run in shades.chunk_by(|one, next| one.is_some() && one == next) {
                let (left, right) = (x[start], (x[start + run.len()] + 0.6).min(panel.area.right));
                let (top, bottom) = (y[row + 1], (y[row] + 0.6).min(panel.area.bottom));
                canvas.rect(Rect { left, top, right, bottom }, run[0].unwrap_or(MASKED));
                if run[0].is_none() {
                    canvas.line(&[(left, y[row]), (x[start + 1], top)], BASE, 0.8);
                }
                start += run.len();
            }
        }
    }

    fn draw_lines(&self, canvas: &mut Canvas<'_>, prepared: &Prepared, panel: &Panel) {
        let place = |&(x, y): &(f64, f64)| {
            let (across, up) = (share_of(&panel.x, x), share_of(&panel.y, y));
            (panel.area.left + across * panel.area.width(), panel.area.bottom - up * panel.area.height())
        };
        for level in &prepared.levels {
            let colour = self.line_colour(share_of(&prepared.colour, *level));
            for line in contours(&prepared.columns.centres, &prepared.rows.centres, &prepared.field, *level) {
                canvas.line(&line.iter().map(place).collect::<Vec<_>>(), colour, 1.1);
            }
        }
        let lines: Vec<Vec<_>> = prepared.zero_lines.iter().map(|line| line.iter().map(place).collect()).collect();
        for (colour, width) in [(INK, 4.6), (PAPER, 2.2)] {
            for line in &lines {
                canvas.line(line, colour, width);
            }
        }
    }

    fn draw_bar(&self, canvas: &mut Canvas<'_>, prepared: &Prepared, bar: Rect, right: f64) {
        let slices = 96;
        for slice in 0..slices {
            let share = (f64::from(slice) + 0.5) / f64::from(slices);
            let bottom = bar.bottom - f64::from(slice) / f64::from(slices) * bar.height();
            // Reaching up under the next slice hides the seam between them.
            let top = (bottom - bar.height() / f64::from(slices) - 0.6).max(bar.top);
            canvas.rect(Rect { top, bottom, ..bar }, self.shade(share));
        }
        for (share, label) in prepared.colour.ticks(8) {
            let y = bar.bottom - share * bar.height();
            canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], BASE, 1.0);
            canvas.text((bar.right + 8.0, y), &label, TICK, MUTED, Align::Left);
        }
        for level in &prepared.levels {
            let share = share_of(&prepared.colour, *level);
            if (0.0..=1.0).contains(&share) {
                let y = bar.bottom - share * bar.height();
                canvas.line(&[(bar.left, y), (bar.right, y)], self.line_colour(share), 1.1);
            }
        }
        let name = shortened(&self.label, LABEL, bar.height());
        canvas.upwards((right - 10.0, 0.5 * (bar.top + bar.bottom)), &name, LABEL, INK);
    }

    fn draw_marks(&self, canvas: &mut Canvas<'_>, panel: &Panel) {
        for kind in [MarkKind::Truth, MarkKind::Oracle, MarkKind::Alternative, MarkKind::Estimate] {
            for mark in self.marks.iter().filter(|mark| mark.kind == kind) {
                let shown = inside(&panel.x, mark.x) && inside(&panel.y, mark.y);
                if let Some(centre) = panel.position(mark.x, mark.y).filter(|_| shown) {
                    kind.glyph(canvas, centre, 6.0);
                }
            }
        }
    }
}

/// Where a placed value lies on its axis.
fn share_of(axis: &Axis, placed: f64) -> f64 {
    (placed - axis.low) / (axis.high - axis.low)
}

/// The axis that the cells fill from edge to edge.
fn cell_axis(cells: &Cells, scale: Scale) -> Axis {
    let edges = cells.edges();
    let axis = Axis { scale, ..Axis::fit(Scale::Linear, edges.iter().copied()) };
    Axis { filled: !edges.is_empty(), ..axis }
}

impl Draw for HeatMap {
    fn svg(&self) -> Result<String, ReportError> {
        let (width, height) = self.size.sane();
        let prepared = self.prepared();
        let x = cell_axis(&prepared.columns, Scale::of(self.x.log));
        let y = cell_axis(&prepared.rows, Scale::of(self.y.log));
        let colour = prepared.colour;

        let left = Panel::label_width(&y, height).max(30.0) + 14.0;
        let ticks = if colour.filled { colour.ticks(8) } else { Vec::new() };
        let bar_labels = ticks.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
        let bar_right = width - 36.0 - bar_labels;
        let right = if colour.filled { (bar_right - 42.0).max(left + 100.0) } else { width - 30.0 };
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
            if colour.filled {
                self.draw_cells(canvas, &prepared, &panel);
                self.draw_lines(canvas, &prepared, &panel);
                let bar = Rect { left: bar_right - 16.0, right: bar_right, ..area };
                self.draw_bar(canvas, &prepared, bar, width);
            } else {
                Panel { area, x, y: colour }.empty_note(canvas);
            }
            self.draw_marks(canvas, &panel);
            panel.name_x(canvas, &self.x.label);
        })
    }
}
