//! Marks for the truth, the oracle and the estimate, with the same glyph and colour in every figure.

use super::canvas::{Canvas, Point};
use super::number::number;
use super::style::{Colour, INK, PAPER};

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// The value that generated the data: a dark solid line or diamond.
    Truth,
    /// The value a perfect network would lead to: a dashed line or square.
    Oracle,
    /// The value that was estimated: a bright solid line or disc.
    Estimate,
    /// An estimate by another criterion: a thin line or a ring.
    Alternative,
}

/// A value of the parameter on a figure's horizontal axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The name in the legend; the value is added to it.
    pub label: String,
    /// The value of the parameter.
    pub value: f64,
    /// What the mark stands for.
    pub kind: MarkKind,
}

impl Mark {
    /// A mark with the given name in the legend.
    pub fn new(label: impl Into<String>, value: f64, kind: MarkKind) -> Mark {
        Mark { label: label.into(), value, kind }
    }

    /// The entry in the legend, which says so when the value lies outside of the figure.
    pub(crate) fn entry(&self, inside: bool) -> String {
        format!("{} {}{}", self.label, number(self.value), if inside { "" } else { " (outside)" })
    }
}

/// A point in the plane of two parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct PointMark {
    /// The name in the legend; the values are added to it.
    pub label: String,
    /// The value of the horizontal parameter.
    pub x: f64,
    /// The value of the vertical parameter.
    pub y: f64,
    /// What the mark stands for.
    pub kind: MarkKind,
}

impl PointMark {
    /// A point with the given name in the legend.
    pub fn new(label: impl Into<String>, x: f64, y: f64, kind: MarkKind) -> PointMark {
        PointMark { label: label.into(), x, y, kind }
    }

    pub(crate) fn entry(&self, inside: bool) -> String {
        let outside = if inside { "" } else { " (outside)" };
        format!("{} ({}, {}){outside}", self.label, number(self.x), number(self.y))
    }
}

impl MarkKind {
    pub(crate) fn colour(self) -> Colour {
        match self {
            MarkKind::Truth => INK,
            MarkKind::Oracle => Colour::new(126, 60, 160),
            MarkKind::Estimate | MarkKind::Alternative => Colour::new(214, 72, 16),
        }
    }

    /// Draws the glyph with a white rim, so that it stands out on any colour of a heat map.
    pub(crate) fn glyph(self, canvas: &mut Canvas<'_>, centre: Point, radius: f64) {
        let rim = radius + 1.6;
        match self {
            MarkKind::Truth => {
                canvas.polygon(&diamond(centre, 1.25 * rim), PAPER);
                canvas.polygon(&diamond(centre, 1.25 * radius), self.colour());
            }
            MarkKind::Oracle => {
                canvas.polygon(&square(centre, 0.9 * rim), PAPER);
                canvas.polygon(&square(centre, 0.9 * radius), self.colour());
                canvas.polygon(&square(centre, 0.42 * radius), PAPER);
            }
            MarkKind::Estimate => {
                canvas.dot(centre, rim, PAPER);
                canvas.dot(centre, radius, self.colour());
            }
            MarkKind::Alternative => {
                canvas.dot(centre, rim, PAPER);
                canvas.dot(centre, radius, self.colour());
                canvas.dot(centre, 0.55 * radius, PAPER);
            }
        }
    }

    /// Draws the vertical line of a mark from `top` to `bottom`.
    pub(crate) fn rule(self, canvas: &mut Canvas<'_>, x: f64, top: f64, bottom: f64) {
        let points = [(x, top), (x, bottom)];
        match self {
            MarkKind::Truth => canvas.line(&points, self.colour(), 1.4),
            MarkKind::Oracle => canvas.dashed(&points, self.colour(), 1.6, 5.0),
            MarkKind::Estimate => canvas.line(&points, self.colour(), 2.0),
            MarkKind::Alternative => canvas.line(&points, self.colour(), 1.0),
        }
    }
}

fn diamond((x, y): Point, radius: f64) -> [Point; 4] {
    [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)]
}

fn square((x, y): Point, half: f64) -> [Point; 4] {
    [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
}
