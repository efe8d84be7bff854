//! A checksum over many parts: 64 bits of XXH3, which tell damage, not malice.

use xxhash_rust::xxh3::Xxh3Default;

/// A checksum being computed. The lengths of parts count, so that what moves from one part to the next is noticed.
#[derive(Default)]
pub struct Checksum {
    state: Xxh3Default,
}

impl Checksum {
    /// Of nothing yet.
    pub fn new() -> Checksum {
        Checksum::default()
    }

    /// Adds a part.
    pub fn add(&mut self, part: &[u8]) {
        self.state.update(&(part.len() as u64).to_le_bytes());
        self.state.update(part);
    }

    /// Adds numbers, bit by bit.
    pub fn add_numbers(&mut self, part: &[f64]) {
        self.state.update(&(8 * part.len() as u64).to_le_bytes());
        part.iter().for_each(|value| self.state.update(&value.to_le_bytes()));
    }

    /// The checksum as 16 hexadecimal digits.
    pub fn digits(&self) -> String {
        format!("{:016x}", self.state.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn bits_order_and_borders_count() {
        let of = |parts: &[&[u8]]| {
            let mut checksum = Checksum::new();
            parts.iter().for_each(|part| checksum.add(part));
            checksum.digits()
        };
        let all =
            [of(&[]), of(&[b""]), of(&[b"ab"]), of(&[b"a", b"b"]), of(&[b"b", b"a"]), of(&[b"", b"ab"]), of(&[b"ac"])];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|b| *b == a).count(), 1, "{i}: {a}");
            assert_eq!(a.len(), 16);
        }
        let mut numbers = Checksum::new();
        numbers.add_numbers(&[1.5, -0.0]);
        let bytes: Vec<u8> = [1.5f64, -0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(numbers.digits(), of(&[&bytes]));
    }
}
