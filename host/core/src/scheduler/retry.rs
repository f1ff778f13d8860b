//! When a task that failed is run again.
//!
//! [`RetryPolicy`] spaces the runs of one task, so that tasks which failed
//! together do not come back together. [`RetryBudget`] bounds the retries of
//! one agent type together, so that retries cannot multiply the load on what
//! fails already: three attempts of everything would be three times the load
//! at the worst moment.

use std::time::Duration;

use super::time::Moment;

/// No wait of the scheduler's own is longer. A task that sleeps for days looks
/// lost; it belongs in the dead letters, where an operator sees it.
pub const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest wait that a guest may ask for. A guest is not trusted, and a
/// task that waits keeps its place in a bounded queue.
pub const LONGEST_ASKED_DELAY: Duration = Duration::from_secs(60 * 60);
/// A host that failed a task so often will fail it again.
pub const MOST_HOST_FAULTS: u32 = 1000;

/// Time is kept in whole milliseconds; a shorter wait would be none.
const SHORTEST_BASE: Duration = Duration::from_millis(1);

/// How long a task waits for its next run: exponential backoff with full
/// jitter, after Marc Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015. Of the ways compared there, full jitter spreads
/// callers the most evenly for the fewest calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    base: Duration,
    cap: Duration,
    host_faults: u32,
}

impl Default for RetryPolicy {
    /// Half a second outlasts a connection that is made anew, and a task with
    /// three attempts waits less than two seconds in all. A minute at the most:
    /// after the cause is repaired, the task runs soon enough without being
    /// retried by hand. Ten faults of the host span about two minutes, in which
    /// most of what a host depends on has restarted.
    fn default() -> Self {
        Self { base: Duration::from_millis(500), cap: Duration::from_secs(60), host_faults: 10 }
    }
}

impl RetryPolicy {
    /// A policy whose wait may last `base` after the first failure, twice as
    /// long after each further one, and never longer than `cap`. A task may
    /// meet `host_faults` faults of the host, and is dead at the next.
    ///
    /// # Errors
    /// Everything that is out of range, with what is allowed.
    pub fn new(base: Duration, cap: Duration, host_faults: u32) -> Result<Self, String> {
        let mut wrong = Vec::new();
        if !(SHORTEST_BASE..=LONGEST_DELAY).contains(&base) {
            wrong.push(format!("base is {base:?}; allowed is 1 ms to 1 day"));
        }
        if !(base..=LONGEST_DELAY).contains(&cap) {
            wrong.push(format!("cap is {cap:?}; allowed is the base ({base:?}) to 1 day"));
        }
        if host_faults > MOST_HOST_FAULTS {
            wrong.push(format!("host_faults is {host_faults}; allowed is 0 to {MOST_HOST_FAULTS}"));
        }
        if wrong.is_empty() { Ok(Self { base, cap, host_faults }) } else { Err(wrong.join("; ")) }
    }

    /// The longest wait after the first failure.
    #[must_use]
    pub fn base(&self) -> Duration {
        self.base
    }

    /// The longest wait after any failure.
    #[must_use]
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// How many faults of the host a task may meet before it is dead.
    #[must_use]
    pub fn host_faults(&self) -> u32 {
        self.host_faults
    }

    /// The wait after `failures` failures, the latest included.
    ///
    /// `chance` (0.0 to 1.0) picks evenly from nothing to the whole backoff.
    /// `at_least` is what the guest asked for (`retry_after_ms`): the wait is
    /// not shorter, even beyond the cap, but no guest is granted more than
    /// [`LONGEST_ASKED_DELAY`].
    #[must_use]
    pub fn delay(&self, failures: u32, chance: f64, at_least: Option<Duration>) -> Duration {
        let whole = doubled(self.base, failures.saturating_sub(1), self.cap);
        let asked = at_least.unwrap_or_default().min(LONGEST_ASKED_DELAY);
        whole.mul_f64(fraction(chance)).max(asked)
    }
}

/// `first`, doubled so many `times`, and never above `cap`. Exact for all from
/// a millisecond to [`LONGEST_DELAY`], which 32 doublings take it across.
pub(super) fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    2_u32
        .checked_pow(times)
        .and_then(|factor| first.checked_mul(factor))
        .map_or(cap, |grown| grown.min(cap))
}

/// `chance` as a number from 0.0 to 1.0, safe to multiply a duration with. One
/// that is no number is 1.0: better late than all at once.
pub(super) fn fraction(chance: f64) -> f64 {
    if chance.is_nan() { 1.0 } else { chance.clamp(0.0, 1.0) }
}

// Tokens are counted in thousandths, so that a fifth of one is exact.
const TOKEN: u64 = 1000;
/// A fifth more load is what a type that just holds can bear.
const PER_FIRST_ATTEMPT: u64 = TOKEN / 5;
/// One token a second.
const PER_MILLISECOND: u64 = 1;
/// Enough for a handful of tasks that fail just after the host started.
const AT_FIRST: u64 = 10 * TOKEN;
/// A long quiet time does not save up for a storm.
const MOST: u64 = 100 * TOKEN;

/// How many retries one agent type may make, all its tasks together.
///
/// A token bucket after the `RetryBudget` of Twitter's Finagle: each first
/// attempt earns a fifth of a token and each second a whole one, so that a
/// quiet type can retry at all; a retry takes one. It starts with 10 tokens
/// and holds 100.
///
/// An empty budget slows a retry and never drops it: where
/// [`withdraw`](Self::withdraw) answers `false`, the caller lets the task wait
/// for the policy's [`cap`](RetryPolicy::cap) at least, in place of its backoff.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    thousandths: u64,
    /// Up to when the steady refill is paid; `None` before the first retry.
    paid_until: Option<Moment>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryBudget {
    /// A budget as it is when its host starts.
    #[must_use]
    pub fn new() -> Self {
        Self { thousandths: AT_FIRST, paid_until: None }
    }

    /// A first attempt was made.
    pub fn deposit(&mut self) {
        self.earn(PER_FIRST_ATTEMPT);
    }

    /// Takes a token for a retry; `false` when there is none.
    #[must_use]
    pub fn withdraw(&mut self, now: Moment) -> bool {
        // A caller with an older reading of the clock does not earn the same time twice.
        let paid_until = self.paid_until.unwrap_or(now);
        self.paid_until = Some(paid_until.max(now));
        self.earn(now.0.saturating_sub(paid_until.0).saturating_mul(PER_MILLISECOND));

        let left = self.thousandths.checked_sub(TOKEN);
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }

    fn earn(&mut self, thousandths: u64) {
        self.thousandths = self.thousandths.saturating_add(thousandths).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Moment = Moment(1_700_000_000_000);

    fn policy(base_ms: u64, cap_ms: u64) -> RetryPolicy {
        RetryPolicy::new(Duration::from_millis(base_ms), Duration::from_millis(cap_ms), 10).unwrap()
    }

    fn later(secs: u64) -> Moment {
        START.after(Duration::from_secs(secs))
    }

    /// Retries granted until the budget is empty.
    fn drain(budget: &mut RetryBudget, now: Moment) -> usize {
        std::iter::from_fn(|| budget.withdraw(now).then_some(())).take(1000).count()
    }

    /// Any number a caller could hand in, and those that arithmetic trips over.
    fn any_chance() -> impl Strategy<Value = f64> {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE, f64::MAX];
        prop_oneof![0.0..1.0, any::<f64>(), proptest::sample::select(odd.to_vec())]
    }

    fn any_policy() -> impl Strategy<Value = RetryPolicy> {
        let day = 24 * 60 * 60 * 1000_u64;
        (1..=day).prop_flat_map(move |base| (base..=day).prop_map(move |cap| policy(base, cap)))
    }

    #[test]
    fn a_policy_names_everything_that_is_out_of_range() {
        let (ms, day) = (Duration::from_millis(1), LONGEST_DELAY);
        let rows = [
            (Duration::ZERO, ms, 1, "base is 0ns; allowed is 1 ms to 1 day"),
            (ms / 2, ms, 1, "base is 500µs; allowed is 1 ms to 1 day"),
            (ms * 2, ms, 1, "cap is 1ms; allowed is the base (2ms) to 1 day"),
            (ms, day + ms, 1, "cap is 86400.001s; allowed is the base (1ms) to 1 day"),
            (ms, ms, 1001, "host_faults is 1001; allowed is 0 to 1000"),
        ];
        for (base, cap, host_faults, complaint) in rows {
            assert_eq!(RetryPolicy::new(base, cap, host_faults), Err(complaint.to_owned()));
        }
        let all = RetryPolicy::new(day + ms, ms, 1001).unwrap_err();
        assert_eq!(all.split("; ").filter(|part| part.contains(" is ")).count(), 6, "{all}");

        assert!(RetryPolicy::new(ms, ms, 0).is_ok());
        assert!(RetryPolicy::new(day, day, MOST_HOST_FAULTS).is_ok());
        let RetryPolicy { base, cap, host_faults } = RetryPolicy::default();
        assert_eq!(RetryPolicy::new(base, cap, host_faults), Ok(RetryPolicy::default()));
    }

    #[test]
    fn the_backoff_doubles_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let whole = |failures| policy.delay(failures, 1.0, None).as_millis();
        let waits: Vec<u128> = (0..=9).map(whole).collect();
        assert_eq!(waits, [500, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(whole(u32::MAX), 60_000);
    }

    #[test]
    fn jitter_is_full_and_no_number_waits_the_longest() {
        let policy = policy(1000, 60_000);
        let delay = |chance| policy.delay(1, chance, None);
        assert_eq!(delay(0.0), Duration::ZERO);
        assert_eq!(delay(0.25), Duration::from_millis(250));
        assert_eq!(delay(-3.0), Duration::ZERO);
        assert_eq!(delay(f64::INFINITY), policy.base());
        assert_eq!(delay(f64::NAN), policy.base());
    }

    #[test]
    fn a_guest_is_waited_for_within_bounds() {
        let policy = policy(1000, 2000);
        let asked = |secs| policy.delay(1, 1.0, Some(Duration::from_secs(secs)));
        assert_eq!(asked(0), Duration::from_secs(1));
        assert_eq!(asked(30), Duration::from_secs(30), "beyond the cap");
        assert_eq!(asked(u64::MAX), LONGEST_ASKED_DELAY);
    }

    #[test]
    fn a_budget_starts_with_ten_and_earns_one_a_second() {
        let mut budget = RetryBudget::new();
        assert_eq!(drain(&mut budget, START), 10);
        assert_eq!(drain(&mut budget, START.after(Duration::from_millis(999))), 0);
        assert_eq!(drain(&mut budget, later(1)), 1, "parts of a second add up");
        assert_eq!(drain(&mut budget, later(8)), 7);
        assert_eq!(drain(&mut budget, later(100_000)), 100, "no more is saved up");
    }

    #[test]
    fn five_first_attempts_earn_a_retry() {
        let mut budget = RetryBudget::new();
        drain(&mut budget, START);
        for retries in [0, 0, 0, 0, 1, 0, 0, 0, 0, 1] {
            budget.deposit();
            assert_eq!(drain(&mut budget, START), retries);
        }
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(drain(&mut budget, START), 100);
    }

    #[test]
    fn a_policy_shows_what_it_was_made_of() {
        let (base, cap) = (Duration::from_secs(3), Duration::from_secs(7));
        let policy = RetryPolicy::new(base, cap, 5).unwrap();
        assert_eq!((policy.base(), policy.cap(), policy.host_faults()), (base, cap, 5));
        assert_eq!(LONGEST_DELAY, Duration::from_secs(86_400));
        assert_eq!(LONGEST_ASKED_DELAY, Duration::from_secs(3600));
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_the_backoff(
            policy in any_policy(), failures: u32, chance in any_chance(), asked: Option<Duration>,
        ) {
            let free = policy.delay(failures, chance, None);
            prop_assert!(free <= policy.cap());
            let exact = policy.base().as_millis() << failures.saturating_sub(1).min(64);
            prop_assert!(free.as_nanos() <= exact * 1_000_000);

            let bound = asked.unwrap_or_default().min(LONGEST_ASKED_DELAY);
            prop_assert_eq!(policy.delay(failures, chance, asked), free.max(bound));
        }

        #[test]
        fn the_whole_backoff_is_exact(policy in any_policy(), failures: u32) {
            let exact = policy.base().as_millis() << failures.saturating_sub(1).min(64);
            let whole = policy.delay(failures, 1.0, None);
            prop_assert_eq!(whole.as_nanos(), exact.min(policy.cap().as_millis()) * 1_000_000);
        }

        #[test]
        fn more_chance_or_more_failures_never_wait_less(
            policy in any_policy(), failures: u32, more: u32, low in 0.0..1.0, high in 0.0..1.0,
        ) {
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            let wait = policy.delay(failures, low, None);
            prop_assert!(wait <= policy.delay(failures, high, None));
            prop_assert!(wait <= policy.delay(failures.saturating_add(more), low, None));
        }

        /// In whatever order the clock was read: what is granted was there, was
        /// earned by a first attempt, or by time that was seen for the first time.
        #[test]
        fn no_more_is_granted_than_was_earned(
            steps in proptest::collection::vec((0_u64..5, -3000_i64..3000, 0_usize..30), 1..100),
        ) {
            let mut budget = RetryBudget::new();
            let (mut now, mut latest) = (START, START);
            let (mut granted, mut earned) = (0_u64, 10_000_u64);
            prop_assert!(budget.withdraw(now));
            granted += 1;
            for (deposits, step_ms, wanted) in steps {
                (0..deposits).for_each(|_| budget.deposit());
                now = Moment(now.0.saturating_add_signed(step_ms));
                earned += deposits * 200 + now.0.saturating_sub(latest.0);
                latest = latest.max(now);
                granted += (0..wanted).filter(|_| budget.withdraw(now)).count() as u64;
                prop_assert!(granted * 1000 <= earned, "{granted} granted, {earned} earned");
            }
        }

        #[test]
        fn a_budget_takes_any_clock(times in proptest::collection::vec(any::<u64>(), 1..50)) {
            let mut budget = RetryBudget::new();
            for time in times {
                prop_assert!(drain(&mut budget, Moment(time)) <= 100);
            }
        }
    }
}
