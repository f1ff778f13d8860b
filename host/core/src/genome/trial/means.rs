//! How much two means differ, said at any time.
//!
//! An asymptotic confidence sequence for the difference of the means of
//! logarithms, one-sided each way: Waudby-Smith, Arbour, Sinha, Kennedy and
//! Ramdas, "Time-uniform central limit theory and asymptotic confidence
//! sequences", Annals of Statistics, 2024; with the one-sided normal mixture of
//! Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
//! nonasymptotic confidence sequences", Annals of Statistics, 2021.
//!
//! The time of the sequence is information, one over the squared standard
//! error. In that time the estimate times the information is a Brownian motion
//! with the difference as its drift (Jennison and Turnbull, "Group-Sequential
//! Analysis Incorporating Covariate Information", JASA, 1997), whatever share
//! of the tasks the candidate was given, as long as the choice of side for a task
//! does not depend on how runs end.
//!
//! A stratum is a time in which the share stayed the same. Means are compared
//! within each and the differences averaged: were all runs thrown together, a
//! candidate that was given more tasks at a busy hour would look slow.

use super::arm::{Arm, Moments};
use super::{Side, Stratum};

/// A logarithm scatters by this at the least (0.1 %): runs that all measured
/// the same do not make the next one certain.
const LEAST_VARIANCE: f64 = 1e-6;

/// Candidate less champion, in logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) estimate: f64,
    /// One over the squared standard error.
    pub(super) information: f64,
}

impl Difference {
    /// `None` while a side has no two runs, or none beside the other's.
    pub(super) fn of(strata: &[Stratum], moments: fn(&Arm) -> &Moments) -> Option<Self> {
        // The variance is pooled over the strata: that of a stratum's first few
        // runs may be next to nothing by luck, and would weigh next to all.
        let variance = |side| {
            let arms = strata.iter().map(|stratum| moments(stratum.arm(side)));
            let (squares, freedom) = arms.fold((0.0, 0), |(squares, freedom), arm| {
                (squares + arm.squares, freedom + arm.freedom())
            });
            (freedom > 0).then(|| (squares / freedom as f64).max(LEAST_VARIANCE))
        };
        let (champion, candidate) = (variance(Side::Champion)?, variance(Side::Candidate)?);
        let (mut weighted, mut information) = (0.0, 0.0);
        for stratum in strata {
            let (old, new) = (moments(&stratum.champion), moments(&stratum.candidate));
            if old.count > 0 && new.count > 0 {
                let squared_error = champion / old.count as f64 + candidate / new.count as f64;
                weighted += (new.mean - old.mean) / squared_error;
                information += 1.0 / squared_error;
            }
        }
        (information > 0.0).then(|| Self { estimate: weighted / information, information })
    }

    /// How far the true difference is from the estimate at the most, to one
    /// side, at all times together, but for a chance of `alpha`.
    ///
    /// Narrowest for differences of about `scale`. Derivation: for a Brownian
    /// motion `s` at time `v`, `2 √(ρ/(v+ρ)) exp(s²/2(v+ρ)) Φ(s/√(v+ρ))` is a
    /// martingale (a half-normal mixture of likelihood ratios, of scale
    /// `1/√ρ`), which exceeds `1/alpha` with a chance of `alpha`; and since
    /// `Φ(x) ≥ 1 - exp(-x²/2)/2`, it does so at the `s` below.
    pub(super) fn radius(&self, scale: f64, alpha: f64) -> f64 {
        let (time, rho) = (self.information, 1.0 / (scale * scale));
        let level = ((time + rho) / rho).sqrt() / (2.0 * alpha) + 1.0;
        (2.0 * (time + rho) * level.ln()).sqrt() / time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(count: u64, mean: f64, squares: f64) -> Arm {
        Arm { latency: Moments { count, mean, squares }, ..Arm::default() }
    }

    fn latency(arm: &Arm) -> &Moments {
        &arm.latency
    }

    #[test]
    fn there_is_no_estimate_before_both_sides_ran_twice() {
        let stratum = |old, new| Stratum { champion: old, candidate: new };
        assert_eq!(Difference::of(&[], latency), None);
        let one = stratum(moments(9, 0.0, 8.0), moments(1, 5.0, 0.0));
        assert_eq!(Difference::of(&[one], latency), None);
        let both = stratum(moments(10, 1.0, 9.0), moments(10, 1.5, 9.0));
        let difference = Difference::of(&[both], latency).unwrap();
        assert!((difference.estimate - 0.5).abs() < 1e-12);
        assert!((difference.information - 5.0).abs() < 1e-12);
    }

    /// Slow hours with half of the tasks for the candidate, fast ones with a
    /// tenth: both sides were alike in each.
    #[test]
    fn a_share_that_changed_with_the_load_is_no_difference() {
        let quiet =
            Stratum { champion: moments(900, 1.0, 90.0), candidate: moments(100, 1.0, 10.0) };
        let busy =
            Stratum { champion: moments(500, 2.0, 50.0), candidate: moments(500, 2.0, 50.0) };
        let difference = Difference::of(&[quiet, busy], latency).unwrap();
        assert!(difference.estimate.abs() < 1e-12);
    }

    #[test]
    fn the_radius_shrinks_with_information_and_grows_with_certainty() {
        let at = |information| Difference { estimate: 0.0, information };
        let radius = |information, alpha| at(information).radius(0.03, alpha);
        assert!(radius(1e4, 0.0125) < radius(1e3, 0.0125));
        assert!(radius(1e4, 0.001) > radius(1e4, 0.0125));
        // Never as narrow as an interval for one look, and not much wider.
        let fixed = 2.2414 / 100.0;
        assert!(radius(1e4, 0.0125) > fixed && radius(1e4, 0.0125) < 2.0 * fixed);
    }

    #[test]
    fn each_stratum_weighs_by_what_it_tells() {
        let strata = [
            Stratum { champion: moments(900, 1.0, 90.0), candidate: moments(100, 1.3, 30.0) },
            Stratum { champion: moments(500, 2.0, 70.0), candidate: moments(400, 2.1, 11.0) },
            // Of one side alone, which only adds to its variance.
            Stratum { champion: moments(5, 9.0, 1.0), candidate: moments(0, 0.0, 0.0) },
        ];
        let difference = Difference::of(&strata, latency).unwrap();
        assert!((difference.estimate - 0.162_824_619_141_892_9).abs() < 1e-12);
        assert!((difference.information - 3_347.884_432_4).abs() < 1e-6);
    }

    #[test]
    fn runs_that_all_measured_the_same_leave_a_doubt() {
        let same = Stratum { champion: moments(3, 1.0, 0.0), candidate: moments(4, 2.0, 0.0) };
        let difference = Difference::of(&[same], latency).unwrap();
        assert_eq!(difference.estimate, 1.0);
        assert!((difference.information - 1e6 / (1.0 / 3.0 + 1.0 / 4.0)).abs() < 1e-3);
        let apart = [
            Stratum { champion: moments(9, 1.0, 2.0), candidate: moments(0, 0.0, 0.0) },
            Stratum { champion: moments(0, 0.0, 0.0), candidate: moments(9, 1.0, 2.0) },
        ];
        assert_eq!(Difference::of(&apart, latency), None, "nothing lies side by side");
    }

    /// The formula of the documentation, worked out apart from this code.
    #[test]
    fn the_radius_is_that_of_the_half_normal_mixture() {
        for ((information, scale, alpha), expected) in [
            ((1e3, 0.03, 0.0125), 0.130_407_766_507),
            ((1e4, 0.03, 0.0125), 0.032_822_914_112),
            ((250.0, 0.1, 0.05), 0.182_722_847_731),
            ((7.0, 0.5, 0.2), 0.857_617_694_336),
        ] {
            let radius = Difference { estimate: 0.0, information }.radius(scale, alpha);
            assert!((radius - expected).abs() < 1e-10, "{radius} is not {expected}");
        }
    }
}
