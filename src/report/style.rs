//! The one look of all figures: sizes, colours, type.

/// The size of a figure in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height. Figures grow beyond it rather than squeeze a panel flat.
    pub height: u32,
}

impl Default for Size {
    fn default() -> Size {
        Size { width: 900, height: 420 }
    }
}

impl Size {
    /// The size within limits in which a figure can be laid out.
    pub(crate) fn sane(self) -> (f64, f64) {
        (f64::from(self.width.clamp(320, 4000)), f64::from(self.height.clamp(160, 8000)))
    }
}

/// An opaque or translucent colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
    pub alpha: f64,
}

impl Colour {
    pub const fn new(red: u8, green: u8, blue: u8) -> Colour {
        Colour { red, green, blue, alpha: 1.0 }
    }

    pub const fn with_alpha(self, alpha: f64) -> Colour {
        Colour { alpha, ..self }
    }
}

/// The white card that every figure is drawn on, whatever the colours of the page.
pub(crate) const PAPER: Colour = Colour::new(255, 255, 255);
/// Text of labels and legends.
pub(crate) const INK: Colour = Colour::new(38, 43, 51);
/// Text of ticks.
pub(crate) const MUTED: Colour = Colour::new(92, 100, 112);
/// Grid lines.
pub(crate) const GRID: Colour = Colour::new(232, 235, 239);
/// The zero line and the base line of a panel.
pub(crate) const BASE: Colour = Colour::new(158, 166, 176);
/// Masked cells of heat maps.
pub(crate) const MASKED: Colour = Colour::new(205, 208, 213);

/// The colours of series, in order. They differ in lightness as well as in hue, and no pair relies on red against green.
const SERIES: [Colour; 8] = [
    Colour::new(0, 98, 168),
    Colour::new(226, 138, 18),
    Colour::new(20, 146, 122),
    Colour::new(184, 72, 146),
    Colour::new(84, 174, 230),
    Colour::new(120, 72, 24),
    Colour::new(104, 110, 120),
    Colour::new(176, 164, 40),
];

/// The colour of a series by its position; further series start over.
pub(crate) fn series_colour(index: usize) -> Colour {
    SERIES[index % SERIES.len()]
}

/// The font stack: the reader's own interface font, so that nothing is fetched.
pub(crate) const FONT: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";
/// Size of labels and legends in pixels.
pub(crate) const LABEL: f64 = 14.0;
/// Size of tick labels in pixels.
pub(crate) const TICK: f64 = 13.0;
/// Height of one row of a legend in pixels.
pub(crate) const ROW: f64 = 22.0;

/// An upper estimate of the width of a text in pixels. The reader's font is not known here, so this errs on the wide side.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
            ' ' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' => 0.40,
            '⁰'..='⁹' | '⁻' | '¹' | '²' | '³' => 0.42,
            'm' | 'w' | 'M' | 'W' | '×' | '−' | '+' | '=' => 0.85,
            character if character.is_uppercase() => 0.70,
            _ => 0.62,
        })
        .sum();
    em * size
}

/// Shortens a text with an ellipsis so that it fits into `width` pixels.
pub(crate) fn shortened(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_string();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if text_width(&kept, size) + size > width {
            kept.pop();
            break;
        }
    }
    kept.trim_end().to_string() + "…"
}
