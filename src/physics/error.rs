//! Errors about the user's WGSL: where, what, and what to do.

use naga::Span;
use std::fmt::Write as _;

/// An error in the user's physics text, with its place and a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render())]
pub struct PhysicsError {
    /// Name of the file, as given to [`Module::parse`](super::Module::parse).
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Number of characters that the carets mark; at least 1.
    pub width: usize,
    /// The source line.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl PhysicsError {
    /// The text of the error: `file:line:column: message`, the source line, carets and the remedy.
    fn render(&self) -> String {
        let mut out = format!("{}:{}:{}: {}\n", self.file, self.line, self.column, self.message);
        let gutter = self.line.to_string();
        let _ = writeln!(out, "{gutter} | {}", self.source_line);
        // Tabs are kept before the carets, so that these stay below their characters.
        let indent: String =
            self.source_line.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let _ = write!(out, "{} | {indent}{}", " ".repeat(gutter.len()), "^".repeat(self.width));
        if let Some(remedy) = &self.remedy {
            let _ = write!(out, "\nhelp: {remedy}");
        }
        out
    }
}

/// An error before its place is turned into a line and a column: what every step of the front end returns.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub span: Span,
    pub message: String,
    pub remedy: Option<String>,
}

impl Fault {
    /// An error without a remedy.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Fault { span, message: message.into(), remedy: None }
    }

    /// Adds the remedy.
    pub fn help(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The error with its place in the user's text. A place in what the engine appended becomes the end of the text.
    pub fn locate(self, file: &str, text: &str) -> PhysicsError {
        let range = self.span.to_range().unwrap_or(0..0);
        let end_of_text = text.trim_end().len();
        let behind = range.start >= text.len() && !text.is_empty();
        let start = if behind { end_of_text.saturating_sub(1) } else { range.start };
        let start = floor_boundary(text, start);
        let line_start = text[..start].rfind('\n').map_or(0, |p| p + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |p| start + p);
        let end = if behind { start } else { floor_boundary(text, range.end.min(line_end)) };
        let marked = if end > start { text[start..end].trim_end().chars().count() } else { 0 };
        let remedy = match (behind, self.remedy) {
            (true, None) => Some("the text ends too early: look for a missing `}` or `;` near its end".to_string()),
            (_, remedy) => remedy,
        };
        PhysicsError {
            file: file.to_string(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: marked.max(1),
            source_line: text[line_start..line_end].trim_end_matches('\r').to_string(),
            message: self.message,
            remedy,
        }
    }
}

/// The last character boundary at or before a byte position.
fn floor_boundary(text: &str, position: usize) -> usize {
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "a\n// é\tx = 1;\n";
        let start = text.find('x').unwrap() as u32;
        let error = Fault::new(Span::new(start, start + 5), "no").help("yes").locate("f.wgsl", text);
        assert_eq!((error.line, error.column, error.width), (2, 6, 5));
        assert_eq!(error.to_string(), "f.wgsl:2:6: no\n2 | // é\tx = 1;\n  |     \t^^^^^\nhelp: yes");
    }

    #[test]
    fn any_span_is_located() {
        for text in ["", "é", "\n\n", "é\n"] {
            for start in 0..6 {
                for end in start..8 {
                    let _ = Fault::new(Span::new(start, end), "m").locate("f", text).to_string();
                }
            }
        }
    }
}
