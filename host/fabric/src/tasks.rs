//! [`Tasks`]: from a submission to its result.

use std::sync::Arc;

use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::Filter;
use chimera_layer4_core::scheduler::submission::ASKED_FOR_LABEL;
use chimera_layer4_core::scheduler::{Submission, TaskState};
use chimera_layer4_core::{ExecutionResult, FabricConfig, FabricError, FabricResult, Task, TaskId};
use chimera_layer4_runtime::RunReport;
use chimera_layer4_stores::Stores;
use tokio::sync::OnceCell;

use crate::agents::pool::AgentPool;
use crate::lifecycle::{Lifecycle, Phase};
use crate::queue;
use crate::scheduler::{Observe, Placement, RunTask, Scheduler, SchedulerStats, TaskHandle};
use crate::telemetry::{Telemetry, log};

/// The tasks of a fabric: submitted, waited for, listed, cancelled.
///
/// A task's `target_agent_type` is the name of an agent type or, where none has that name, a
/// task type that agents say they support. The task then goes to an agent type that does, and
/// its label `layer4.asked_for` has what was named. The refinement of an agent type
/// (`Fabric::refine_agent_type`) changes the tasks that are submitted to it, however that is done.
pub struct Tasks {
    pool: Arc<AgentPool>,
    life: Arc<Lifecycle>,
    /// Made at the start, since it opens the store.
    scheduler: OnceCell<Scheduler>,
}

impl Tasks {
    pub(crate) fn new(pool: Arc<AgentPool>, life: Arc<Lifecycle>) -> Self {
        Self { pool, life, scheduler: OnceCell::new() }
    }

    /// Opens the store; no task runs before [`Scheduler::start`].
    pub(crate) async fn open(
        &self,
        config: &FabricConfig,
        stores: &Stores,
        telemetry: &Arc<Telemetry>,
    ) -> FabricResult<&Scheduler> {
        let open = || async {
            let runner: Arc<dyn RunTask> = Arc::clone(&self.pool) as _;
            let observer: Arc<dyn Observe> = Arc::clone(telemetry) as _;
            let scheduler = queue::open(config, stores, runner, observer).await?;
            self.pool.wakes(scheduler.waker());
            Ok(scheduler)
        };
        self.scheduler.get_or_try_init(open).await
    }

    /// Once [`open`](Self::open) went well.
    pub(crate) fn scheduler(&self) -> Option<&Scheduler> {
        self.scheduler.get()
    }

    /// Submits a task and waits for its result.
    ///
    /// A task that was taken always has a result: `success` says how it ended
    /// and `fault` why. What the agent logged goes to the host's log, under the
    /// target `agent`. Dropping the future cancels the task. A task that was
    /// submitted before, by its id or its key, is waited for, also when no agent
    /// of its type is left.
    ///
    /// # Errors
    /// Before the task is taken: as [`submit`](Self::submit), and what starting
    /// an agent of a registered type failed with. `NotRunning` when the fabric
    /// is shut down first; a task in a durable store is still queued then.
    pub async fn execute(&self, task: impl Into<Submission>) -> FabricResult<ExecutionResult> {
        let scheduler = self.running()?;
        let submission = self.sent(scheduler, task.into()).await;
        // A caller that waits for the result gets the error at once if no agent can start.
        if let Err(error) = self.pool.make_ready(&submission.task.target_agent_type).await {
            // What was done before needs none.
            return scheduler.execute_again(submission, error).await;
        }
        scheduler.capacity_changed();
        scheduler.execute(submission).await
    }

    /// Runs a task once, outside of the queue, with all that was measured and
    /// all that the agent reported. Nothing is kept of it and nothing made
    /// again; dropping the future ends the run.
    ///
    /// # Errors
    /// Only before the task is taken: `NotRunning`, `InvalidRequest`,
    /// `AgentTypeNotFound`, `QueueFull`, or what starting an agent of a
    /// registered type failed with.
    pub async fn run_once(&self, task: &Task) -> FabricResult<RunReport> {
        self.life.check_running()?;
        let complaints = task.complaints();
        if !complaints.is_empty() {
            return Err(FabricError::InvalidRequest(complaints));
        }
        let mut sent = task.clone();
        self.pool.agents.admit_task(&mut sent);
        let agent = self.pool.admit(&sent.target_agent_type).await?;
        Ok(self.pool.run_on(&agent, &sent, 1, &Placement::default()).await)
    }

    /// Takes a task and answers when it is in the store, which for the embedded
    /// one means on disk. It then ends once, whatever happens in between.
    ///
    /// # Errors
    /// Nothing was taken: `NotRunning`, `InvalidRequest`, `AgentTypeNotFound`,
    /// `AgentTypeLoading`, `AgentTypeDown`, `QueueFull`, `IdempotencyKeyTaken`, `Store`.
    pub async fn submit(&self, task: impl Into<Submission>) -> FabricResult<TaskId> {
        let scheduler = self.running()?;
        scheduler.submit(self.sent(scheduler, task.into()).await).await
    }

    /// Takes several tasks with one wait for the disk. Each has an answer of
    /// its own, in the order of the batch.
    ///
    /// # Errors
    /// `NotRunning` or `Store` when none could be taken.
    pub async fn submit_batch(
        &self,
        batch: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskId>>> {
        let scheduler = self.running()?;
        scheduler.submit_batch(self.all_sent(scheduler, batch).await).await
    }

    /// As [`submit_batch`](Self::submit_batch), for a submitter that will wait
    /// for the results: cheaper than to [`wait`](Self::wait) for each id.
    ///
    /// # Errors
    /// As [`submit_batch`](Self::submit_batch).
    pub async fn submit_tracked(
        &self,
        batch: Vec<Submission>,
    ) -> FabricResult<Vec<FabricResult<TaskHandle>>> {
        let scheduler = self.running()?;
        scheduler.submit_tracked(self.all_sent(scheduler, batch).await).await
    }

    /// Waits for how a task ends, or says how it has ended.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn wait(&self, task_id: TaskId) -> FabricResult<ExecutionResult> {
        self.readable()?.wait(task_id).await
    }

    /// Takes a task back: at once when it is queued, by ending its run
    /// otherwise, also while a host drains. The answer is whether it was queued, and
    /// comes when the task is cancelled.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`, `NotRunning`; `TaskEnded`, also when its run ended
    /// otherwise before it could be stopped.
    pub async fn cancel(&self, task_id: TaskId) -> FabricResult<bool> {
        if self.life.phase() == Phase::Stopped {
            return Err(self.life.not_running());
        }
        self.readable()?.cancel(task_id).await
    }

    /// All that is known of a task.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn get(&self, task_id: TaskId) -> FabricResult<TaskRecord> {
        self.readable()?.get(task_id).await?.ok_or(FabricError::TaskNotFound(task_id))
    }

    /// Tasks as the filter says, also while tasks that run have their time at
    /// the end.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn list(&self, filter: Filter) -> FabricResult<Vec<TaskSummary>> {
        self.readable()?.list(filter).await
    }

    /// Puts dead letters back in the queue, with all their attempts. The answer
    /// is those that were dead.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn requeue(&self, ids: Vec<TaskId>) -> FabricResult<Vec<TaskId>> {
        let done = self.running()?.requeue(ids).await?;
        log::done(log::Done::Requeued, &done);
        Ok(done)
    }

    /// Forgets tasks that have ended. The answer is those that had.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn purge(&self, ids: Vec<TaskId>) -> FabricResult<Vec<TaskId>> {
        let done = self.running()?.purge(ids).await?;
        log::done(log::Done::Purged, &done);
        Ok(done)
    }

    /// What waits, runs and has ended, also while tasks that run have their time
    /// at the end.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn stats(&self) -> FabricResult<SchedulerStats> {
        self.readable()?.stats().await
    }

    /// What a submission becomes: a task that names a task type goes to an agent type that
    /// supports it, and refinements change it. One that was taken before stays where it went,
    /// whatever agents and refinements there are now.
    async fn sent(&self, scheduler: &Scheduler, mut submission: Submission) -> Submission {
        let task = &mut submission.task;
        task.metadata.remove(ASKED_FOR_LABEL);
        let mut before = None;
        if self.pool.agents.may_go_elsewhere(&task.target_agent_type) {
            // Where the store cannot say, the submission meets the same error.
            let known = scheduler.get(task.id).await.ok().flatten().map(|record| record.task);
            before = known.filter(|known| known.asked_for() == task.target_agent_type);
        }
        self.pool.agents.admit_task(task);
        if let Some(before) = before {
            task.send_to(&before.target_agent_type);
        }
        submission
    }

    async fn all_sent(&self, scheduler: &Scheduler, batch: Vec<Submission>) -> Vec<Submission> {
        let mut sent = Vec::with_capacity(batch.len());
        for one in batch {
            sent.push(self.sent(scheduler, one).await);
        }
        sent
    }

    fn running(&self) -> FabricResult<&Scheduler> {
        self.life.check_running()?;
        self.scheduler.get().ok_or_else(|| self.life.not_running())
    }

    /// For reading requests: also while running tasks finish at the end.
    fn readable(&self) -> FabricResult<&Scheduler> {
        self.scheduler.get().ok_or_else(|| self.life.not_running())
    }
}

/// Tasks that have not ended.
pub(crate) fn pending(stats: &SchedulerStats) -> usize {
    let open = TaskState::ALL.into_iter().filter(|state| !state.has_ended());
    usize::try_from(open.map(|state| stats.count(state)).sum::<u64>()).unwrap_or(usize::MAX)
}
