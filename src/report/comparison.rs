//! Two landscapes over the same parameters and their difference: does the second approximate the first?
//!
//! Over two parameters three heat maps with shared axes, the first two with one colour scale, the difference with its own,
//! neutral at zero; over one parameter two curves, and their difference below.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::error::ReportError;
use super::heat::{Colours, HeatAxis};
use super::legend::{Entry, Legend, Symbol};
use super::lines::{LineFigure, Plot, Series};
use super::marks::{Mark, MarkKind, PointMark};
use super::number::number;
use super::panel::Panel;
use super::plane::{Plane, Shading, cell_axis, draw_marks};
use super::slices::SpaceMark;
use super::style::{INK, LABEL, ROW, Size, TICK, shortened, text_width};

/// The size of the figure over two parameters; taller with more rows of legends.
const WIDTH: f64 = 900.0;
/// Space between two maps.
const GAP: f64 = 26.0;
/// Width of a colour bar.
const BAR: f64 = 14.0;
/// Minima whose values the legend gives.
const NAMED: usize = 3;

/// One of the two landscapes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// Its name, such as `retrained`.
    pub name: String,
    /// The values, row-major: a row for each value of `y`, a column for each value of `x`; NaN where missing.
    pub values: Vec<f64>,
    /// Its minima, the deepest first: the value of `x` of each, over two parameters that of `x` and that of `y`.
    pub minima: Vec<Vec<f64>>,
}

/// Two landscapes and the second minus the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The name of the value with its unit.
    pub label: String,
    /// The horizontal parameter.
    pub x: HeatAxis,
    /// The vertical parameter; over one parameter there is none.
    pub y: Option<HeatAxis>,
    /// The landscape that is approximated.
    pub first: Side,
    /// The one that approximates it.
    pub second: Side,
    /// Truth and oracle, with one or two values like the minima.
    pub marks: Vec<SpaceMark>,
}

impl Side {
    fn spots(&self, kind: MarkKind) -> Vec<SpaceMark> {
        self.minima.iter().map(|at| SpaceMark::new(format!("{}: minimum", self.name), at.clone(), kind)).collect()
    }

    /// The legend of all its minima.
    fn entry(&self, kind: MarkKind) -> Option<Entry> {
        let named = self.minima.iter().take(NAMED).map(|at| {
            let values: Vec<String> = at.iter().map(|value| number(*value)).collect();
            format!("({})", values.join(", "))
        });
        let more = if self.minima.len() > NAMED { ", …" } else { "" };
        let text = format!("{}: least at {}{more}", self.name, named.collect::<Vec<_>>().join(", "));
        (!self.minima.is_empty()).then(|| Entry::new(Symbol::Point(kind), text))
    }
}

impl Comparison {
    /// The minima of the first landscape are discs, those of the second rings, in every picture.
    const KINDS: [MarkKind; 2] = [MarkKind::Estimate, MarkKind::Alternative];

    fn difference(&self) -> Vec<f64> {
        self.second.values.iter().zip(&self.first.values).map(|(second, first)| second - first).collect()
    }

    fn difference_name(&self) -> String {
        format!("{} − {}", self.second.name, self.first.name)
    }

    /// The figure over one parameter.
    pub fn lines(&self) -> LineFigure {
        let series = |side: &Side| Series::new(side.name.clone(), self.x.values.clone(), side.values.clone());
        let together = Plot {
            label: self.label.clone(),
            series: vec![series(&self.first), series(&self.second)],
            ..Plot::default()
        };
        let difference = Series::new("", self.x.values.clone(), self.difference());
        let apart = Plot { label: self.difference_name(), series: vec![difference], ..Plot::default() };
        let minima = [&self.first, &self.second].into_iter().zip(Self::KINDS).flat_map(|(side, kind)| side.spots(kind));
        let mark = |mark: SpaceMark| Mark::new(mark.label.clone(), mark.on(0), mark.kind);
        LineFigure {
            title: self.title.clone(),
            x_label: self.x.label.clone(),
            log_x: self.x.log,
            plots: vec![together, apart],
            marks: self.marks.iter().cloned().chain(minima).map(mark).collect(),
            interval: None,
            size: Size { width: 900, height: 480 },
        }
    }

    fn legend(&self, gaps: bool, width: f64) -> Legend {
        let mut entries: Vec<Entry> = self
            .marks
            .iter()
            .filter(|mark| mark.on(0).is_finite() && mark.on(1).is_finite())
            .map(|mark| {
                let text = format!("{} ({}, {})", mark.label, number(mark.on(0)), number(mark.on(1)));
                Entry::new(Symbol::Point(mark.kind), text)
            })
            .collect();
        entries.extend([&self.first, &self.second].into_iter().zip(Self::KINDS).filter_map(|(s, kind)| s.entry(kind)));
        if gaps {
            entries.push(Entry::new(Symbol::Masked, "no value"));
        }
        Legend::new(&self.label, entries, width)
    }

    /// The figure over two parameters.
    fn maps(&self, vertical: &HeatAxis) -> Result<String, ReportError> {
        let plane = |values: &[f64]| Plane::new(&self.x, vertical, values, Scale::Linear);
        let planes = [plane(&self.first.values), plane(&self.second.values), plane(&self.difference())];
        let both = planes[..2].iter().flat_map(|plane| plane.field.iter().copied());
        let common = Shading::fit(Colours::Sequential, Scale::Linear, both);
        let signed = Shading::fit(Colours::Diverging, Scale::Linear, planes[2].field.iter().copied());
        let x = cell_axis(&planes[0].columns, Scale::of(self.x.log));
        let y = cell_axis(&planes[0].rows, Scale::of(vertical.log));

        let left = Panel::label_width(&y, 240.0).max(30.0) + 22.0;
        let bar = |shading: &Shading| {
            let labels = shading.ticks().iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
            if shading.axis.filled { GAP + BAR + 8.0 + labels } else { 0.0 }
        };
        let bars = [0.0, bar(&common), bar(&signed)];
        let side = ((WIDTH - left - 12.0 - bars.iter().sum::<f64>() - 2.0 * GAP) / 3.0).max(120.0);
        let legend = self.legend(common.axis.filled && planes.iter().any(Plane::has_gaps), WIDTH - left - 20.0);
        let top = 8.0 + legend.height() + 8.0 + ROW;
        let names = [self.first.name.clone(), self.second.name.clone(), self.difference_name()];
        let spots = [self.first.spots(Self::KINDS[0]), self.second.spots(Self::KINDS[1])];
        let point = |mark: &SpaceMark| PointMark::new("", mark.on(0), mark.on(1), mark.kind);

        Canvas::draw(&self.title, WIDTH, top + side + 52.0, |canvas| {
            legend.draw(canvas, left, 8.0);
            let mut start = left;
            for (place, plane) in planes.iter().enumerate() {
                let shading = if place < 2 { &common } else { &signed };
                let area = Rect { left: start, top, right: start + side, bottom: top + side };
                let name = shortened(&names[place], LABEL, side);
                canvas.text((start, top - 0.5 * ROW - 2.0), &name, LABEL, INK, Align::Left);
                let panel = Panel { area, x, y };
                panel.frame(canvas, x.filled, place == 0 && y.filled);
                if shading.axis.filled {
                    plane.draw_cells(canvas, &panel, shading);
                    plane.draw_levels(canvas, &panel, shading, &shading.levels());
                } else {
                    let nothing = Axis { filled: false, ..y };
                    Panel { area, x, y: nothing }.empty_note(canvas);
                }
                let minima = spots.iter().enumerate().filter(|(of, _)| place == 2 || place == *of).flat_map(|(_, s)| s);
                let marks: Vec<PointMark> = self.marks.iter().chain(minima).map(point).collect();
                draw_marks(canvas, &panel, &marks, 5.0);
                panel.name_x(canvas, &self.x.label);
                if place > 0 && shading.axis.filled {
                    let bar = Rect { left: area.right + GAP, right: area.right + GAP + BAR, ..area };
                    shading.draw_bar(canvas, bar, &shading.levels(), "", bar.left);
                }
                start = area.right + bars[place] + GAP;
            }
            let name = shortened(&vertical.label, LABEL, side);
            canvas.upwards((12.0, top + 0.5 * side), &name, LABEL, INK);
        })
    }
}

impl Draw for Comparison {
    fn svg(&self) -> Result<String, ReportError> {
        match &self.y {
            Some(vertical) => self.maps(vertical),
            None => self.lines().svg(),
        }
    }
}
