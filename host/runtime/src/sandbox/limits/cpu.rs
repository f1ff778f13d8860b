//! The CPU share: a token bucket of processor time.
//!
//! A call into a guest is a future. Each poll of it is timed on the clock of
//! the thread that polls, and the time is debited from a bucket that refills
//! at the quota's rate. While the bucket is below zero the future is not
//! polled: the guest pauses, and its thread serves others. The epoch makes
//! every poll end within a tick, so a guest overdraws by little.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::bucket::{Bucket, Shares};
use crate::sandbox::ticker::TICK;

/// A guest may save up this much of its share, so that a short task after a
/// pause runs at full speed.
const BURST: Duration = Duration::from_millis(20);

/// A share of processor time, in seconds for each second from `now` on.
pub(crate) fn share(cores: f64, now: Instant) -> Bucket {
    Bucket::new(cores, burst, now)
}

/// The most seconds saved up.
fn burst(cores: f64) -> f64 {
    (BURST.as_secs_f64() * cores).max(2.0 * TICK.as_secs_f64())
}

/// The host's own code panicked inside a poll.
#[derive(Debug)]
pub(crate) struct HostPanic(pub(crate) String);

thread_local! {
    /// What other threads spent for the guest that is polled on this one.
    static ELSEWHERE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Has the guest whose future is being polled pay for what another thread did
/// for it. A host function, or a store that it calls, calls this once the work is
/// back; where no guest's future is being polled nothing is paid.
pub fn charge_caller(time: Duration) {
    ELSEWHERE.set(ELSEWHERE.get() + time);
}

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
        ELSEWHERE.set(Duration::ZERO);
        let polled = poll_caught(future.as_mut(), cx);
        let spent = thread_time().saturating_sub(before) + ELSEWHERE.take();
        *used += spent;
        shares.debit(spent.as_secs_f64());
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
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_other_threads_did_for_a_guest_is_its_own() {
        let (mut used, shares) = (Duration::ZERO, share(1.0, Instant::now()));
        let shares = Shares { agent: &shares, task: None };
        metered(async { charge_caller(Duration::from_secs(5)) }, shares, &mut used).await.unwrap();
        assert!((5..6).contains(&used.as_secs()), "{used:?}");
        let mut next = Duration::ZERO;
        let others = Shares { agent: &share(1.0, Instant::now()), task: None };
        metered(async {}, others, &mut next).await.unwrap();
        assert!(next.as_secs() < 1, "not another's: {next:?}");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        let mut used = Duration::ZERO;
        let shares = Shares { agent: &share(1.0, Instant::now()), task: None };
        let error = metered(async { panic!("oh no") }, shares, &mut used).await.unwrap_err();
        assert_eq!(error.0, "oh no");
    }
}
