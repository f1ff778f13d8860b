//! The queue that commands work on: a data folder that no host has open, or
//! the host that serves it.

use std::time::Duration;

use chimera_layer4_api::client::ClientResult;
use chimera_layer4_api::host::Stats;
use chimera_layer4_api::tasks::{Cancelled, Done, List, Pick, TaskRequest, These, cursor};
use chimera_layer4_api::{Client, ClientError, Problem};
use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::Filter;
use chimera_layer4_core::scheduler::{Submission, TaskState};
use chimera_layer4_core::{FabricConfig, FabricError, TaskId};

use super::client;
use super::exit::BadInput;
use chimera_layer4_fabric::open_queue;
use chimera_layer4_fabric::scheduler::Scheduler;

/// One of these is in every folder that a host or a command has kept things in.
const KEPT: [&str; 5] = ["chimera.db", "compiled", "genomes", "keyvalue.db", "evolution"];

/// Refuses a folder that is no data folder. A command that looks would otherwise
/// make what it looks for, wherever a mistyped path leads. A folder that this
/// user may not enter is not refused here: opening it reports the error.
///
/// # Errors
/// There is no such folder, or nothing of a host's is in it.
pub(super) fn must_be_data_folder(config: &FabricConfig) -> Result<(), BadInput> {
    let Some(folder) = &config.data_dir else { return Ok(()) };
    let shown = folder.display();
    let message = if !folder.exists() {
        format!("there is no folder {shown}, and a command that only looks makes none")
    } else if !KEPT.iter().any(|name| folder.join(name).try_exists().unwrap_or(true)) {
        format!("{shown} is no data folder: it has none of {}", KEPT.join(", "))
    } else {
        return Ok(());
    };
    Err(BadInput(format!(
        "{message}; check `data_dir` (--data-dir, LAYER4_DATA_DIR). `chimera serve`, `work`, `run` and \
         `task submit` make one"
    )))
}

/// Tasks that a host lists on one page.
const PAGE: usize = 1000;

/// A queue, wherever it is.
pub(super) enum QueueBackend {
    Local(Box<Scheduler>),
    Remote(Client),
}

/// Why a task was not taken back.
pub(super) enum NotCancelled {
    /// It is unknown, or has ended.
    Gone,
    Failed(anyhow::Error),
}

impl QueueBackend {
    /// # Errors
    /// No host serves the folder, and it cannot be opened either.
    pub(super) async fn open(config: &FabricConfig) -> anyhow::Result<Self> {
        match client::of(config).await? {
            Some(client) => Ok(QueueBackend::Remote(client)),
            None => {
                tracing::debug!("no host serves the data folder; its queue is opened here");
                Ok(QueueBackend::Local(Box::new(open_queue(config).await?)))
            }
        }
    }

    /// As [`open`](Self::open), for what adds nothing: no folder is made.
    ///
    /// # Errors
    /// As [`open`](Self::open), or it is no data folder.
    pub(super) async fn open_to_look(config: &FabricConfig) -> anyhow::Result<Self> {
        must_be_data_folder(config)?;
        Self::open(config).await
    }

    pub(super) async fn close(self) {
        if let QueueBackend::Local(queue) = self {
            queue.shutdown(Duration::ZERO).await;
        }
    }

    pub(super) async fn submit(&self, submission: Submission) -> anyhow::Result<TaskId> {
        match self {
            QueueBackend::Local(queue) => Ok(queue.submit(submission).await?),
            QueueBackend::Remote(client) => {
                Ok(client.submit(&TaskRequest::from(submission)).await?.id)
            }
        }
    }

    pub(super) async fn get(&self, id: TaskId) -> anyhow::Result<TaskRecord> {
        match self {
            QueueBackend::Local(queue) => {
                Ok(queue.get(id).await?.ok_or(FabricError::TaskNotFound(id))?)
            }
            QueueBackend::Remote(client) => Ok(client.task(id).await?),
        }
    }

    /// As the filter says.
    pub(super) async fn list(&self, filter: Filter) -> anyhow::Result<Vec<TaskSummary>> {
        let client = match self {
            QueueBackend::Local(queue) => return Ok(queue.list(filter).await?),
            QueueBackend::Remote(client) => client,
        };
        let Filter { state, agent_type, priority, reason, order, limit, after } = filter;
        let (order, cursor) = (Some(order), after.map(cursor));
        let mut list = List { agent_type, priority, reason, order, limit: None, cursor };
        let mut tasks: Vec<TaskSummary> = Vec::new();
        while tasks.len() < limit {
            list.limit = Some((limit - tasks.len()).min(PAGE));
            let page = client.tasks(state.into(), &list).await?;
            tasks.extend(page.tasks);
            list.cursor = page.next;
            if list.cursor.is_none() {
                break;
            }
        }
        Ok(tasks)
    }

    /// The answer is whether it was queued, or else its run ends by it. A host
    /// does not say, and has it end.
    pub(super) async fn cancel(&self, id: TaskId) -> Result<bool, NotCancelled> {
        match self {
            QueueBackend::Local(queue) => queue.cancel(id).await.map_err(|error| match error {
                FabricError::TaskNotFound(_) | FabricError::TaskEnded { .. } => NotCancelled::Gone,
                error => NotCancelled::Failed(error.into()),
            }),
            QueueBackend::Remote(client) => match client.cancel_task(id).await {
                Ok(Cancelled { .. }) => Ok(true),
                Err(error) if is_of_its_object(&error) => Err(NotCancelled::Gone),
                Err(error) => Err(NotCancelled::Failed(error.into())),
            },
        }
    }

    pub(super) async fn requeue(&self, ids: Vec<TaskId>) -> anyhow::Result<Vec<TaskId>> {
        match self {
            QueueBackend::Local(queue) => Ok(queue.requeue(ids).await?),
            QueueBackend::Remote(client) => {
                each_thousand(&ids, async |pick| client.requeue_dead_letters(&pick).await).await
            }
        }
    }

    /// Forgets those that have ended.
    pub(super) async fn purge(&self, ids: Vec<TaskId>) -> anyhow::Result<Vec<TaskId>> {
        let client = match self {
            QueueBackend::Local(queue) => return Ok(queue.purge(ids).await?),
            QueueBackend::Remote(client) => client,
        };
        let mut purged = Vec::new();
        for id in ids {
            match client.forget_task(id).await {
                Ok(()) => purged.push(id),
                Err(error) if is_of_its_object(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(purged)
    }

    /// Forgets those that are dead.
    pub(super) async fn purge_dead(&self, ids: &[TaskId]) -> anyhow::Result<Vec<TaskId>> {
        match self {
            QueueBackend::Local(queue) => {
                let mut dead = Vec::new();
                for id in ids {
                    let record = queue.get(*id).await?;
                    let is_dead = record.is_some_and(|record| record.state == TaskState::Dead);
                    dead.extend(is_dead.then_some(*id));
                }
                Ok(queue.purge(dead).await?)
            }
            QueueBackend::Remote(client) => {
                each_thousand(ids, async |pick| client.purge_dead_letters(&pick).await).await
            }
        }
    }

    pub(super) async fn stats(&self) -> anyhow::Result<Stats> {
        match self {
            QueueBackend::Local(queue) => Ok(queue.stats().await?.into()),
            QueueBackend::Remote(client) => Ok(client.stats().await?),
        }
    }
}

/// Whether the host says that a task is unknown, or not in the state for this.
fn is_of_its_object(error: &ClientError) -> bool {
    error.problem().is_some_and(Problem::is_of_its_object)
}

/// Does something to dead letters, a thousand at a time; those that it was done to.
async fn each_thousand(
    ids: &[TaskId],
    step: impl AsyncFn(Pick) -> ClientResult<Done>,
) -> anyhow::Result<Vec<TaskId>> {
    let mut done = Vec::new();
    for ids in ids.chunks(PAGE) {
        done.extend(step(Pick::These(These { ids: ids.to_vec() })).await?.ids);
    }
    Ok(done)
}
