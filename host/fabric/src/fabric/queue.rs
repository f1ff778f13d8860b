//! The fabric's queue: from a submission to its result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chimera_layer4_core::config::TaskStoreKind;
use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::{Filter, Keep, MemoryStore, Retention, TaskStore};
use chimera_layer4_core::scheduler::{Bounds, Ran, Submission, TaskState, Timestamp, settle};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{
    Digest, ExecutionResult, Fault, Layer4Config, Layer4Error, Layer4Result, ResourceQuota, Task,
    TaskId,
};
use chimera_layer4_folders::OwnFolder;

use super::{Fabric, folder, log};
use crate::scheduler::{
    Capacity, Observe, Placement, RunTask, Scheduler, SchedulerOptions, SchedulerStats, TaskHandle,
};
use chimera_layer4_stores::sqlite::{SqliteOptions, SqliteStore};

/// A lease outlives two heartbeats that were missed.
const HEARTBEATS_IN_LEASE: u32 = 3;

/// Opens the task store that the configuration names, and a scheduler on it.
pub(super) async fn open(
    config: &Layer4Config,
    runner: Arc<dyn RunTask>,
    observer: Option<Arc<dyn Observe>>,
) -> Layer4Result<Scheduler> {
    let options = scheduler_options(config, observer);
    let mut ended_before = Vec::new();
    let store: Arc<dyn TaskStore> = match (config.task_store, &config.data_dir) {
        (TaskStoreKind::Embedded, Some(folder)) => {
            let store = store_options(config, folder.clone(), &options);
            let (store, recovered) = SqliteStore::open(store).await?;
            if recovered.lost > 0 {
                let (lost, ended) = (recovered.lost, recovered.ended.len());
                tracing::warn!(lost, ended, "tasks were in hand when the host went down");
            }
            ended_before = recovered.ended;
            Arc::new(store)
        }
        _ => Arc::new(MemoryStore::default()),
    };
    Ok(Scheduler::new(store, runner, options).with_ended(ended_before))
}

fn scheduler_options(
    config: &Layer4Config,
    observer: Option<Arc<dyn Observe>>,
) -> SchedulerOptions {
    let defaults = SchedulerOptions::default();
    SchedulerOptions {
        observer: observer.unwrap_or(Arc::clone(&defaults.observer)),
        capacity: config.task_queue_capacity,
        lease: config.heartbeat_interval() * HEARTBEATS_IN_LEASE,
        retention: retention(config),
        ..defaults
    }
}

fn store_options(
    config: &Layer4Config,
    folder: PathBuf,
    options: &SchedulerOptions,
) -> SqliteOptions {
    let now = Timestamp::from((options.clock)());
    let (bounds, max_bytes) = (Bounds::default(), Some(config.max_store_bytes()));
    SqliteOptions { folder, now, bounds, max_bytes }
}

/// The queue of a data folder that no host has open, to look into and to
/// change. Nothing is run, and what the last host had in hand when it went down
/// stays as it is until a host opens the folder.
///
/// # Errors
/// `Configuration` without a data folder, or where another user could change it;
/// `Store` when a host has it open, or the store cannot be opened.
pub async fn open_queue(config: &Layer4Config) -> Layer4Result<Scheduler> {
    let opened = match config.task_store {
        TaskStoreKind::Embedded => folder::open(config)?,
        TaskStoreKind::Memory => None,
    };
    let Some(opened) = opened else {
        return Err(Layer4Error::Configuration(vec![
            "there is no queue outside of a host without a data folder; set `data_dir`, and \
             `task_store` to `embedded`"
                .into(),
        ]));
    };
    let options = scheduler_options(config, None);
    let store = store_options(config, opened.path().to_path_buf(), &options);
    let store = SqliteStore::look(store).await?;
    Ok(Scheduler::new(Arc::new(store), Arc::new(NoopRunner), options))
}

/// Runs nothing.
struct NoopRunner;

#[async_trait]
impl RunTask for NoopRunner {
    fn capacity(&self) -> Vec<Capacity> {
        Vec::new()
    }

    async fn prepare(&self, _agent_type: &str) -> Result<Option<Digest>, Fault> {
        Err(Fault::Stopped)
    }

    async fn run(&self, task: &Task, _attempt: u32, _place: &Placement) -> Ran {
        let result = settle::without_run(task.id, Fault::Stopped, Timestamp::default());
        Ran { result, genome: None, agent_id: None, log: LogTail::default() }
    }
}

fn retention(config: &Layer4Config) -> Retention {
    Retention {
        ended: Keep { count: config.result_retention_count, age: config.result_retention() },
        dead: Keep {
            count: config.dead_letter_retention_count,
            age: config.dead_letter_retention(),
        },
    }
}

/// Tasks that have not ended.
pub(super) fn pending(stats: &SchedulerStats) -> usize {
    let open = TaskState::ALL.into_iter().filter(|state| !state.has_ended());
    usize::try_from(open.map(|state| stats.count(state)).sum::<u64>()).unwrap_or(usize::MAX)
}

impl Fabric {
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
    pub async fn execute_task(&self, task: Task) -> Layer4Result<ExecutionResult> {
        self.execute(task.into()).await
    }

    /// As [`execute_task`](Self::execute_task), on terms of the submitter's own.
    ///
    /// # Errors
    /// As [`execute_task`](Self::execute_task).
    pub async fn execute(&self, submission: Submission) -> Layer4Result<ExecutionResult> {
        let scheduler = self.scheduler()?;
        // Whoever waits would rather hear at once that no agent can be had.
        if let Err(error) = self.pool.make_ready(&submission.task.target_agent_type).await {
            // What was done before needs none.
            return scheduler.execute_again(submission, error).await;
        }
        scheduler.capacity_changed();
        scheduler.execute(submission).await
    }

    /// Layer 2's entry: takes a task to be run in its turn. The same as
    /// [`submit`](Self::submit) with the terms that a task has by itself.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_discovery_task(&self, task: Task) -> Layer4Result<TaskId> {
        self.submit(task.into()).await
    }

    /// Takes a task and answers when it is in the store, which for the embedded
    /// one means on disk. It then ends once, whatever happens in between.
    ///
    /// # Errors
    /// Nothing was taken: `NotRunning`, `InvalidRequest`, `AgentTypeNotFound`,
    /// `AgentTypeLoading`, `AgentTypeDown`, `QueueFull`, `IdempotencyKeyTaken`, `Store`.
    pub async fn submit(&self, submission: Submission) -> Layer4Result<TaskId> {
        self.scheduler()?.submit(submission).await
    }

    /// Takes several tasks with one wait for the disk. Each has an answer of
    /// its own, in the order of the batch.
    ///
    /// # Errors
    /// `NotRunning` or `Store` when none could be taken.
    pub async fn submit_batch(
        &self,
        batch: Vec<Submission>,
    ) -> Layer4Result<Vec<Layer4Result<TaskId>>> {
        self.scheduler()?.submit_batch(batch).await
    }

    /// As [`submit_batch`](Self::submit_batch), for a submitter who will wait
    /// for the results: cheaper than to [`wait`](Self::wait) for each id.
    ///
    /// # Errors
    /// As [`submit_batch`](Self::submit_batch).
    pub async fn submit_tracked(
        &self,
        batch: Vec<Submission>,
    ) -> Layer4Result<Vec<Layer4Result<TaskHandle>>> {
        self.scheduler()?.submit_tracked(batch).await
    }

    /// Waits for how a task ends, or says how it has ended.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn wait(&self, task_id: TaskId) -> Layer4Result<ExecutionResult> {
        self.scheduler_or_its_rest()?.wait(task_id).await
    }

    /// Takes a task back: at once when it is queued, by ending its run
    /// otherwise. The answer is whether it was queued, and comes when the task is
    /// cancelled.
    ///
    /// # Errors
    /// `TaskNotFound`, `TaskEnded`, `Store`, `NotRunning`.
    pub async fn cancel(&self, task_id: TaskId) -> Layer4Result<bool> {
        self.scheduler()?.cancel(task_id).await
    }

    /// All that is known of a task.
    ///
    /// # Errors
    /// `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn get_task(&self, task_id: TaskId) -> Layer4Result<TaskRecord> {
        self.scheduler_or_its_rest()?.get(task_id).await?.ok_or(Layer4Error::TaskNotFound(task_id))
    }

    /// Tasks as the filter says, also while tasks that run have their time at
    /// the end.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn list_tasks(&self, filter: Filter) -> Layer4Result<Vec<TaskSummary>> {
        self.scheduler_or_its_rest()?.list(filter).await
    }

    /// Puts dead letters back in the queue, with all their attempts. The answer
    /// is those that were dead.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn requeue_dead_letters(&self, ids: Vec<TaskId>) -> Layer4Result<Vec<TaskId>> {
        let done = self.scheduler()?.requeue(ids).await?;
        log::done(log::Done::Requeued, &done);
        Ok(done)
    }

    /// Forgets tasks that have ended. The answer is those that had.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn purge_tasks(&self, ids: Vec<TaskId>) -> Layer4Result<Vec<TaskId>> {
        let done = self.scheduler()?.purge(ids).await?;
        log::done(log::Done::Purged, &done);
        Ok(done)
    }

    /// What waits, runs and has ended, also while tasks that run have their time
    /// at the end.
    ///
    /// # Errors
    /// `Store`, `NotRunning`.
    pub async fn get_scheduler_stats(&self) -> Layer4Result<SchedulerStats> {
        self.scheduler_or_its_rest()?.stats().await
    }

    /// The quota of a task that brings none.
    #[must_use]
    pub fn default_quota(&self) -> &ResourceQuota {
        &self.config.default_resource_quota
    }

    /// The largest component that is taken, in bytes.
    #[must_use]
    pub fn max_component_bytes(&self) -> u64 {
        self.config.max_component_bytes()
    }

    /// Where this host keeps what it has; `None`: nowhere.
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_folder().map(OwnFolder::path)
    }

    /// The same, open.
    pub fn data_folder(&self) -> Option<&OwnFolder> {
        self.data.as_ref()
    }

    /// The agent types that tasks may target.
    #[must_use]
    pub fn agent_types(&self) -> Vec<String> {
        self.pool.agents.known_types()
    }

    /// Whether tasks may target this type: an agent of it runs, or it is registered.
    #[must_use]
    pub fn knows_agent_type(&self, name: &str) -> bool {
        self.pool.agents.knows(name)
    }

    fn scheduler(&self) -> Layer4Result<&Scheduler> {
        self.check_running()?;
        self.scheduler.get().ok_or_else(|| self.not_running())
    }

    /// For those who look: also while tasks that run have their time at the end.
    fn scheduler_or_its_rest(&self) -> Layer4Result<&Scheduler> {
        self.scheduler.get().ok_or_else(|| self.not_running())
    }

    /// Whether tasks of an agent type can run here.
    ///
    /// # Errors
    /// `AgentTypeLoading` while its first agents are started; `AgentTypeDown` where
    /// they did not start; `AgentTypeNotFound`, with those that there are.
    pub fn must_know(&self, agent_type: &str) -> Layer4Result<()> {
        self.pool.agents.must_know(agent_type)
    }
}
