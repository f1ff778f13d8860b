//! The loop that claims tasks and hands them out.

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::scheduler::store::{ClaimRequest, StoreError, TypeSlots};
use tokio::time::{Instant, timeout};

use super::Shared;
use super::run::{release, spawn_run};

/// Tasks in one claim: a batch of this size costs the store little more for
/// each, and delays other callers only briefly.
const MOST_AT_ONCE: usize = 512;
/// Before a store that cannot write is asked again.
const PATIENCE: Duration = Duration::from_millis(250);
/// With nothing to wait for, the look for work is only a safeguard.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Claims whenever there may be something to claim, until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let moment = shared.time.moment();
        let (rooms, retried) = shared.types().rooms(shared.runner.capacity(), moment);
        let most = shared.options.in_hand.saturating_sub(shared.in_flight.count());
        let most = most.min(MOST_AT_ONCE);
        let mut wait = retried.map_or(LONGEST_WAIT, |at| at.since(moment).min(LONGEST_WAIT));
        if !rooms.is_empty() && most > 0 {
            match claim(&shared, rooms, most).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Unavailable { reason }) => {
                    tracing::warn!(reason, "no tasks are claimed before the store can write");
                    wait = PATIENCE;
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "no tasks are claimed; tried again");
                    wait = LONGEST_WAIT;
                }
            }
        }
        // Woken by a submission, a free slot, or something that time brought.
        let _ = timeout(wait, shared.work.notified()).await;
    }
}

/// Claims once. Whether that moved anything: if so there may be more, also
/// where it was only turns that went to tasks whose deadline had passed.
async fn claim(
    shared: &Arc<Shared>,
    rooms: Vec<TypeSlots>,
    most: usize,
) -> Result<bool, StoreError> {
    // Before the phase is read: a shutdown waits for a claim that is under way.
    let claiming = shared.in_flight.claiming();
    if !shared.is_claiming() || !shared.time.is_known() {
        return Ok(false);
    }
    let reading = shared.time.for_write().await;
    let now = reading.now;
    let until = now.after(shared.options.lease);
    let request = ClaimRequest { owner: shared.owner, now, until, rooms, most };
    let asked = Instant::now();
    let claim = shared.store.claim(request).await?;
    drop(reading);
    let moved = !claim.tasks.is_empty() || !claim.ended.is_empty();
    if !claim.tasks.is_empty() {
        shared.types().claim_took(asked.elapsed().as_secs_f64());
    }
    if shared.is_claiming() {
        claim.tasks.into_iter().for_each(|claimed| spawn_run(shared, claimed));
    } else {
        release(shared, claim.tasks).await;
    }
    drop(claiming);
    if !claim.ended.is_empty() {
        // Each is read before its event is sent; claims do not wait for that.
        shared.unobserved().extend(claim.ended);
        shared.timer.schedule(Some(now));
    }
    Ok(moved)
}
