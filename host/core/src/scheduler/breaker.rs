//! The circuit breaker of one genome of an agent type.
//!
//! **Closed**, runs begin as they come and the last outcomes are looked at.
//! When too many of them failed, it **opens**: nothing begins on the genome for
//! a while, so that a broken agent neither burns its tasks' attempts nor keeps
//! others from the slots. Then it is **half-open**: one run at a time, beside
//! those that began before it opened, until enough in a row succeeded to close
//! it, or one failed and it opens again, for twice as long.
//!
//! Nothing happens by itself: an open breaker whose time is over *is*
//! half-open, and there is no timer that could be lost. The
//! caller says which outcomes count against a genome; a cancelled task does not.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::{LONGEST_DELAY, doubled, fraction};
use super::time::Moment;

/// Outcomes that a breaker holds at the most, whatever its policy says.
pub const MOST_OUTCOMES: u32 = 1000;

/// When a breaker opens, and for how long. [`Breaker::new`] takes a number
/// that is out of range for the nearest that makes sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// The latest outcomes, so many of which are looked at: 1 to
    /// [`MOST_OUTCOMES`].
    pub window: u32,
    /// The share of failures among them that opens it. Above 1.0 nothing does.
    pub failure_share: f64,
    /// Outcomes that there must be before it may open: 1 to `window`.
    pub least: u32,
    /// How long the first opening lasts. Each that follows without a closing
    /// between lasts twice as long as the one before.
    pub open_for: Duration,
    /// How long an opening lasts at the most: up to [`LONGEST_DELAY`].
    pub open_cap: Duration,
    /// Successes in a row that close it again: at least 1.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    /// Half of the last twenty: an agent that fails every second task is
    /// broken, one that fails every fifth has hard tasks. Ten outcomes at
    /// least, since two failures of three say little. A second covers faults
    /// that pass by themselves; a minute is the most that a repaired agent
    /// waits. Three probes, since one success may be luck.
    fn default() -> Self {
        Self {
            window: 20,
            failure_share: 0.5,
            least: 10,
            open_for: Duration::from_secs(1),
            open_cap: Duration::from_secs(60),
            probes: 3,
        }
    }
}

impl BreakerPolicy {
    fn within_range(self) -> Self {
        let window = self.window.clamp(1, MOST_OUTCOMES);
        let least = self.least.clamp(1, window);
        Self { window, least, open_cap: self.open_cap.min(LONGEST_DELAY), ..self }
    }

    fn is_met_by(&self, outcomes: &VecDeque<bool>) -> bool {
        let failures = outcomes.iter().filter(|success| !**success).count();
        // Where nothing failed, a share of 0.0 is no reason to open.
        failures > 0
            && outcomes.len() >= self.least as usize
            && failures as f64 / outcomes.len() as f64 >= self.failure_share
    }
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One run at a time, beside those that began before it opened.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        })
    }
}

/// The breaker of one genome.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    phase: Phase,
    /// Openings since it was last closed.
    in_a_row: u32,
    opened: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Closed {
        /// The latest, oldest first; `true` is a success. Each is kept, since
        /// the policy needs exact counts: a decaying average could not say
        /// how many outcomes there are, nor be checked against the log by hand.
        outcomes: VecDeque<bool>,
    },
    /// Open up to `until`, half-open from then on.
    Open {
        until: Moment,
        /// In a row, while half-open.
        successes: u32,
    },
}

impl Phase {
    fn closed() -> Self {
        Phase::Closed { outcomes: VecDeque::new() }
    }
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy: policy.within_range(), phase: Phase::closed(), in_a_row: 0, opened: 0 }
    }

    /// What it lets through now.
    #[must_use]
    pub fn state(&self, now: Moment) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until, .. } if now >= until => BreakerState::HalfOpen,
            Phase::Open { .. } => BreakerState::Open,
        }
    }

    /// How many more runs may begin, of so many `wanted`.
    ///
    /// `probing` is how many runs are on their way that began since it opened
    /// last. An older run is no probe: it may take long, and nothing would be
    /// tried before it ends. The number is handed in and not counted here, so
    /// that a run which ends without an outcome, such as a cancelled one, cannot
    /// leave the breaker waiting for a probe that is gone.
    #[must_use]
    pub fn room(&self, now: Moment, wanted: usize, probing: usize) -> usize {
        match self.state(now) {
            BreakerState::Closed => wanted,
            BreakerState::Open => 0,
            BreakerState::HalfOpen => wanted.min(1_usize.saturating_sub(probing)),
        }
    }

    /// When the latest opening ends, or ended if it is half-open; `None` when
    /// it is closed.
    #[must_use]
    pub fn open_until(&self) -> Option<Moment> {
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Open { until, .. } => Some(until),
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Takes the outcome of a run that ended.
    ///
    /// `chance` (0.0 to 1.0) picks how long an opening lasts, from half its
    /// time to the whole, so that types which failed of one cause do not all
    /// try again at once; less than half would not protect anything.
    ///
    /// While it is open, outcomes of runs that began before are ignored: they
    /// say again what is known. One that ends when it is half-open counts as a
    /// probe, since it is equally good evidence.
    pub fn record(&mut self, success: bool, now: Moment, chance: f64) {
        let state = self.state(now);
        match &mut self.phase {
            Phase::Closed { outcomes } => {
                if outcomes.len() >= self.policy.window as usize {
                    outcomes.pop_front();
                }
                outcomes.push_back(success);
                if self.policy.is_met_by(outcomes) {
                    self.open(now, chance);
                }
            }
            Phase::Open { .. } if state == BreakerState::Open => {}
            Phase::Open { .. } if !success => self.open(now, chance),
            Phase::Open { successes, .. } => {
                *successes = successes.saturating_add(1);
                if *successes >= self.policy.probes {
                    self.phase = Phase::closed();
                    self.in_a_row = 0;
                }
            }
        }
    }

    /// Lets the next openings begin anew with the shortest, and ends one that
    /// would last longer than that from now on.
    pub fn hasten(&mut self, now: Moment) {
        if let Phase::Open { until, .. } = &mut self.phase {
            *until = now.after(self.policy.open_for).min(*until);
            self.in_a_row = 0;
        }
    }

    fn open(&mut self, now: Moment, chance: f64) {
        let whole = doubled(self.policy.open_for, self.in_a_row, self.policy.open_cap);
        let until = now.after(whole.mul_f64(0.5 + fraction(chance) / 2.0));
        self.phase = Phase::Open { until, successes: 0 };
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.opened = self.opened.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const START: Moment = Moment(1_700_000_000_000);

    fn later(ms: u64) -> Moment {
        START.after(Duration::from_millis(ms))
    }

    /// A breaker of the default policy that opened at [`START`] for a second.
    fn tripped() -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        (0..10).for_each(|_| breaker.record(false, START, 1.0));
        assert_eq!(breaker.open_until(), Some(later(1000)));
        breaker
    }

    fn any_policy() -> impl Strategy<Value = BreakerPolicy> {
        (1_u32..40, 0_u32..=100, 1_u32..5, 0_u64..5000, 0_u64..20_000).prop_flat_map(
            |(window, percent, probes, open_ms, cap_ms)| {
                (1..=window).prop_map(move |least| BreakerPolicy {
                    window,
                    failure_share: f64::from(percent) / 100.0,
                    least,
                    open_for: Duration::from_millis(open_ms),
                    open_cap: Duration::from_millis(cap_ms.max(open_ms)),
                    probes,
                })
            },
        )
    }

    #[test]
    fn its_states_have_the_usual_names() {
        let rows = [
            (BreakerState::Closed, "closed"),
            (BreakerState::Open, "open"),
            (BreakerState::HalfOpen, "half-open"),
        ];
        for (state, word) in rows {
            assert_eq!(state.to_string(), word);
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
    }

    #[test]
    fn it_opens_at_half_of_the_last_twenty() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..100 {
            breaker.record(true, START, 0.5);
        }
        for failures in 1..=10 {
            assert_eq!(breaker.room(START, 7, 50), 7, "after {failures} failures");
            breaker.record(false, START, 0.5);
        }
        assert_eq!(breaker.state(START), BreakerState::Open);
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn it_is_open_then_half_open_then_closed() {
        let mut breaker = tripped();
        assert_eq!(breaker.room(later(999), 5, 0), 0);
        assert_eq!(breaker.state(later(1000)), BreakerState::HalfOpen);
        assert_eq!(breaker.room(later(1000), 5, 0), 1);
        assert_eq!(breaker.room(later(1000), 0, 0), 0, "no task waits");
        assert_eq!(breaker.room(later(1000), 5, 1), 0, "one is on its way");
        assert_eq!(breaker.room(later(1000), 5, 9), 0, "more than one is on its way");
        breaker.record(true, later(1100), 0.5);
        breaker.record(true, later(1200), 0.5);
        assert_eq!(breaker.state(later(1200)), BreakerState::HalfOpen);
        breaker.record(true, later(1300), 0.5);
        assert_eq!(breaker.state(later(1300)), BreakerState::Closed);
        assert_eq!(breaker.open_until(), None);

        for _ in 0..9 {
            breaker.record(false, later(2000), 1.0);
        }
        assert_eq!(breaker.state(later(2000)), BreakerState::Closed, "the window was forgotten");
        breaker.record(false, later(2000), 1.0);
        assert_eq!(breaker.open_until(), Some(later(3000)), "and the doubling");
        assert_eq!(breaker.opened(), 2);
    }

    #[test]
    fn late_outcomes_do_not_move_an_open_breaker() {
        let mut breaker = tripped();
        for success in [true, false, true, true, true, false] {
            breaker.record(success, later(500), 1.0);
            assert_eq!(breaker.open_until(), Some(later(1000)));
        }
        assert_eq!((breaker.opened(), breaker.state(later(1000))), (1, BreakerState::HalfOpen));
        breaker.record(true, later(1000), 1.0);
        assert_eq!(breaker.state(later(1000)), BreakerState::HalfOpen, "the first that counts");
    }

    #[test]
    fn each_opening_in_a_row_is_twice_as_long_up_to_the_cap() {
        let mut breaker = tripped();
        for (index, secs) in [2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            let now = breaker.open_until().unwrap();
            // Successes that are not enough in a row change nothing.
            breaker.record(true, now, 1.0);
            breaker.record(false, now, 1.0);
            let lasts = breaker.open_until().unwrap().since(now);
            assert_eq!(lasts, Duration::from_secs(secs), "opening {index}");
        }
        assert_eq!(breaker.opened(), 8);
    }

    #[test]
    fn one_that_is_hastened_is_tried_soon_and_opens_as_at_first() {
        let mut breaker = tripped();
        for _ in 0..5 {
            let now = breaker.open_until().unwrap();
            breaker.record(false, now, 1.0);
        }
        let now = Moment(breaker.open_until().unwrap().0 - 20_000);
        breaker.hasten(now);
        let soon = now.after(Duration::from_secs(1));
        assert_eq!((breaker.state(now), breaker.open_until()), (BreakerState::Open, Some(soon)));
        breaker.hasten(now);
        assert_eq!(breaker.open_until(), Some(soon), "no longer than it was");
        breaker.record(false, soon, 1.0);
        assert_eq!(breaker.open_until().unwrap().since(soon), Duration::from_secs(1));

        let mut closed = Breaker::new(BreakerPolicy::default());
        closed.hasten(now);
        assert_eq!(closed.state(now), BreakerState::Closed);
    }

    #[test]
    fn an_opening_lasts_from_half_to_the_whole() {
        let rows = [(0.0, 500), (0.5, 750), (1.0, 1000), (-1.0, 500), (f64::NAN, 1000)];
        for (chance, ms) in rows {
            let mut breaker = Breaker::new(BreakerPolicy { least: 1, ..BreakerPolicy::default() });
            breaker.record(false, START, chance);
            assert_eq!(breaker.open_until(), Some(later(ms)), "chance {chance}");
        }
    }

    #[test]
    fn a_policy_out_of_range_still_makes_a_breaker() {
        let nothing = BreakerPolicy {
            window: 0,
            failure_share: 0.0,
            least: 0,
            open_for: Duration::ZERO,
            open_cap: Duration::ZERO,
            probes: 0,
        };
        let mut breaker = Breaker::new(nothing);
        breaker.record(true, START, 0.5);
        assert_eq!(breaker.state(START), BreakerState::Closed);
        breaker.record(false, START, 0.5);
        assert_eq!(breaker.state(START), BreakerState::HalfOpen);
        breaker.record(true, START, 0.5);
        assert_eq!(breaker.state(START), BreakerState::Closed);

        let too_much = BreakerPolicy {
            window: u32::MAX,
            failure_share: 1.0,
            least: u32::MAX,
            open_for: Duration::MAX,
            open_cap: Duration::MAX,
            probes: u32::MAX,
        };
        let mut breaker = Breaker::new(too_much);
        for _ in 0..MOST_OUTCOMES {
            assert_eq!(breaker.state(START), BreakerState::Closed);
            breaker.record(false, START, 1.0);
        }
        assert_eq!(breaker.open_until(), Some(START.after(LONGEST_DELAY)));
    }

    #[test]
    fn a_share_above_one_or_none_at_all_never_opens() {
        for failure_share in [1.01, f64::INFINITY, f64::NAN] {
            let policy = BreakerPolicy { failure_share, ..BreakerPolicy::default() };
            let mut breaker = Breaker::new(policy);
            (0..100).for_each(|_| breaker.record(false, START, 0.5));
            assert_eq!(breaker.state(START), BreakerState::Closed);
        }
    }

    proptest! {
        /// Runs begin and end in any order while time passes: no run begins in
        /// half-open beside another of the same opening, and none while it is open.
        #[test]
        fn half_open_has_one_run_in_flight(
            policy in any_policy(),
            steps in vec((0_u64..2000, 0_usize..6, 0_usize..4, any::<bool>(), 0.0..1.0), 1..300),
        ) {
            let mut breaker = Breaker::new(policy);
            // Each run by the number of openings before it.
            let (mut now, mut running) = (START, VecDeque::new());
            for (pass_ms, wanted, end, success, chance) in steps {
                now = now.after(Duration::from_millis(pass_ms));
                let opened = breaker.opened();
                let probing = running.iter().filter(|before| **before == opened).count();
                let begin = breaker.room(now, wanted, probing);
                prop_assert!(begin <= wanted);
                match breaker.state(now) {
                    BreakerState::Closed => prop_assert_eq!(begin, wanted),
                    BreakerState::Open => prop_assert_eq!(begin, 0),
                    BreakerState::HalfOpen => prop_assert!(begin == 0 || probing + begin == 1),
                }
                running.extend(std::iter::repeat_n(opened, begin));
                for _ in 0..end.min(running.len()) {
                    running.pop_front();
                    breaker.record(success, now, chance);
                }
            }
        }

        /// A list of every outcome, of which the last are counted by whole
        /// numbers, opens at the same outcome.
        #[test]
        fn the_window_is_that_of_a_naive_model(
            policy in any_policy(), percent in 0_usize..=100,
            outcomes in vec(any::<bool>(), 1..200),
        ) {
            let policy = BreakerPolicy { failure_share: percent as f64 / 100.0, ..policy };
            let mut breaker = Breaker::new(policy);
            for end in 1..=outcomes.len() {
                let last = &outcomes[end.saturating_sub(policy.window as usize)..end];
                let failures = last.iter().filter(|success| !**success).count();
                let opens = last.len() >= policy.least as usize
                    && failures > 0
                    && failures * 100 >= percent * last.len();

                breaker.record(outcomes[end - 1], START, 0.5);
                match &breaker.phase {
                    Phase::Closed { outcomes } => {
                        prop_assert!(!opens);
                        prop_assert!(outcomes.iter().eq(last));
                    }
                    Phase::Open { .. } => {
                        prop_assert!(opens);
                        break;
                    }
                }
            }
        }

        #[test]
        fn an_open_breaker_has_no_room_until_its_time_is_over(
            policy in any_policy(), chance in any::<f64>(), share in 0.0..1.0, wanted: usize,
        ) {
            let mut breaker = Breaker::new(policy);
            (0..policy.least).for_each(|_| breaker.record(false, START, chance));
            let until = breaker.open_until().unwrap();
            let lasts = until.since(START);
            prop_assert!(lasts <= policy.open_for);
            prop_assert!(lasts + Duration::from_millis(1) > policy.open_for / 2);

            let within = START.after(lasts.mul_f64(share));
            let room = if within < until { 0 } else { wanted.min(1) };
            prop_assert_eq!(breaker.room(within, wanted, 0), room);
            prop_assert_eq!(breaker.room(until, wanted, 0), wanted.min(1));
        }

        #[test]
        fn who_always_succeeds_never_meets_it(policy in any_policy(), times in 0_usize..500) {
            let mut breaker = Breaker::new(policy);
            (0..times).for_each(|_| breaker.record(true, START, 0.5));
            prop_assert_eq!(breaker.room(START, 9, 99), 9);
            prop_assert_eq!(breaker.opened(), 0);
        }

        #[test]
        fn who_always_fails_meets_it_at_the_least_number_of_outcomes(policy in any_policy()) {
            let mut breaker = Breaker::new(policy);
            for _ in 0..policy.least {
                prop_assert_eq!(breaker.state(START), BreakerState::Closed);
                breaker.record(false, START, 0.5);
            }
            prop_assert_eq!(breaker.opened(), 1);
        }

        #[test]
        fn enough_successes_in_a_row_always_close_it(
            policy in any_policy(), outcomes in vec((any::<bool>(), 0_u64..3000), 0..200),
        ) {
            let mut breaker = Breaker::new(policy);
            let mut now = START;
            for (success, pass_ms) in outcomes {
                now = now.after(Duration::from_millis(pass_ms));
                breaker.record(success, now, 0.5);
            }
            if let Some(until) = breaker.open_until() {
                (0..policy.probes).for_each(|_| breaker.record(true, until, 0.5));
            }
            let end = now.after(policy.open_cap);
            prop_assert_eq!(breaker.state(end), BreakerState::Closed);
        }

        #[test]
        fn it_takes_any_clock_and_any_chance(
            policy in any_policy(),
            steps in vec((any::<u64>(), any::<bool>(), any::<f64>()), 1..100),
        ) {
            let mut breaker = Breaker::new(policy);
            for (time, success, chance) in steps {
                breaker.record(success, Moment(time), chance);
                let _ = breaker.room(Moment(time), usize::MAX, usize::MAX);
            }
        }
    }
}
