//! Completion stamps: every submission ends by copying its number to a place of its own, and whoever reads results back
//! looks for the numbers of all submissions since the last time. What a driver dropped without a word has left no stamp.

use std::num::Wrapping;

/// Submissions between two downloads, at most.
const COUNT: usize = 1024;

const WORD: u64 = 4;

/// Stamps of an adapter.
pub struct Stamps {
    /// 1, 2, …, then the number of the download.
    numbers: wgpu::Buffer,
    /// What submissions since the last download have left; 0 where nothing was.
    found: wgpu::Buffer,
    made: usize,
    download: Wrapping<u32>,
}

/// What a download must find.
pub struct Expected {
    made: usize,
    download: u32,
}

impl Stamps {
    /// No submission yet.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Stamps {
        let buffer = |label, words: usize| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: words as u64 * WORD,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        };
        let numbers = buffer("numbers of submissions", COUNT + 1);
        let ramp: Vec<u32> = (1..=COUNT as u32).collect();
        queue.write_buffer(&numbers, 0, bytemuck::cast_slice(&ramp));
        Stamps { numbers, found: buffer("stamps", COUNT), made: 0, download: Wrapping(0) }
    }

    /// True if a download must come before the next submission.
    pub fn full(&self) -> bool {
        // The last place is that of the download.
        self.made + 1 >= COUNT
    }

    /// Ends commands with their stamp.
    pub fn mark(&mut self, encoder: &mut wgpu::CommandEncoder) {
        let at = self.made as u64 * WORD;
        encoder.copy_buffer_to_buffer(&self.numbers, at, &self.found, at, WORD);
        self.made += 1;
    }

    /// Bytes that a download adds to what it reads.
    pub fn bytes(&self) -> u64 {
        (self.made as u64 + 2) * WORD
    }

    /// Ends a download: all stamps, its own among them, and its number go to `staging` behind `at` bytes.
    pub fn collect(
        &mut self,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        staging: &wgpu::Buffer,
        at: u64,
    ) -> Expected {
        self.mark(encoder);
        self.download += 1;
        // Memory that a former download has used could hold its stamps; it does not hold this number.
        queue.write_buffer(&self.numbers, COUNT as u64 * WORD, bytemuck::bytes_of(&self.download.0));
        let made = std::mem::take(&mut self.made);
        let end = made as u64 * WORD;
        encoder.copy_buffer_to_buffer(&self.found, 0, staging, at, end);
        encoder.copy_buffer_to_buffer(&self.numbers, COUNT as u64 * WORD, staging, at + end, WORD);
        encoder.clear_buffer(&self.found, 0, None);
        Expected { made, download: self.download.0 }
    }

    /// Asks for something that no device does, for tests of what follows.
    pub fn offend(&self, queue: &wgpu::Queue) {
        queue.write_buffer(&self.found, COUNT as u64 * WORD, &[0; 4]);
    }
}

impl Expected {
    /// What is wrong with the stamps that a download brought, if anything.
    pub fn missing(&self, words: &[u32]) -> Option<String> {
        let (stamps, rest) = words.split_at(self.made.min(words.len()));
        if rest.first() != Some(&self.download) {
            return Some(format!("results were not read: download {} found {:?}", self.download, rest.first()));
        }
        let lost = (1..).zip(stamps).filter(|(number, stamp)| *number != **stamp).count();
        (lost > 0).then(|| format!("{lost} of {} submissions left no stamp", self.made))
    }
}

#[cfg(test)]
mod tests {
    use super::Expected;

    #[test]
    fn every_stamp_counts_and_old_ones_do_not() {
        let expected = Expected { made: 3, download: 7 };
        assert_eq!(expected.missing(&[1, 2, 3, 7]), None);
        assert!(expected.missing(&[1, 0, 3, 7]).is_some_and(|m| m.starts_with("1 of 3 submissions")));
        for stale in [[1, 2, 3, 6].as_slice(), &[0; 4], &[1, 2, 3], &[]] {
            assert!(expected.missing(stale).is_some_and(|m| m.starts_with("results were not read")));
        }
    }
}
