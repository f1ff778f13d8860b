//! [`Scheduler`]: moves tasks from the store to the runner, and back.
//!
//! What is decided is decided in [`chimera_layer4_core::scheduler`], without a clock; here are
//! the loops that wait. One loop claims and hands out (`dispatch`), each task in flight is a
//! future of its own (`run`), and one loop does what is due by time
//! (`maintenance`). The scheduler knows its store and its runner as traits.

mod arms;
mod dispatch;
mod ending;
mod handle;
mod in_flight;
mod maintenance;
mod observe;
mod options;
mod run;
mod runner;
mod shared;
mod submit;
mod subscribers;
mod time;
mod types;
mod wake_timer;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::{CancelAnswer, Durability, Filter, TaskStore};
use chimera_layer4_core::scheduler::{Submission, TaskState};
use chimera_layer4_core::{ExecutionResult, FabricError, FabricResult, TaskId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use self::handle::TaskHandle;
pub use self::observe::{Change, End, Observe, TaskChange};
pub use self::options::{Clock, SchedulerOptions};
pub use self::runner::{Arm, Capacity, Placement, RunTask};
pub(crate) use self::time::moment;
pub use chimera_layer4_core::scheduler::stats::{GenomeBreaker, SchedulerStats, TypeStats};

use self::shared::Shared;
use self::submit::{Accepted, CancelOnDrop};
use crate::lifecycle::Phase;

/// Takes tasks, has them run, and keeps at it until each has ended.
pub struct Scheduler {
    shared: Arc<Shared>,
    loops: Mutex<Vec<JoinHandle<()>>>,
}

/// Has a scheduler look for work; it keeps nothing of it alive.
pub(crate) struct Waker(Arc<Notify>);

impl Waker {
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// The time for a cancelled run to end and for its end to be written to the
/// store. A guest is stopped within milliseconds; a store that cannot write
/// takes longer.
const LAST_OF_A_CANCELLED: Duration = Duration::from_secs(10);

impl Scheduler {
    /// A scheduler over this store and runner; nothing runs before
    /// [`start`](Self::start), but tasks are taken.
    #[must_use]
    pub fn new(
        store: Arc<dyn TaskStore>,
        runner: Arc<dyn RunTask>,
        options: SchedulerOptions,
    ) -> Self {
        let shared = Shared::new(store, runner, options);
        Self { shared: Arc::new(shared), loops: Mutex::default() }
    }

    /// As it starts, reports tasks that ended before this scheduler was made.
    #[must_use]
    pub fn with_ended(self, ids: Vec<TaskId>) -> Self {
        self.shared.unobserved().extend(ids);
        self
    }

    /// Begins to run tasks, those too that the store held before. Started
    /// twice is the same as once.
    pub fn start(&self) {
        let shared = &self.shared;
        if shared.life.advance(Phase::Running) != Phase::New {
            return;
        }
        // First the maintenance loop, which tells the store of the clock before anything is claimed.
        let maintenance = tokio::spawn(maintenance::run(Arc::clone(shared)));
        let dispatch = tokio::spawn(dispatch::run(Arc::clone(shared)));
        self.loops.lock().extend([dispatch, maintenance]);
    }

    /// Takes a task and answers when it is on disk: whatever happens then, it
    /// ends once.
    ///
    /// # Errors
    /// `InvalidRequest`, `QueueFull`, `IdempotencyKeyTaken`, `Store`; nothing
    /// was taken.
    pub async fn submit(&self, submission: Submission) -> FabricResult<TaskId> {
        let mut answers = self.submit_batch(vec![submission]).await?;
        answers.pop().unwrap_or(Err(FabricError::NotRunning { state: "shut down" }))
    }

    /// Takes several tasks with one wait for the disk, each answered by itself.
    ///
    /// # Errors
    /// `Store` when none could be taken.
    pub async fn submit_batch(
        &self,
        batch: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskId>>> {
        let accepted = Arc::clone(&self.shared).submit(batch, Durability::Durable).await?;
        Ok(accepted.into_iter().map(|accepted| accepted.map(Accepted::id)).collect())
    }

    /// As [`submit_batch`](Self::submit_batch), for a submitter that will wait
    /// for the results: each result is sent as soon as it is known, without a read
    /// of the store.
    ///
    /// # Errors
    /// As [`submit_batch`](Self::submit_batch).
    pub async fn submit_tracked(
        &self,
        batch: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskHandle>>> {
        let shared = &self.shared;
        // Subscribe before submitting, so that the end of a task that ends at once is not missed.
        let subscriptions: Vec<_> =
            batch.iter().map(|one| shared.subscribers.register(one.task.id)).collect();
        let accepted = Arc::clone(shared).submit(batch, Durability::Durable).await?;
        let handle = |(accepted, subscription)| match accepted {
            Ok(Accepted::New(id)) => Ok(TaskHandle::new(shared, id, Some(subscription))),
            Ok(Accepted::Duplicate(first)) => Ok(TaskHandle::new(shared, first, None)),
            Err(error) => Err(error),
        };
        Ok(accepted.into_iter().zip(subscriptions).map(handle).collect())
    }

    /// Takes a task and waits for how it ends. The task is on disk when its
    /// result is. Dropping the future takes the task back.
    ///
    /// A task that was submitted before, by its id or its key, is waited for.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); `NotRunning` when the scheduler is shut
    /// down first: the task stays queued then, where the store outlives the
    /// process, and is waited for again by submitting it under the same id.
    pub async fn execute(&self, submission: Submission) -> FabricResult<ExecutionResult> {
        let shared = &self.shared;
        let subscription = shared.subscribers.register(submission.task.id);
        let accepting = Arc::clone(shared).submit(vec![submission], Durability::WithResult);
        let mut guard = CancelOnDrop::new(Arc::clone(shared), accepting);
        match guard.accepted().await? {
            Accepted::New(_) => {
                let result = subscription.recv().await.ok_or_else(|| shared.not_running());
                guard.disarm();
                result
            }
            Accepted::Duplicate(first) => {
                drop(subscription);
                self.wait(first).await
            }
        }
    }

    /// Waits for how the task ended, or ends, that a submission repeats, by its id
    /// or its key. Nothing is taken.
    ///
    /// # Errors
    /// `otherwise` where it repeats none; else as [`execute`](Self::execute).
    pub async fn execute_again(
        &self,
        submission: Submission,
        otherwise: FabricError,
    ) -> FabricResult<ExecutionResult> {
        let first = self.shared.repeated(submission, otherwise).await?;
        self.wait(first).await
    }

    /// Waits for how a task ends.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`; `NotRunning` when the scheduler is shut down first.
    pub async fn wait(&self, id: TaskId) -> FabricResult<ExecutionResult> {
        self.shared.wait(id).await
    }

    /// Takes a task back: at once when it is queued, otherwise its run is ended.
    /// Returns whether it was queued, when the task is cancelled, or after ten
    /// seconds if the end of the run is not written to the store by then.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`; `TaskEnded`, also when its run ended otherwise
    /// before it could be stopped.
    pub async fn cancel(&self, id: TaskId) -> FabricResult<bool> {
        let shared = &self.shared;
        // Subscribed first, so that the end of a run that ends at once is not missed.
        let ended = shared.subscribers.register(id);
        match shared.cancel(id).await? {
            CancelAnswer::Cancelled => {
                shared.ended(&[id]).await;
                Ok(true)
            }
            CancelAnswer::Requested => {
                // If another host runs it, that host learns of it with its next heartbeat.
                if shared.in_flight.cancel(id)
                    && timeout(LAST_OF_A_CANCELLED, ended.recv()).await.is_err()
                {
                    tracing::warn!(%id, "a cancelled run has not ended yet");
                }
                // A run that ended before it could be stopped keeps its result.
                match shared.store.get(id).await?.map(|record| record.state) {
                    Some(state) if state.has_ended() && state != TaskState::Cancelled => {
                        Err(FabricError::TaskEnded { id, state })
                    }
                    _ => Ok(false),
                }
            }
            CancelAnswer::Ended(state) => Err(FabricError::TaskEnded { id, state }),
            CancelAnswer::Unknown => Err(FabricError::TaskNotFound(id)),
        }
    }

    /// All that is known of a task.
    ///
    /// # Errors
    /// `Store`.
    pub async fn get(&self, id: TaskId) -> FabricResult<Option<TaskRecord>> {
        Ok(self.shared.store.get(id).await?)
    }

    /// Tasks in one state, in the order of their time.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, filter: Filter) -> FabricResult<Vec<TaskSummary>> {
        Ok(self.shared.store.list(filter).await?)
    }

    /// Puts dead letters back in the queue, with all their attempts. The
    /// answer is those that were dead.
    ///
    /// # Errors
    /// `Store`.
    pub async fn requeue(&self, ids: Vec<TaskId>) -> FabricResult<Vec<TaskId>> {
        let reading = self.shared.time.for_write().await;
        let requeued = self.shared.store.requeue(ids, reading.now).await?;
        drop(reading);
        self.shared.work.notify_one();
        Ok(requeued)
    }

    /// Forgets tasks that have ended. The answer is those that had.
    ///
    /// # Errors
    /// `Store`.
    pub async fn purge(&self, ids: Vec<TaskId>) -> FabricResult<Vec<TaskId>> {
        Ok(self.shared.store.purge(ids).await?)
    }

    /// What waits, runs and has ended.
    ///
    /// # Errors
    /// `Store`.
    pub async fn stats(&self) -> FabricResult<SchedulerStats> {
        let store = self.shared.store.stats().await?;
        let now = self.shared.now();
        let types = self.shared.types().stats(self.shared.time.moment());
        let in_flight = self.shared.in_flight.count();
        Ok(SchedulerStats::new(store, types, in_flight, now))
    }

    /// Tasks claimed and not settled yet.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.shared.in_flight.count()
    }

    /// Looks for work: slots have become free, or types known, outside of the
    /// scheduler's sight.
    pub fn capacity_changed(&self) {
        self.shared.work.notify_one();
    }

    /// Returns a handle that does the same, for a holder that outlives the scheduler or that the
    /// scheduler refers to.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.shared.work))
    }
}
