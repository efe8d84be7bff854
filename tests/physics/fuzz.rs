//! No text makes the front end panic or hang.

use super::context;
use greybox::physics::Module;
use proptest::prelude::*;

const VALID: &str = "const N = 3;
const TABLE = array<f32, 4>(1.0, 2.0, 4.0, 8.0);
struct Part { m: f32, v: vec2f }
struct State { x: f32, part: Part, a: array<f32, N> }
struct Theta { k: f32 }
fn bump(p: ptr<function, f32>, by: f32) { *p += by; if by < 0.0 { return; } *p *= 2.0; }
fn look(i: i32) -> f32 { return TABLE[clamp(i, 0, 3)]; }
fn physics(s: State, theta: Theta, t: f32) -> State {
    var out = s;
    for (var i = 0; i < N; i++) { if s.a[i] > t { continue; } out.a[i] = look(i32(s.a[i])) * theta.k; }
    switch i32(s.x) { case 0, 1: { out.x = 2.0; } default: { bump(&out.x, s.part.m); } }
    out.part.v = mat2x2f(1.0, t, 0.0, 1.0) * s.part.v.yx;
    let m = modf(s.x);
    while i32(out.part.m) < 3 && m.whole > 0.0 { if out.x > 1.0 { break; } out.part.m += 1.0; break; }
    return out;
}
fn rhs(f: State, g: array<f32, 2>) -> State { var r = f; r.x = f.x + select(g[0], g[1], f.x > 0.0); return r; }
";

/// Must return, whatever the result.
fn try_parse(text: &str) {
    let networks = context(&["g"]);
    if let Err(error) = Module::parse("fuzz.wgsl", text, &networks) {
        assert!(!error.message.contains("the WGSL front end failed"), "{error}\n{text}");
        let _ = error.to_string();
    }
}

#[test]
fn the_seed_is_valid() {
    let module = Module::parse("fuzz.wgsl", VALID, &context(&["g"]));
    assert!(module.is_ok(), "{}", module.unwrap_err());
}

#[test]
fn prefixes_of_a_valid_text() {
    for end in 0..VALID.len() {
        try_parse(&VALID[..end]);
    }
}

/// Positions of words, numbers and single signs.
fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, c) in text.char_indices() {
        let word = c.is_alphanumeric() || c == '_' || c == '.';
        let joins = found.last().is_some_and(|r| {
            r.end == i && word && text[r.clone()].chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
        });
        if joins {
            found.last_mut().unwrap().end = i + c.len_utf8();
        } else if !c.is_whitespace() {
            found.push(i..i + c.len_utf8());
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_replaced(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4)) {
        let mut text = VALID.to_string();
        for (target, source) in changes {
            let list = tokens(&text);
            let replacement = text[list[source.index(list.len())].clone()].to_string();
            text.replace_range(list[target.index(list.len())].clone(), &replacement);
        }
        try_parse(&text);
    }

    #[test]
    fn tokens_removed(targets in prop::collection::vec(any::<prop::sample::Index>(), 1..3)) {
        let mut text = VALID.to_string();
        for target in targets {
            let list = tokens(&text);
            text.replace_range(list[target.index(list.len())].clone(), "");
        }
        try_parse(&text);
    }

    #[test]
    fn any_characters(text in "\\PC{0,60}") {
        try_parse(&text);
        try_parse(&format!("struct State {{ x: f32 }} fn physics(s: State) -> State {{ {text} return s; }}"));
    }
}
