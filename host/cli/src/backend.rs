//! The queue that commands work on: a data folder that no host has open, or
//! the host that serves it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::scheduler::record::{TaskRecord, TaskSummary};
use chimera_layer4_core::scheduler::store::{Filter, Order};
use chimera_layer4_core::scheduler::{Submission, TaskState};
use chimera_layer4_core::{JsonText, Layer4Config, Layer4Error, Priority, ResourceQuota, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{ApiError, Client, JSON, Typed};
use super::exit::BadInput;
use chimera_layer4_fabric::fabric::open_queue;
use chimera_layer4_fabric::scheduler::Scheduler;
use chimera_layer4_server::Stats;

/// One of these is in every folder that a host or a command has kept things in.
const KEPT: [&str; 5] = ["chimera.db", "compiled", "genomes", "keyvalue.db", "evolution"];

/// Refuses a folder that is no data folder. A command that looks would otherwise
/// make what it looks for, wherever a mistyped path leads. A folder that this
/// user may not enter is left to whoever opens it.
///
/// # Errors
/// There is no such folder, or nothing of a host's is in it.
pub(super) fn must_be_data_folder(config: &Layer4Config) -> Result<(), BadInput> {
    let Some(folder) = &config.data_dir else { return Ok(()) };
    let shown = folder.display();
    let words = if !folder.exists() {
        format!("there is no folder {shown}, and a command that only looks makes none")
    } else if !KEPT.iter().any(|name| folder.join(name).try_exists().unwrap_or(true)) {
        format!("{shown} is no data folder: it has none of {}", KEPT.join(", "))
    } else {
        return Ok(());
    };
    Err(BadInput(format!(
        "{words}; check `data_dir` (--data-dir, LAYER4_DATA_DIR). `chimera serve`, `work`, `run` and \
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

#[derive(Deserialize)]
struct Submitted {
    id: TaskId,
}

#[derive(Deserialize)]
struct Page {
    tasks: Vec<TaskSummary>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Done {
    ids: Vec<TaskId>,
}

impl Typed for Submitted {}
impl Typed for Page {}
impl Typed for Done {}

impl QueueBackend {
    /// # Errors
    /// No host serves the folder, and it cannot be opened either.
    pub(super) async fn open(config: &Layer4Config) -> anyhow::Result<Self> {
        match Client::of(config).await? {
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
    pub(super) async fn open_to_look(config: &Layer4Config) -> anyhow::Result<Self> {
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
                let body = serde_json::to_vec(&Request::of(&submission))?;
                let submitted: Submitted = client.ask_with("POST", "/v1/tasks", JSON, body).await?;
                Ok(submitted.id)
            }
        }
    }

    pub(super) async fn get(&self, id: TaskId) -> anyhow::Result<TaskRecord> {
        match self {
            QueueBackend::Local(queue) => {
                Ok(queue.get(id).await?.ok_or(Layer4Error::TaskNotFound(id))?)
            }
            QueueBackend::Remote(client) => {
                client.ask("GET", &format!("/v1/tasks/{id}"), None).await
            }
        }
    }

    /// As the filter says.
    pub(super) async fn list(&self, filter: Filter) -> anyhow::Result<Vec<TaskSummary>> {
        let client = match self {
            QueueBackend::Local(queue) => return Ok(queue.list(filter).await?),
            QueueBackend::Remote(client) => client,
        };
        let (path, limit) = (query(&filter), filter.limit);
        let mut cursor = filter.after.map(|(at, id)| format!("{}.{id}", at.0));
        let mut tasks: Vec<TaskSummary> = Vec::new();
        while tasks.len() < limit {
            let most = (limit - tasks.len()).min(PAGE);
            let mut path = format!("{path}&limit={most}");
            if let Some(cursor) = cursor {
                path.push_str(&format!("&cursor={cursor}"));
            }
            let page: Page = client.ask("GET", &path, None).await?;
            tasks.extend(page.tasks);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(tasks)
    }

    /// The answer is whether it was queued, or else its run ends by it. A host
    /// does not say, and has it end.
    pub(super) async fn cancel(&self, id: TaskId) -> Result<bool, NotCancelled> {
        let cancelled = match self {
            QueueBackend::Local(queue) => match queue.cancel(id).await {
                Err(Layer4Error::TaskNotFound(_) | Layer4Error::TaskEnded { .. }) => {
                    return Err(NotCancelled::Gone);
                }
                cancelled => cancelled.map_err(anyhow::Error::from),
            },
            QueueBackend::Remote(client) => {
                let path = format!("/v1/tasks/{id}/cancel");
                client.ask("POST", &path, None).await.map(|_: Value| true)
            }
        };
        cancelled.map_err(|error| match error.downcast_ref::<ApiError>() {
            Some(refused) if matches!(refused.status, 404 | 409) => NotCancelled::Gone,
            _ => NotCancelled::Failed(error),
        })
    }

    pub(super) async fn requeue(&self, ids: Vec<TaskId>) -> anyhow::Result<Vec<TaskId>> {
        match self {
            QueueBackend::Local(queue) => Ok(queue.requeue(ids).await?),
            QueueBackend::Remote(client) => each_thousand(client, "requeue", &ids).await,
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
            let forgotten = client.ask::<()>("DELETE", &format!("/v1/tasks/{id}"), None).await;
            match forgotten {
                Ok(()) => purged.push(id),
                Err(error) => match error.downcast_ref::<ApiError>() {
                    Some(refused) if matches!(refused.status, 404 | 409) => {}
                    _ => return Err(error),
                },
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
            QueueBackend::Remote(client) => each_thousand(client, "purge", ids).await,
        }
    }

    pub(super) async fn stats(&self) -> anyhow::Result<Stats> {
        match self {
            QueueBackend::Local(queue) => Ok(queue.stats().await?.into()),
            QueueBackend::Remote(client) => client.ask("GET", "/scheduler/stats", None).await,
        }
    }
}

/// Where the API lists what a filter names, but for the page.
fn query(filter: &Filter) -> String {
    let state = filter.state.map_or_else(|| "all".to_owned(), |state| state.to_string());
    let order = if filter.order == Order::Newest { "newest" } else { "oldest" };
    let mut path = format!("/v1/tasks?state={state}&order={order}");
    let filters = [
        ("agent_type", filter.agent_type.clone()),
        ("priority", filter.priority.map(|priority| priority.to_string())),
        ("reason", filter.reason.map(|reason| reason.to_string())),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(&value)));
        }
    }
    path
}

/// Does something to dead letters; those that it was done to.
async fn each_thousand(client: &Client, what: &str, ids: &[TaskId]) -> anyhow::Result<Vec<TaskId>> {
    let mut done = Vec::new();
    for ids in ids.chunks(PAGE) {
        let path = format!("/v1/dead-letters/{what}");
        done.extend(client.ask::<Done>("POST", &path, Some(json!({ "ids": ids }))).await?.ids);
    }
    Ok(done)
}

/// A submission as the API takes it. The host's own clock says when it was made.
#[derive(Serialize)]
struct Request<'a> {
    id: TaskId,
    priority: Priority,
    payload: &'a JsonText,
    #[serde(with = "humantime_serde::option")]
    deadline: Option<SystemTime>,
    resource_quota: &'a ResourceQuota,
    source_layer: &'a str,
    target_agent_type: &'a str,
    metadata: &'a BTreeMap<String, String>,
    #[serde(with = "humantime_serde::option")]
    not_before: Option<SystemTime>,
    max_attempts: Option<u32>,
    idempotency_key: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn of(Submission { task, options }: &'a Submission) -> Self {
        Self {
            id: task.id,
            priority: task.priority,
            payload: &task.payload,
            deadline: task.deadline,
            resource_quota: &task.resource_quota,
            source_layer: &task.source_layer,
            target_agent_type: &task.target_agent_type,
            metadata: &task.metadata,
            not_before: options.not_before,
            max_attempts: options.max_attempts,
            idempotency_key: options.idempotency_key.as_deref(),
        }
    }
}

/// For a query: whatever is not plain, as its bytes.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one =
        |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}
