//! The header of an array in an archive, looked at before it is parsed: the parser behind it takes twice as long for every
//! bracket in a bracket, and multiplies the axes without a check.

use std::io::{self, Read};

/// Most bytes of a header; numpy itself reads no more than 10 000.
const MOST_BYTES: usize = 1 << 16;

/// Deepest nesting of brackets: records in records, and their shapes.
const MOST_DEPTH: usize = 8;

/// Reads from the beginning of an array up to its data, and refuses a header that is not one of an array.
pub(super) fn read_header(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let refuse = |message: String| Err(io::Error::new(io::ErrorKind::InvalidData, message));
    let mut bytes = vec![0; 10];
    entry.read_exact(&mut bytes)?;
    // Version 1 has two bytes for the length, later ones four.
    let mut length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    if bytes[6] != 1 {
        bytes.resize(12, 0);
        entry.read_exact(&mut bytes[10..])?;
        length |= usize::from(u16::from_le_bytes([bytes[10], bytes[11]])) << 16;
    }
    if length > MOST_BYTES {
        return refuse(format!("a header of {length} bytes is none of an array"));
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    entry.read_exact(&mut bytes[start..])?;
    match problem(&bytes[start..]) {
        Some(problem) => refuse(problem.into()),
        None => Ok(bytes),
    }
}

fn problem(header: &[u8]) -> Option<&'static str> {
    let mut depth = 0usize;
    for byte in header {
        match byte {
            b'{' if depth > 0 => return Some("its header is not one of an array"),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'\\' => return Some("its header has escaped characters"),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return Some("its header nests too deeply");
        }
    }
    let Some(shape) = header.windows(5).rposition(|word| word == b"shape") else {
        return Some("its header does not tell the shape");
    };
    let numbers = header[shape..].split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let value =
        |digits: &[u8]| digits.iter().try_fold(0u64, |v, d| v.checked_mul(10)?.checked_add(u64::from(d - b'0')));
    let product = numbers.map(value).try_fold(1u64, |all, number| all.checked_mul(number?.max(1)));
    if product.is_none() { Some("its shape is larger than memory") } else { None }
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn only_what_the_parser_survives_passes() {
        let of = |text: &str| problem(text.as_bytes());
        assert_eq!(of("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0, 7), }"), None);
        let fields = "('x', '<f8', (3, 3)), ".repeat(100);
        assert_eq!(of(&format!("{{'descr': [{fields}], 'fortran_order': False, 'shape': (4,), }}")), None);
        assert!(of("{'shape': (4294967296, 4294967296, 0)}").is_some_and(|p| p.contains("memory")));
        assert!(of("{'shape': (18446744073709551616,)}").is_some_and(|p| p.contains("memory")));
        assert!(of(&format!("{{'shape': {}", "(".repeat(40))).is_some_and(|p| p.contains("deep")));
        assert!(of(&format!("{{'descr': {}", "{".repeat(3))).is_some());
        assert!(of("{'descr': '<f8'}").is_some() && of("{'sh\\x61pe': (1,), 'shape': (1,)}").is_some());
    }
}
