//! Agents that take no more tasks and end: their running tasks finish first, and no caller
//! waits for that.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::registry::AgentEntry;

/// Those of a host.
#[derive(Default)]
pub(super) struct EndingAgents {
    under_way: Mutex<JoinSet<()>>,
    count: Arc<watch::Sender<Count>>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    begun: u64,
    ended: u64,
}

/// Counts an agent as ended when it is dropped, also where its end was cut short.
struct Ends(Arc<watch::Sender<Count>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.ended += 1);
    }
}

impl EndingAgents {
    /// Its own `shutdown` has `timeout`.
    pub(super) fn end(&self, entry: Arc<AgentEntry>, timeout: Duration) {
        self.count.send_modify(|count| count.begun += 1);
        let ends = Ends(Arc::clone(&self.count));
        let mut under_way = self.under_way.lock();
        while under_way.try_join_next().is_some() {}
        under_way.spawn(async move {
            // The log has what its own `shutdown` failed with.
            let _ = entry.end(timeout).await;
            // What it took is free before it counts as ended.
            drop(entry);
            drop(ends);
        });
    }

    /// Waits until one more has ended; `false` where none ends.
    pub(super) async fn one_more(&self) -> bool {
        let mut count = self.count.subscribe();
        let Count { begun, ended } = *count.borrow_and_update();
        begun > ended && count.wait_for(|now| now.ended > ended).await.is_ok()
    }

    /// Waits until all have ended.
    pub(super) async fn all(&self) {
        loop {
            let mut under_way = std::mem::take(&mut *self.under_way.lock());
            if under_way.is_empty() {
                return;
            }
            while under_way.join_next().await.is_some() {}
        }
    }
}
