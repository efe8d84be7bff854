//! A landscape over three or more parameters: slices over every pair of them, and a profile over each.
//!
//! The pictures form the lower triangle of a matrix. A column shares its horizontal parameter and a row its vertical one, so
//! that a valley can be followed from picture to picture; all slices share one colour scale, all profiles one vertical axis.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::error::ReportError;
use super::heat::{Colours, HeatAxis};
use super::legend::{Entry, Legend, Symbol};
use super::marks::{Mark, MarkKind, PointMark};
use super::panel::{Panel, inside};
use super::plane::{Plane, Shading, cell_axis, draw_marks};
use super::style::{BASE, INK, LABEL, MUTED, ROW, TICK, series_colour, shortened, text_width};

/// The width of the whole figure, about; more than six parameters need more.
const WIDTH: f64 = 900.0;
/// Space between two pictures.
const GAP: f64 = 14.0;
/// Tick labels and the name of the axis below the last row.
const BELOW: f64 = 50.0;
/// Width of the colour bar.
const BAR: f64 = 16.0;

/// A point in the space of all parameters shown.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceMark {
    /// The name in the legend.
    pub label: String,
    /// A value for each axis; not finite where it is not known, which leaves the mark out.
    pub at: Vec<f64>,
    /// What the mark stands for.
    pub kind: MarkKind,
}

/// A scalar over several parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SliceMatrix {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The name of the value with its unit.
    pub label: String,
    /// The parameters, from left to right and from top to bottom.
    pub axes: Vec<HeatAxis>,
    /// A slice for each pair of a vertical and an earlier, horizontal axis, in the order (1, 0), (2, 0), (2, 1), (3, 0) and so
    /// on; row-major, a row for each value of the vertical parameter. What is not finite is drawn in grey.
    pub slices: Vec<Vec<f64>>,
    /// For each axis the least value over all others.
    pub profiles: Vec<Vec<f64>>,
    /// Whether colours and profiles follow the logarithm of the value.
    pub log: bool,
    /// Words below the legend that say where the slices were taken.
    pub through: String,
    /// Truth, oracle and estimate.
    pub marks: Vec<SpaceMark>,
}

impl SpaceMark {
    /// A point with the given name in the legend.
    pub fn new(label: impl Into<String>, at: Vec<f64>, kind: MarkKind) -> SpaceMark {
        SpaceMark { label: label.into(), at, kind }
    }

    /// The value on an axis, NaN where there is none.
    pub(super) fn on(&self, axis: usize) -> f64 {
        self.at.get(axis).copied().unwrap_or(f64::NAN)
    }
}

/// Where the pictures are.
struct Layout {
    left: f64,
    top: f64,
    side: f64,
}

impl Layout {
    fn area(&self, row: usize, column: usize) -> Rect {
        let (left, top) = (self.left + column as f64 * (self.side + GAP), self.top + row as f64 * (self.side + GAP));
        Rect { left, top, right: left + self.side, bottom: top + self.side }
    }
}

impl SliceMatrix {
    /// The slices with their rows and columns.
    fn planes(&self) -> Vec<(usize, usize, Plane)> {
        let pairs = (0..self.axes.len()).flat_map(|row| (0..row).map(move |column| (row, column)));
        let nothing = Vec::new();
        let plane = |(place, (row, column)): (usize, (usize, usize))| {
            let values = self.slices.get(place).unwrap_or(&nothing);
            (row, column, Plane::new(&self.axes[column], &self.axes[row], values, Scale::of(self.log)))
        };
        pairs.enumerate().map(plane).collect()
    }

    fn legend(&self, axes: &[Axis], gaps: bool, width: f64) -> Legend {
        let known =
            self.marks.iter().filter(|mark| !axes.is_empty() && (0..axes.len()).all(|i| mark.on(i).is_finite()));
        let mut entries: Vec<Entry> = known
            .map(|mark| {
                let outside = (0..axes.len()).any(|i| !inside(&axes[i], mark.on(i)));
                let note = if outside { " (outside)" } else { "" };
                Entry::new(Symbol::Point(mark.kind), format!("{}{note}", mark.label))
            })
            .collect();
        if gaps {
            entries.push(Entry::new(Symbol::Masked, "no value"));
        }
        Legend::new(&self.label, entries, width)
    }

    /// A slice with its marks, with tick labels and names only at the left and the lower border of the matrix.
    fn draw_slice(&self, canvas: &mut Canvas<'_>, panel: &Panel, at: (usize, usize), plane: &Plane, shading: &Shading) {
        let (row, column) = at;
        let last = row + 1 == self.axes.len();
        panel.frame(canvas, last && panel.x.filled, column == 0 && panel.y.filled);
        plane.draw_cells(canvas, panel, shading);
        plane.draw_levels(canvas, panel, shading, &shading.levels());
        let point = |mark: &SpaceMark| PointMark::new("", mark.on(column), mark.on(row), mark.kind);
        draw_marks(canvas, panel, &self.marks.iter().map(point).collect::<Vec<_>>(), 4.4);
    }

    /// A profile with its value axis at the right, where the upper triangle is empty.
    fn draw_profile(&self, canvas: &mut Canvas<'_>, panel: &Panel, place: usize) {
        let Rect { top, right, bottom, .. } = panel.area;
        panel.frame(canvas, place + 1 == self.axes.len() && panel.x.filled, false);
        if panel.y.filled {
            for (share, label) in value_ticks(&panel.y, panel.area.height()) {
                let y = bottom - share * (bottom - top);
                canvas.line(&[(right, y), (right + 4.0, y)], BASE, 1.0);
                canvas.text((right + 8.0, y), &label, TICK, MUTED, Align::Left);
            }
        }
        let mark = |mark: &SpaceMark| Mark::new("", mark.on(place), mark.kind);
        panel.marks(canvas, &self.marks.iter().map(mark).collect::<Vec<_>>());
        if let Some(profile) = self.profiles.get(place) {
            panel.curve(canvas, &self.axes[place].values, profile, series_colour(0), 1.9);
        }
        panel.empty_note(canvas);
    }

    /// The names of the parameters along the left and the lower border.
    fn draw_names(&self, canvas: &mut Canvas<'_>, layout: &Layout, axes: &[Axis]) {
        let last = axes.len().saturating_sub(1);
        for (place, axis) in self.axes.iter().enumerate() {
            let name = shortened(&axis.label, LABEL, layout.side);
            let below = Panel { area: layout.area(last, place), x: axes[place], y: axes[place] };
            below.name_x(canvas, &name);
            if place > 0 {
                let area = layout.area(place, 0);
                canvas.upwards((12.0, 0.5 * (area.top + area.bottom)), &name, LABEL, INK);
            }
        }
    }
}

/// Ticks of the vertical axis of a profile, about 30 pixels apart.
fn value_ticks(axis: &Axis, height: f64) -> Vec<(f64, String)> {
    axis.ticks((height / 30.0) as usize)
}

impl Draw for SliceMatrix {
    fn svg(&self) -> Result<String, ReportError> {
        let planes = self.planes();
        let scale = Scale::of(self.log);
        let shading =
            Shading::fit(Colours::Sequential, scale, planes.iter().flat_map(|(_, _, p)| p.field.iter().copied()));
        let axes: Vec<Axis> = self
            .axes
            .iter()
            .map(|axis| {
                let alone = Plane::new(axis, axis, &[], Scale::Linear);
                cell_axis(&alone.columns, Scale::of(axis.log))
            })
            .collect();
        let value = Axis::fit(scale, self.profiles.iter().flatten().copied()).padded();
        let count = axes.len().max(1);

        let widest =
            |ticks: Vec<(f64, String)>| ticks.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
        let at_left = axes.iter().skip(1).map(|axis| Panel::label_width(axis, 200.0)).fold(30.0, f64::max);
        let at_right = widest(value_ticks(&value, 200.0)).max(widest(shading.ticks()));
        let (left, margin) = (at_left + 22.0, at_right + 40.0);
        let side = ((WIDTH - left - margin + GAP) / count as f64 - GAP).clamp(100.0, 210.0);
        let mut layout = Layout { left, top: 0.0, side };
        let right = layout.area(0, count - 1).right;
        let width = (right + margin).max(480.0);
        let gaps = shading.axis.filled && planes.iter().any(|(_, _, plane)| plane.has_gaps());
        let legend = self.legend(&axes, gaps, width - left - 20.0);
        let lines = if self.through.is_empty() { 0.0 } else { ROW };
        layout.top = 8.0 + legend.height() + lines + 14.0;
        let height = layout.area(count - 1, 0).bottom + BELOW;

        Canvas::draw(&self.title, width, height, |canvas| {
            legend.draw(canvas, left, 8.0);
            let words = shortened(&self.through, TICK, width - left - 20.0);
            canvas.text((left, 8.0 + legend.height() + 0.5 * ROW), &words, TICK, MUTED, Align::Left);
            for (row, column, plane) in &planes {
                let panel = Panel { area: layout.area(*row, *column), x: axes[*column], y: axes[*row] };
                self.draw_slice(canvas, &panel, (*row, *column), plane, &shading);
            }
            for (place, axis) in axes.iter().enumerate() {
                self.draw_profile(canvas, &Panel { area: layout.area(place, place), x: *axis, y: value }, place);
            }
            self.draw_names(canvas, &layout, &axes);
            if shading.axis.filled {
                // In the empty triangle, as high as all rows but the last, whose profile has its own ticks there.
                let corner = layout.area(count.saturating_sub(2), count - 1);
                let bar = Rect { left: corner.right - BAR, top: layout.top, ..corner };
                shading.draw_bar(canvas, bar, &shading.levels(), &self.label, bar.left - 14.0);
            }
        })
    }
}
