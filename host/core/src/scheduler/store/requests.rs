//! What is asked of a store, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scheduler::machine::{Owner, TaskState, TransitionError};
use crate::scheduler::record::{DeadReason, TaskSummary};
use crate::scheduler::settle::{Counts, Settlement};
use crate::scheduler::submission::Submission;
use crate::scheduler::time::Timestamp;
use crate::{Digest, ExecutionResult, Priority, Task, TaskId};

/// When a submission is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it would survive a loss of power: the submitter may forget it.
    Durable,
    /// When it would survive the end of this process. For a submitter that waits
    /// for the result, which is durable with all that went before it.
    WithResult,
}

/// On what terms tasks are taken.
#[derive(Clone, Copy, Debug)]
pub struct SubmitTerms {
    /// The time.
    pub now: Timestamp,
    /// Tasks that may be queued for one agent type.
    pub capacity: usize,
    /// When to answer.
    pub promise: Durability,
}

/// A task ready to be stored, its body as the store keeps it.
#[derive(Clone, Debug)]
pub struct NewTask<B> {
    /// The task's identity.
    pub id: TaskId,
    /// Its agent type.
    pub agent_type: String,
    /// How urgent it is.
    pub priority: Priority,
    /// When its result stops being of use.
    pub deadline: Option<Timestamp>,
    /// When its first run may begin.
    pub not_before: Option<Timestamp>,
    /// Runs that may be begun.
    pub max_attempts: u32,
    /// The submitter's key, and what tells its submissions apart.
    pub key: Option<(String, Digest)>,
    /// The whole task.
    pub body: B,
}

impl<B> NewTask<B> {
    /// A submission with its task in the form that the store keeps.
    pub fn of(submission: Submission, form: impl FnOnce(Task) -> B) -> Self {
        let fingerprint = submission.options.idempotency_key.as_ref();
        let fingerprint = fingerprint.map(|_| submission.fingerprint());
        let not_before = submission.not_before();
        let max_attempts = submission.max_attempts();
        let Submission { task, options } = submission;
        Self {
            id: task.id,
            agent_type: task.target_agent_type.clone(),
            priority: task.priority,
            deadline: task.deadline.map(Timestamp::from),
            not_before,
            max_attempts,
            key: options.idempotency_key.zip(fingerprint),
            body: form(task),
        }
    }
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Taken.
    Accepted,
    /// The same was submitted before, under this identity.
    Duplicate(TaskId),
    /// Another task was submitted before under the same key.
    KeyTaken(TaskId),
    /// Another task was submitted before under the same identity.
    IdTaken,
    /// So many are queued for its agent type already.
    Full {
        /// Tasks queued for the type.
        queued: usize,
    },
}

/// One agent type's part in a [`ClaimRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeSlots {
    /// The type.
    pub agent_type: Arc<str>,
    /// Runs that may begin.
    pub free: usize,
    /// How many of them only critical tasks may take.
    pub reserved: usize,
    /// Set when a claim is also a start: the genome that all its agents run.
    pub starts: Option<Digest>,
}

/// Who asks for how many tasks.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who.
    pub owner: Owner,
    /// The time.
    pub now: Timestamp,
    /// When the leases end, unless they are extended.
    pub until: Timestamp,
    /// The types that can be run, and how many of each.
    pub rooms: Vec<TypeSlots>,
    /// Tasks altogether, at the most.
    pub most: usize,
}

/// The right to run a task and settle it, until the lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task.
    pub id: TaskId,
    /// The claim.
    pub fence: u64,
}

/// A task handed out, its body as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed<B> {
    /// The right to run the task and settle it.
    pub lease: Lease,
    /// Runs so far, this one included.
    pub counts: Counts,
    /// Whether the claim was also its start.
    pub started: bool,
    /// When the store took it.
    pub submitted_at: Timestamp,
    /// When its result stops being of use; not the task's own where that had
    /// passed before it was put back.
    pub deadline: Option<Timestamp>,
    /// The whole task, as it was submitted.
    pub body: B,
}

/// A task handed out.
pub type Claimed = Handed<Arc<Task>>;

/// The answer to a [`ClaimRequest`].
#[derive(Clone, Debug)]
pub struct Claim<B = Arc<Task>> {
    /// Tasks handed out.
    pub tasks: Vec<Handed<B>>,
    /// Tasks whose deadline was found to have passed.
    pub ended: Vec<TaskId>,
}

/// The answer to heartbeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// Leases that are over: whatever their runs bring is refused.
    pub lost: Vec<TaskId>,
    /// Tasks that their submitters want back.
    pub cancelled: Vec<TaskId>,
}

/// A run that has ended, and what is to become of its task.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled<O = ExecutionResult> {
    /// The right to say so.
    pub lease: Lease,
    /// What is to become of it.
    pub settlement: Settlement<O>,
    /// The genome that ran, which may be another than its start named: one
    /// takes over while tasks are on their way. `None`: as the start said.
    pub genome: Option<Digest>,
}

/// The state that a settled task is in now.
pub type Verdict = Result<TaskState, TransitionError>;

/// The answer to a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// It was queued and is cancelled.
    Cancelled,
    /// It runs; its runner stops it.
    Requested,
    /// It had ended already.
    Ended(TaskState),
    /// There is no such task.
    Unknown,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Delayed tasks that wait now.
    pub promoted: usize,
    /// Leases that were over, by what followed.
    pub lost: usize,
    /// Tasks that ended: expired, or lost too often.
    pub ended: Vec<TaskId>,
    /// When the next sweep has something to do; at once when more is left.
    pub next: Option<Timestamp>,
}

/// How many ended tasks are kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many.
    pub count: u64,
    /// Those that ended within this time.
    pub age: Duration,
}

/// What is kept of tasks that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those that succeeded or were cancelled, each state by itself.
    pub ended: Keep,
    /// Dead letters, which an operator should look at.
    pub dead: Keep,
}

impl Default for Retention {
    /// A day of results, since a submitter fetches them soon or not at all; a
    /// month of dead letters, since an operator may be on holiday.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            ended: Keep { count: 100_000, age: day },
            dead: Keep { count: 100_000, age: 30 * day },
        }
    }
}

impl Retention {
    /// What is kept of tasks that ended in `state`.
    #[must_use]
    pub fn of(&self, state: TaskState) -> Keep {
        if state == TaskState::Dead { self.dead } else { self.ended }
    }
}

/// Which tasks to list, and in which order.
///
/// Tasks in one state are ordered by their `at`, tasks in any state by their
/// submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// In this state; `None`: in any.
    pub state: Option<TaskState>,
    /// Of this agent type.
    pub agent_type: Option<String>,
    /// Of this class.
    pub priority: Option<Priority>,
    /// Dead for this reason.
    pub reason: Option<DeadReason>,
    /// From which end.
    pub order: Order,
    /// At the most so many.
    pub limit: usize,
    /// After this one, the last of the page before: its [`place`](Self::place).
    pub after: Option<(Timestamp, TaskId)>,
}

/// The end that a list begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Order {
    /// The earliest first.
    #[default]
    Oldest,
    /// The latest first.
    Newest,
}

impl Filter {
    /// Every task in a state, or in any, from the oldest on.
    #[must_use]
    pub fn of(state: Option<TaskState>) -> Self {
        let (agent_type, priority, reason, after) = (None, None, None, None);
        let (order, limit) = (Order::Oldest, usize::MAX);
        Self { state, agent_type, priority, reason, order, limit, after }
    }

    /// Where a task stands in this list.
    #[must_use]
    pub fn place(&self, task: &TaskSummary) -> (Timestamp, TaskId) {
        (if self.state.is_some() { task.at } else { task.submitted_at }, task.id)
    }
}

/// A store's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Tasks by state, in the order of [`TaskState::ALL`].
    pub by_state: Vec<(TaskState, u64)>,
    /// Waiting tasks by class, most urgent first.
    pub waiting_by_priority: Vec<(Priority, u64)>,
    /// Queued tasks by agent type.
    pub queued_by_type: Vec<(String, u64)>,
    /// Since when the task that waits longest does, by class.
    pub oldest_waiting: Vec<(Priority, Timestamp)>,
}
