//! The maintenance loop: heartbeats, delays, deadlines, retention.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::TaskId;
use chimera_layer4_core::scheduler::store::SET_MS;
use chimera_layer4_core::scheduler::{Moment, Timestamp};
use tokio::time::{Instant, timeout};

use super::in_flight::Stop;
use super::shared::Shared;

/// The clock may be set, so the maintenance loop never sleeps longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// The delay before heartbeats that the store did not take are sent again.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two looks for tasks to forget.
const RETENTION: Duration = Duration::from_secs(10);

/// Keeps time until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let third = shared.options.lease / 3;
    let mut extend_at = shared.time.moment().after(third);
    let mut missed = false;
    let mut retain_at = Instant::now();
    loop {
        // First of all: what is due by a clock that was set is not due.
        let in_step = keep_in_step(&shared).await;
        let (now, moment) = (shared.now(), shared.time.moment());
        if missed || moment >= extend_at {
            missed = !extend(&shared, now).await;
            extend_at = moment.after(third);
        }
        // Leases are checked only when the store took every heartbeat: where
        // the store was away, what runs here is not lost.
        let is_well = in_step && !missed;
        if is_well {
            sweep(&shared, now).await;
        }
        shared.notify_again().await;
        // A little at a time, until something else is due.
        let mut more = false;
        while Instant::now() >= retain_at && is_well {
            more = retain(&shared).await;
            // A store in memory would never let others have the thread.
            tokio::task::yield_now().await;
            retain_at = if more { retain_at } else { Instant::now() + RETENTION };
            if until_due(&shared, extend_at).is_zero() {
                break;
            }
        }
        let sleep = until_due(&shared, extend_at).min(LONGEST_SLEEP);
        let sleep = if is_well { sleep } else { PATIENCE };
        let sleep = if more { Duration::ZERO } else { sleep };
        let _ = timeout(sleep, shared.timer.sooner()).await;
    }
}

/// Until there is something to do.
fn until_due(shared: &Shared, extend_at: Moment) -> Duration {
    let heartbeat = extend_at.since(shared.time.moment());
    let due = shared.timer.get();
    due.map_or(heartbeat, |due| due.since(shared.now()).min(heartbeat))
}

/// Tells the store of this host's clock, and when it was set. Returns whether the store took it.
async fn keep_in_step(shared: &Shared) -> bool {
    let Some(set) = shared.time.was_set() else { return true };
    let by_ms = set.is.saturating_sub(set.was);
    let _alone = shared.time.without_writes().await;
    match shared.store.clock_was_set(set.was, set.is).await {
        Ok(()) => {
            if by_ms.unsigned_abs() >= SET_MS {
                tracing::warn!(
                    by_ms,
                    "the system's clock was set, or the machine slept; what waits for a time goes with it"
                );
            }
            shared.time.reported(set);
            // The first claim waits for it.
            shared.work.notify_one();
            // Times from before mean nothing now; a sweep says what is due.
            shared.timer.clear();
            true
        }
        Err(error) => {
            tracing::warn!(%error, by_ms, "the store does not know what the clock shows");
            false
        }
    }
}

/// Sends heartbeats. Returns whether the store took them.
async fn extend(shared: &Shared, now: Timestamp) -> bool {
    let leases = shared.in_flight.leases();
    if leases.is_empty() {
        return true;
    }
    match shared.store.extend(leases.clone(), now.after(shared.options.lease)).await {
        Ok(extension) => {
            let lost: HashSet<TaskId> = extension.lost.into_iter().collect();
            for lease in leases.into_iter().filter(|lease| lost.contains(&lease.id)) {
                if shared.in_flight.lose(lease) {
                    tracing::warn!(id = %lease.id, "the lease of a run was lost; it is ended");
                }
            }
            for id in extension.cancelled {
                shared.in_flight.stop(id, Stop::Cancelled);
            }
            true
        }
        Err(error) => {
            tracing::warn!(%error, "leases could not be extended");
            false
        }
    }
}

async fn sweep(shared: &Shared, now: Timestamp) {
    // Cleared first: what becomes due meanwhile sets it again.
    shared.timer.clear();
    match shared.store.sweep(now, shared.options.bounds).await {
        Ok(swept) => {
            shared.timer.note(swept.next);
            if swept.promoted + swept.lost > 0 {
                shared.work.notify_one();
            }
            shared.unobserved().extend(swept.ended);
        }
        Err(error) => tracing::warn!(%error, "the queue could not be swept"),
    }
}

/// Forgets some of what need not be kept; whether more may be left.
async fn retain(shared: &Shared) -> bool {
    match shared.store.retain(shared.time.at_the_earliest(), shared.options.retention).await {
        Ok(forgotten) => forgotten > 0,
        Err(error) => {
            tracing::warn!(%error, "ended tasks could not be forgotten");
            false
        }
    }
}
