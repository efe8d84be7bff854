//! The report page: one HTML file that needs nothing else.

use std::path::Path;

use super::answer::{EstimateRow, answer_table};
use super::error::ReportError;
use super::number::duration;
use super::page::STYLE;
use super::write_text;

/// Everything a reader needs to judge and to repeat a study.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The name of the study.
    pub title: String,
    /// What the study asks, in one sentence.
    pub question: String,
    /// The estimates.
    pub answer: Vec<EstimateRow>,
    /// Plain statements about the answer, such as `RMSE varies by 12 % over the box: prediction alone does not identify gravity`.
    pub remarks: Vec<String>,
    /// Figures and text, in this order.
    pub sections: Vec<Section>,
    /// The model's source files: name and text.
    pub sources: Vec<(String, String)>,
    /// The exact configuration as TOML.
    pub config: String,
    /// Phases and how many seconds they took.
    pub timings: Vec<(String, f64)>,
    /// What else identifies the run: device, seed, version, sizes.
    pub facts: Vec<(String, String)>,
}

/// A section of the report: its text, then its figures, then its table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Paragraphs of plain text.
    pub text: Vec<String>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Whether figures stand two in a row, where the page is wide enough.
    pub pairs: bool,
    /// A table below the figures.
    pub table: Option<Table>,
}

/// A figure with its caption.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// What to see in it, as plain text.
    pub caption: String,
    /// The SVG document, as [`Draw`](super::Draw) returns it.
    pub svg: String,
}

/// A table of plain text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows; numbers are best formatted by [`number`](super::number()).
    pub rows: Vec<Vec<String>>,
}

impl Report {
    /// The page as text.
    pub fn html(&self) -> Result<String, ReportError> {
        let parts = self.parts()?;
        let title = escaped(&self.title);
        // The policy forbids scripts and every request, whatever the texts of a study contain.
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"generator\" content=\"greybox\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <div class=\"page\">\n<header>\n<h1>{title}</h1>\n"
        );
        if !self.question.is_empty() {
            page += &format!("<p class=\"question\">{}</p>\n", escaped(&self.question));
        }
        page += "</header>\n<nav aria-label=\"Contents\"><b>Contents</b><ol>\n";
        for (index, (heading, _)) in parts.iter().enumerate() {
            page += &format!("<li><a href=\"#part-{index}\">{}</a></li>\n", escaped(heading));
        }
        page += "</ol></nav>\n<main>\n";
        for (index, (heading, body)) in parts.iter().enumerate() {
            page += &format!("<section id=\"part-{index}\">\n<h2>{}</h2>\n{body}</section>\n", escaped(heading));
        }
        page += "</main>\n</div>\n</body>\n</html>\n";
        Ok(page)
    }

    /// Writes the page to a file and makes the folders above it.
    pub fn save(&self, path: &Path) -> Result<(), ReportError> {
        write_text(path, &self.html()?)
    }

    /// The headings and bodies of the page, without what is empty.
    fn parts(&self) -> Result<Vec<(String, String)>, ReportError> {
        let mut parts = Vec::new();
        if !self.answer.is_empty() || !self.remarks.is_empty() {
            parts.push(("Answer".to_string(), self.answer_body()?));
        }
        for section in &self.sections {
            parts.push((section.heading.clone(), section.body()));
        }
        if !self.sources.is_empty() {
            let files = self.sources.iter().map(|(name, text)| format!("<h3>{}</h3>\n{}", escaped(name), source(text)));
            parts.push(("Model".into(), files.collect()));
        }
        if !self.timings.is_empty() {
            parts.push(("Timings".into(), self.timing_body()));
        }
        if !self.config.is_empty() {
            parts.push(("Configuration".into(), source(&self.config)));
        }
        if !self.facts.is_empty() {
            let rows = self.facts.iter().map(|(name, value)| {
                format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value))
            });
            parts.push(("Facts".into(), format!("<table><tbody>{}</tbody></table>\n", rows.collect::<String>())));
        }
        Ok(parts)
    }

    fn answer_body(&self) -> Result<String, ReportError> {
        let mut body = if self.answer.is_empty() { String::new() } else { answer_table(&self.answer)? };
        if !self.remarks.is_empty() {
            body += "<ul class=\"remarks\">\n";
            for remark in &self.remarks {
                body += &format!("<li>{}</li>\n", escaped(remark));
            }
            body += "</ul>\n";
        }
        Ok(body)
    }

    /// Phases with a bar for their share of the whole.
    fn timing_body(&self) -> String {
        let countable = |seconds: f64| if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        let total: f64 = self.timings.iter().map(|(_, seconds)| countable(*seconds)).sum();
        let mut body = String::from("<table><tbody>\n");
        for (phase, seconds) in &self.timings {
            let share = if total > 0.0 { 100.0 * countable(*seconds) / total } else { 0.0 };
            body += &format!(
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td><span class=\"share\"><i \
                 style=\"width:{share:.1}%\"></i></span></td></tr>\n",
                escaped(phase),
                duration(*seconds)
            );
        }
        body += &format!(
            "<tr><th scope=\"row\">together</th><td class=\"number\">{}</td><td></td></tr>\n</tbody></table>\n",
            duration(total)
        );
        body
    }
}

impl Section {
    fn body(&self) -> String {
        let mut body = String::new();
        for paragraph in &self.text {
            body += &format!("<p>{}</p>\n", escaped(paragraph));
        }
        body += if self.pairs { "<div class=\"pairs\">\n" } else { "" };
        for figure in &self.figures {
            let caption = escaped(&figure.caption);
            body += &format!(
                "<figure><div class=\"card\">{}</div><figcaption>{caption}</figcaption></figure>\n",
                inlined(&figure.svg)
            );
        }
        body += if self.pairs { "</div>\n" } else { "" };
        if let Some(table) = &self.table {
            body += &table.html();
        }
        body
    }
}

impl Table {
    /// Columns that hold only numbers are aligned right.
    fn html(&self) -> String {
        let numeric = |column: usize| {
            let mut cells =
                self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).peekable();
            cells.peek().is_some() && cells.all(|cell| looks_numeric(cell))
        };
        let class = |column: usize| if numeric(column) { " class=\"number\"" } else { "" };
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0).max(self.head.len());
        let classes: Vec<&str> = (0..columns).map(class).collect();
        let row = |tag: &str, cells: &[String]| {
            let cells = classes.iter().enumerate().map(|(column, class)| {
                format!("<{tag}{class}>{}</{tag}>", escaped(cells.get(column).map_or("", String::as_str)))
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let head =
            if self.head.is_empty() { String::new() } else { format!("<thead>{}</thead>", row("th", &self.head)) };
        let rows: String = self.rows.iter().map(|cells| row("td", cells)).collect();
        format!("<div class=\"wide\"><table>{head}<tbody>\n{rows}</tbody></table></div>\n")
    }
}

/// Whether a cell reads as a number, with a percent sign or a unit at most.
fn looks_numeric(cell: &str) -> bool {
    let start = cell.trim_start_matches(['−', '-', '+', '<', '≈', '±', ' ']);
    start.starts_with(|character: char| character.is_ascii_digit() || matches!(character, '–' | '∞'))
}

/// A source text with line numbers that are not copied along with it.
fn source(text: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines
        .map(|(index, line)| format!("<span class=\"line\" data-line=\"{}\">{}</span>\n", index + 1, escaped(line)));
    format!("<pre>{}</pre>\n", lines.collect::<String>())
}

/// Text that can stand anywhere in HTML or SVG. Control characters, which XML forbids, become a replacement sign.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            character if character.is_control() => safe.push('\u{fffd}'),
            character => safe.push(character),
        }
    }
    safe
}

/// An SVG document as it stands inside HTML, where it needs neither a prologue nor a namespace. Anything that is not a plain
/// drawing is refused, because it would be inserted unescaped.
pub(crate) fn inlined(svg: &str) -> String {
    let lower = svg.to_ascii_lowercase();
    let forbidden = ["<script", "<foreignobject", "javascript:", "<iframe"];
    match svg.find("<svg") {
        Some(start) if !forbidden.iter().any(|word| lower.contains(word)) => {
            svg[start..].replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
        }
        _ => "<p class=\"note\">This figure is not a plain SVG drawing and was left out.</p>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_are_recognised() {
        assert!(["−2.5", "12 %", "1.18×10⁻⁴", "–", "≈ 3"].iter().all(|cell| looks_numeric(cell)));
        assert!(!["argmin", "", "f64"].iter().any(|cell| looks_numeric(cell)));
    }

    #[test]
    fn only_drawings_are_inlined() {
        assert!(inlined("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>").starts_with("<svg></svg>"));
        assert!(!inlined("<svg><SCRIPT>alert(1)</SCRIPT></svg>").contains("SCRIPT"));
        assert!(!inlined("not a drawing").contains("not a drawing"));
    }
}
