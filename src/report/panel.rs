//! A plot area with its two axes, and what is drawn into it.

use super::axis::{Axis, Scale};
use super::canvas::{Align, Canvas, Point, Rect};
use super::marks::{Mark, MarkKind};
use super::style::{BASE, Colour, GRID, INK, LABEL, MUTED, PAPER, TICK, shortened, text_width};

/// Pixels between the ticks of a horizontal axis, about.
const TICK_SPACING_X: f64 = 66.0;
/// Ticks of a horizontal axis too short for that spacing: one alone gives no scale.
const LEAST_TICKS: usize = 3;
/// Pixels between the ticks of a vertical axis, about.
const TICK_SPACING_Y: f64 = 27.0;

/// A plot area on the canvas.
pub(crate) struct Panel {
    pub area: Rect,
    pub x: Axis,
    pub y: Axis,
}

impl Panel {
    /// The width that tick labels of a vertical axis of the given height need at the left.
    pub fn label_width(axis: &Axis, height: f64) -> f64 {
        let ticks = axis.ticks((height / TICK_SPACING_Y) as usize);
        ticks.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max) + 10.0
    }

    /// Draws grid lines, tick labels and base lines. `name_x` and `name_y` choose which axes get tick labels.
    pub fn frame(&self, canvas: &mut Canvas<'_>, name_x: bool, name_y: bool) {
        let Rect { left, top, right, bottom } = self.area;
        for (fraction, label) in self.y.ticks((self.area.height() / TICK_SPACING_Y) as usize) {
            let y = bottom - fraction * self.area.height();
            if self.y.filled {
                canvas.line(&[(left, y), (right, y)], GRID, 1.0);
            }
            if name_y {
                canvas.text((left - 8.0, y), &label, TICK, MUTED, Align::Right);
            }
        }
        let x_ticks = self.x.ticks(((self.area.width() / TICK_SPACING_X) as usize).max(LEAST_TICKS));
        let mut free_from = f64::NEG_INFINITY;
        for (fraction, label) in x_ticks {
            let x = left + fraction * self.area.width();
            canvas.line(&[(x, top), (x, bottom)], GRID, 1.0);
            // Logarithmic ticks are not evenly spaced: a label that would touch its neighbour is left out.
            let half = 0.5 * text_width(&label, TICK) + 3.0;
            if name_x && x - half >= free_from {
                canvas.line(&[(x, bottom), (x, bottom + 4.0)], BASE, 1.0);
                canvas.text((x, bottom + 15.0), &label, TICK, MUTED, Align::Centre);
                free_from = x + half;
            }
        }
        let zero = self.y.fraction(0.0).filter(|zero| self.y.filled && *zero > 0.0 && *zero < 1.0);
        if let (Scale::Linear, Some(zero)) = (self.y.scale, zero) {
            let y = bottom - zero * self.area.height();
            canvas.line(&[(left, y), (right, y)], BASE, 1.0);
        }
        canvas.line(&[(left, bottom), (right, bottom)], BASE, 1.2);
    }

    /// Writes the name of the horizontal axis below its tick labels.
    pub fn name_x(&self, canvas: &mut Canvas<'_>, name: &str) {
        let name = shortened(name, LABEL, self.area.width());
        let middle = 0.5 * (self.area.left + self.area.right);
        canvas.text((middle, self.area.bottom + 36.0), &name, LABEL, INK, Align::Centre);
    }

    /// Says that there is nothing to show, where that is so.
    pub fn empty_note(&self, canvas: &mut Canvas<'_>) {
        let needed = match self.y.scale {
            Scale::Linear => "no finite values",
            Scale::Log10 => "no positive finite values",
        };
        if !self.y.filled {
            let centre = (0.5 * (self.area.left + self.area.right), 0.5 * (self.area.top + self.area.bottom));
            let half = 0.5 * text_width(needed, TICK) + 8.0;
            let (x, y) = centre;
            canvas.rect(Rect { left: x - half, right: x + half, top: y - 13.0, bottom: y + 13.0 }, PAPER);
            canvas.text(centre, needed, TICK, MUTED, Align::Centre);
        }
    }

    /// Where a pair of values lies on the canvas; `None` if it cannot be shown on these axes.
    pub fn position(&self, x: f64, y: f64) -> Option<Point> {
        let (across, up) = (self.x.fraction(x)?, self.y.fraction(y)?);
        Some((self.area.left + across * self.area.width(), self.area.bottom - up * self.area.height()))
    }

    /// A line through the pairs, interrupted where a pair cannot be shown. A pair between two gaps becomes a dot.
    pub fn curve(&self, canvas: &mut Canvas<'_>, x: &[f64], y: &[f64], colour: Colour, width: f64) {
        let pairs = x.iter().zip(y).map(|(&x, &y)| self.position(x, y));
        for run in runs(pairs) {
            match run.as_slice() {
                [single] => canvas.dot(*single, 0.9 * width + 0.8, colour),
                points => canvas.line(&thinned(points), colour, width),
            }
        }
    }

    /// The area between two lines, interrupted where one of them cannot be shown.
    pub fn band(&self, canvas: &mut Canvas<'_>, x: &[f64], low: &[f64], high: &[f64], colour: Colour) {
        let pairs = x.iter().zip(low.iter().zip(high)).map(|(&x, (&low, &high))| {
            let (one, other) = (self.position(x, low)?, self.position(x, high)?);
            Some((one.0, one.1, other.1))
        });
        for run in runs(pairs) {
            let lower: Vec<Point> = thinned(&run.iter().map(|&(x, low, _)| (x, low)).collect::<Vec<_>>());
            let upper: Vec<Point> = thinned(&run.iter().map(|&(x, _, high)| (x, high)).collect::<Vec<_>>());
            if run.len() == 1 {
                canvas.line(&[lower[0], upper[0]], colour, 3.0);
            } else {
                canvas.polygon(&lower.into_iter().chain(upper.into_iter().rev()).collect::<Vec<_>>(), colour);
            }
        }
    }

    /// A dot at each pair that can be shown, thinned to about one dot per four pixels of width.
    pub fn points(&self, canvas: &mut Canvas<'_>, x: &[f64], y: &[f64], colour: Colour, radius: f64) {
        let all: Vec<Point> = x.iter().zip(y).filter_map(|(&x, &y)| self.position(x, y)).collect();
        let every = (all.len() as f64 * 4.0 / self.area.width()).ceil().max(1.0) as usize;
        for point in all.into_iter().step_by(every) {
            canvas.dot(point, radius, colour);
        }
    }

    /// Shades an interval of the horizontal axis.
    pub fn interval(&self, canvas: &mut Canvas<'_>, (low, high): (f64, f64), colour: Colour) {
        let (Some(low), Some(high)) = (self.x.clamped(low.min(high)), self.x.clamped(low.max(high))) else { return };
        let (left, right) = (self.area.left + low * self.area.width(), self.area.left + high * self.area.width());
        canvas.rect(Rect { left, right, ..self.area }, colour.with_alpha(0.11));
        for x in [left, right] {
            canvas.line(&[(x, self.area.top), (x, self.area.bottom)], colour.with_alpha(0.35), 1.0);
        }
    }

    /// Draws the vertical lines of the marks inside, with a glyph at the top end of each.
    pub fn marks(&self, canvas: &mut Canvas<'_>, marks: &[Mark]) {
        // The estimate is drawn last: it is what the figure is about.
        for kind in [MarkKind::Truth, MarkKind::Oracle, MarkKind::Alternative, MarkKind::Estimate] {
            for mark in marks.iter().filter(|mark| mark.kind == kind && inside(&self.x, mark.value)) {
                let x = self.area.left + self.x.clamped(mark.value).unwrap_or(0.0) * self.area.width();
                kind.rule(canvas, x, self.area.top, self.area.bottom);
                kind.glyph(canvas, (x, self.area.top), 4.2);
            }
        }
    }
}

/// Whether a value lies on the axis.
pub(crate) fn inside(axis: &Axis, value: f64) -> bool {
    axis.filled && axis.fraction(value).is_some_and(|fraction| (0.0..=1.0).contains(&fraction))
}

/// Splits a sequence at its gaps.
fn runs<T>(items: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for item in items {
        match item {
            Some(item) => {
                if let Some(run) = runs.last_mut() {
                    run.push(item);
                }
            }
            None => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Reduces a long line to the first, lowest, highest and last point of every half pixel of width, which looks the same.
/// Lines that turn back are kept as they are.
fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() < 2000 || points.windows(2).any(|pair| pair[1].0 < pair[0].0) {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for column in points.chunk_by(|one, next| (one.0 * 2.0).floor() == (next.0 * 2.0).floor()) {
        let extreme = |sign: f64| {
            let indices = 0..column.len();
            indices.max_by(|&one, &other| (sign * column[one].1).total_cmp(&(sign * column[other].1))).unwrap_or(0)
        };
        let mut indices = [0, extreme(-1.0), extreme(1.0), column.len() - 1];
        indices.sort_unstable();
        kept.extend(
            indices
                .iter()
                .enumerate()
                .filter(|(at, _)| *at == 0 || indices[at - 1] != indices[*at])
                .map(|(_, &index)| column[index]),
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_gaps() {
        assert_eq!(runs([None, Some(1), Some(2), None, None, Some(3)].into_iter()), vec![vec![1, 2], vec![3]]);
    }

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let mut points: Vec<Point> = (0..100_000).map(|index| (f64::from(index) * 1e-3, 0.0)).collect();
        points[50_000].1 = 7.0;
        let kept = thinned(&points);
        assert!(kept.len() < 1000);
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[99_999]));
        assert!(kept.contains(&points[50_000]));
    }
}
