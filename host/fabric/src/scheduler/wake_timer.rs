//! When the maintenance loop is to wake.

use chimera_layer4_core::scheduler::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// When the maintenance loop has something to do.
#[derive(Default)]
pub(super) struct WakeTimer {
    at: Mutex<Option<Timestamp>>,
    sooner: Notify,
}

impl WakeTimer {
    /// Something is due at this time, if at any.
    pub(super) fn schedule(&self, due: Option<Timestamp>) {
        if self.note(due) {
            self.sooner.notify_one();
        }
    }

    /// As [`schedule`](Self::schedule), by the maintenance loop, which need not wake itself. Whether
    /// it is sooner than what was due before.
    pub(super) fn note(&self, due: Option<Timestamp>) -> bool {
        let Some(due) = due else { return false };
        let mut at = self.at.lock();
        let sooner = at.is_none_or(|at| due < at);
        if sooner {
            *at = Some(due);
        }
        sooner
    }

    /// When something is due.
    pub(super) fn get(&self) -> Option<Timestamp> {
        *self.at.lock()
    }

    /// Waits until something is due sooner than what was due before.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Nothing is due, until [`note`](Self::note) or [`schedule`](Self::schedule).
    pub(super) fn clear(&self) {
        *self.at.lock() = None;
    }
}
