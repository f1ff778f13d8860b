//! The CPU share: a token bucket of processor time.
//!
//! A call into a guest is a future. Each poll of it is timed on the clock of
//! the thread that polls, and the time is debited from a bucket that refills
//! at the quota's rate. While the bucket is below zero the future is not
//! polled: the guest pauses, and its thread serves others. The epoch makes
//! every poll end within a tick, so a guest overdraws by little.
//!
//! A changed rate holds from that moment on, also for a guest that pauses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::executor::ticker::TICK;

/// A guest may save up this much of its share, so that a short task after a
/// pause runs at full speed.
const BURST: Duration = Duration::from_millis(20);

/// Processor time that is free to use, refilled at a steady rate.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: Mutex<Level>,
    /// Wakes those who wait for a refill at the old rate.
    changed: Notify,
    /// For how long calls were paused, summed.
    paused_nanos: AtomicU64,
}

#[derive(Debug)]
struct Level {
    /// Seconds of processor time for one second of wall time.
    rate: f64,
    seconds: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(cores: f64) -> Self {
        let level = Level { rate: cores, seconds: burst(cores), at: Instant::now() };
        Self { level: Mutex::new(level), changed: Notify::new(), paused_nanos: AtomicU64::new(0) }
    }

    /// For how long calls were paused so far, each by itself.
    pub(crate) fn paused(&self) -> Duration {
        Duration::from_nanos(self.paused_nanos.load(Ordering::Relaxed))
    }

    /// Refills at another rate from now on. Savings and debts are carried over,
    /// savings up to the new burst.
    pub(crate) fn change(&self, cores: f64) {
        let mut level = self.level();
        level.refill();
        level.rate = cores;
        level.seconds = level.seconds.min(burst(cores));
        drop(level);
        self.changed.notify_waiters();
    }

    fn debit(&self, used: Duration) {
        self.level().seconds -= used.as_secs_f64();
    }

    /// When the bucket is no longer below zero; `None`: now.
    fn empty_until(&self) -> Option<Instant> {
        let mut level = self.level();
        level.refill();
        let debt = -level.seconds;
        (debt > 0.0).then(|| level.at + Duration::from_secs_f64(debt / level.rate))
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    fn refill(&mut self) {
        let now = Instant::now();
        let refill = now.duration_since(self.at).as_secs_f64() * self.rate;
        self.seconds = (self.seconds + refill).min(burst(self.rate));
        self.at = now;
    }
}

/// The most seconds saved up.
fn burst(cores: f64) -> f64 {
    (BURST.as_secs_f64() * cores).max(2.0 * TICK.as_secs_f64())
}

/// The shares that bound one call: the agent's, and in a run the task's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares<'a> {
    pub(crate) agent: &'a Bucket,
    pub(crate) task: Option<&'a Bucket>,
}

impl Shares<'_> {
    fn debit(self, used: Duration) {
        self.agent.debit(used);
        self.task.inspect(|task| task.debit(used));
    }

    fn empty_until(self) -> Option<Instant> {
        self.agent.empty_until().max(self.task.and_then(Bucket::empty_until))
    }

    /// Returns when no share is below zero.
    async fn refilled(self) {
        let _paused = Paused { bucket: self.agent, since: Instant::now() };
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

/// A pause of one call, counted when it ends, also where the call is dropped.
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

/// The host's own code panicked inside a poll.
#[derive(Debug)]
pub(crate) struct HostPanic(pub(crate) String);

/// Drives `future` within `shares`; adds what it used to `used`.
///
/// A panic inside the future becomes an error, since a defect in a host
/// function must cost one run and no more.
pub(crate) async fn metered<F: Future>(
    future: F,
    shares: Shares<'_>,
    used: &mut Duration,
) -> Result<F::Output, HostPanic> {
    let mut future = pin!(future);
    let mut pause = None;
    std::future::poll_fn(move |cx| {
        if pause.is_none() && shares.empty_until().is_some() {
            pause = Some(Box::pin(shares.refilled()));
        }
        if let Some(refilled) = &mut pause {
            ready!(refilled.as_mut().poll(cx));
            pause = None;
        }
        let before = thread_time();
        let polled = poll_caught(future.as_mut(), cx);
        let spent = thread_time().saturating_sub(before);
        *used += spent;
        shares.debit(spent);
        polled
    })
    .await
}

fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, HostPanic>> {
    // Whatever the panic left half done goes with the store, which the caller
    // throws away on this error.
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(HostPanic(panic_message(payload.as_ref())))),
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

/// Processor time of this thread so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_overdrawn_bucket_is_empty_until_the_debt_is_refilled() {
        let bucket = Bucket::new(0.25);
        bucket.debit(Duration::from_secs_f64(burst(0.25) + 1.0));
        let wait = bucket.empty_until().unwrap() - Instant::now();
        assert!((wait.as_secs_f64() - 4.0).abs() < 1e-6, "{wait:?}");
        tokio::time::advance(Duration::from_secs_f64(4.000_001)).await;
        assert_eq!(bucket.empty_until(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn savings_are_bounded() {
        let bucket = Bucket::new(0.5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(bucket.empty_until(), None);
        bucket.debit(Duration::from_millis(11));
        assert!(bucket.empty_until().is_some(), "an hour's rest buys one burst of 10 ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_holds_from_then_on_and_wakes_who_waits() {
        let bucket = Bucket::new(0.001);
        bucket.debit(Duration::from_secs_f64(burst(0.001) + 1.0));
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
        let bucket = Bucket::new(1.0);
        bucket.debit(Duration::from_secs_f64(burst(1.0) + 1.0));
        let started = Instant::now();
        let paused = Shares { agent: &bucket, task: None }.refilled();
        tokio::join!(paused, async { bucket.change(0.1) });
        let waited = started.elapsed().as_secs_f64();
        assert!((waited - 10.0).abs() < 0.01, "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn savings_are_bounded_by_the_new_burst() {
        let bucket = Bucket::new(100.0);
        bucket.change(1.0);
        bucket.debit(Duration::from_millis(21));
        assert!(bucket.empty_until().is_some(), "two seconds saved at 100 cores are 20 ms at one");
        bucket.change(100.0);
        tokio::time::advance(Duration::from_secs(1)).await;
        bucket.debit(Duration::from_millis(1999));
        assert_eq!(bucket.empty_until(), None, "a raised share may be saved up to its own burst");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        let mut used = Duration::ZERO;
        let shares = Shares { agent: &Bucket::new(1.0), task: None };
        let error = metered(async { panic!("oh no") }, shares, &mut used).await.unwrap_err();
        assert_eq!(error.0, "oh no");
    }
}
