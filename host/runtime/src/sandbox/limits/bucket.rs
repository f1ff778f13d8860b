//! A token bucket: what may be used, refilled at a steady rate.
//!
//! Use is debited after the fact, so a bucket can be overdrawn; the next user
//! then waits until the debt is refilled. A changed rate holds from that moment
//! on, also for users that wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A wait longer than this is looked at again when it is over.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Tokens that are free to use: seconds of a processor, bytes.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: Mutex<Level>,
    /// The most tokens saved up at a rate.
    burst: fn(f64) -> f64,
    /// Wakes those who wait for a refill at the old rate.
    changed: Notify,
    /// For how long use was paused, summed.
    paused_nanos: AtomicU64,
}

#[derive(Debug)]
struct Level {
    /// Tokens for one second of wall time.
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket, from `now` on.
    pub(crate) fn new(rate: f64, burst: fn(f64) -> f64, now: Instant) -> Self {
        let level = Level { rate, tokens: burst(rate), at: now };
        Self {
            level: Mutex::new(level),
            burst,
            changed: Notify::new(),
            paused_nanos: AtomicU64::new(0),
        }
    }

    /// For how long use was paused so far, each user by itself.
    pub(crate) fn paused(&self) -> Duration {
        Duration::from_nanos(self.paused_nanos.load(Ordering::Relaxed))
    }

    /// Refills at another rate from now on. Savings and debts are carried over,
    /// savings up to the new burst.
    pub(crate) fn change(&self, rate: f64) {
        let mut level = self.level();
        level.refill(self.burst, Instant::now());
        level.rate = rate;
        level.tokens = level.tokens.min((self.burst)(rate));
        drop(level);
        self.changed.notify_waiters();
    }

    pub(crate) fn debit(&self, used: f64) {
        self.level().tokens -= used;
    }

    /// When the bucket is no longer below zero; `None`: it is not, as of `now`.
    fn empty_until(&self, now: Instant) -> Option<Instant> {
        let mut level = self.level();
        level.refill(self.burst, now);
        let debt = -level.tokens;
        let wait = || Duration::try_from_secs_f64(debt / level.rate).unwrap_or(LONGEST_WAIT);
        (debt > 0.0).then(|| level.at + wait().min(LONGEST_WAIT))
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock()
    }
}

impl Level {
    /// Another user may have refilled it for a time after `now` already. Then there
    /// is nothing to add, and no time that would be counted twice.
    fn refill(&mut self, burst: fn(f64) -> f64, now: Instant) {
        let Some(passed) = now.checked_duration_since(self.at) else { return };
        let refill = passed.as_secs_f64() * self.rate;
        self.tokens = (self.tokens + refill).min(burst(self.rate));
        self.at = now;
    }
}

/// The shares that bound one use: the agent's, and in a run the task's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares<'a> {
    pub(crate) agent: &'a Bucket,
    pub(crate) task: Option<&'a Bucket>,
}

impl Shares<'_> {
    pub(crate) fn debit(self, used: f64) {
        self.agent.debit(used);
        self.task.inspect(|task| task.debit(used));
    }

    /// When none of them is below zero any more; `None`: now.
    pub(crate) fn empty_until(self) -> Option<Instant> {
        let now = Instant::now();
        let task = self.task.and_then(|task| task.empty_until(now));
        self.agent.empty_until(now).max(task)
    }

    /// Returns when no share is below zero.
    pub(crate) async fn refilled(self) {
        let since = Instant::now();
        let _paused = Paused { bucket: self.agent, since };
        // Counted for the task too, where it is its share that is waited for.
        let is_tighter = |task: &&Bucket| task.empty_until(since) > self.agent.empty_until(since);
        let tighter = self.task.filter(is_tighter);
        let _of_task = tighter.map(|bucket| Paused { bucket, since });
        loop {
            // Made before the look at the level, so that no change is missed.
            // A task's share does not change.
            let changed = self.agent.changed.notified();
            let Some(until) = self.empty_until() else { return };
            tokio::select! {
                () = sleep_until(until) => {}
                () = changed => {}
            }
        }
    }
}

/// A pause of one user, counted when it ends, also where that one is dropped.
struct Paused<'a> {
    bucket: &'a Bucket,
    since: Instant,
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.bucket.paused_nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a full bucket holds.
    fn saved(rate: f64) -> f64 {
        (0.02 * rate).max(0.01)
    }

    fn full(rate: f64) -> Bucket {
        Bucket::new(rate, saved, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn an_overdrawn_bucket_is_empty_until_the_debt_is_refilled() {
        let bucket = full(0.25);
        bucket.debit(saved(0.25) + 1.0);
        let wait = bucket.empty_until(Instant::now()).unwrap() - Instant::now();
        assert!((wait.as_secs_f64() - 4.0).abs() < 1e-6, "{wait:?}");
        tokio::time::advance(Duration::from_secs_f64(4.000_001)).await;
        assert_eq!(bucket.empty_until(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn savings_are_bounded() {
        let bucket = full(0.5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(bucket.empty_until(Instant::now()), None);
        bucket.debit(0.011);
        assert!(
            bucket.empty_until(Instant::now()).is_some(),
            "an hour's rest buys one burst of 10 ms"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_holds_from_then_on_and_wakes_who_waits() {
        let bucket = full(0.001);
        bucket.debit(saved(0.001) + 1.0);
        let started = Instant::now();
        let paused = Shares { agent: &bucket, task: None }.refilled();
        let operator = async {
            tokio::time::advance(Duration::from_secs(100)).await;
            bucket.change(0.25);
            tokio::time::advance(Duration::from_secs(2)).await;
            bucket.change(4.0);
        };
        tokio::join!(paused, operator);
        // A second of debt, less 100 s at a thousandth and 2 s at a quarter, at 4 cores.
        let waited = started.elapsed().as_secs_f64();
        assert!((waited - (102.0 + 0.4 / 4.0)).abs() < 0.01, "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lowered_rate_makes_who_waits_wait_longer() {
        let bucket = full(1.0);
        bucket.debit(saved(1.0) + 1.0);
        let started = Instant::now();
        let paused = Shares { agent: &bucket, task: None }.refilled();
        tokio::join!(paused, async { bucket.change(0.1) });
        let waited = started.elapsed().as_secs_f64();
        assert!((waited - 10.0).abs() < 0.01, "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn savings_are_bounded_by_the_new_burst() {
        let bucket = full(100.0);
        bucket.change(1.0);
        bucket.debit(0.021);
        assert!(
            bucket.empty_until(Instant::now()).is_some(),
            "two seconds saved at 100 cores are 20 ms at one"
        );
        bucket.change(100.0);
        tokio::time::advance(Duration::from_secs(1)).await;
        bucket.debit(1.999);
        assert_eq!(
            bucket.empty_until(Instant::now()),
            None,
            "a raised share may be saved up to its own burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_is_counted_twice_where_one_user_saw_the_clock_before_another() {
        let bucket = full(1.0);
        bucket.debit(saved(1.0) + 10.0);
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(4)).await;
        let now = Instant::now();
        let until = bucket.empty_until(now);
        assert_eq!(bucket.empty_until(before), until);
        assert_eq!(bucket.empty_until(now), until);
    }
}
