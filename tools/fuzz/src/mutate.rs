//! Changes of inputs: bytes, tokens and numbers, and pieces of other inputs.

use fastrand::Rng;
use std::ops::Range;

/// Numbers at which sizes, counts and conversions go wrong.
pub const NUMBERS: [&str; 34] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "255",
    "256",
    "4096",
    "65535",
    "65536",
    "1000000",
    "16777216",
    "1000000000",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "-2147483648",
    "-9223372036854775808",
    "0.0",
    "-0.0",
    "1e-45",
    "1e-320",
    "1e38",
    "3.5e38",
    "1e308",
    "1e999",
    "nan",
    "-inf",
];

/// A change of some bytes: bits, insertions, deletions, repetitions, a tail cut off.
pub fn bytes(rng: &mut Rng, data: &mut Vec<u8>, other: &[u8]) {
    let at = |rng: &mut Rng, length: usize| if length == 0 { 0 } else { rng.usize(..length) };
    match rng.u8(..8) {
        0 if !data.is_empty() => {
            let i = at(rng, data.len());
            data[i] ^= 1 << rng.u8(..8);
        }
        1 if !data.is_empty() => {
            let i = at(rng, data.len());
            data[i] = *rng.choice(&[0, 1, 0x7f, 0x80, 0xff, b'(', b'[', b'{', b'"', b'\n', b',']).unwrap_or(&0);
        }
        2 => {
            let i = at(rng, data.len() + 1);
            data.insert(i, rng.u8(..));
        }
        3 if !data.is_empty() => {
            let range = part(rng, data.len());
            data.drain(range);
        }
        4 if !data.is_empty() => {
            let piece = data[part(rng, data.len())].to_vec();
            let i = at(rng, data.len() + 1);
            for _ in 0..1 << rng.u8(..7) {
                if data.len() + piece.len() <= super::LONGEST {
                    data.splice(i..i, piece.iter().copied());
                }
            }
        }
        5 => {
            let end = at(rng, data.len() + 1);
            data.truncate(end);
        }
        6 if !data.is_empty() => {
            // A field of a header: four or eight bytes of a telling number.
            let value: u64 =
                *rng.choice(&[0, 1, 0xff, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 40, u64::MAX]).unwrap_or(&0);
            let (i, wide) = (at(rng, data.len()), if rng.bool() { 4 } else { 8 });
            for (place, byte) in data[i..].iter_mut().zip(value.to_le_bytes().into_iter().take(wide)) {
                *place = byte;
            }
        }
        _ if !other.is_empty() => {
            let piece = other[part(rng, other.len())].to_vec();
            let i = at(rng, data.len() + 1);
            data.splice(i..i, piece);
        }
        _ => data.push(rng.u8(..)),
    }
}

/// A short range, now and then a long one.
fn part(rng: &mut Rng, length: usize) -> Range<usize> {
    let start = rng.usize(..length);
    let most = (length - start).min(1 << rng.u8(..10));
    start..start + rng.usize(1..=most.max(1)).min(length - start)
}

/// A change of a text's tokens: another number, a token of another text, removal, repetition, nesting, a whole statement.
pub fn tokens(rng: &mut Rng, text: &str, other: &str) -> String {
    let (list, others) = (split(text), split(other));
    if list.is_empty() {
        return other.to_string();
    }
    let at = rng.usize(..list.len());
    let token = list[at].clone();
    let replaced = |range: Range<usize>, by: &str| format!("{}{by}{}", &text[..range.start], &text[range.end..]);
    match rng.u8(..12) {
        0 | 1 => {
            let numbers: Vec<&Range<usize>> =
                list.iter().filter(|r| text[(*r).clone()].starts_with(|c: char| c.is_ascii_digit())).collect();
            let range = rng.choice(&numbers).map_or(token, |r| (*r).clone());
            replaced(range, rng.choice(&NUMBERS).unwrap_or(&"0"))
        }
        2 | 3 if !others.is_empty() => replaced(token, &other[others[rng.usize(..others.len())].clone()]),
        4 => replaced(token, &text[list[rng.usize(..list.len())].clone()]),
        5 => replaced(token, ""),
        6 => {
            let end = list[(at + rng.usize(..12)).min(list.len() - 1)].end;
            replaced(token.start..end, "")
        }
        7 => {
            let end = list[(at + rng.usize(..12)).min(list.len() - 1)].end;
            let times = 1 << rng.u8(1..9);
            let piece = &text[token.start..end];
            if piece.len() * times > super::LONGEST {
                text.to_string()
            } else {
                replaced(token.start..end, &piece.repeat(times))
            }
        }
        8 => {
            let pairs = [
                ("(", ")"),
                ("{", "}"),
                ("[", "]"),
                ("-", ""),
                ("!", ""),
                ("array<", ", 2>"),
                ("if true {", "}"),
                ("vec2f(", ")"),
            ];
            let (open, close) = *rng.choice(&pairs).unwrap_or(&("(", ")"));
            let depth = 1 << rng.u8(..12);
            replaced(token.clone(), &format!("{}{}{}", open.repeat(depth), &text[token], close.repeat(depth)))
        }
        9 | 10 if !other.is_empty() => {
            let lines: Vec<&str> = other.lines().collect();
            let first = rng.usize(..lines.len().max(1));
            let last = (first + rng.usize(1..6)).min(lines.len());
            let begin = text[..token.start].rfind('\n').map_or(0, |i| i + 1);
            replaced(begin..begin, &format!("{}\n", lines[first.min(last)..last].join("\n")))
        }
        _ => {
            let mut data = text.as_bytes().to_vec();
            bytes(rng, &mut data, other.as_bytes());
            String::from_utf8_lossy(&data).into_owned()
        }
    }
}

/// Words, numbers, and signs one by one.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (i, c) in text.char_indices() {
        let word = c.is_alphanumeric() || c == '_' || c == '.';
        match found.last_mut() {
            Some(last) if word && open => last.end = i + c.len_utf8(),
            _ if !c.is_whitespace() => found.push(i..i + c.len_utf8()),
            _ => {}
        }
        open = word;
    }
    found
}
