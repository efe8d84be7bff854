//! A deterministic shuffle from a counter-based integer hash: the same on every machine and in every release.

/// The PCG "RXS-M-XS" permutation of 32-bit integers: one step of a linear congruential generator, then a shift by a
/// distance taken from the top bits, a multiplication and a final shift. A bijection with no state.
pub fn hash(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

/// The number `counter` of the stream `seed`: the hash chained over the counter and both halves of the seed.
pub fn random(seed: u64, counter: u32) -> u32 {
    let [low, high] = [seed as u32, (seed >> 32) as u32];
    hash(hash(hash(counter) ^ low).wrapping_add(high))
}

/// The indices `0..n` in an order that depends only on `seed` and `n` (Fisher and Yates, from the end).
pub fn shuffle(seed: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        // Multiply and shift maps 32 random bits to 0..=last; the bias is below n / 2^32.
        let chosen = (u64::from(random(seed, last as u32)) * (last as u64 + 1)) >> 32;
        order.swap(last, chosen as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shuffle_is_a_permutation_that_the_seed_decides(seed: u64, n in 0usize..200) {
            let order = shuffle(seed, n);
            prop_assert_eq!(&order, &shuffle(seed, n));
            let mut sorted = order;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_place_is_about_equally_likely() {
        let mut counts = [[0u32; 5]; 5];
        for seed in 0..10_000 {
            for (place, item) in shuffle(seed, 5).into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // The expected count is 2000 with a standard deviation of 40.
        assert!(counts.iter().flatten().all(|&count| (1800..2200).contains(&count)), "{counts:?}");
    }
}
