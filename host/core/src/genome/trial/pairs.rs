//! Whether the candidate holds where the champion fails, said by pairs of runs.
//!
//! A champion that always fails is soon given a rest by its breaker, and then
//! runs a task only now and again: the runs of both sides can no longer be
//! counted against each other, since how many there are, and when, depends on
//! how they ended. A pair can: a run of one side and the next run of the other
//! met about the same conditions, whatever came between other pairs. Pairs in
//! which both did the same say nothing. Of the rest, where the candidate is no
//! better, no more than half have the champion failing: a coin, tested by the
//! likelihood of the tosses averaged over the coins that are expected of a
//! broken champion, divided by that of a fair one. At a fair coin the ratio is a
//! martingale of mean 1, which ever reaches `1/alpha` with a chance of `alpha` at
//! the most (Ville); so it may be asked about after every run.

use serde::{Deserialize, Serialize};

use super::super::math::ln_beta;
use super::arm::Side;

/// The coins that the likelihood is averaged over: nine tosses in ten favour
/// the candidate. Five that all do are enough for an alpha of 0.05.
const EXPECTED: (f64, f64) = (9.0, 1.0);

/// Runs of both sides that followed one another, each in one pair at the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pairs {
    /// The latest run, if it has no partner yet: whose, and whether it failed.
    single: Option<(Side, bool)>,
    both_failed: u64,
    champion_failed: u64,
    candidate_failed: u64,
    neither_failed: u64,
}

impl Pairs {
    /// A run ended.
    pub(super) fn ran(&mut self, side: Side, failed: bool) {
        let Some((_, other_failed)) = self.single.filter(|(other, _)| *other != side) else {
            self.single = Some((side, failed));
            return;
        };
        self.single = None;
        let (champion, candidate) = match side {
            Side::Champion => (failed, other_failed),
            Side::Candidate => (other_failed, failed),
        };
        let count = match (champion, candidate) {
            (true, true) => &mut self.both_failed,
            (true, false) => &mut self.champion_failed,
            (false, true) => &mut self.candidate_failed,
            (false, false) => &mut self.neither_failed,
        };
        *count = count.saturating_add(1);
    }

    /// Whether the champion is broken, failing at least every second task, and
    /// the candidate is shown to fail less, but for a chance of `alpha`.
    pub(super) fn champion_is_broken(&self, alpha: f64) -> bool {
        let failed = self.champion_failed.saturating_add(self.both_failed);
        let well = self.candidate_failed.saturating_add(self.neither_failed);
        failed >= well && self.favour() >= -alpha.ln()
    }

    /// The logarithm of the ratio of likelihoods; zero where it favours neither side.
    fn favour(&self) -> f64 {
        let (good, bad) = (self.champion_failed as f64, self.candidate_failed as f64);
        if good <= bad {
            return 0.0;
        }
        let (a, b) = EXPECTED;
        let mixed = ln_beta(a + good, b + bad) - ln_beta(a, b);
        mixed + (good + bad) * std::f64::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.05;

    fn pairs(outcomes: &[(bool, bool)]) -> Pairs {
        let mut pairs = Pairs::default();
        for (champion, candidate) in outcomes {
            pairs.ran(Side::Champion, *champion);
            pairs.ran(Side::Candidate, *candidate);
        }
        pairs
    }

    #[test]
    fn five_pairs_in_which_only_the_champion_failed_are_enough() {
        assert!(!pairs(&[(true, false); 4]).champion_is_broken(ALPHA));
        assert!(pairs(&[(true, false); 5]).champion_is_broken(ALPHA));
        let contrary = [&[(true, false); 6][..], &[(false, true)]].concat();
        assert!(!pairs(&contrary).champion_is_broken(ALPHA));
    }

    #[test]
    fn what_both_did_alike_says_nothing_and_a_champion_that_mostly_holds_is_not_broken() {
        assert!(!pairs(&[(true, true); 100]).champion_is_broken(ALPHA));
        assert!(!pairs(&[(false, false); 100]).champion_is_broken(ALPHA));
        assert!(!pairs(&[(false, true); 100]).champion_is_broken(ALPHA));
        let mostly = [&[(true, false); 20][..], &[(false, false); 30]].concat();
        assert!(!pairs(&mostly).champion_is_broken(ALPHA), "fewer failures than half");
    }

    /// However many runs of one side come between, each run is in one pair.
    #[test]
    fn many_runs_of_one_side_are_no_more_pairs() {
        let mut pairs = Pairs::default();
        for _ in 0..3 {
            (0..20).for_each(|_| pairs.ran(Side::Champion, true));
            (0..20).for_each(|_| pairs.ran(Side::Candidate, false));
        }
        assert_eq!(pairs.champion_failed, 5, "three that way round, and two between");
    }

    /// Both fail alike, half of the time: asked after each of a thousand pairs.
    #[test]
    fn a_candidate_that_is_the_same_is_seldom_taken_for_better() {
        let mut state = 7_u64;
        let mut coin = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 63 == 1
        };
        let mut taken = 0;
        for _ in 0..1000 {
            let mut pairs = Pairs::default();
            taken += u32::from((0..1000).any(|_| {
                pairs.ran(Side::Champion, coin());
                pairs.ran(Side::Candidate, coin());
                pairs.champion_is_broken(ALPHA)
            }));
        }
        assert!(taken <= 50, "{taken} of 1000");
    }
}
