//! How much two shares differ, said at any time and exactly.
//!
//! A confidence sequence for the difference of two proportions by universal
//! inference (Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS,
//! 2020) with a beta mixture (Robbins, "Statistical methods related to the law
//! of the iterated logarithm", Annals of Mathematical Statistics, 1970): the
//! likelihood of the data averaged over all rates, divided by the likelihood
//! under the best of the rates that are to be refuted. At the true rates that
//! is a martingale of mean 1, which ever reaches `1/alpha` with a chance of
//! `alpha` at the most (Ville); refuting only when even the best rates are
//! refuted makes it smaller. Exact from the first run on, for any share of the
//! tasks, for rates as low as 0.
//!
//! A normal approximation would condemn a candidate for its first failure where
//! the champion has none. The safe tests of Turner, Ly and Grünwald ("Generic
//! E-variables for exact sequential k-sample tests", CSDA, 2024) are a little
//! sharper, but want runs in blocks of fixed size; ours come as they come.
//!
//! Nothing here asks for outcomes to be 0 or 1. For a value between, the ratio
//! of likelihoods lies below the straight line between those of 0 and 1, hence
//! the mean of the ratio below that of a coin with the same mean: graded
//! accuracies are judged as exactly, if less sharply, than right and wrong.

use super::super::math::ln_beta;

/// Bad outcomes among all, of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) bad: f64,
    pub(super) all: f64,
}

/// Both sides, in a time in which the share of tasks stayed the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) champion: Counts,
    pub(super) candidate: Counts,
}

/// The mixture's rates: mostly a few in a hundred, as those of agents are. What
/// it gains there in sharpness, it loses where the rates are high, and there
/// few tasks are needed anyway. Exact it is whatever stands here.
const MIXED: (f64, f64) = (0.5, 5.0);

impl Counts {
    pub(super) fn rate(&self) -> f64 {
        if self.all > 0.0 { self.bad / self.all } else { 0.0 }
    }

    fn good(&self) -> f64 {
        (self.all - self.bad).max(0.0)
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self { bad: self.bad + other.bad, all: self.all + other.all }
    }

    fn log_likelihood(&self, rate: f64) -> f64 {
        times_ln(self.bad, rate) + times_ln(self.good(), 1.0 - rate)
    }

    fn log_mixture(&self) -> f64 {
        let (a, b) = MIXED;
        ln_beta(a + self.bad, b + self.good()) - ln_beta(a, b)
    }

    /// How steeply the log-likelihood rises at a rate strictly between 0 and 1.
    fn slope(&self, rate: f64) -> f64 {
        let part = |count: f64, rate: f64| if count > 0.0 { count / rate } else { 0.0 };
        part(self.bad, rate) - part(self.good(), 1.0 - rate)
    }
}

fn times_ln(count: f64, share: f64) -> f64 {
    if count > 0.0 { count * share.max(f64::MIN_POSITIVE).ln() } else { 0.0 }
}

impl Table {
    fn difference(&self) -> f64 {
        self.candidate.rate() - self.champion.rate()
    }

    /// The greatest log-likelihood where the rates differ by `difference`.
    fn best_at(&self, difference: f64) -> f64 {
        if difference == 0.0 {
            // Asked after every run, and known without a search.
            let both = self.champion.plus(&self.candidate);
            return both.log_likelihood(both.rate());
        }
        let (mut low, mut high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
        // Concave along the line, hence halving on the slope; 45 steps are
        // finer than what the counts themselves are exact to.
        for _ in 0..45 {
            let rate = (low + high) / 2.0;
            let slope = self.champion.slope(rate) + self.candidate.slope(rate + difference);
            if slope > 0.0 { low = rate } else { high = rate }
        }
        let rate = (low + high) / 2.0;
        let other = (rate + difference).clamp(0.0, 1.0);
        self.champion.log_likelihood(rate) + self.candidate.log_likelihood(other)
    }

    fn best(&self) -> f64 {
        let best = |counts: &Counts| counts.log_likelihood(counts.rate());
        best(&self.champion) + best(&self.candidate)
    }

    /// The greatest log-likelihood where the candidate's rate is no more than
    /// `difference` above the champion's.
    fn best_up_to(&self, difference: f64) -> f64 {
        if self.difference() <= difference { self.best() } else { self.best_at(difference) }
    }

    /// The same where it is more than that.
    fn best_from(&self, difference: f64) -> f64 {
        if self.difference() >= difference { self.best() } else { self.best_at(difference) }
    }
}

/// The tables of all strata, with the mixture over their sum: the rates are
/// taken to be about the same in all when the data is averaged over, which
/// costs sharpness where they are not, and to be free in each when refuted,
/// which keeps it exact.
pub(super) struct Shares<'a> {
    tables: &'a [Table],
    log_mixture: f64,
}

impl<'a> Shares<'a> {
    pub(super) fn of(tables: &'a [Table]) -> Self {
        let (champion, candidate) = totals(tables);
        Self { tables, log_mixture: champion.log_mixture() + candidate.log_mixture() }
    }

    /// Whether both sides have data.
    pub(super) fn measured(&self) -> bool {
        let (champion, candidate) = totals(self.tables);
        champion.all > 0.0 && candidate.all > 0.0
    }

    /// Whether the candidate's rate is more than `difference` above the
    /// champion's, at all times together but for a chance of `alpha`.
    pub(super) fn above(&self, difference: f64, alpha: f64) -> bool {
        let best: f64 = self.tables.iter().map(|table| table.best_up_to(difference)).sum();
        self.log_mixture - best >= -alpha.ln()
    }

    /// Whether it is less than that. Both answers share the one chance.
    pub(super) fn below(&self, difference: f64, alpha: f64) -> bool {
        let best: f64 = self.tables.iter().map(|table| table.best_from(difference)).sum();
        self.log_mixture - best >= -alpha.ln()
    }

    /// The lowest and the highest difference that are not refuted.
    pub(super) fn bounds(&self, alpha: f64) -> (f64, f64) {
        let low = boundary(|difference| self.above(difference, alpha));
        let high = boundary(|difference| !self.below(difference, alpha));
        (low, high)
    }
}

pub(super) fn totals(tables: &[Table]) -> (Counts, Counts) {
    tables.iter().fold(Default::default(), |(champion, candidate): (Counts, Counts), table| {
        (champion.plus(&table.champion), candidate.plus(&table.candidate))
    })
}

/// Where what holds at the low differences stops to hold.
fn boundary(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(old: (u32, u32), new: (u32, u32)) -> Table {
        let counts = |(bad, all): (u32, u32)| Counts { bad: bad.into(), all: all.into() };
        Table { champion: counts(old), candidate: counts(new) }
    }

    #[test]
    fn the_first_failure_does_not_condemn_and_failing_always_soon_does() {
        let above = |old, new| Shares::of(&[table(old, new)]).above(0.0, 0.0125);
        assert!(!above((0, 1000), (1, 1)));
        assert!(!above((0, 1000), (1, 50)));
        assert!(above((0, 1000), (5, 5)));
        assert!(above((0, 1000), (15, 700)));
        assert!(!above((10, 1000), (12, 1000)));
        assert!(!above((50, 1000), (1, 1000)));
        assert!(!above((0, 0), (30, 30)), "nothing to hold it against");
    }

    #[test]
    fn few_failures_in_many_runs_are_below_the_margin() {
        let below = |old, new| Shares::of(&[table(old, new)]).below(0.01, 0.0125);
        assert!(!below((0, 300), (0, 300)));
        assert!(below((0, 2000), (0, 2000)));
        assert!(below((100, 30_000), (101, 30_000)));
    }

    #[test]
    fn without_data_nothing_is_refuted() {
        let (low, high) = Shares::of(&[]).bounds(0.05);
        assert!(low < -0.999 && high > 0.999);
        assert!(!Shares::of(&[]).measured());
    }

    /// The tenth of the tasks at night, when everything fails more, and half by
    /// day: thrown together, the candidate would look better than it is.
    #[test]
    fn strata_are_compared_each_for_itself() {
        let strata = [table((180, 900), (20, 100)), table((5, 500), (5, 500))];
        let shares = Shares::of(&strata);
        assert!(!shares.above(0.0, 0.05) && !shares.below(0.0, 0.05));
    }

    proptest! {
        #[test]
        fn the_bounds_enclose_the_estimate_and_agree_with_the_tests(
            old in (0_u32..300, 1_u32..300), new in (0_u32..300, 1_u32..300),
        ) {
            let whole = |(bad, more): (u32, u32)| (bad, bad + more);
            let tables = [table(whole(old), whole(new))];
            let shares = Shares::of(&tables);
            let (low, high) = shares.bounds(0.05);
            let estimate = tables[0].difference();
            prop_assert!(low <= estimate && estimate <= high, "{low} {estimate} {high}");
            prop_assert_eq!(shares.above(0.0, 0.05), low > 1e-9);
            prop_assert_eq!(shares.below(0.0, 0.05), high < -1e-9);
        }

        #[test]
        fn less_to_refute_is_never_more_likely(
            old in (0_u32..50, 1_u32..300), new in (0_u32..50, 1_u32..300),
            low in -0.9..0.9, more in 0.0..0.1,
        ) {
            let one = table((old.0, old.0 + old.1), (new.0, new.0 + new.1));
            prop_assert!(one.best_up_to(low) <= one.best_up_to(low + more) + 1e-6);
            prop_assert!(one.best_from(low) + 1e-6 >= one.best_from(low + more));
        }
    }

    /// The logarithm of a likelihood, by its definition.
    fn log_likelihood((bad, all): (u32, u32), rate: f64) -> f64 {
        let of =
            |count: u32, share: f64| if count == 0 { 0.0 } else { f64::from(count) * share.ln() };
        of(bad, rate) + of(all - bad, 1.0 - rate)
    }

    /// The greatest one over a grid of rates that differ by `difference`.
    fn best_on_a_grid(old: (u32, u32), new: (u32, u32), difference: f64) -> f64 {
        let (low, high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
        (0..=4000)
            .map(|step| low + (high - low) * f64::from(step) / 4000.0)
            .map(|rate| log_likelihood(old, rate) + log_likelihood(new, rate + difference))
            .filter(|value| value.is_finite())
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// The beta-binomial probability as a product of rising factorials.
    fn log_mixture((bad, all): (u32, u32)) -> f64 {
        let rising =
            |from: f64, count: u32| (0..count).map(|i| (from + f64::from(i)).ln()).sum::<f64>();
        rising(0.5, bad) + rising(5.0, all - bad) - rising(5.5, all)
    }

    #[test]
    fn rates_are_of_all_and_nothing_has_the_rate_zero() {
        let counts = |bad, all| Counts { bad, all };
        assert_eq!((counts(1.0, 4.0).rate(), counts(0.0, 0.0).rate()), (0.25, 0.0));
        assert_eq!((counts(1.0, 4.0).good(), counts(5.0, 4.0).good()), (3.0, 0.0));
        assert_eq!(counts(1.0, 4.0).plus(&counts(2.0, 3.0)), counts(3.0, 7.0));
        assert_eq!(table((1, 4), (1, 2)).difference(), 0.25);
        let one_side = |old, new| Shares::of(&[table(old, new)]).measured();
        assert!(one_side((0, 1), (0, 1)));
        assert!(!one_side((0, 1), (0, 0)) && !one_side((0, 0), (0, 1)));
    }

    /// The slope is what a step along the likelihood gains.
    #[test]
    fn the_slope_is_that_of_the_likelihood() {
        for (bad, all) in [(0, 9), (3, 9), (9, 9), (50, 700)] {
            let counts = table((bad, all), (0, 0)).champion;
            for rate in [0.05, 0.3, 0.5, 0.9] {
                let step = 1e-6;
                let gained = log_likelihood((bad, all), rate + step)
                    - log_likelihood((bad, all), rate - step);
                assert!((counts.slope(rate) - gained / (2.0 * step)).abs() < 1e-3, "{bad} {rate}");
                let exact = log_likelihood((bad, all), rate);
                assert!((counts.log_likelihood(rate) - exact).abs() < 1e-9);
            }
        }
    }

    proptest! {
        #[test]
        fn the_best_rates_are_those_that_a_grid_finds(
            old in (0_u32..40, 0_u32..100), new in (0_u32..40, 0_u32..100), difference in -0.9..0.9,
        ) {
            let whole = |(bad, more): (u32, u32)| (bad, bad + more);
            let (old, new) = (whole(old), whole(new));
            let one = table(old, new);
            for difference in [difference, 0.0] {
                let (best, grid) = (one.best_at(difference), best_on_a_grid(old, new, difference));
                prop_assert!(best >= grid - 1e-6, "{best} {grid}");
                prop_assert!(best <= grid + 0.5, "{best} {grid}");
                let free = one.best();
                prop_assert!(best <= free + 1e-6, "{best} {free}");
                let is_up = one.difference() <= difference;
                prop_assert_eq!(one.best_up_to(difference) == free, is_up || best == free);
                let is_from = one.difference() >= difference;
                prop_assert_eq!(one.best_from(difference) == free, is_from || best == free);
            }
        }

        #[test]
        fn the_mixture_is_a_beta_binomial(bad in 0_u32..60, more in 0_u32..300) {
            let counts = table((bad, bad + more), (0, 0)).champion;
            let exact = log_mixture((bad, bad + more));
            prop_assert!((counts.log_mixture() - exact).abs() < 1e-7, "{exact}");
        }

        /// A difference is refuted when the mixture beats the best rates by `1 / alpha`.
        #[test]
        fn what_is_refuted_is_what_the_ratio_of_likelihoods_refutes(
            old in (0_u32..60, 1_u32..300), new in (0_u32..60, 1_u32..300),
            difference in -0.3..0.3, alpha in 0.001..0.3,
        ) {
            let whole = |(bad, more): (u32, u32)| (bad, bad + more);
            let (old, new) = (whole(old), whole(new));
            let (one, half) = (table(old, new), table((0, 7), (0, 9)));
            let tables = [one, half];
            let shares = Shares::of(&tables);
            let sum = |a: (u32, u32), b: (u32, u32)| (a.0 + b.0, a.1 + b.1);
            let mixture = log_mixture(sum(old, (0, 7))) + log_mixture(sum(new, (0, 9)));
            let level = -f64::ln(alpha);
            let above = mixture - one.best_up_to(difference) - half.best_up_to(difference) - level;
            if above.abs() > 1e-6 {
                prop_assert_eq!(shares.above(difference, alpha), above > 0.0);
            }
            let below = mixture - one.best_from(difference) - half.best_from(difference) - level;
            if below.abs() > 1e-6 {
                prop_assert_eq!(shares.below(difference, alpha), below > 0.0);
            }
        }

        /// A bound lies where what is refuted begins.
        #[test]
        fn a_bound_is_where_the_test_changes(
            old in (0_u32..60, 1_u32..300), new in (0_u32..60, 1_u32..300),
        ) {
            let whole = |(bad, more): (u32, u32)| (bad, bad + more);
            let tables = [table(whole(old), whole(new))];
            let shares = Shares::of(&tables);
            let (low, high) = shares.bounds(0.05);
            if low > -0.999 {
                prop_assert!(shares.above(low - 1e-6, 0.05) && !shares.above(low + 1e-6, 0.05));
            }
            if high < 0.999 {
                prop_assert!(shares.below(high + 1e-6, 0.05) && !shares.below(high - 1e-6, 0.05));
            }
        }
    }
}
