//! The shapes that are the API's own; the rest are the library's types.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::scheduler::record::{Attempt, TaskSummary};
use chimera_layer4_core::scheduler::store::{Filter, Order};
use chimera_layer4_core::scheduler::{DeadReason, Submission, SubmitOptions, TaskState, Timestamp};
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{
    AgentId, Digest, ExecutionResult, JsonText, Layer4Result, Priority, ResourceQuota, Task, TaskId,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::shapes::labels;
use chimera_layer4_fabric::Layer4Fabric;
use chimera_layer4_fabric::scheduler::{SchedulerStats, TypeStats};
use chimera_layer4_fabric::traces::Trace;
use chimera_layer4_fabric::utils;

/// Tasks on one page.
const PAGE: usize = 50;
const MOST_ON_A_PAGE: usize = 1000;
/// A proxy gives up on an answer at about this time.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A task to be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskRequest {
    /// The input, any JSON nested up to 120 levels deep.
    #[schema(value_type = serde_json::Value)]
    payload: JsonText,
    /// The agent type that it is for.
    #[schema(min_length = 1, max_length = 256)]
    target_agent_type: String,
    /// Its identity; a new one when left out.
    id: Option<TaskId>,
    #[serde(default)]
    priority: Priority,
    /// When its result stops being of use (RFC 3339, in UTC with a `Z`).
    #[serde(default, with = "humantime_serde::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<SystemTime>,
    /// Its own limits; where the agent's are tighter, those rule. What is left
    /// out is the host's default.
    resource_quota: Option<ResourceQuota>,
    /// Who submits it.
    #[serde(default)]
    source_layer: String,
    /// Labels of the submitter's, up to 10,000.
    #[serde(default, deserialize_with = "labels")]
    metadata: BTreeMap<String, String>,
    /// The first run is not begun before this (RFC 3339, in UTC with a `Z`).
    #[serde(default, with = "humantime_serde::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<SystemTime>,
    /// Runs that may be begun; 3 when left out.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<u32>,
    /// A name for this submission: a second one under it is answered with the first.
    #[schema(min_length = 1, max_length = 256)]
    idempotency_key: Option<String>,
}

impl TaskRequest {
    /// Makes it a part of the trace of its request.
    pub(super) fn carry(&mut self, trace: &Trace) {
        trace.carry(&mut self.metadata);
    }

    /// The submission, with the header's key, if there is one.
    pub(super) fn submission(
        self,
        default_quota: &ResourceQuota,
        header: Option<String>,
    ) -> Result<Submission, Problem> {
        let idempotency_key = match (self.idempotency_key, header) {
            (Some(own), Some(header)) if own != header => {
                return Err(Problem::invalid(format!(
                    "idempotency_key is {own:?} and the header Idempotency-Key {header:?}; give one"
                )));
            }
            (own, header) => own.or(header),
        };
        let task = Task {
            id: self.id.unwrap_or_else(utils::generate_task_id),
            priority: self.priority,
            payload: self.payload,
            created_at: SystemTime::now(),
            deadline: self.deadline,
            resource_quota: self.resource_quota.unwrap_or_else(|| default_quota.clone()),
            source_layer: self.source_layer,
            target_agent_type: self.target_agent_type,
            metadata: self.metadata,
        };
        let (not_before, max_attempts) = (self.not_before, self.max_attempts);
        Ok(Submission {
            task,
            options: SubmitOptions { idempotency_key, not_before, max_attempts },
        })
    }
}

/// What became of a submission.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Submitted {
    /// The task's identity; the first task's, where the same was submitted before.
    pub(super) id: TaskId,
    /// How it ended, if it did within `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<ExecutionResult>,
}

/// What became of one submission of several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Each {
    /// It was taken.
    Taken(Submitted),
    /// It was not.
    Refused(Refused),
}

/// A submission of several that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refused {
    /// Why.
    pub(super) problem: Problem,
}

/// How long to wait for an answer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// As `30s` or `500ms`, five minutes at the most.
    #[param(pattern = "^([0-9]{1,5}ms|([0-9]{1,2}|[12][0-9]{2}|300)s|[1-5]m)$", example = "30s")]
    wait: Option<String>,
}

impl Wait {
    pub(super) fn duration(&self) -> Result<Option<Duration>, Problem> {
        let Some(typed) = &self.wait else { return Ok(None) };
        let fits = |wait: &Duration| *wait <= LONGEST_WAIT;
        let wait = humantime::parse_duration(typed).ok().filter(fits);
        wait.map(Some).ok_or_else(|| {
            Problem::invalid(format!("wait is {typed:?}; allowed is a time up to 5m, as 30s"))
        })
    }
}

/// Which tasks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// In this state, or `all`; waiting when left out. Tasks in one state are in
    /// the order of their time, all tasks in that of their submission.
    #[param(inline)]
    state: Option<ListedState>,
    /// Only of this agent type.
    agent_type: Option<String>,
    /// Only of this class.
    priority: Option<Priority>,
    /// Only dead letters of this reason.
    reason: Option<DeadReason>,
    /// Which come first; the oldest when left out.
    #[param(inline)]
    order: Option<Order>,
    /// At the most so many; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    #[param(
        pattern = "^[0-9]{1,13}[.][0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    )]
    cursor: Option<String>,
}

/// Which dead letters to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadList {
    /// Only of this agent type.
    agent_type: Option<String>,
    /// Only of this class.
    priority: Option<Priority>,
    /// Only of this reason.
    reason: Option<DeadReason>,
    /// Which come first; the oldest when left out.
    #[param(inline)]
    order: Option<Order>,
    /// At the most so many; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    #[param(
        pattern = "^[0-9]{1,13}[.][0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    )]
    cursor: Option<String>,
}

impl From<DeadList> for List {
    fn from(list: DeadList) -> Self {
        let DeadList { agent_type, priority, reason, order, limit, cursor } = list;
        let state = Some(ListedState::Dead);
        Self { state, agent_type, priority, reason, order, limit, cursor }
    }
}

impl List {
    /// What to ask a store for, and how many fit on the page. One more is asked
    /// for, which tells whether another page follows.
    pub(super) fn filter(self) -> Result<(Filter, usize), Problem> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MOST_ON_A_PAGE).contains(&limit) {
            let words = format!("limit is {limit}; allowed is 1 to {MOST_ON_A_PAGE}");
            return Err(Problem::invalid(words));
        }
        let after = self.cursor.as_deref().map(after).transpose()?;
        let Self { agent_type, priority, reason, .. } = self;
        let (order, limit_and_one) = (self.order.unwrap_or_default(), limit + 1);
        let any = Filter::of(self.state.map_or(Some(TaskState::Waiting), ListedState::state));
        let filter =
            Filter { agent_type, priority, reason, order, limit: limit_and_one, after, ..any };
        Ok((filter, limit))
    }
}

/// The state of the tasks in a list, or all of them.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListedState {
    Waiting,
    Delayed,
    Claimed,
    Running,
    Succeeded,
    Dead,
    Cancelled,
    All,
}

impl ListedState {
    fn state(self) -> Option<TaskState> {
        Some(match self {
            ListedState::Waiting => TaskState::Waiting,
            ListedState::Delayed => TaskState::Delayed,
            ListedState::Claimed => TaskState::Claimed,
            ListedState::Running => TaskState::Running,
            ListedState::Succeeded => TaskState::Succeeded,
            ListedState::Dead => TaskState::Dead,
            ListedState::Cancelled => TaskState::Cancelled,
            ListedState::All => return None,
        })
    }
}

fn after(cursor: &str) -> Result<(Timestamp, TaskId), Problem> {
    let parts = cursor.split_once('.');
    let read = parts.and_then(|(at, id)| Some((Timestamp(at.parse().ok()?), id.parse().ok()?)));
    read.ok_or_else(|| {
        Problem::invalid(format!("cursor is {cursor:?}; give the `next` of the page before"))
    })
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    tasks: Vec<TaskSummary>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Page {
    /// What a host lists, as much as fits on the page.
    pub(super) async fn of(
        fabric: &Layer4Fabric,
        (filter, limit): (Filter, usize),
    ) -> Layer4Result<Self> {
        let mut tasks = fabric.list_tasks(filter.clone()).await?;
        let is_last = tasks.len() <= limit;
        tasks.truncate(limit);
        let last = tasks.last().filter(|_| !is_last).map(|last| filter.place(last));
        let next = last.map(|(at, id)| format!("{}.{id}", at.0));
        Ok(Self { tasks, next })
    }
}

/// The end of the log of an attempt that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptLog {
    /// Which one, counted from one.
    pub attempt: u32,
    /// When it ended (RFC 3339).
    #[serde(with = "humantime_serde")]
    #[schema(value_type = String, format = DateTime)]
    pub ended_at: SystemTime,
    /// Why it failed.
    pub error: String,
    /// The genome that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genome: Option<Digest>,
    /// The agent that ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The end of what the guest wrote.
    #[serde(flatten)]
    pub log: LogTail,
}

impl From<Attempt> for AttemptLog {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, ended_at, error, genome, agent_id, log, .. } = attempt;
        let (ended_at, error) = (ended_at.to_system_time(), error.to_string());
        Self { attempt: number, ended_at, error, genome, agent_id, log }
    }
}

/// A task that was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cancelled {
    pub(super) id: TaskId,
    /// It was queued. Otherwise it ran, and its run was ended.
    pub(super) was_queued: bool,
}

/// Which dead letters.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub(super) enum Pick {
    /// These.
    These(These),
    /// All, or all of one agent type.
    Every(Every),
}

/// A [`Pick`] as it is read: field by field, since serde would hold all of an
/// untagged one in memory, at many times its text, before it knows which it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picked {
    ids: Option<Vec<TaskId>>,
    all: Option<OfType>,
}

impl<'de> Deserialize<'de> for Pick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let neither = "it is neither {\"ids\": [UUID, …]} nor {\"all\": {\"agent_type\": NAME, \
                       \"reason\": REASON}}, of which both may be left out";
        match Picked::deserialize(deserializer) {
            Ok(Picked { ids: Some(ids), all: None }) => Ok(Self::These(These { ids })),
            Ok(Picked { ids: None, all: Some(all) }) => Ok(Self::Every(Every { all })),
            Ok(_) => Err(D::Error::custom(neither)),
            Err(error) => Err(D::Error::custom(format!("{neither}: {error}"))),
        }
    }
}

/// Dead letters by name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct These {
    /// Their identities.
    #[schema(max_items = 10000)]
    pub(super) ids: Vec<TaskId>,
}

/// Every dead letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Every {
    pub(super) all: OfType,
}

/// All, or all of one kind.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfType {
    /// Only of this agent type.
    pub(super) agent_type: Option<String>,
    /// Only of this reason.
    pub(super) reason: Option<DeadReason>,
}

/// Tasks that something was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    pub(super) count: usize,
    pub(super) ids: Vec<TaskId>,
}

impl From<Vec<TaskId>> for Done {
    fn from(ids: Vec<TaskId>) -> Self {
        Self { count: ids.len(), ids }
    }
}

/// The host's state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// healthy, degraded, draining or stopped.
    pub(super) status: &'static str,
    /// When this was said (RFC 3339).
    #[serde(with = "humantime_serde")]
    #[schema(value_type = String, format = DateTime)]
    pub(super) timestamp: SystemTime,
    pub(super) active_agents: usize,
    /// Tasks waiting or running.
    pub(super) pending_tasks: usize,
    pub(super) uptime_seconds: f64,
    /// Declared agent types whose agents did not start, by name: why. A reload
    /// tries them again.
    pub(super) agent_types_down: BTreeMap<String, String>,
}

/// The queue and the runs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Tasks by state.
    pub tasks: BTreeMap<String, u64>,
    /// Waiting tasks by class.
    pub waiting: BTreeMap<String, u64>,
    /// Seconds that the task which waits longest has waited, by class.
    pub oldest_waiting_secs: BTreeMap<String, f64>,
    /// Queued tasks by agent type.
    pub queued_by_type: BTreeMap<String, u64>,
    /// Tasks claimed and not settled.
    in_hand: usize,
    /// Each agent type, since the start.
    pub agent_types: Vec<TypeStats>,
}

impl From<SchedulerStats> for Stats {
    fn from(stats: SchedulerStats) -> Self {
        fn named<K: ToString, V>(pairs: Vec<(K, V)>) -> BTreeMap<String, V> {
            pairs.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
        }
        let oldest = named(stats.oldest_waiting).into_iter();
        Self {
            tasks: named(stats.by_state),
            waiting: named(stats.waiting_by_priority),
            oldest_waiting_secs: oldest.map(|(class, age)| (class, age.as_secs_f64())).collect(),
            queued_by_type: named(stats.queued_by_type),
            in_hand: stats.in_hand,
            agent_types: stats.types,
        }
    }
}

/// An agent type that tasks may target.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentType {
    pub(super) name: String,
    /// Agents of it that run.
    pub(super) agents: Vec<AgentId>,
}

/// How many agents have the quota now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Allocated {
    pub(super) agents: usize,
}
