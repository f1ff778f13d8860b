//! A limit on how long a call takes, for calls that seldom have to wait.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop::{has_budget_remaining, unconstrained};
use tokio::time::{Instant, sleep_until};

/// What `future` comes to, or `None` if it takes longer than `limit`.
///
/// As tokio's `timeout`, but the timer is made when the future first waits. Most
/// calls of guests do not.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let end = Instant::now().checked_add(limit);
    let (mut future, mut timer) = (pin!(future), pin!(None));
    poll_fn(|cx| {
        let had_budget = has_budget_remaining();
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        if timer.is_none() {
            timer.set(end.map(sleep_until));
        }
        let Some(timer) = timer.as_mut().as_pin_mut() else { return Poll::Pending };
        // A future that uses up its task's budget each time must not keep the timer
        // from being looked at.
        let is_spent = had_budget && !has_budget_remaining();
        let over = if is_spent { pin!(unconstrained(timer)).poll(cx) } else { timer.poll(cx) };
        over.map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::task::coop::poll_proceed;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_future_has_the_whole_limit_and_no_more() {
        let (started, limit) = (Instant::now(), Duration::from_secs(2));
        let after_a_second = || async {
            advance(Duration::from_secs(1)).await;
            "done"
        };
        assert_eq!(within(Duration::ZERO, async { "at once" }).await, Some("at once"));
        assert_eq!(within(limit, after_a_second()).await, Some("done"));
        assert_eq!(within(Duration::MAX, after_a_second()).await, Some("done"));
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
        let passed = started.elapsed().as_secs_f64();
        assert!((passed - 4.0).abs() < 0.01, "{passed}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_before_the_first_poll() {
        let started = Instant::now();
        let slow = async {
            advance(Duration::from_secs(3)).await;
            std::future::pending::<()>().await;
        };
        assert_eq!(within(Duration::from_secs(2), slow).await, None);
        let passed = started.elapsed().as_secs_f64();
        assert!((passed - 3.0).abs() < 0.01, "{passed}");
    }

    #[tokio::test]
    async fn a_future_that_uses_up_its_budget_is_ended_too() {
        let greedy = poll_fn(|cx| {
            while let Poll::Ready(step) = poll_proceed(cx) {
                step.made_progress();
            }
            Poll::<()>::Pending
        });
        assert_eq!(within(Duration::ZERO, greedy).await, None);
    }
}
