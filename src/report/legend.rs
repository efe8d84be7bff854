//! Legends: rows of entries above a panel, outside of the data.

use super::canvas::{Align, Canvas};
use super::marks::MarkKind;
use super::style::{BASE, Colour, INK, LABEL, MASKED, PAPER, ROW, TICK, shortened, text_width};

/// Width of the symbol in front of an entry, with the space after it.
const SYMBOL: f64 = 30.0;
/// Space between two entries.
const GAP: f64 = 20.0;

/// What an entry's symbol looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Symbol {
    Line(Colour),
    Band(Colour),
    Points(Colour),
    /// A mark with its vertical line, as in figures over one parameter.
    Mark(MarkKind),
    /// A mark alone, as in a plane of two parameters.
    Point(MarkKind),
    /// The thick line of a zero set on a heat map.
    ZeroSet,
    /// Cells without a value.
    Masked,
}

/// One entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub symbol: Symbol,
    pub text: String,
}

impl Entry {
    pub fn new(symbol: Symbol, text: impl Into<String>) -> Entry {
        Entry { symbol, text: text.into() }
    }
}

/// A heading at the left followed by entries, broken into rows that fit the width.
pub(crate) struct Legend {
    heading: String,
    /// Row, distance from the left edge, entry.
    placed: Vec<(usize, f64, Entry)>,
    rows: usize,
}

impl Legend {
    /// Lays out a heading (which may be empty) and entries within `width` pixels.
    pub fn new(heading: &str, entries: Vec<Entry>, width: f64) -> Legend {
        let heading = shortened(heading, LABEL, width);
        let indent = if heading.is_empty() { 0.0 } else { text_width(&heading, LABEL) * 1.1 + GAP };
        let (mut row, mut x, mut placed) = (0, indent, Vec::new());
        for mut entry in entries {
            entry.text = shortened(&entry.text, TICK, width - SYMBOL);
            let needed = SYMBOL + text_width(&entry.text, TICK);
            if x > 0.0 && x + needed > width {
                row += 1;
                x = 0.0;
            }
            placed.push((row, x, entry));
            x += needed + GAP;
        }
        let rows = if heading.is_empty() && placed.is_empty() { 0 } else { row + 1 };
        Legend { heading, placed, rows }
    }

    pub fn height(&self) -> f64 {
        self.rows as f64 * ROW
    }

    /// Draws the legend with its upper left corner at the position.
    pub fn draw(&self, canvas: &mut Canvas<'_>, left: f64, top: f64) {
        canvas.bold((left, top + 0.5 * ROW), &self.heading, LABEL, INK, Align::Left);
        for (row, x, entry) in &self.placed {
            let (x, y) = (left + x, top + (*row as f64 + 0.5) * ROW);
            entry.symbol.draw(canvas, x, y);
            canvas.text((x + SYMBOL, y), &entry.text, TICK, INK, Align::Left);
        }
    }
}

impl Symbol {
    /// Draws the symbol from `x` on, centred on `y`.
    fn draw(self, canvas: &mut Canvas<'_>, x: f64, y: f64) {
        use super::canvas::Rect;
        let (middle, end) = (x + 11.0, x + 22.0);
        let patch = Rect { left: x + 1.0, top: y - 6.0, right: end, bottom: y + 6.0 };
        match self {
            Symbol::Line(colour) => canvas.line(&[(x + 1.0, y), (end, y)], colour, 2.4),
            Symbol::Band(colour) => canvas.rect(patch, colour),
            Symbol::Points(colour) => {
                for offset in [-7.0, 0.0, 7.0] {
                    canvas.dot((middle + offset, y), 2.2, colour);
                }
            }
            Symbol::Mark(kind) => {
                kind.rule(canvas, middle, y - 9.0, y + 9.0);
                kind.glyph(canvas, (middle, y), 4.2);
            }
            Symbol::Point(kind) => kind.glyph(canvas, (middle, y), 5.0),
            Symbol::ZeroSet => {
                canvas.line(&[(x + 1.0, y), (end, y)], INK, 4.6);
                canvas.line(&[(x + 1.0, y), (end, y)], PAPER, 2.2);
            }
            Symbol::Masked => {
                canvas.rect(patch, MASKED);
                canvas.line(&[(patch.left, patch.bottom), (patch.left + 12.0, patch.top)], BASE, 1.0);
                canvas.line(&[(patch.right - 12.0, patch.bottom), (patch.right, patch.top)], BASE, 1.0);
            }
        }
    }
}
