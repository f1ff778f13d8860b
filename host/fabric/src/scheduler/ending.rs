//! How a scheduler ends: it drains, and then closes the store.

use std::time::Duration;

use tokio::time::timeout;

use super::Scheduler;
use crate::lifecycle::Phase;

/// The time to write the end of runs that a shutdown ended to the store.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Scheduler {
    /// [`drain`](Self::drain), and then [`close`](Self::close). Shut down twice is
    /// the same as once.
    pub async fn shutdown(&self, limit: Duration) {
        self.drain(limit).await;
        self.close().await;
    }

    /// Claims nothing more, lets what runs finish within `limit`, and gives back
    /// the rest as if it had not been claimed. What is not written to the store
    /// soon after that is lost with its lease. Tasks and figures can still be
    /// read.
    pub async fn drain(&self, limit: Duration) {
        let shared = &self.shared;
        shared.life.advance(Phase::Draining);
        if timeout(limit, shared.in_flight.none_left()).await.is_err() {
            shared.in_flight.stop_all();
            if timeout(LAST_WORDS, shared.in_flight.none_left()).await.is_err() {
                tracing::warn!("the store did not record how the last runs ended");
            }
        }
        shared.life.advance(Phase::Stopped);
        self.end_loops();
        shared.subscribers.close();
    }

    /// Closes the store. Reads fail from here on, and the folder is free for another host.
    pub async fn close(&self) {
        self.shared.store.close().await;
    }

    fn end_loops(&self) {
        let loops = std::mem::take(&mut *self.loops.lock());
        loops.into_iter().for_each(|handle| handle.abort());
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.life.advance(Phase::Stopped);
        self.end_loops();
        // Each run in flight is dropped, and given back if the store can write.
        self.shared.in_flight.stop_all();
    }
}
