//! Sequences of items named by a seed, so that a task is one short line.
//!
//! The two kinds are those on which online bin packing is usually measured:
//! the OR-Library's uniform sizes (Beasley, 1990), and Weibull sizes, which fit
//! what real schedulers see (Castiñeiras and others, 2012). Only integers are
//! used: the same seed gives the same items on every machine.

use chimera_agent_sdk::prelude::*;

use crate::random::SplitMix64;

/// How the sizes of a sequence are distributed, and the capacity that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(crate = "serde", rename_all = "lowercase")]
pub enum Distribution {
    /// Shape 3, scale 45, rounded and kept within 1 to 100; capacity 100.
    Weibull,
    /// 20 to 100, each as likely; capacity 150.
    Uniform,
}

impl Distribution {
    /// What a bin holds.
    pub fn capacity(self) -> u32 {
        match self {
            Self::Weibull => 100,
            Self::Uniform => 150,
        }
    }

    /// So many items of this seed.
    pub fn items(self, seed: u64, count: usize) -> Vec<u32> {
        let mut random = SplitMix64::new(seed);
        (0..count).map(|_| self.item(&mut random)).collect()
    }

    fn item(self, random: &mut SplitMix64) -> u32 {
        match self {
            Self::Weibull => {
                let draw = random.below(1 << 16);
                let below = WEIBULL.partition_point(|&threshold| u64::from(threshold) <= draw);
                1 + below as u32
            }
            Self::Uniform => 20 + random.below(81) as u32,
        }
    }
}

/// Of 65536 items, how many are no larger than 1, 2, … 99:
/// `1 − exp(−((size + ½) / 45)³)`, rounded.
#[rustfmt::skip]
const WEIBULL: [u16; 99] = [
    2, 11, 31, 66, 120, 197, 303, 440, 614, 827, 1085,
    1390, 1746, 2156, 2624, 3152, 3743, 4399, 5121, 5912, 6772, 7701,
    8699, 9767, 10903, 12106, 13373, 14702, 16090, 17534, 19029, 20571, 22155,
    23775, 25426, 27101, 28795, 30501, 32212, 33922, 35624, 37312, 38979, 40619,
    42226, 43794, 45319, 46796, 48221, 49589, 50897, 52144, 53327, 54445, 55496,
    56481, 57400, 58253, 59041, 59767, 60432, 61039, 61590, 62088, 62535, 62936,
    63293, 63610, 63890, 64135, 64349, 64535, 64696, 64835, 64953, 65054, 65140,
    65212, 65272, 65322, 65364, 65398, 65426, 65449, 65467, 65482, 65494, 65503,
    65511, 65517, 65521, 65525, 65528, 65530, 65531, 65533, 65533, 65534, 65535,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_formula() {
        for (size, &threshold) in (1..).zip(&WEIBULL) {
            let share = 1.0 - (-((f64::from(size) + 0.5) / 45.0).powi(3)).exp();
            let expected = (share * 65_536.0).min(65_535.0);
            assert!((f64::from(threshold) - expected).abs() < 0.51, "{size}: {threshold}");
        }
    }

    #[test]
    fn a_seed_always_gives_these_items() {
        assert_eq!(Distribution::Weibull.items(7, 8), [36, 12, 59, 43, 38, 30, 39, 33]);
        assert_eq!(Distribution::Uniform.items(7, 8), [51, 21, 92, 67, 56, 40, 57, 46]);
    }

    #[test]
    fn the_sizes_are_where_they_should_be() {
        let weibull = Distribution::Weibull.items(1, 20_000);
        let mean = f64::from(weibull.iter().sum::<u32>()) / 20_000.0;
        assert!((mean - 40.2).abs() < 0.5, "{mean}: 45 Γ(4/3) is 40.2");
        assert!(weibull.iter().all(|size| (1..=100).contains(size)));
        let uniform = Distribution::Uniform.items(1, 20_000);
        assert_eq!((uniform.iter().min(), uniform.iter().max()), (Some(&20), Some(&100)));
    }
}
