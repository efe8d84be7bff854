//! Regions in the plane of two parameters: what different criteria leave open, over each other.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Canvas, Rect};
use super::error::ReportError;
use super::heat::HeatAxis;
use super::legend::{Entry, Legend, Symbol};
use super::marks::PointMark;
use super::panel::{Panel, inside};
use super::plane::draw_marks;
use super::style::{Size, series_colour};

/// What one criterion leaves open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Region {
    /// The name in the legend.
    pub name: String,
    /// Its outline, as lines through pairs of values; open where the box cuts it off.
    pub outline: Vec<Vec<(f64, f64)>>,
    /// Lines inside it, drawn thinner.
    pub paths: Vec<Vec<(f64, f64)>>,
}

/// Regions over two parameters. The axes reach as far as what is drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PairFigure {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The horizontal parameter; its values are ignored.
    pub x: HeatAxis,
    /// The vertical parameter; its values are ignored.
    pub y: HeatAxis,
    /// The regions, each in a colour of its own.
    pub regions: Vec<Region>,
    /// Truth, oracles and estimates.
    pub marks: Vec<PointMark>,
    /// The size.
    pub size: Size,
}

impl PairFigure {
    fn axis(&self, log: bool, pick: fn(&(f64, f64)) -> f64) -> Axis {
        let lines = self.regions.iter().flat_map(|r| r.outline.iter().chain(&r.paths)).flatten().map(pick);
        let marks = self.marks.iter().map(|mark| pick(&(mark.x, mark.y)));
        Axis::fit(Scale::of(log), lines.chain(marks)).padded()
    }

    fn legend(&self, x: &Axis, y: &Axis, width: f64) -> Legend {
        let regions = self.regions.iter().enumerate();
        let mut entries: Vec<Entry> =
            regions.map(|(i, region)| Entry::new(Symbol::Line(series_colour(i)), region.name.clone())).collect();
        let finite = self.marks.iter().filter(|mark| mark.x.is_finite() && mark.y.is_finite());
        entries.extend(
            finite.map(|mark| Entry::new(Symbol::Point(mark.kind), mark.entry(inside(x, mark.x) && inside(y, mark.y)))),
        );
        Legend::new("", entries, width)
    }
}

impl Draw for PairFigure {
    fn svg(&self) -> Result<String, ReportError> {
        let (width, height) = self.size.sane();
        let (x, y) = (self.axis(self.x.log, |p| p.0), self.axis(self.y.log, |p| p.1));
        let left = Panel::label_width(&y, height).max(30.0) + 14.0;
        let right = width - 30.0;
        let legend = self.legend(&x, &y, right - left);
        let heading = Legend::new(&self.y.label, Vec::new(), right - left);
        let top = 8.0 + legend.height() + heading.height() + 12.0;
        let height = height.max(top + 260.0);
        let area = Rect { left, top, right, bottom: height - 52.0 };
        Canvas::draw(&self.title, width, height, |canvas| {
            legend.draw(canvas, left, 8.0);
            heading.draw(canvas, left, 12.0 + legend.height());
            let panel = Panel { area, x, y };
            panel.frame(canvas, x.filled, y.filled);
            for (i, region) in self.regions.iter().enumerate() {
                for (lines, thickness) in [(&region.paths, 1.3), (&region.outline, 2.6)] {
                    for line in lines {
                        let (x, y): (Vec<f64>, Vec<f64>) = line.iter().copied().unzip();
                        panel.curve(canvas, &x, &y, series_colour(i), thickness);
                    }
                }
            }
            draw_marks(canvas, &panel, &self.marks, 6.0);
            panel.empty_note(canvas);
            panel.name_x(canvas, &self.x.label);
        })
    }
}
