//! Subscribers to the results of tasks.

use std::collections::HashMap;
use std::sync::Arc;

use chimera_layer4_core::{ExecutionResult, TaskId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Subscribers, by the task that they wait for.
#[derive(Default)]
pub(super) struct ResultSubscribers(Mutex<HashMap<TaskId, Vec<oneshot::Sender<ExecutionResult>>>>);

impl ResultSubscribers {
    /// Receives the task's result from now on.
    pub(super) fn register(self: &Arc<Self>, id: TaskId) -> Subscription {
        let (sender, receiver) = oneshot::channel();
        self.lock().entry(id).or_default().push(sender);
        Subscription { subscribers: Arc::clone(self), id, receiver }
    }

    pub(super) fn has(&self, id: TaskId) -> bool {
        self.lock().contains_key(&id)
    }

    pub(super) fn notify(&self, result: &ExecutionResult) {
        let subscribers = self.lock().remove(&result.task_id).unwrap_or_default();
        for subscriber in subscribers {
            // A subscriber may have gone meanwhile.
            let _ = subscriber.send(result.clone());
        }
    }

    /// No result is sent for this task.
    pub(super) fn forget(&self, id: TaskId) {
        self.lock().remove(&id);
    }

    /// No further result is sent.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Vec<oneshot::Sender<ExecutionResult>>>> {
        self.0.lock()
    }
}

/// A caller that waits. It leaves the list when dropped: tasks that are refused or
/// unknown never end.
pub(super) struct Subscription {
    subscribers: Arc<ResultSubscribers>,
    id: TaskId,
    receiver: oneshot::Receiver<ExecutionResult>,
}

impl Subscription {
    /// How the task ended; `None` when no result will come.
    pub(super) async fn recv(mut self) -> Option<ExecutionResult> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.receiver.close();
        let mut all = self.subscribers.lock();
        if let Some(others) = all.get_mut(&self.id) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                all.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn subscribers_that_have_gone_leave_nothing_behind() {
        let subscribers = Arc::new(ResultSubscribers::default());
        let id = TaskId::from(Uuid::nil());
        let (one, other) = (subscribers.register(id), subscribers.register(id));
        drop(one);
        assert!(subscribers.has(id));
        drop(other);
        assert!(!subscribers.has(id));
    }
}
