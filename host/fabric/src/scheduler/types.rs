//! What the scheduler knows of each agent type: running tasks, outcomes, durations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::scheduler::settle::{self, Counts, Ran};
use chimera_layer4_core::scheduler::store::TypeSlots;
use chimera_layer4_core::scheduler::{
    BreakerPolicy, BreakerState, Moment, RetryBudget, RetryPolicy, Settlement, Timestamp,
};
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_core::{Digest, Priority};
use tracing::field::display;

use super::Capacity;
use super::arms::{Arms, Placed};
use super::options::SchedulerOptions;
use chimera_layer4_core::scheduler::TypeStats;

/// Types that nothing has run of for long are forgotten past this many.
const MOST_TYPES: usize = 10_000;
/// A tenth of the weight to the newest measurement.
const NEWEST: f64 = 0.1;
/// The rate of ends is seen over about this many seconds.
const RATE_SECONDS: f64 = 10.0;
/// Claims ahead of free slots, at the most.
const MOST_AHEAD: f64 = 512.0;
/// A type with so many slots keeps one for critical tasks. With fewer, the
/// share of the machine that would lie idle is too dear.
const SLOTS_TO_SPARE_ONE: usize = 4;
/// The bounds of the delay after which a submitter to a full queue may try again.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(60);

/// Every agent type that a task was run of.
pub(super) struct Types {
    breaker: BreakerPolicy,
    retry: RetryPolicy,
    by_name: HashMap<Arc<str>, TypeState>,
    /// How long a claim takes, in seconds.
    claim_seconds: f64,
}

struct TypeState {
    running: usize,
    critical: usize,
    arms: Arms,
    budget: RetryBudget,
    /// How long a run takes, in seconds; from the claim's answer to its end.
    run_seconds: f64,
    ended_per_second: f64,
    last_end: Moment,
    succeeded: u64,
    failed: u64,
    retried: u64,
}

impl TypeState {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            running: 0,
            critical: 0,
            arms: Arms::new(policy),
            budget: RetryBudget::new(),
            run_seconds: 0.0,
            ended_per_second: 0.0,
            last_end: Moment(0),
            succeeded: 0,
            failed: 0,
            retried: 0,
        }
    }

    /// Claims beyond the free slots that keep these busy while the next claim
    /// is under way: by Little's law the slots times the time of a claim over
    /// that of a run. For tasks that take long it is none.
    fn ahead(&self, slots: usize, claim_seconds: f64) -> usize {
        if self.run_seconds <= 0.0 {
            return 0;
        }
        let ahead = slots as f64 * claim_seconds / self.run_seconds;
        ahead.clamp(0.0, MOST_AHEAD) as usize
    }

    fn rate(&self, now: Moment) -> f64 {
        let quiet = now.since(self.last_end).as_secs_f64();
        self.ended_per_second * (-quiet / RATE_SECONDS).exp()
    }
}

impl Types {
    pub(super) fn new(options: &SchedulerOptions) -> Self {
        Self {
            breaker: options.breaker,
            retry: options.retry,
            by_name: HashMap::new(),
            claim_seconds: 0.0,
        }
    }

    /// The rooms of a claim, and when a breaker that is open now is tried again.
    pub(super) fn rooms(
        &mut self,
        capacity: Vec<Capacity>,
        now: Moment,
    ) -> (Vec<TypeSlots>, Option<Moment>) {
        let mut rooms = Vec::new();
        let mut retried = None;
        let claim_seconds = self.claim_seconds;
        for Capacity { agent_type, slots, genome, arms } in capacity {
            let of_type = self.of(&agent_type);
            of_type.arms.renew(&arms, slots, now);
            let most = |slots| of_type.ahead(slots, claim_seconds).saturating_add(slots);
            let wanted = most(slots).saturating_sub(of_type.running);
            let free = of_type.arms.room(now, most).min(wanted);
            retried = [retried, of_type.arms.open_until(now)].into_iter().flatten().min();
            if free > 0 {
                // A probe may be any task.
                let closed = of_type.arms.state(now) == BreakerState::Closed;
                let spare = usize::from(closed && slots >= SLOTS_TO_SPARE_ONE);
                let reserved = spare.saturating_sub(of_type.critical);
                rooms.push(TypeSlots { agent_type, free, reserved, starts: genome });
            }
        }
        (rooms, retried)
    }

    pub(super) fn claim_took(&mut self, seconds: f64) {
        smooth(&mut self.claim_seconds, seconds);
    }

    /// A task was handed out. Returns the genome that runs it, of those that are
    /// meant for it.
    pub(super) fn began(
        &mut self,
        agent_type: &str,
        priority: Priority,
        first: bool,
        meant: &[Digest],
        now: Moment,
    ) -> Placed {
        let of_type = self.of(agent_type);
        of_type.running += 1;
        of_type.critical += usize::from(priority == Priority::Critical);
        if first {
            of_type.budget.deposit();
        }
        of_type.arms.place(meant, now)
    }

    /// A run no longer takes up a slot.
    pub(super) fn ended(
        &mut self,
        agent_type: &str,
        priority: Priority,
        place: &Placed,
        seconds: f64,
    ) {
        let of_type = self.of(agent_type);
        of_type.arms.left(place);
        of_type.running = of_type.running.saturating_sub(1);
        let critical = usize::from(priority == Priority::Critical);
        of_type.critical = of_type.critical.saturating_sub(critical);
        smooth(&mut of_type.run_seconds, seconds);
    }

    /// What becomes of a task whose run has ended.
    pub(super) fn settle(
        &mut self,
        agent_type: &str,
        place: &Placed,
        ran: Ran,
        counts: Counts,
        (now, moment): (Timestamp, Moment),
        mut chance: impl FnMut() -> f64,
    ) -> Settlement {
        let retry = self.retry;
        let of_type = self.of(agent_type);
        if let Some(blamed) = settle::blames_agent(ran.result.fault.as_ref()) {
            let (genome, opened) = (ran.genome, of_type.arms.opened());
            of_type.arms.record(place, genome, !blamed, moment, chance());
            if of_type.arms.opened() > opened {
                let (genome, error) = (genome.map(display), ran.result.error.as_deref());
                tracing::warn!(
                    target: EXECUTOR_LOG, code = "breaker-opened",
                    agent_type, genome, error, "a circuit breaker opened; runs wait"
                );
            }
        }
        let budget = &mut of_type.budget;
        let settlement = settle::settle(ran, counts, &retry, budget, now, moment, chance());
        match &settlement {
            Settlement::Succeeded(_) => of_type.succeeded += 1,
            Settlement::Dead { .. } => of_type.failed += 1,
            Settlement::Retry { .. } => of_type.retried += 1,
            Settlement::GiveBack | Settlement::Cancelled(_) => {}
        }
        of_type.ended_per_second = of_type.rate(moment) + 1.0 / RATE_SECONDS;
        of_type.last_end = moment;
        settlement
    }

    /// When a submitter to a full queue may come back: when a tenth of what is
    /// queued has ended, at the rate of the last seconds.
    pub(super) fn retry_after(&mut self, name: &str, queued: usize, now: Moment) -> Duration {
        let rate = self.of(name).rate(now);
        if rate <= 0.0 {
            return LATEST.min(Duration::from_secs(5));
        }
        let seconds = queued as f64 / 10.0 / rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(LATEST).clamp(SOONEST, LATEST)
    }

    pub(super) fn stats(&self, now: Moment) -> Vec<TypeStats> {
        let mut stats: Vec<TypeStats> = self
            .by_name
            .iter()
            .map(|(name, of_type)| TypeStats {
                agent_type: name.to_string(),
                running: of_type.running,
                succeeded: of_type.succeeded,
                failed: of_type.failed,
                retried: of_type.retried,
                ended_per_second: of_type.rate(now),
                breaker: of_type.arms.state(now),
                breaker_opened: of_type.arms.opened(),
                breakers: of_type.arms.each(now),
            })
            .collect();
        stats.sort_by(|a, b| a.agent_type.cmp(&b.agent_type));
        stats
    }

    fn of(&mut self, name: &str) -> &mut TypeState {
        if !self.by_name.contains_key(name) {
            if self.by_name.len() >= MOST_TYPES {
                self.by_name.retain(|_, of_type| of_type.running > 0);
            }
            self.by_name.insert(name.into(), TypeState::new(self.breaker));
        }
        // Entered above, where it was not there.
        self.by_name.entry(name.into()).or_insert_with(|| TypeState::new(self.breaker))
    }
}

fn smooth(mean: &mut f64, newest: f64) {
    *mean = if *mean == 0.0 { newest } else { *mean + NEWEST * (newest - *mean) };
}
