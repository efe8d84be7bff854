//! Where declarations stand in the text.
//!
//! naga's IR keeps no spans of struct members, return types or function names, so they are found here from the tokens.
//! The scan only serves messages and the few checks that come before parsing: it never decides what a program means.

use naga::Span;
use std::collections::HashMap;
use std::ops::Range;

/// A declared struct or function: where its name, parts (members or arguments) and result type stand.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub name: Span,
    pub parts: Vec<(String, Span)>,
    pub result: Option<Span>,
}

impl Declaration {
    /// The span of a part by name, or of the declaration's name.
    pub fn part(&self, name: &str) -> Span {
        self.parts.iter().find(|(n, _)| n == name).map_or(self.name, |(_, span)| *span)
    }
}

/// All declarations of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Declarations {
    pub structs: HashMap<String, Declaration>,
    pub functions: HashMap<String, Declaration>,
    words: Vec<(String, Span)>,
}

impl Declarations {
    /// Scans a text, which need not be valid.
    pub fn scan(text: &str) -> Self {
        let tokens = tokens(text);
        let mut found = Declarations::default();
        for (i, token) in tokens.iter().enumerate() {
            let word = &text[token.clone()];
            if is_word(word) {
                found.words.push((word.to_string(), span(token)));
            }
            let Some(name) = tokens.get(i + 1) else { continue };
            let key = text[name.clone()].to_string();
            match word {
                "struct" if is_word(&key) => {
                    let (parts, _) = parts(text, &tokens, i + 2, ("{", "}"));
                    found.structs.entry(key).or_insert(Declaration { name: span(name), parts, result: None });
                }
                "fn" if is_word(&key) => {
                    let (parts, end) = parts(text, &tokens, i + 2, ("(", ")"));
                    let result = result(text, &tokens, end);
                    found.functions.entry(key).or_insert(Declaration { name: span(name), parts, result });
                }
                _ => {}
            }
        }
        found
    }

    /// True if an identifier occurs anywhere outside comments.
    pub fn mentions(&self, word: &str) -> bool {
        self.word(word).is_some()
    }

    /// Where an identifier first occurs outside comments.
    pub fn word(&self, word: &str) -> Option<Span> {
        self.words.iter().find(|(w, _)| w == word).map(|(_, span)| *span)
    }

    /// True for the span of an argument's or member's name.
    pub fn is_part(&self, span: Span) -> bool {
        self.functions.values().chain(self.structs.values()).any(|d| d.parts.iter().any(|(_, part)| *part == span))
    }

    /// The span of a function's name.
    pub fn function(&self, name: &str) -> Span {
        self.functions.get(name).map_or(Span::UNDEFINED, |d| d.name)
    }
}

/// A span of bytes.
fn span(range: &Range<usize>) -> Span {
    Span::new(range.start as u32, range.end as u32)
}

/// `name:` pairs between a pair of brackets that opens at token `i`, and the index behind the closing one.
fn parts(text: &str, tokens: &[Range<usize>], i: usize, brackets: (&str, &str)) -> (Vec<(String, Span)>, usize) {
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut at = i;
    while let Some(token) = tokens.get(at) {
        let word = &text[token.clone()];
        match word {
            "(" | "{" | "[" => depth += 1,
            ")" | "}" | "]" => depth = depth.saturating_sub(1),
            _ if depth == 1 && is_word(word) && tokens.get(at + 1).is_some_and(|next| &text[next.clone()] == ":") => {
                found.push((word.to_string(), span(token)));
            }
            _ => {}
        }
        at += 1;
        if depth == 0 && (word == brackets.1 || word != brackets.0) {
            break;
        }
    }
    (found, at)
}

/// Most tokens of a result type: keeps the scan linear.
const RESULT_TOKENS: usize = 256;

/// The result type of a function whose argument list ends before token `i`.
fn result(text: &str, tokens: &[Range<usize>], i: usize) -> Option<Span> {
    if &text[tokens.get(i)?.clone()] != "-" || &text[tokens.get(i + 1)?.clone()] != ">" {
        return None;
    }
    let first = tokens.get(i + 2)?;
    let brace = tokens[i + 2..].iter().take(RESULT_TOKENS).position(|t| &text[t.clone()] == "{")?;
    let last = tokens.get((i + 1 + brace).max(i + 2))?;
    Some(Span::new(first.start as u32, last.end as u32))
}

pub(super) fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Words and single other characters, without white space and comments (block comments nest).
pub(super) fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let next = chars.peek().map(|&(_, n)| n);
        if c.is_whitespace() {
            continue;
        }
        if c == '/' && next == Some('/') {
            while chars.next_if(|&(_, n)| n != '\n').is_some() {}
        } else if c == '/' && next == Some('*') {
            chars.next();
            let mut depth = 1;
            let mut previous = ' ';
            while depth > 0 {
                let Some((_, n)) = chars.next() else { break };
                previous = match (previous, n) {
                    ('/', '*') => {
                        depth += 1;
                        ' '
                    }
                    ('*', '/') => {
                        depth -= 1;
                        ' '
                    }
                    _ => n,
                };
            }
        } else {
            let mut end = start + c.len_utf8();
            if c.is_alphanumeric() || c == '_' {
                while let Some((at, n)) = chars.next_if(|&(_, n)| n.is_alphanumeric() || n == '_') {
                    end = at + n.len_utf8();
                }
            }
            found.push(start..end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_declarations() {
        let text = "/* struct X { /* y */ z: f32 } */ struct State { @size(16) a: f32, // b: f32\n c: array<f32, 3> }\n\
                    fn physics(s: State, @location(0) t: f32) -> array<f32, 2> { let q: f32 = 1.0; }";
        let found = Declarations::scan(text);
        let at = |s: Span| &text[s.to_range().unwrap()];
        let state = &found.structs["State"];
        assert_eq!(state.parts.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(at(state.part("c")), "c");
        let physics = &found.functions["physics"];
        assert_eq!(physics.parts.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(), ["s", "t"]);
        assert_eq!(at(physics.result.unwrap()), "array<f32, 2>");
        assert!(!found.structs.contains_key("X") && !found.mentions("b") && found.mentions("q"));
    }

    #[test]
    fn survives_nonsense() {
        for text in
            ["struct", "fn", "fn a", "fn a(", "fn a) -", "fn a() ->", "fn a() -> {", "struct S {", "/*", "/* /*", "é/"]
        {
            Declarations::scan(text);
        }
    }
}
