//! The answer of a study: one row for each parameter.

use super::Draw;
use super::axis::{Axis, Scale};
use super::canvas::{Canvas, Rect};
use super::error::ReportError;
use super::html::{escaped, inlined};
use super::marks::MarkKind;
use super::number::number;
use super::style::{BASE, Colour};

/// The estimate of one parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EstimateRow {
    /// The name of the parameter.
    pub name: String,
    /// Its unit.
    pub unit: Option<String>,
    /// The estimate.
    pub value: f64,
    /// The interval of the estimate.
    pub interval: Option<(f64, f64)>,
    /// The value that generated the data, where known.
    pub truth: Option<f64>,
    /// The value that a perfect network would lead to, where known.
    pub oracle: Option<f64>,
    /// How the value was found, such as `argmin of E‖g‖²`.
    pub method: String,
    /// A remark for this row.
    pub note: Option<String>,
}

impl EstimateRow {
    /// Whether there is anything to compare the estimate with.
    fn has_context(&self) -> bool {
        self.interval.is_some() || self.truth.is_some() || self.oracle.is_some()
    }
}

/// The strip beside an estimate: interval, truth, oracle and estimate on one line.
impl Draw for EstimateRow {
    fn svg(&self) -> Result<String, ReportError> {
        let ends = self.interval.map(|(low, high)| [low, high]);
        let values =
            [Some(self.value), self.truth, self.oracle].into_iter().flatten().chain(ends.into_iter().flatten());
        let axis = Axis::fit(Scale::Linear, values).padded();
        let area = Rect { left: 10.0, right: 180.0, top: 15.0, bottom: 15.0 };
        let title = format!("Estimate of {}", self.name);
        Canvas::draw(&title, 190.0, 30.0, |canvas| {
            let place = |value: f64| area.left + axis.clamped(value).unwrap_or(0.5) * (area.right - area.left);
            canvas.line(&[(area.left, area.top), (area.right, area.top)], BASE, 1.0);
            if let Some((low, high)) = self.interval.filter(|(low, high)| !low.is_nan() && !high.is_nan()) {
                let (left, right) = (place(low.min(high)), place(low.max(high)));
                let bar: Colour = MarkKind::Estimate.colour().with_alpha(0.28);
                canvas.rect(Rect { left, right, top: 10.0, bottom: 20.0 }, bar);
            }
            let marks = [
                (MarkKind::Truth, self.truth),
                (MarkKind::Oracle, self.oracle),
                (MarkKind::Estimate, Some(self.value)),
            ];
            for (kind, value) in marks {
                if let Some(value) = value.filter(|value| value.is_finite()) {
                    kind.glyph(canvas, (place(value), area.top), 5.0);
                }
            }
        })
    }
}

/// The table of estimates. Columns that no row uses are left out.
pub(crate) fn answer_table(rows: &[EstimateRow]) -> Result<String, ReportError> {
    let any = |has: fn(&EstimateRow) -> bool| rows.iter().any(has);
    let (intervals, truths) = (any(|row| row.interval.is_some()), any(|row| row.truth.is_some()));
    let (oracles, strips) = (any(|row| row.oracle.is_some()), any(EstimateRow::has_context));

    let mut html =
        String::from("<div class=\"wide\"><table class=\"answer\"><thead><tr><th>parameter</th><th>estimate</th>");
    let columns = [
        (intervals, "interval"),
        (truths, "truth"),
        (oracles, "perfect correction"),
        (strips, "in comparison"),
        (true, "method"),
    ];
    for (_, name) in columns.iter().filter(|(shown, _)| *shown) {
        html += &format!("<th>{name}</th>");
    }
    html += "</tr></thead><tbody>\n";
    for row in rows {
        let unit =
            row.unit.as_ref().map_or(String::new(), |unit| format!(" <span class=\"unit\">{}</span>", escaped(unit)));
        html += &format!(
            "<tr><th scope=\"row\">{}</th><td class=\"value\">{}{unit}</td>",
            escaped(&row.name),
            number(row.value)
        );
        let optional = |value: Option<f64>| value.map_or(String::new(), number);
        if intervals {
            let range =
                row.interval.map(|(low, high)| format!("{} … {}", number(low.min(high)), number(low.max(high))));
            html += &format!("<td class=\"number\">{}</td>", range.unwrap_or_default());
        }
        if truths {
            html += &format!("<td class=\"number\">{}</td>", optional(row.truth));
        }
        if oracles {
            html += &format!("<td class=\"number\">{}</td>", optional(row.oracle));
        }
        if strips {
            let strip = if row.has_context() { inlined(&row.svg()?) } else { String::new() };
            html += &format!("<td class=\"strip\">{strip}</td>");
        }
        let note =
            row.note.as_ref().map_or(String::new(), |note| format!("<div class=\"note\">{}</div>", escaped(note)));
        html += &format!("<td class=\"method\">{}{note}</td></tr>\n", escaped(&row.method));
    }
    html += "</tbody></table></div>\n";
    if strips {
        html += &strip_key(truths, oracles, intervals);
    }
    Ok(html)
}

/// Explains the glyphs of the strips in words, since they have no legend of their own.
fn strip_key(truths: bool, oracles: bool, intervals: bool) -> String {
    let mut parts = vec!["disc: estimate"];
    parts.extend(truths.then_some("diamond: truth, the value that generated the data"));
    parts.extend(oracles.then_some("square: the value that a perfect correction would lead to"));
    parts.extend(intervals.then_some("bar: interval"));
    format!("<p class=\"note\">In comparison — {}.</p>\n", parts.join("; "))
}
