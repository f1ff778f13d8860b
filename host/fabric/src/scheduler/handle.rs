//! The handle that a submitter gets for its task.

use std::sync::Arc;

use chimera_layer4_core::{ExecutionResult, FabricResult, TaskId};

use super::Shared;
use super::subscribers::Subscription;

/// A task that was taken. Dropping it changes nothing: the task runs in its
/// turn, and [`Scheduler::wait`](super::Scheduler::wait) still tells its result.
pub struct TaskHandle {
    id: TaskId,
    /// `None` for a task that was submitted before, and may have ended.
    subscription: Option<Subscription>,
    shared: Arc<Shared>,
}

impl TaskHandle {
    pub(super) fn new(
        shared: &Arc<Shared>,
        id: TaskId,
        subscription: Option<Subscription>,
    ) -> Self {
        Self { id, subscription, shared: Arc::clone(shared) }
    }

    /// The task's identity; under an idempotency key that was used before, the
    /// first task's.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Waits for how the task ends.
    ///
    /// # Errors
    /// As [`Scheduler::wait`](super::Scheduler::wait).
    pub async fn result(self) -> FabricResult<ExecutionResult> {
        match self.subscription {
            Some(subscription) => {
                subscription.recv().await.ok_or_else(|| self.shared.not_running())
            }
            None => self.shared.wait(self.id).await,
        }
    }
}
