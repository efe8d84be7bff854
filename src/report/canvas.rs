//! A thin layer over plotters' SVG backend with sub-pixel positions.
//!
//! The backend rounds to whole units. The canvas therefore draws ten units per pixel and lets the document's view box scale
//! them down, which makes curves smooth and allows strokes of 1.5 pixels.

use plotters::backend::SVGBackend;
use plotters::prelude::{DrawingBackend, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBAColor};

use super::error::ReportError;
use super::style::{Colour, FONT, PAPER};

/// Units of the backend per pixel.
const UNITS: f64 = 10.0;

/// A position in pixels from the upper left corner.
pub(crate) type Point = (f64, f64);

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// Where a text lies relative to its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// A drawing in progress. The first failure is kept and reported by [`Canvas::draw`]; what follows is skipped.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    failure: Option<String>,
}

impl Canvas<'_> {
    /// Makes an SVG document of the given size from what `paint` draws. `title` is read out by screen readers.
    pub fn draw(
        title: &str,
        width: f64,
        height: f64,
        paint: impl FnOnce(&mut Canvas<'_>),
    ) -> Result<String, ReportError> {
        let (wide, high) = (width.ceil().max(1.0), height.ceil().max(1.0));
        let mut text = String::new();
        let units = ((wide * UNITS) as u32, (high * UNITS) as u32);
        let mut canvas = Canvas { backend: SVGBackend::with_string(&mut text, units), failure: None };
        canvas.rect(Rect { left: 0.0, top: 0.0, right: wide, bottom: high }, PAPER);
        paint(&mut canvas);
        let result = canvas.backend.present();
        canvas.note(result);
        let failure = canvas.failure.take();
        drop(canvas);
        match failure {
            Some(message) => Err(ReportError::Draw { figure: title.to_string(), message }),
            None => Ok(finished(&text, title, wide, high)),
        }
    }

    /// A line through the points.
    pub fn line(&mut self, points: &[Point], colour: Colour, width: f64) {
        let Some(units) = units(points).filter(|units| units.len() > 1) else { return };
        let result = self.backend.draw_path(units, &stroke(colour, width));
        self.note(result);
    }

    /// A dashed line through the points.
    pub fn dashed(&mut self, points: &[Point], colour: Colour, width: f64, dash: f64) {
        let (mut along, mut drawing, mut current) = (0.0, true, Vec::new());
        for pair in points.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            let mut left = (to.0 - from.0).hypot(to.1 - from.1);
            if !left.is_finite() || left > 1e5 {
                return;
            }
            if drawing && current.is_empty() {
                current.push(from);
            }
            while along + left >= dash {
                let share = (dash - along) / left;
                from = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
                left -= dash - along;
                along = 0.0;
                if drawing {
                    current.push(from);
                    self.line(&current, colour, width);
                    current.clear();
                } else {
                    current.push(from);
                }
                drawing = !drawing;
            }
            along += left;
            if drawing {
                current.push(to);
            }
        }
        self.line(&current, colour, width);
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: &[Point], colour: Colour) {
        let Some(units) = units(points).filter(|units| units.len() > 2) else { return };
        let result = self.backend.fill_polygon(units, &fill(colour));
        self.note(result);
    }

    /// A filled rectangle.
    pub fn rect(&mut self, area: Rect, colour: Colour) {
        let Some(corners) = units(&[(area.left, area.top), (area.right, area.bottom)]) else { return };
        if corners[1].0 <= corners[0].0 || corners[1].1 <= corners[0].1 {
            return;
        }
        let result = self.backend.draw_rect(corners[0], corners[1], &fill(colour), true);
        self.note(result);
    }

    /// A filled circle.
    pub fn dot(&mut self, centre: Point, radius: f64, colour: Colour) {
        let Some(units) = units(&[centre]) else { return };
        let result = self.backend.draw_circle(units[0], (radius * UNITS).round() as u32, &fill(colour), true);
        self.note(result);
    }

    /// One line of text, centred vertically on the position.
    pub fn text(&mut self, position: Point, text: &str, size: f64, colour: Colour, align: Align) {
        self.any_text(position, text, size, colour, align, FontStyle::Normal, FontTransform::None);
    }

    /// One line of bold text, centred vertically on the position.
    pub fn bold(&mut self, position: Point, text: &str, size: f64, colour: Colour, align: Align) {
        self.any_text(position, text, size, colour, align, FontStyle::Bold, FontTransform::None);
    }

    /// One line of text that reads upwards, centred on the position.
    pub fn upwards(&mut self, position: Point, text: &str, size: f64, colour: Colour) {
        self.any_text(position, text, size, colour, Align::Centre, FontStyle::Normal, FontTransform::Rotate270);
    }

    #[allow(clippy::too_many_arguments)]
    fn any_text(
        &mut self,
        position: Point,
        text: &str,
        size: f64,
        colour: Colour,
        align: Align,
        weight: FontStyle,
        turn: FontTransform,
    ) {
        let Some(units) = units(&[position]) else { return };
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        // The backend divides sizes by 1.24 to turn a line height into a font size.
        let font = (FONT, size * 1.24 * UNITS).into_font().style(weight).transform(turn);
        let ink = colour_of(colour);
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(horizontal, VPos::Center));
        // The backend escapes markup; control characters, which XML forbids, are left to us.
        let text: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        let result = self.backend.draw_text(&text, &style, units[0]);
        self.note(result);
    }

    fn note<E: std::fmt::Display>(&mut self, result: Result<(), E>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error.to_string());
        }
    }
}

/// Points in units of the backend; `None` if any of them cannot be drawn.
fn units(points: &[Point]) -> Option<Vec<(i32, i32)>> {
    let drawable = |value: f64| value.is_finite() && value.abs() < 1e6;
    points
        .iter()
        .map(|&(x, y)| (drawable(x) && drawable(y)).then(|| ((x * UNITS).round() as i32, (y * UNITS).round() as i32)))
        .collect()
}

fn colour_of(colour: Colour) -> RGBAColor {
    RGBColor(colour.red, colour.green, colour.blue).mix(colour.alpha)
}

fn stroke(colour: Colour, width: f64) -> ShapeStyle {
    ShapeStyle { color: colour_of(colour), filled: false, stroke_width: (width * UNITS).round() as u32 }
}

fn fill(colour: Colour) -> ShapeStyle {
    ShapeStyle { color: colour_of(colour), filled: true, stroke_width: 0 }
}

/// Sets the size in pixels, names the figure for screen readers, rounds the joints of lines and drops attributes that only
/// repeat a default. Texts are escaped and hold no quotation marks, so a replaced attribute is always an attribute.
fn finished(text: &str, title: &str, width: f64, height: f64) -> String {
    let body = text.split_once('>').map_or("", |(_, body)| body);
    let body = body.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    let (view_width, view_height) = (width * UNITS, height * UNITS);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {view_width} \
         {view_height}\" role=\"img\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n<title>{}</title>{body}",
        super::html::escaped(title)
    )
}
