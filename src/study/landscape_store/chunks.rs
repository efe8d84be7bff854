//! How a landscape is cut into chunks: boxes of its grid, the inner axes whole where that is possible.

/// Most points of a landscape: its files stay below 100 GB, 8 bytes for each of about ten quantities.
pub const MOST_POINTS: usize = 1_000_000_000;

/// Most points of a chunk, which is held in memory.
pub const MOST_OF_CHUNK: usize = 1 << 22;

/// The chunks of a grid, in row-major order as its points: the last axis varies fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunks {
    sizes: Vec<usize>,
    shape: Vec<usize>,
}

impl Chunks {
    /// Chunks of at most `most` points, and of nearly the same size along the axis that is cut.
    pub fn new(sizes: &[usize], most: usize) -> Chunks {
        let mut room = most.max(1);
        let mut shape: Vec<usize> = Vec::with_capacity(sizes.len());
        for &size in sizes.iter().rev() {
            let pieces = size.div_ceil(room.min(size).max(1)).max(1);
            let length = size.div_ceil(pieces).max(1);
            // An axis outside of one that is cut has a chunk for each of its values.
            room = if pieces > 1 { 1 } else { room / length };
            shape.push(length);
        }
        shape.reverse();
        Chunks { sizes: sizes.to_vec(), shape }
    }

    /// The chunks that a store says it has; nothing where that cannot be.
    pub(super) fn of(sizes: Vec<usize>, shape: Vec<usize>) -> Option<Chunks> {
        let within = |all: &[usize], most: usize| {
            let product = all.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
            product.is_some_and(|product| (1..=most).contains(&product))
        };
        let fits = sizes.len() == shape.len() && !sizes.is_empty() && sizes.iter().zip(&shape).all(|(n, of)| of <= n);
        (fits && within(&sizes, MOST_POINTS) && within(&shape, MOST_OF_CHUNK)).then_some(Chunks { sizes, shape })
    }

    /// Points of the grid along each axis.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Points of a chunk along each axis; those at the end of an axis reach beyond the grid.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Places of a chunk, some of them beyond the grid.
    pub fn places(&self) -> usize {
        self.shape.iter().product()
    }

    /// Points of the grid.
    pub fn points(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Number of chunks.
    pub fn count(&self) -> usize {
        self.along().product()
    }

    fn along(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.sizes.iter().zip(&self.shape).map(|(size, length)| size.div_ceil(*length))
    }

    /// Index of a chunk along each axis.
    pub fn index(&self, mut chunk: usize) -> Vec<u64> {
        let mut index: Vec<u64> = Vec::with_capacity(self.sizes.len());
        for count in self.along().rev() {
            index.push((chunk % count) as u64);
            chunk /= count;
        }
        index.reverse();
        index
    }

    /// The points of a chunk: each one's place inside the chunk, and its position on the grid, both increasing.
    pub fn within(&self, chunk: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let origin: Vec<usize> =
            self.index(chunk).iter().zip(&self.shape).map(|(i, length)| *i as usize * length).collect();
        (0..self.places()).filter_map(move |place| {
            let (mut rest, mut position, mut stride) = (place, 0, 1);
            for axis in (0..self.sizes.len()).rev() {
                let at = origin[axis] + rest % self.shape[axis];
                if at >= self.sizes[axis] {
                    return None;
                }
                position += at * stride;
                stride *= self.sizes[axis];
                rest /= self.shape[axis];
            }
            Some((place, position))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Chunks;

    #[test]
    fn inner_axes_are_whole_and_pieces_alike() {
        let shape = |sizes: &[usize], most: usize| Chunks::new(sizes, most).shape().to_vec();
        assert_eq!(shape(&[10_000_000], 32_768), [32_680]);
        assert_eq!(shape(&[3163, 3163], 32_768), [10, 3163]);
        assert_eq!(shape(&[101], 32_768), [101]);
        assert_eq!(shape(&[4, 50, 20], 1000), [1, 50, 20]);
        assert_eq!(shape(&[4, 50, 20], 300), [1, 13, 20]);
        assert_eq!(shape(&[4, 50, 20], 7), [1, 1, 7]);
        assert_eq!(shape(&[4, 5], 0), [1, 1]);
    }

    #[test]
    fn every_point_is_in_one_chunk() {
        for (sizes, most) in [(vec![7], 3), (vec![5, 7], 10), (vec![3, 4, 5], 8), (vec![2, 3, 2, 3], 36)] {
            let chunks = Chunks::new(&sizes, most);
            let mut seen = vec![0; chunks.points()];
            for chunk in 0..chunks.count() {
                let within: Vec<(usize, usize)> = chunks.within(chunk).collect();
                assert!(!within.is_empty() && within.len() <= chunks.places() && chunks.places() <= most);
                assert!(within.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
                within.iter().for_each(|(_, position)| seen[*position] += 1);
            }
            assert!(seen.iter().all(|n| *n == 1), "{sizes:?} by {most}");
        }
    }
}
