//! Where tasks are kept.
//!
//! [`TaskStore`] is what the scheduler asks for. [`TaskQueue`] applies the rules of
//! [`machine`](super::machine) and [`fair_queue`](super::fair_queue) to [`Rows`], so the
//! memory store here and the SQLite store of the host decide alike and differ
//! only in how they keep a row.

mod memory;
mod queue;
mod requests;
mod rows;
#[cfg(any(test, feature = "store-suite"))]
pub mod suite;

use async_trait::async_trait;

pub use self::memory::MemoryStore;
pub use self::queue::clock::SET_MS;
pub use self::queue::{Counted, TaskQueue};
pub use self::requests::{
    CancelAnswer, Claim, ClaimRequest, Claimed, Durability, Extension, Filter, Handed, Keep, Lease,
    NewTask, Order, Retention, Settled, StoreStats, SubmitTerms, Submitted, Swept, TypeSlots,
    Verdict,
};
pub use self::rows::{Census, NewRow, Row, Rows};

use super::machine::{Bounds, TaskState, TransitionError};
use super::record::{TaskRecord, TaskSummary};
use super::submission::Submission;
use super::time::Timestamp;
use crate::{Digest, TaskId};

/// Why a store did not do what it was asked. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later: the disk is full, say.
    #[error("the task store cannot write: {reason}; nothing was changed, try again later")]
    Unavailable {
        /// What the system said.
        reason: String,
    },
    /// It will not work again before an operator has repaired it.
    #[error("the task store has failed: {reason}")]
    Failed {
        /// What was found, and what to do.
        reason: String,
    },
    /// It was closed.
    #[error("the task store is closed")]
    Closed,
}

impl StoreError {
    /// A stable word for logs, metrics and programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Unavailable { .. } => "store-unavailable",
            StoreError::Failed { .. } => "store-failed",
            StoreError::Closed => "store-closed",
        }
    }
}

/// Keeps tasks, and moves them along the edges of the state machine.
///
/// An answer is given when what it promises would survive a crash of the
/// process; [`Durability`] says which answers wait for the disk. Each edge is a
/// compare-and-set on state and fence, so several hosts may share a store.
/// A store with a clock of its own may ignore the times handed in.
#[async_trait]
pub trait TaskStore: Send + Sync + 'static {
    /// Takes tasks, each answered by itself.
    ///
    /// # Errors
    /// Nothing was taken.
    async fn submit(
        &self,
        batch: Vec<Submission>,
        terms: SubmitTerms,
    ) -> Result<Vec<Submitted>, StoreError>;

    /// How these would be answered as repeats of what was submitted before, under
    /// the same key or identity; `None` for what is new. Nothing is taken.
    ///
    /// # Errors
    /// The store cannot say.
    async fn repeats(&self, batch: Vec<Submission>) -> Result<Vec<Option<Submitted>>, StoreError>;

    /// Hands out waiting tasks in the order of their turns, each with a lease.
    ///
    /// # Errors
    /// Nothing was handed out.
    async fn claim(&self, request: ClaimRequest) -> Result<Claim, StoreError>;

    /// Marks claimed tasks as running.
    ///
    /// # Errors
    /// Nothing was marked.
    async fn start(
        &self,
        leases: Vec<Lease>,
        genome: Option<Digest>,
    ) -> Result<Vec<Result<(), TransitionError>>, StoreError>;

    /// Heartbeats: leases that last until `until` now, those that were lost,
    /// and those whose submitters want them back.
    ///
    /// # Errors
    /// Nothing was extended.
    async fn extend(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Extension, StoreError>;

    /// Moves tasks on whose runs have ended. A refused one was lost meanwhile.
    ///
    /// # Errors
    /// Nothing was moved.
    async fn settle(
        &self,
        settled: Vec<Settled>,
        now: Timestamp,
    ) -> Result<Vec<Verdict>, StoreError>;

    /// Takes a task back: at once when it is queued, by its runner otherwise.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn cancel(&self, id: TaskId, now: Timestamp) -> Result<CancelAnswer, StoreError>;

    /// Puts dead tasks back in the queue. The answer is those that were dead.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn requeue(&self, ids: Vec<TaskId>, now: Timestamp) -> Result<Vec<TaskId>, StoreError>;

    /// Forgets tasks that have ended. The answer is those that had.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn purge(&self, ids: Vec<TaskId>) -> Result<Vec<TaskId>, StoreError>;

    /// The maintenance sweep: delayed tasks that are due wait, leases that are over
    /// are lost, deadlines that have passed end their tasks. Bounded; more may be
    /// left.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn sweep(&self, now: Timestamp, bounds: Bounds) -> Result<Swept, StoreError>;

    /// The system's clock was set: by so many milliseconds as it was ahead of a
    /// steady one, `was`, and is now, `is`. Several hosts may report one such
    /// change; it counts once.
    /// What is relative goes with it: since when a task waits, when a run is made
    /// again, how long a lease lasts. A start that was set for a time of day, and
    /// deadlines, stay. A host also reports how far ahead its clock is when it
    /// starts.
    ///
    /// The times that a host passes are of the clock that it reported last. A
    /// store with several hosts must therefore answer `Unavailable` to a host
    /// that has not yet reported a change of the clock that another one reported.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn clock_was_set(&self, was: i64, is: i64) -> Result<(), StoreError>;

    /// Forgets ended tasks beyond what is to be kept. Bounded; more may be left.
    /// The answer is how many were forgotten.
    ///
    /// # Errors
    /// Nothing was forgotten.
    async fn retain(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError>;

    /// All that is known of a task.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError>;

    /// Tasks in one state, in the order of their `at`.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn list(&self, filter: Filter) -> Result<Vec<TaskSummary>, StoreError>;

    /// Counts.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn stats(&self) -> Result<StoreStats, StoreError>;

    /// Writes what is left to write, and takes nothing more.
    async fn close(&self);
}

/// Ended states: those that retention applies to.
pub const ENDED: [TaskState; 3] = [TaskState::Succeeded, TaskState::Dead, TaskState::Cancelled];

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs act by the code: it distinguishes what may work later from what will not.
    #[test]
    fn an_error_of_a_store_has_a_code_and_says_what_it_was() {
        let reason = || "the disk is full".to_owned();
        for (error, code, message) in [
            (StoreError::Unavailable { reason: reason() }, "store-unavailable", "try again later"),
            (StoreError::Failed { reason: reason() }, "store-failed", "the disk is full"),
            (StoreError::Closed, "store-closed", "closed"),
        ] {
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
