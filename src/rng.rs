//! Counter-based random numbers: integer arithmetic that WGSL repeats bit for bit.
//!
//! A number is a pure function of (seed, purpose, index, step), so it depends neither on the order of drawing nor on the
//! number of threads, and a resumed run continues exactly. The mixing function is pcg4d of Jarzynski and Olano, "Hash
//! Functions for GPU Rendering", JCGT 9(3), 2020.

/// What numbers are drawn for; each purpose is a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Purpose {
    Weights = 1,
    Theta = 2,
    Batches = 3,
    Split = 4,
    Simulation = 5,
    Noise = 6,
    Starts = 7,
    Bootstrap = 8,
    Validation = 9,
    InputNoise = 10,
}

/// A stream of random numbers, addressed by index and step.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 4],
}

/// Mixes four words.
pub fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] = v.map(|c| c.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    for round in 0..2 {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        if round == 0 {
            [x, y, z, w] = [x ^ (x >> 16), y ^ (y >> 16), z ^ (z >> 16), w ^ (w >> 16)];
        }
    }
    [x, y, z, w]
}

impl Stream {
    /// The stream of a seed and a purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Stream {
        Stream { key: pcg4d([seed as u32, (seed >> 32) as u32, purpose as u32, 0x9e37_79b9]) }
    }

    /// The key that WGSL needs to repeat the stream.
    pub fn key(&self) -> [u32; 4] {
        self.key
    }

    /// Four random words at (index, step).
    pub fn words(&self, index: u32, step: u32) -> [u32; 4] {
        let [a, b, c, d] = self.key;
        pcg4d([a.wrapping_add(index), b.wrapping_add(step), c ^ index.rotate_left(16), d])
    }

    /// Uniform in \[0, 1), a multiple of 2⁻²⁴ and so exact in f32.
    pub fn uniform(&self, index: u32, step: u32) -> f64 {
        unit(self.words(index, step)[0])
    }

    /// Standard normal by Box–Muller.
    pub fn normal(&self, index: u32, step: u32) -> f64 {
        let [a, b, _, _] = self.words(index, step);
        // 1 − u lies in (0, 1], where the logarithm is finite.
        (-2.0 * (1.0 - unit(a)).ln()).sqrt() * (std::f64::consts::TAU * unit(b)).cos()
    }

    /// An integer below `n`, by multiplication and shift.
    pub fn below(&self, n: u32, index: u32, step: u32) -> u32 {
        ((self.words(index, step)[0] as u64 * n as u64) >> 32) as u32
    }

    /// A permutation of `0..n` (Fisher–Yates); `step` tells epochs apart.
    pub fn permutation(&self, n: usize, step: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u32 + 1, i as u32, step) as usize);
        }
        order
    }
}

fn unit(word: u32) -> f64 {
    (word >> 8) as f64 / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_have_the_moments_of_the_uniform_distribution() {
        let stream = Stream::new(7, Purpose::Theta);
        let n = 100_000u32;
        let draws: Vec<f64> = (0..n).map(|i| stream.uniform(i, i % 13)).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.004 && (variance - 1.0 / 12.0).abs() < 0.002, "{mean} {variance}");
        let lag: f64 = draws.windows(2).map(|p| (p[0] - 0.5) * (p[1] - 0.5)).sum::<f64>() / n as f64;
        assert!(lag.abs() < 0.001, "correlation of neighbours {lag}");
    }

    #[test]
    fn normal_numbers_have_unit_variance_and_streams_differ() {
        let stream = Stream::new(0, Purpose::Noise);
        let n = 100_000;
        let square = (0..n).map(|i| stream.normal(i, 0).powi(2)).sum::<f64>() / n as f64;
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert_ne!(Stream::new(0, Purpose::Theta).words(0, 0), stream.words(0, 0));
        assert_ne!(Stream::new(1, Purpose::Noise).words(0, 0), stream.words(0, 0));
    }

    #[test]
    fn permutations_are_permutations() {
        let mut order = Stream::new(3, Purpose::Split).permutation(1000, 5);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, v)| i as u32 == *v));
        assert!(Stream::new(3, Purpose::Split).permutation(0, 5).is_empty());
    }

    #[test]
    fn every_place_of_a_permutation_is_about_equally_likely() {
        let mut counts = [[0u32; 5]; 5];
        for seed in 0..10_000 {
            for (place, item) in Stream::new(seed, Purpose::Split).permutation(5, 0).into_iter().enumerate() {
                counts[place][item as usize] += 1;
            }
        }
        // The expected count is 2000 with a standard deviation of 40.
        assert!(counts.iter().flatten().all(|&count| (1800..2200).contains(&count)), "{counts:?}");
    }
}
