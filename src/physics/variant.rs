//! Texts made from a model's: without its networks, or with a physics that is zero. What is taken out becomes white space,
//! so that line numbers stay.

use super::scan::{is_word, tokens};
use super::source::PHYSICS;
use std::ops::Range;

/// The text without what networks are there for: `rhs`, `fields`, every `features`, and the structs `Latent` and `Fields`.
/// What is left of ds/dt is `physics`.
pub fn without_networks(text: &str) -> String {
    without(text, |keyword, name| match keyword {
        "fn" => matches!(name, "rhs" | "fields" | "features") || name.starts_with("features_"),
        _ => matches!(name, "Latent" | "Fields"),
    })
}

/// The text without the features of one network.
pub fn without_features(text: &str, network: &str) -> String {
    let own = format!("features_{network}");
    without(text, |keyword, name| keyword == "fn" && name == own)
}

/// The text with a `physics` that returns zero, wherever it is called from.
pub fn without_physics(text: &str) -> String {
    let mut all = text.to_string();
    if let Some(found) = declarations(text).into_iter().find(|d| d.keyword == "fn" && text[d.name.clone()] == *PHYSICS)
    {
        let result = text[found.head.clone()].rsplit_once("->").map_or("State", |(_, result)| result.trim());
        let zero = format!("{{ return {result}(); {}", blank(&text[found.body.start + 1..found.body.end]));
        all.replace_range(found.body, &format!("{zero}}}"));
    }
    all
}

/// Names of the members of a struct; none if it is not declared.
pub fn members(text: &str, of: &str) -> Vec<String> {
    let found = super::scan::Declarations::scan(text);
    found.structs.get(of).map_or(Vec::new(), |d| d.parts.iter().map(|(name, _)| name.clone()).collect())
}

/// A declared struct or function.
struct Declaration<'a> {
    keyword: &'a str,
    name: Range<usize>,
    /// From the keyword to the body.
    head: Range<usize>,
    /// With its braces.
    body: Range<usize>,
}

/// Everything with a body in braces.
fn declarations(text: &str) -> Vec<Declaration<'_>> {
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |token| &text[token.clone()]);
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        if !matches!(word(i), "fn" | "struct") || !is_word(word(i + 1)) {
            continue;
        }
        let Some(open) = (i..tokens.len()).find(|j| word(*j) == "{") else { continue };
        let mut depth = 0usize;
        let close = (open..tokens.len()).find(|j| {
            match word(*j) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(close) = close else { continue };
        found.push(Declaration {
            keyword: word(i),
            name: tokens[i + 1].clone(),
            head: tokens[i].start..tokens[open].start,
            body: tokens[open].start..tokens[close].end,
        });
    }
    found
}

/// The text without the declarations that `goes` picks by keyword and name.
fn without(text: &str, goes: impl Fn(&str, &str) -> bool) -> String {
    let mut all = text.to_string();
    // From the last on: what is taken out may be shorter.
    for found in declarations(text).into_iter().rev() {
        if goes(found.keyword, &text[found.name.clone()]) {
            let whole = found.head.start..found.body.end;
            all.replace_range(whole.clone(), &blank(&text[whole]));
        }
    }
    all
}

/// The line breaks of a text.
fn blank(text: &str) -> String {
    text.chars().filter(|c| *c == '\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "struct State { x: f32 }\nstruct Latent { a: f32 }\n\
        // fn rhs() { in a comment }\nfn physics(s: State) -> State {\n  if s.x > 0.0 { return s; }\n  return State(1.0);\n}\n\
        fn features_g(s: State) -> array<f32, 1> { return array<f32, 1>(s.x); }\n\
        fn features_e(s: State) -> array<f32, 1> { return array<f32, 1>(s.x); }\n\
        fn rhs(f: State,\n  g: array<f32, 1>) -> State { return State(f.x + g[0]); }\nfn last() -> f32 { return 1.0; }\n";

    #[test]
    fn what_is_taken_out_leaves_its_lines() {
        let alone = without_networks(TEXT);
        assert_eq!(alone.matches('\n').count(), TEXT.matches('\n').count());
        for gone in ["Latent", "features_g", "features_e", "fn rhs(f"] {
            assert!(TEXT.contains(gone) && !alone.contains(gone), "{gone}");
        }
        assert!(alone.contains("fn physics") && alone.contains("return State(1.0)") && alone.contains("fn last"));
        assert!(
            without_features(TEXT, "g").contains("features_e") && !without_features(TEXT, "g").contains("features_g")
        );
    }

    #[test]
    fn zero_physics_keeps_all_else() {
        let zero = without_physics(TEXT);
        assert_eq!(zero.matches('\n').count(), TEXT.matches('\n').count());
        assert!(
            zero.contains("fn physics(s: State) -> State { return State();") && !zero.contains("return s;"),
            "{zero}"
        );
        assert!(zero.contains("State(f.x + g[0])"));
        assert_eq!(members(TEXT, "State"), ["x"]);
    }

    #[test]
    fn texts_that_are_not_valid_are_survived() {
        for text in
            ["fn", "fn rhs", "fn rhs(", "fn rhs() {", "fn rhs() }", "struct Latent {", "fn physics() -> {", "é { }"]
        {
            without_networks(text);
            without_physics(text);
        }
    }
}
