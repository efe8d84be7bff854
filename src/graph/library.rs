//! The WGSL functions that printed functions call.
//!
//! Drivers may round the builtins coarsely, and some do: sin to 2⁻¹¹, pow of a negative base and tanh of a large number
//! to anything. The functions of `shaders/lib` agree with f32 on the CPU within a few units in the last place.

use std::collections::HashMap;
use std::sync::LazyLock;

const SOURCES: [&str; 5] = [
    include_str!("../../shaders/lib/numbers.wgsl"),
    include_str!("../../shaders/lib/exponential.wgsl"),
    include_str!("../../shaders/lib/power.wgsl"),
    include_str!("../../shaders/lib/trigonometry.wgsl"),
    include_str!("../../shaders/lib/hyperbolic.wgsl"),
];

/// Text of every function, with the comment above it, by name.
static FUNCTIONS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| SOURCES.into_iter().flat_map(split).collect());

/// The library functions that `text` calls and those that they call in turn, callees first, each with its comment.
/// Empty if it calls none.
///
/// A call is any name before a parenthesis outside of `//` comments. Append the result once to a module whose whole
/// text was given: a second copy of a function would be an error.
pub fn library(text: &str) -> String {
    let mut chosen = Vec::new();
    choose(text, &mut chosen);
    let texts: Vec<&str> = chosen.iter().map(|name| FUNCTIONS[name]).collect();
    texts.join("\n")
}

/// A text whose functions of the library for these builtins call the builtins themselves: `fn safe_sin` returns `sin(x)`.
pub fn with_builtins(text: &str, builtins: &[String]) -> String {
    builtins.iter().fold(text.to_string(), |text, builtin| match FUNCTIONS.get(format!("safe_{builtin}").as_str()) {
        Some(function) => {
            let body = format!("fn safe_{builtin}(x: f32) -> f32 {{\n    return {builtin}(x);\n}}\n");
            text.replace(function, &body)
        }
        None => text,
    })
}

/// Adds what `text` calls and `chosen` lacks, depth first.
fn choose(text: &str, chosen: &mut Vec<&'static str>) {
    for name in calls(text) {
        let Some((name, function)) = FUNCTIONS.get_key_value(name) else { continue };
        // A function's own head looks like a call of it.
        if !chosen.contains(name) && *function != text {
            choose(function, chosen);
            chosen.push(name);
        }
    }
}

/// The names before parentheses, in order.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| {
        line.match_indices('(').filter_map(|(place, _)| {
            line[..place].trim_end().rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
        })
    })
}

/// Takes a source apart: a function begins with the comment that touches it and ends with a brace at the margin.
fn split(source: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut functions = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let mut name = None;
    for line in source.split_inclusive('\n') {
        end += line.len();
        name = name.or_else(|| line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()));
        match (line.trim_end(), name) {
            ("", None) => start = end,
            ("}", Some(known)) => {
                functions.push((known, &source[start..end]));
                (start, name) = (end, None);
            }
            _ => {}
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::{library, with_builtins};

    #[test]
    fn a_builtin_takes_the_place_of_its_function_and_of_no_other() {
        for name in ["sin", "cos", "exp", "log", "tanh"] {
            let text = library(&format!("safe_{name}(x)"));
            let changed = with_builtins(&text, &[name.to_string()]);
            assert!(changed.contains(&format!("return {name}(x);")) && changed != text, "{name}: {changed}");
            assert_eq!(with_builtins(&text, &["floor".to_string()]), text, "no function takes its place");
        }
    }
}
