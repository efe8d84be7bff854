//! A scalar over the plane of two parameters, as every heat map draws it: cells, contour lines, colour bar, marks.

use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::contour::contours;
use super::grid::{Cells, sampled};
use super::heat::{Colours, HeatAxis};
use super::marks::{MarkKind, PointMark};
use super::palette;
use super::panel::{Panel, inside};
use super::style::{BASE, Colour, INK, LABEL, MASKED, MUTED, PAPER, TICK, shortened};

/// Ticks of a colour bar, about.
const TICKS: usize = 8;

/// Which colour a value has. Planes that share it can be compared by colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shading {
    pub colours: Colours,
    pub axis: Axis,
}

impl Shading {
    /// From the least to the largest of `placed`, values that their scale has placed already; diverging colours of a linear
    /// scale are neutral at zero.
    pub fn fit(colours: Colours, scale: Scale, placed: impl IntoIterator<Item = f64>) -> Shading {
        // The values are placed, so the axis is found as a linear one and renamed.
        let axis = Axis { scale, ..Axis::fit(Scale::Linear, placed) };
        if colours == Colours::Diverging && scale == Scale::Linear && axis.filled {
            let reach = axis.low.abs().max(axis.high.abs());
            return Shading { colours, axis: Axis { low: -reach, high: reach, ..axis } };
        }
        Shading { colours, axis }
    }

    /// Ticks of the colour bar: share of its length and label.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.axis.filled { self.axis.ticks(TICKS) } else { Vec::new() }
    }

    /// The placed values at the ticks, where contour lines are drawn.
    pub fn levels(&self) -> Vec<f64> {
        self.axis
            .ticks(TICKS)
            .iter()
            .map(|(share, _)| self.axis.low + share * (self.axis.high - self.axis.low))
            .collect()
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

    /// The colour bar with its ticks at the right, the contour levels on it, and its name read upwards, centred at `name_x`.
    pub fn draw_bar(&self, canvas: &mut Canvas<'_>, bar: Rect, levels: &[f64], name: &str, name_x: f64) {
        let slices = 96;
        for slice in 0..slices {
            let share = (f64::from(slice) + 0.5) / f64::from(slices);
            let bottom = bar.bottom - f64::from(slice) / f64::from(slices) * bar.height();
            // Reaching up under the next slice hides the seam between them.
            let top = (bottom - bar.height() / f64::from(slices) - 0.6).max(bar.top);
            canvas.rect(Rect { top, bottom, ..bar }, self.shade(share));
        }
        for (share, label) in self.ticks() {
            let y = bar.bottom - share * bar.height();
            canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], BASE, 1.0);
            canvas.text((bar.right + 8.0, y), &label, TICK, MUTED, Align::Left);
        }
        for level in levels {
            let share = share_of(&self.axis, *level);
            if (0.0..=1.0).contains(&share) {
                let y = bar.bottom - share * bar.height();
                canvas.line(&[(bar.left, y), (bar.right, y)], self.line_colour(share), 1.1);
            }
        }
        let name = shortened(name, LABEL, bar.height());
        canvas.upwards((name_x, 0.5 * (bar.top + bar.bottom)), &name, LABEL, INK);
    }
}

/// Values made ready for drawing: all are placed by their scales.
pub(super) struct Plane {
    pub columns: Cells,
    pub rows: Cells,
    pub field: Vec<f64>,
}

impl Plane {
    /// `values` are row-major: a row for each value of `y`, a column for each value of `x`.
    pub fn new(x: &HeatAxis, y: &HeatAxis, values: &[f64], scale: Scale) -> Plane {
        let columns = Cells::new(&x.values, Scale::of(x.log));
        let rows = Cells::new(&y.values, Scale::of(y.log));
        let field = sampled(&columns, &rows, values, x.values.len(), scale);
        Plane { columns, rows, field }
    }

    /// Whether some cell has no value.
    pub fn has_gaps(&self) -> bool {
        self.field.iter().any(|value| value.is_nan())
    }

    pub fn draw_cells(&self, canvas: &mut Canvas<'_>, panel: &Panel, shading: &Shading) {
        let across = |edge: &f64| panel.area.left + share_of(&panel.x, *edge) * panel.area.width();
        let up = |edge: &f64| panel.area.bottom - share_of(&panel.y, *edge) * panel.area.height();
        let (x, y): (Vec<f64>, Vec<f64>) =
            (self.columns.edges().iter().map(across).collect(), self.rows.edges().iter().map(up).collect());
        let count = self.columns.centres.len();
        // From the top row down: each cell reaches a little under its right and lower neighbour, which hides the seams that
        // renderers leave between touching rectangles.
        for (row, values) in self.field.chunks(count.max(1)).enumerate().rev() {
            let shades: Vec<Option<Colour>> = values
                .iter()
                .map(|value| value.is_finite().then(|| shading.shade(share_of(&shading.axis, *value))))
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

    /// Contour lines at placed levels.
    pub fn draw_levels(&self, canvas: &mut Canvas<'_>, panel: &Panel, shading: &Shading, levels: &[f64]) {
        for level in levels {
            let colour = shading.line_colour(share_of(&shading.axis, *level));
            for line in self.contours(panel, *level) {
                canvas.line(&line, colour, 1.1);
            }
        }
    }

    /// The zeros of this field as a thick line.
    pub fn draw_zeros(&self, canvas: &mut Canvas<'_>, panel: &Panel) {
        let lines = self.contours(panel, 0.0);
        for (colour, width) in [(INK, 4.6), (PAPER, 2.2)] {
            for line in &lines {
                canvas.line(line, colour, width);
            }
        }
    }

    fn contours(&self, panel: &Panel, level: f64) -> Vec<Vec<(f64, f64)>> {
        let place = |&(x, y): &(f64, f64)| {
            let (across, up) = (share_of(&panel.x, x), share_of(&panel.y, y));
            (panel.area.left + across * panel.area.width(), panel.area.bottom - up * panel.area.height())
        };
        let lines = contours(&self.columns.centres, &self.rows.centres, &self.field, level);
        lines.iter().map(|line| line.iter().map(place).collect()).collect()
    }
}

/// The marks inside a panel, the estimate on top.
pub(super) fn draw_marks(canvas: &mut Canvas<'_>, panel: &Panel, marks: &[PointMark], radius: f64) {
    for kind in [MarkKind::Truth, MarkKind::Oracle, MarkKind::Alternative, MarkKind::Estimate] {
        for mark in marks.iter().filter(|mark| mark.kind == kind) {
            let shown = inside(&panel.x, mark.x) && inside(&panel.y, mark.y);
            if let Some(centre) = panel.position(mark.x, mark.y).filter(|_| shown) {
                kind.glyph(canvas, centre, radius);
            }
        }
    }
}

/// Where a placed value lies on its axis.
fn share_of(axis: &Axis, placed: f64) -> f64 {
    (placed - axis.low) / (axis.high - axis.low)
}

/// The axis that the cells fill from edge to edge.
pub(super) fn cell_axis(cells: &Cells, scale: Scale) -> Axis {
    let edges = cells.edges();
    let axis = Axis { scale, ..Axis::fit(Scale::Linear, edges.iter().copied()) };
    Axis { filled: !edges.is_empty(), ..axis }
}
