//! Film strips of fields: what was observed, what was predicted, and the difference, at several times.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Rect};
use super::error::ReportError;
use super::number::number;
use super::palette;
use super::style::{BASE, Colour, INK, LABEL, MASKED, MUTED, ROW, TICK, text_width};

/// The most cells drawn along one axis; finer fields are averaged over blocks.
const MOST: usize = 64;
/// Shades of a colour scale: neighbours of one shade become one rectangle. An odd number, so that zero has its own.
const SHADES: f64 = 49.0;
/// The width of the whole figure.
const WIDTH: f64 = 900.0;
/// The largest side of one picture.
const LARGEST: f64 = 170.0;
const BAR: f64 = 14.0;

/// One channel of a field at several times.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilmStrip {
    /// What the figure shows, for readers who cannot see it.
    pub title: String,
    /// The name of the channel with its unit.
    pub label: String,
    /// Rows and columns of cells; 1 row in one dimension, where times become the rows of one picture.
    pub size: [usize; 2],
    /// The times.
    pub times: Vec<f64>,
    /// What was observed, a field for each time; NaN where missing.
    pub observed: Vec<Vec<f64>>,
    /// What was predicted, likewise; not finite where the prediction diverged.
    pub predicted: Vec<Vec<f64>>,
}

/// A row of pictures with a colour scale.
struct Strip {
    name: &'static str,
    pictures: Vec<Vec<f64>>,
    scale: Axis,
    diverging: bool,
}

impl Strip {
    fn shade(&self, value: f64) -> Option<Colour> {
        let share = self.scale.fraction(value)?.clamp(0.0, 1.0);
        let share = (share * SHADES).floor().min(SHADES - 1.0) / (SHADES - 1.0);
        Some(if self.diverging { palette::diverging(share) } else { palette::sequential(share) })
    }

    /// A picture whose first row is at the top.
    fn draw_picture(&self, canvas: &mut Canvas<'_>, area: Rect, picture: &[f64], rows: usize, columns: usize) {
        let (rows, columns, values) = averaged(picture, rows, columns);
        let x = |column: usize| area.left + area.width() * column as f64 / columns as f64;
        let y = |row: usize| area.top + area.height() * row as f64 / rows as f64;
        for row in 0..rows {
            let shades: Vec<Option<Colour>> =
                values[row * columns..(row + 1) * columns].iter().map(|v| self.shade(*v)).collect();
            let mut start = 0;
            for run in shades.chunk_by(|one, next| one == next) {
                // Reaching a little under the next cells hides the seams between them.
                let right = (x(start + run.len()) + 0.4).min(area.right);
                let bottom = (y(row + 1) + 0.4).min(area.bottom);
                canvas.rect(Rect { left: x(start), top: y(row), right, bottom }, run[0].unwrap_or(MASKED));
                start += run.len();
            }
        }
        let corners =
            [(area.left, area.top), (area.right, area.top), (area.right, area.bottom), (area.left, area.bottom)];
        canvas.line(&[corners[0], corners[1], corners[2], corners[3], corners[0]], BASE, 0.8);
    }

    fn draw_bar(&self, canvas: &mut Canvas<'_>, bar: Rect) {
        for slice in 0..SHADES as usize {
            let share = (slice as f64 + 0.5) / SHADES;
            let bottom = bar.bottom - slice as f64 / SHADES * bar.height();
            let top = (bottom - bar.height() / SHADES - 0.6).max(bar.top);
            let value = self.scale.low + share * (self.scale.high - self.scale.low);
            canvas.rect(Rect { top, bottom, ..bar }, self.shade(value).unwrap_or(MASKED));
        }
        for (share, label) in self.scale.ticks(ticks_of(bar.height())) {
            let y = bar.bottom - share * bar.height();
            canvas.line(&[(bar.right, y), (bar.right + 4.0, y)], BASE, 1.0);
            canvas.text((bar.right + 8.0, y), &label, TICK, MUTED, Align::Left);
        }
    }

    fn bar_width(&self, height: f64) -> f64 {
        let ticks = self.scale.ticks(ticks_of(height));
        BAR + 12.0 + ticks.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max)
    }
}

/// How many ticks a colour bar of this height has room for.
fn ticks_of(height: f64) -> usize {
    ((height / 26.0) as usize).max(4)
}

/// A picture of at most [`MOST`] cells along each axis: means over blocks, without what is not finite.
fn averaged(picture: &[f64], rows: usize, columns: usize) -> (usize, usize, Vec<f64>) {
    let (tall, wide) = (rows.div_ceil(MOST).max(1), columns.div_ceil(MOST).max(1));
    let (shown_rows, shown_columns) = (rows.div_ceil(tall), columns.div_ceil(wide));
    let block = |row: usize, column: usize| -> f64 {
        let cells = (row * tall..((row + 1) * tall).min(rows))
            .flat_map(|r| (column * wide..((column + 1) * wide).min(columns)).map(move |c| r * columns + c));
        let values: Vec<f64> = cells.filter_map(|cell| picture.get(cell).copied().filter(|v| v.is_finite())).collect();
        if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
    };
    let values = (0..shown_rows).flat_map(|row| (0..shown_columns).map(move |column| (row, column)));
    (shown_rows, shown_columns, values.map(|(row, column)| block(row, column)).collect())
}

impl FilmStrip {
    /// Observed and predicted with one scale, the difference with its own, symmetric about zero.
    fn strips(&self) -> [Strip; 3] {
        let flat = self.size[0] == 1;
        // In one dimension all times form one picture, the first time at the bottom.
        let joined = |fields: &[Vec<f64>]| match flat {
            true => vec![fields.iter().rev().flat_map(|field| field.iter().copied()).collect()],
            false => fields.to_vec(),
        };
        let pairs = self.predicted.iter().zip(&self.observed);
        let difference: Vec<Vec<f64>> = pairs.map(|(p, o)| p.iter().zip(o).map(|(p, o)| p - o).collect()).collect();
        let all = self.observed.iter().chain(&self.predicted).flatten().copied();
        let common = Axis::fit(Scale::Linear, all);
        let spread = difference.iter().flatten().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
        let spread = if spread > 0.0 { spread } else { 1.0 };
        let signed = Axis { scale: Scale::Linear, low: -spread, high: spread, filled: true };
        let strip = |name, pictures, scale, diverging| Strip { name, pictures, scale, diverging };
        [
            strip("observed", joined(&self.observed), common, false),
            strip("predicted", joined(&self.predicted), common, false),
            strip("predicted − observed", joined(&difference), signed, true),
        ]
    }

    /// One picture for each strip, side by side: cells across, time upwards.
    fn draw_space_time(&self, canvas: &mut Canvas<'_>, strips: &[Strip; 3], area: Rect, bars: f64) {
        let gap = 22.0;
        let width = (area.width() - bars * 2.0 - gap * 4.0) / 3.0;
        let time = Axis::fit(Scale::Linear, self.times.iter().copied());
        let mut left = area.left;
        for (index, strip) in strips.iter().enumerate() {
            let picture = Rect { left, right: left + width, top: area.top + ROW, bottom: area.bottom - 20.0 };
            canvas.text((left, area.top + 0.5 * ROW), strip.name, LABEL, INK, Align::Left);
            if let Some(values) = strip.pictures.first() {
                strip.draw_picture(canvas, picture, values, self.times.len(), self.size[1]);
            }
            if index == 0 && time.filled {
                for (share, label) in time.ticks(5) {
                    let y = picture.bottom - share * picture.height();
                    canvas.text((left - 8.0, y), &label, TICK, MUTED, Align::Right);
                }
                canvas.upwards((12.0, 0.5 * (picture.top + picture.bottom)), "time", LABEL, INK);
            }
            let middle = 0.5 * (picture.left + picture.right);
            let cells = format!("{} cells", self.size[1]);
            canvas.text((middle, picture.bottom + 14.0), &cells, TICK, MUTED, Align::Centre);
            left = picture.right + gap;
            if index > 0 {
                strip.draw_bar(canvas, Rect { left, right: left + BAR, ..picture });
                left += bars + gap;
            }
        }
    }

    /// A row of pictures for each strip, a column for each time.
    fn draw_strips(&self, canvas: &mut Canvas<'_>, strips: &[Strip; 3], start: f64, top: f64, side: (f64, f64)) {
        let [rows, columns] = self.size;
        let (wide, high) = side;
        let x = |column: usize| start + column as f64 * (wide + 8.0);
        let y = |row: usize| top + ROW + row as f64 * (high + ROW + 4.0) + ROW;
        for (column, time) in self.times.iter().enumerate() {
            let label = format!("t = {}", number(*time));
            canvas.text((x(column) + 0.5 * wide, top + 0.5 * ROW), &label, TICK, MUTED, Align::Centre);
        }
        for (row, strip) in strips.iter().enumerate() {
            canvas.text((start, y(row) - 0.5 * ROW), strip.name, LABEL, INK, Align::Left);
            for (column, picture) in strip.pictures.iter().enumerate().take(self.times.len()) {
                let area = Rect { left: x(column), top: y(row), right: x(column) + wide, bottom: y(row) + high };
                strip.draw_picture(canvas, area, picture, rows, columns);
            }
        }
        let left = x(self.times.len()) + 6.0;
        for (strip, first, last) in [(&strips[0], 0, 1), (&strips[2], 2, 2)] {
            strip.draw_bar(canvas, Rect { left, right: left + BAR, top: y(first), bottom: y(last) + high });
        }
    }
}

impl Draw for FilmStrip {
    fn svg(&self) -> Result<String, ReportError> {
        let strips = self.strips();
        let [rows, columns] = self.size.map(|size| size.max(1));
        let bars = strips[0].bar_width(LARGEST).max(strips[2].bar_width(LARGEST));
        let heading = 8.0 + ROW;
        if rows == 1 {
            let height = heading + 330.0;
            return Canvas::draw(&self.title, WIDTH, height, |canvas| {
                canvas.bold((16.0, 8.0 + 0.5 * ROW), &self.label, LABEL, INK, Align::Left);
                let area = Rect { left: 64.0, top: heading, right: WIDTH - 8.0, bottom: height - 8.0 };
                self.draw_space_time(canvas, &strips, area, bars);
            });
        }
        let start = 16.0;
        let count = self.times.len().max(1) as f64;
        let wide = ((WIDTH - start - bars - 14.0) / count - 8.0).clamp(40.0, LARGEST);
        // Cells are squares, unless the pictures would get out of proportion.
        let high = (wide * rows as f64 / columns as f64).clamp(0.35 * wide, 2.0 * wide);
        let width = start + count * (wide + 8.0) + bars + 20.0;
        let height = heading + ROW + 3.0 * (high + ROW + 4.0) + 8.0;
        Canvas::draw(&self.title, width, height, |canvas| {
            canvas.bold((start, 8.0 + 0.5 * ROW), &self.label, LABEL, INK, Align::Left);
            self.draw_strips(canvas, &strips, start, heading, (wide, high));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_averaged_over_blocks() {
        let picture: Vec<f64> = (0..100 * 130).map(|i| if i % 130 < 3 { f64::NAN } else { (i / 130) as f64 }).collect();
        let (rows, columns, values) = averaged(&picture, 100, 130);
        assert_eq!((rows, columns), (50, 44));
        assert!(values[0].is_nan());
        assert_eq!((values[1], values[columns * 49 + 43]), (0.5, 98.5));
    }
}
