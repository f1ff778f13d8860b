//! Confidence intervals for pairs.

use serde::{Deserialize, Serialize};

use super::super::math::{normal_quantile, student_quantile};
use super::MOST;

/// An estimate, and between what the truth lies with the asked confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// No less than this.
    pub low: f64,
    /// No more than this.
    pub high: f64,
}

/// How two yes-or-no outcomes of the same tasks fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fourfold {
    pub(crate) both: u64,
    pub(crate) champion_only: u64,
    pub(crate) candidate_only: u64,
    pub(crate) neither: u64,
}

impl Fourfold {
    pub(crate) fn add(&mut self, champion: bool, candidate: bool) {
        let cell = match (champion, candidate) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.champion_only,
            (false, true) => &mut self.candidate_only,
            (false, false) => &mut self.neither,
        };
        *cell = cell.saturating_add(1);
    }

    pub(crate) fn all(&self) -> u64 {
        self.both + self.champion_only + self.candidate_only + self.neither
    }

    pub(crate) fn champion(&self) -> u64 {
        self.both + self.champion_only
    }

    pub(crate) fn candidate(&self) -> u64 {
        self.both + self.candidate_only
    }

    /// Share of the candidate less that of the champion; `None` of no pairs.
    ///
    /// Newcombe's square-and-add interval for pairs ("Improved confidence
    /// intervals for the difference between binomial proportions based on
    /// paired data", Statistics in Medicine, 1998, method 10), which Fagerland,
    /// Lydersen and Laake ("Recommended tests and confidence intervals for
    /// paired binomial proportions", 2014) recommend for few pairs as for
    /// many. Unlike Wald's it has a width where no two outcomes differ: twenty
    /// pairs that agree do not prove that all would.
    pub(crate) fn difference(&self, confidence: f64) -> Option<Interval> {
        let all = self.all();
        let champion = Share::of(self.champion(), all, confidence)?;
        let candidate = Share::of(self.candidate(), all, confidence)?;
        Some(square_and_add(&champion, &candidate, self.correlation()))
    }

    /// The phi coefficient, with Newcombe's correction of continuity.
    fn correlation(&self) -> f64 {
        let (both, neither) = (self.both as f64, self.neither as f64);
        let (champion, candidate) = (self.champion_only as f64, self.candidate_only as f64);
        let margins =
            (both + champion) * (candidate + neither) * (both + candidate) * (champion + neither);
        if margins <= 0.0 {
            return 0.0;
        }
        let apart = both * neither - champion * candidate;
        let corrected =
            if apart > 0.0 { (apart - self.all() as f64 / 2.0).max(0.0) } else { apart };
        corrected / margins.sqrt()
    }
}

/// A proportion with Wilson's interval ("Probable inference, the law of
/// succession, and statistical inference", JASA, 1927).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    share: f64,
    low: f64,
    high: f64,
}

impl Share {
    /// `None` of nothing.
    pub(crate) fn of(count: u64, all: u64, confidence: f64) -> Option<Self> {
        if all == 0 {
            return None;
        }
        let (n, share) = (all as f64, count.min(all) as f64 / all as f64);
        let z = normal_quantile(0.5 + confidence / 2.0);
        let shrink = 1.0 + z * z / n;
        let centre = (share + z * z / (2.0 * n)) / shrink;
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / shrink;
        // The ends are 0 and 1 exactly where none or all were counted, and a
        // rounding error must not put the share outside of its interval.
        Some(Self {
            share,
            low: (centre - half).clamp(0.0, share),
            high: (centre + half).clamp(share, 1.0),
        })
    }
}

/// The second less the first, with their correlation; 0 for shares of different
/// tasks.
pub(crate) fn square_and_add(first: &Share, second: &Share, correlation: f64) -> Interval {
    let length = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt();
    let estimate = second.share - first.share;
    let below = length(second.share - second.low, first.high - first.share);
    let above = length(second.high - second.share, first.share - first.low);
    Interval { estimate, low: (estimate - below).max(-1.0), high: (estimate + above).min(1.0) }
}

/// The geometric mean of ratios, from their logarithms; `None` of fewer than
/// two.
///
/// Student's interval on the logarithms. The benchmark is of a few dozen
/// pairs, where the bootstrap is too narrow (Hesterberg, "What Teachers Should
/// Know About the Bootstrap", The American Statistician, 2015) and Student's
/// holds; of many pairs both say the same. A task that took the one or the
/// other very long makes it wider, and so says less instead of saying
/// something wrong; and it needs no chance, so that the same pairs always give
/// the same answer.
pub(crate) fn mean_ratio(logs: &[f64], confidence: f64) -> Option<Interval> {
    let count = logs.len();
    if count < 2 {
        return None;
    }
    let n = count as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let squares: f64 = logs.iter().map(|log| (log - mean) * (log - mean)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let radius = student_quantile(n - 1.0, 0.5 + confidence / 2.0) * error;
    // Of two pairs it may reach beyond all numbers, which JSON cannot represent.
    let ratio = |log: f64| log.exp().clamp(1.0 / MOST, MOST);
    Some(Interval { estimate: ratio(mean), low: ratio(mean - radius), high: ratio(mean + radius) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 5e-4, "{value} is not {expected}");
    }

    /// Two tables of Fagerland and others, 2014 (airway hyper-responsiveness
    /// and complete response), worked out apart from this code.
    #[test]
    fn the_difference_is_newcombes() {
        let rows = [
            ((1, 1, 7, 12), (0.285_71, 0.025_56, 0.506_92)),
            ((59, 6, 16, 80), (0.062_11, 0.004_63, 0.118_62)),
        ];
        for ((both, champion_only, candidate_only, neither), (estimate, low, high)) in rows {
            let fell = Fourfold { both, champion_only, candidate_only, neither };
            let interval = fell.difference(0.95).unwrap();
            near(interval.estimate, estimate);
            near(interval.low, low);
            near(interval.high, high);
        }
    }

    #[test]
    fn wilson_is_that_of_the_tables() {
        let share = Share::of(0, 10, 0.95).unwrap();
        assert_eq!(share.low, 0.0);
        near(share.high, 0.2775);
        let share = Share::of(81, 263, 0.95).unwrap();
        near(share.low, 0.2553);
        near(share.high, 0.3662);
        assert_eq!(Share::of(0, 0, 0.95), None);
    }

    #[test]
    fn pairs_that_all_agree_leave_a_doubt_that_shrinks() {
        let agree = |both| Fourfold { both, ..Fourfold::default() }.difference(0.95).unwrap();
        assert!(agree(20).low < -0.1 && agree(20).high > 0.1);
        assert!(agree(1000).low > -0.01 && agree(1000).high < 0.01);
        assert_eq!(Fourfold::default().difference(0.95), None);
    }

    #[test]
    fn the_mean_ratio_is_students() {
        let logs = [0.0, 0.1, 0.2, 0.1, 0.1];
        let interval = mean_ratio(&logs, 0.95).unwrap();
        near(interval.estimate, 0.1_f64.exp());
        // t(4) is 2.776, the standard error 0.0316.
        near(interval.low, (0.1_f64 - 0.087_8).exp());
        near(interval.high, (0.1_f64 + 0.087_8).exp());
        assert_eq!(mean_ratio(&[0.1], 0.95), None);
        let wild = mean_ratio(&[-700.0, 700.0], 0.999).unwrap();
        assert!(wild.low > 0.0 && wild.high.is_finite());
    }

    /// The estimate, and both ends of its interval.
    type Expected = (f64, f64, f64);

    fn exactly(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-8, "{value} is not {expected}");
    }

    /// Both formulas, worked out apart from this code with the normal distribution of
    /// Python's `statistics`.
    #[test]
    fn intervals_are_exact_for_any_table() {
        let rows = [
            ((1, 1, 7, 12), 0.95, (0.285714285714, 0.025559124165, 0.506920226686)),
            ((1, 1, 7, 12), 0.8, (0.285714285714, 0.118628971866, 0.435850432942)),
            ((59, 6, 16, 80), 0.95, (0.062111801242, 0.004625113933, 0.118621195639)),
            ((20, 5, 3, 2), 0.95, (-0.066666666667, -0.259925814873, 0.131129086149)),
            ((2, 9, 8, 1), 0.95, (-0.050000000000, -0.412262274061, 0.327126697511)),
            ((2, 9, 8, 1), 0.8, (-0.050000000000, -0.300154779319, 0.207155517003)),
            ((10, 0, 0, 10), 0.95, (0.000000000000, -0.089756659378, 0.089756659378)),
            ((30, 0, 0, 0), 0.95, (0.000000000000, -0.113513393174, 0.113513393174)),
            ((0, 10, 0, 0), 0.95, (-1.000000000000, -1.000000000000, -0.607509350431)),
            ((0, 0, 12, 0), 0.95, (1.000000000000, 0.657061686994, 1.000000000000)),
            ((5, 3, 0, 0), 0.95, (-0.375000000000, -0.694257605397, 0.027440569959)),
            ((0, 0, 4, 9), 0.95, (0.307692307692, 0.016578961720, 0.576306568195)),
            ((100, 40, 2, 300), 0.95, (-0.085972850679, -0.114324925839, -0.058127032954)),
            ((3, 2, 2, 3), 0.95, (0.000000000000, -0.372513623820, 0.372513623820)),
            ((17, 4, 11, 9), 0.95, (0.170731707317, -0.014722452071, 0.339126948734)),
            ((0, 5, 0, 7), 0.95, (-0.416666666667, -0.680488687450, -0.086948996791)),
            ((0, 5, 0, 7), 0.8, (-0.416666666667, -0.598051107354, -0.215377599528)),
        ];
        for ((both, champion_only, candidate_only, neither), confidence, expected) in rows {
            let fell = Fourfold { both, champion_only, candidate_only, neither };
            let interval = fell.difference(confidence).unwrap();
            exactly(interval.estimate, expected.0);
            exactly(interval.low, expected.1);
            exactly(interval.high, expected.2);
        }
        let rows = [
            ((0, 10), 0.95, (0.000000000000, 0.000000000000, 0.277532799863)),
            ((10, 10), 0.95, (1.000000000000, 0.722467200137, 1.000000000000)),
            ((81, 263), 0.95, (0.307984790875, 0.255288519878, 0.366209576983)),
            ((1, 3), 0.9, (0.333333333333, 0.078265726334, 0.746466131719)),
            ((50, 100), 0.99, (0.500000000000, 0.375279625045, 0.624720374955)),
            ((7, 1000), 0.5, (0.007000000000, 0.005432232304, 0.009016131032)),
        ];
        for ((count, all), confidence, expected) in rows {
            let share = Share::of(count, all, confidence).unwrap();
            exactly(share.share, expected.0);
            exactly(share.low, expected.1);
            exactly(share.high, expected.2);
        }
        assert_eq!(Share::of(11, 10, 0.95), Share::of(10, 10, 0.95), "no more than all");
    }

    #[test]
    fn a_mean_ratio_is_exact_for_any_logarithms() {
        let rows: [(&[f64], f64, Expected); 3] = [
            (&[0.0, 0.1, 0.2, 0.1, 0.1], 0.95, (1.105_170_918, 1.012_275_834, 1.206_590_850)),
            (&[0.3, -0.1], 0.95, (1.105_170_918, 0.087_052_757, 14.030_604_049)),
            (
                &[0.5, 0.1, -0.2, 0.9, 0.4, 0.3, 0.2, 0.6, -0.5, 0.7],
                0.99,
                (1.349_858_808, 0.875_192_510, 2.081_963_431),
            ),
        ];
        for (logs, confidence, expected) in rows {
            let interval = mean_ratio(logs, confidence).unwrap();
            exactly(interval.estimate, expected.0);
            exactly(interval.low, expected.1);
            assert!((interval.high - expected.2).abs() < 1e-6, "{}", interval.high);
        }
        assert_eq!(mean_ratio(&[], 0.95), None);
    }

    #[test]
    fn pairs_are_counted_where_they_fell() {
        let mut fell = Fourfold::default();
        for (champion, candidate, times) in
            [(true, true, 4), (true, false, 3), (false, true, 2), (false, false, 1)]
        {
            (0..times).for_each(|_| fell.add(champion, candidate));
        }
        assert_eq!(
            (fell.both, fell.champion_only, fell.candidate_only, fell.neither),
            (4, 3, 2, 1)
        );
        assert_eq!((fell.all(), fell.champion(), fell.candidate()), (10, 7, 6));
    }

    proptest! {
        #[test]
        fn an_interval_encloses_its_estimate(
            both in 0_u64..50, champion_only in 0_u64..50, candidate_only in 0_u64..50,
            neither in 0_u64..50, confidence in 0.5..0.999,
        ) {
            let fell = Fourfold { both, champion_only, candidate_only, neither };
            if let Some(Interval { estimate, low, high }) = fell.difference(confidence) {
                prop_assert!(-1.0 <= low && low <= estimate && estimate <= high && high <= 1.0);
            }
        }
    }
}
