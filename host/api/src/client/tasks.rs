//! Tasks and dead letters.

use std::time::Duration;

use chimera_layer4_core::TaskId;
use tokio::sync::mpsc;

use super::send::Ask;
use super::{Client, ClientResult, Event};
use crate::paths;
use crate::tasks::{
    Cancelled, Done, InState, List, ListedState, Page, Pick, Submitted, TaskRecord, TaskRequest,
    Wait,
};

impl Client {
    /// Submits a task; the answer comes when it is on disk.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn submit(&self, task: &TaskRequest) -> ClientResult<Submitted> {
        self.0.ask(Ask::post(paths::tasks()).json(task)?).await
    }

    /// All that is known of a task.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn task(&self, id: TaskId) -> ClientResult<TaskRecord> {
        self.0.ask(Ask::get(paths::task(id))).await
    }

    /// All that is known of a task when it has ended, or when the time is over; the time
    /// counts in whole seconds.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn task_at_its_end(&self, id: TaskId, wait: Duration) -> ClientResult<TaskRecord> {
        let wait = Wait { wait: Some(format!("{}s", wait.as_secs())) };
        self.0.ask(Ask::get(paths::task(id)).query(&wait)?).await
    }

    /// A page of the tasks in a state, or of all.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn tasks(&self, state: ListedState, list: &List) -> ClientResult<Page> {
        let state = InState { state: Some(state) };
        self.0.ask(Ask::get(paths::tasks()).query(&state)?.query(list)?).await
    }

    /// Takes a task back.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn cancel_task(&self, id: TaskId) -> ClientResult<Cancelled> {
        self.0.ask(Ask::post(paths::task_cancel(id))).await
    }

    /// Forgets a task that has ended.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn forget_task(&self, id: TaskId) -> ClientResult<()> {
        self.0.ask(Ask::delete(paths::task(id))).await
    }

    /// What happens to a task, until it has ended or the receiver is dropped. The
    /// channel ends early where the host does not answer, and says nothing of it.
    #[must_use]
    pub fn task_events(&self, id: TaskId) -> mpsc::Receiver<Event> {
        self.0.events(paths::task_events(id))
    }

    /// Puts dead letters back in the queue.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn requeue_dead_letters(&self, pick: &Pick) -> ClientResult<Done> {
        self.0.ask(Ask::post(paths::dead_letters_requeue()).json(pick)?).await
    }

    /// Forgets dead letters.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn purge_dead_letters(&self, pick: &Pick) -> ClientResult<Done> {
        self.0.ask(Ask::post(paths::dead_letters_purge()).json(pick)?).await
    }
}
