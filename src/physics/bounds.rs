//! Texts that naga would not survive: its front end recurses over operators and brackets, and spells out the elements of
//! constant arrays. They are refused before it sees them, by counting tokens.

use super::error::Fault;
use super::scan::{is_word, tokens};
use naga::Span;
use std::collections::HashMap;
use std::ops::Range;

/// Most bytes of a text.
const MOST_BYTES: usize = 1 << 20;

/// Most tokens between two separators (`;` `,` and brackets), those in inner brackets not counted: a sum of a thousand terms.
const MOST_TOKENS: usize = 4_096;

/// Most `else if` of one chain.
const MOST_BRANCHES: usize = 256;

/// Deepest nesting of brackets.
const MOST_DEPTH: usize = 100;

/// Most elements of an array.
const MOST_ELEMENTS: u64 = 65_536;

/// What is too much in a text.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    if text.len() > MOST_BYTES {
        let message = format!("the text has {} bytes, more than {MOST_BYTES}", text.len());
        return Err(
            Fault::new(Span::UNDEFINED, message).help("keep models below 1 MiB; data belongs into the study's [data]")
        );
    }
    let tokens = tokens(text);
    nesting(text, &tokens)?;
    arrays(text, &tokens)
}

/// What is counted inside a pair of brackets.
#[derive(Default)]
struct Level {
    tokens: usize,
    branches: usize,
}

fn nesting(text: &str, tokens: &[Range<usize>]) -> Result<(), Fault> {
    let mut levels = vec![Level::default()];
    for token in tokens {
        let word = &text[token.clone()];
        if let "(" | "[" | "{" = word {
            levels.push(Level::default());
        } else if let (")" | "]" | "}", true) = (word, levels.len() > 1) {
            levels.pop();
        }
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { continue };
        match word {
            ";" => *level = Level::default(),
            "," | "{" | "}" => level.tokens = 0,
            "else" => level.branches += 1,
            _ => level.tokens += 1,
        }
        let what = if depth > MOST_DEPTH {
            format!("brackets nest deeper than {MOST_DEPTH}")
        } else if level.tokens > MOST_TOKENS {
            format!("more than {MOST_TOKENS} words and signs without a separator")
        } else if level.branches > MOST_BRANCHES {
            format!("more than {MOST_BRANCHES} branches of one `if`")
        } else {
            continue;
        };
        let remedy =
            "write it in parts: helper functions, `let` for parts of an expression, `switch` or a table for branches";
        return Err(Fault::new(span(token), what).help(remedy));
    }
    Ok(())
}

/// Refuses arrays that may have too many elements.
fn arrays(text: &str, tokens: &[Range<usize>]) -> Result<(), Fault> {
    let word = |i: usize| tokens.get(i).map_or("", |token| &text[token.clone()]);
    let mut constants = Constants::find(text, tokens);
    for i in (0..tokens.len()).filter(|i| word(*i) == "array" && word(i + 1) == "<") {
        let (mut angles, mut brackets, mut comma, mut at) = (0usize, 0usize, None, i + 1);
        while at < tokens.len().min(i + MOST_TOKENS) {
            match word(at) {
                "(" | "[" => brackets += 1,
                ")" | "]" => brackets = brackets.saturating_sub(1),
                "<" if brackets == 0 => angles += 1,
                ">" if brackets == 0 => angles -= 1,
                "," if brackets == 0 && angles == 1 => comma = comma.or(Some(at)),
                ";" | "{" | "}" => break,
                _ => {}
            }
            if angles == 0 {
                break;
            }
            at += 1;
        }
        if angles > MOST_DEPTH || at >= i + MOST_TOKENS {
            return Err(
                Fault::new(span(&tokens[i]), "array types nest too deeply").help("use structs for the inner ones")
            );
        }
        let Some(comma) = comma else { continue };
        let size = comma + 1..at;
        let Some(first) = tokens.get(size.start) else { continue };
        let (message, remedy) = match constants.bound(size, 0) {
            None => {
                ("the size of an array is computed", "write it as a number, a `const`, or a product of these".into())
            }
            Some(bound) if bound > MOST_ELEMENTS => {
                ("this array is too large", format!("use at most {MOST_ELEMENTS} elements"))
            }
            Some(_) => continue,
        };
        return Err(Fault::new(span(first), message).help(remedy));
    }
    Ok(())
}

/// Deepest chain of constants made of constants.
const MOST_CHAIN: usize = 64;

/// The tokens of what constants are made of.
struct Constants<'a> {
    text: &'a str,
    tokens: &'a [Range<usize>],
    found: HashMap<&'a str, Vec<Range<usize>>>,
    known: HashMap<&'a str, Option<u64>>,
}

impl<'a> Constants<'a> {
    fn find(text: &'a str, tokens: &'a [Range<usize>]) -> Constants<'a> {
        let word = |i: usize| tokens.get(i).map_or("", |token| &text[token.clone()]);
        let mut found: HashMap<&str, Vec<Range<usize>>> = HashMap::new();
        for i in (0..tokens.len()).filter(|i| word(*i) == "const" && is_word(word(i + 1))) {
            // What is longer is a table, and no size.
            let most = tokens.len().min(i + MOST_TOKENS);
            let end = (i..most).find(|j| word(*j) == ";").unwrap_or(most);
            if let Some(sign) = (i..end).find(|j| word(*j) == "=") {
                found.entry(word(i + 1)).or_default().push(sign + 1..end);
            }
        }
        Constants { text, tokens, found, known: HashMap::new() }
    }

    /// No less than the value of an expression of whole numbers, constants and + − * /: a sum is at most the product where
    /// every number counts as 2 at least. `None` for an expression of anything else.
    fn bound(&mut self, expression: Range<usize>, depth: usize) -> Option<u64> {
        let mut bound = 1u64;
        let single = expression.len() == 1;
        for i in expression {
            let word = &self.text[self.tokens[i].clone()];
            let value = match word {
                "+" | "-" | "*" | "/" | "(" | ")" | "," => continue,
                _ if word.starts_with(|c: char| c.is_ascii_digit()) => number(word),
                _ => self.constant(word, depth)?,
            };
            bound = bound.saturating_mul(if single { value } else { value.max(2) });
        }
        Some(bound)
    }

    /// The same of a constant by name; of several with this name the largest.
    fn constant(&mut self, name: &'a str, depth: usize) -> Option<u64> {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        if depth >= MOST_CHAIN {
            return None;
        }
        let parts = self.found.get(name)?.clone();
        let mut largest = Some(0u64);
        for part in parts {
            largest = match (largest, self.bound(part, depth + 1)) {
                (Some(a), Some(b)) => Some(a.max(b)),
                _ => None,
            };
        }
        self.known.insert(name, largest);
        largest
    }
}

/// The value of a whole number; of one that is none, or too large, the largest there is.
fn number(word: &str) -> u64 {
    let digits = word.trim_end_matches(['i', 'u']);
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => digits.parse(),
    };
    parsed.unwrap_or(u64::MAX)
}

fn span(token: &Range<usize>) -> Span {
    Span::new(token.start as u32, token.end as u32)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn sizes_of_arrays_are_bounded() {
        let good = |text: &str| assert!(check(text).is_ok(), "{text}");
        let bad = |text: &str| assert!(check(text).is_err(), "{text}");
        good("const N = 4; const M: u32 = N * 2u + 1; var a: array<array<vec2<f32>, M>, N>; a[1] < 2;");
        good("fn f(a: array<f32, 65536>) { let b = array(1.0, 2.0); let c = array<f32>(1.0); }");
        good("fn f() { if array < 1 { } }");
        bad("var a: array<f32, 65537>;");
        bad("var a: array<vec2<f32>, 0xfffffu>;");
        bad("const N = 3000; var a: array<f32, N * N>;");
        bad("const A = B; const B = A; var a: array<f32, A>;");
        bad("const N = 1 << 30; var a: array<f32, N>;");
        bad("var a: array<f32, u32(-1)>;");
        bad("const N = 99999999999999999999; alias T = array<array<f32, 3>, (N)>;");
        bad("fn f() { const N = 5; } fn g() { const N = 100000; var a: array<f32, N>; }");
    }

    #[test]
    fn what_is_nested_is_bounded() {
        let bad = |text: &str| assert!(check(text).is_err(), "{}", &text[..20]);
        assert!(check(&"f(x, y) + ".repeat(300)).is_ok());
        assert!(check(&"a = b;".repeat(5_000)).is_ok() && check(&"1.0, ".repeat(5_000)).is_ok());
        bad(&"(".repeat(101));
        bad(&"f(x, y) + ".repeat(3_000));
        bad(&"- ".repeat(5_000));
        bad(&format!("if a {{ }} {}", "else if a { b; } ".repeat(300)));
        bad(&" ".repeat(2 << 20));
    }
}
