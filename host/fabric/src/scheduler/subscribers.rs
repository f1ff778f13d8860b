//! Waiters for the results of tasks.

use std::collections::HashMap;
use std::sync::Arc;

use chimera_layer4_core::{ExecutionResult, TaskId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Waiters, by the task that they wait for.
#[derive(Default)]
pub(super) struct ResultSubscribers(Mutex<HashMap<TaskId, Vec<oneshot::Sender<ExecutionResult>>>>);

impl ResultSubscribers {
    /// Receives the task's result from now on.
    pub(super) fn register(self: &Arc<Self>, id: TaskId) -> Waiting {
        let (sender, receiver) = oneshot::channel();
        self.lock().entry(id).or_default().push(sender);
        Waiting { waiters: Arc::clone(self), id, receiver }
    }

    pub(super) fn has(&self, id: TaskId) -> bool {
        self.lock().contains_key(&id)
    }

    pub(super) fn tell(&self, result: &ExecutionResult) {
        let waiting = self.lock().remove(&result.task_id).unwrap_or_default();
        for waiter in waiting {
            // A waiter may have gone meanwhile.
            let _ = waiter.send(result.clone());
        }
    }

    /// No result is sent for this task.
    pub(super) fn forget(&self, id: TaskId) {
        self.lock().remove(&id);
    }

    /// No further result is sent.
    pub(super) fn dismiss(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Vec<oneshot::Sender<ExecutionResult>>>> {
        self.0.lock()
    }
}

/// A caller that waits. It leaves the list when dropped: tasks that are refused or
/// unknown never end.
pub(super) struct Waiting {
    waiters: Arc<ResultSubscribers>,
    id: TaskId,
    receiver: oneshot::Receiver<ExecutionResult>,
}

impl Waiting {
    /// How the task ended; `None` when no result will come.
    pub(super) async fn heard(mut self) -> Option<ExecutionResult> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiting = self.waiters.lock();
        if let Some(others) = waiting.get_mut(&self.id) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                waiting.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn waiters_that_have_gone_leave_nothing_behind() {
        let waiters = Arc::new(ResultSubscribers::default());
        let id = TaskId::from(Uuid::nil());
        let (one, other) = (waiters.register(id), waiters.register(id));
        drop(one);
        assert!(waiters.has(id));
        drop(other);
        assert!(!waiters.has(id));
    }
}
