//! SplitMix64 (Steele, Lea and Flood, 2014): one addition and a mix of bits.
//!
//! Tasks are named by a seed and scores are compared between machines and over
//! years, so the stream must never change: it is written here and not taken
//! from a crate, which may improve its own.

/// A stream of numbers that its seed determines.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` − 1, or 0 where there is none. The bias is
    /// below `bound` / 2⁶⁴.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `odds` times.
    pub(crate) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of twelve uniform
    /// numbers, less six. Needs no logarithm, so it is the same everywhere.
    pub(crate) fn gaussian(&mut self) -> f64 {
        let unit = (1_u64 << 53) as f64;
        (0..12).map(|_| (self.next_u64() >> 11) as f64 / unit).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_paper() {
        let mut random = SplitMix64::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.next_u64(), random.next_u64()], expected);
    }

    #[test]
    fn the_bell_has_mean_zero_and_deviation_one() {
        let mut random = SplitMix64::new(1);
        let draws: Vec<f64> = (0..10_000).map(|_| random.gaussian()).collect();
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn below_nothing_is_nought() {
        assert_eq!(SplitMix64::new(1).below(0), 0);
        let mut random = SplitMix64::new(2);
        assert!((0..1_000).all(|_| random.below(3) < 3));
    }
}
