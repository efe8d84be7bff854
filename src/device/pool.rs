//! Planning of work memory: ranges taken while a value lives and given back after its last reader.

use std::ops::Range;

/// Free ranges below a top that grows when none of them fits.
pub struct Pool {
    free: Vec<Range<usize>>,
    top: usize,
}

impl Pool {
    /// A pool whose ranges begin at `first`.
    pub fn new(first: usize) -> Pool {
        Pool { free: Vec::new(), top: first }
    }

    /// The end of all ranges ever taken.
    pub fn top(&self) -> usize {
        self.top
    }

    /// A range that is never given back.
    pub fn reserve(&mut self, size: usize) -> usize {
        self.top += size;
        self.top - size
    }

    /// The start of the smallest free range that fits, or of a new one.
    pub fn take(&mut self, size: usize) -> usize {
        let fitting = (0..self.free.len()).filter(|i| self.free[*i].len() >= size).min_by_key(|i| self.free[*i].len());
        match fitting {
            Some(i) if size > 0 => {
                let start = self.free[i].start;
                self.free[i].start += size;
                if self.free[i].is_empty() {
                    self.free.remove(i);
                }
                start
            }
            _ => self.reserve(size),
        }
    }

    /// Gives a range back; neighbours are joined.
    pub fn give(&mut self, start: usize, size: usize) {
        if size == 0 {
            return;
        }
        let position = self.free.partition_point(|r| r.start < start);
        self.free.insert(position, start..start + size);
        if position + 1 < self.free.len() && self.free[position].end == self.free[position + 1].start {
            self.free[position].end = self.free.remove(position + 1).end;
        }
        if position > 0 && self.free[position - 1].end == self.free[position].start {
            self.free[position - 1].end = self.free.remove(position).end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_were_given_back_are_taken_again() {
        let mut pool = Pool::new(10);
        let [a, b, c] = [4, 8, 2].map(|size| pool.take(size));
        assert_eq!(([a, b, c], pool.top()), ([10, 14, 22], 24));
        pool.give(a, 4);
        pool.give(b, 8);
        assert_eq!((pool.take(12), pool.top()), (10, 24), "neighbours were joined");
        pool.give(c, 2);
        assert_eq!((pool.take(3), pool.take(1), pool.top()), (24, 22, 27), "the smallest range that fits");
    }
}
