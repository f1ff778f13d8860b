//! What the scheduler reports of tasks, as it happens.

use std::time::Duration;

use chimera_layer4_core::scheduler::{DeadReason, TaskRecord, TaskState, Timestamp};
use chimera_layer4_core::{AgentId, Digest, Priority, TaskId};

/// Receives what becomes of tasks. It is called while tasks are processed, so
/// it must be quick and must not wait.
pub trait Observe: Send + Sync + 'static {
    /// Something became of a task.
    fn task(&self, change: &TaskChange<'_>);

    /// A submission was not taken; the code is [`FabricError::code`]'s.
    ///
    /// [`FabricError::code`]: chimera_layer4_core::FabricError::code
    fn refused(&self, code: &'static str);
}

/// Something that became of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskChange<'a> {
    /// Which task.
    pub id: TaskId,
    /// Its agent type.
    pub agent_type: &'a str,
    /// How urgent it is.
    pub priority: Priority,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Change<'a>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change<'a> {
    /// It was taken.
    Submitted,
    /// It was handed out to be run.
    Started {
        /// Which attempt, from one.
        attempt: u32,
        /// Since it was taken.
        age: Duration,
    },
    /// A run failed and is made again.
    Retried {
        /// Which attempt failed.
        attempt: u32,
        /// Not before this.
        again: Timestamp,
        /// What failed.
        error: &'a str,
    },
    /// Its runner stopped; it waits as before.
    GivenBack,
    /// It ended.
    Ended(End<'a>),
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End<'a> {
    /// Succeeded, dead or cancelled.
    pub state: TaskState,
    /// Why it is dead.
    pub reason: Option<DeadReason>,
    /// From its submission to its end.
    pub took: Duration,
    /// What went wrong.
    pub error: Option<&'a str>,
    /// The genome that ran it last.
    pub genome: Option<Digest>,
    /// The agent that ran it last.
    pub agent_id: Option<AgentId>,
}

/// Reports a task that ended without a run.
pub(super) fn ended(observer: &dyn Observe, record: &TaskRecord) {
    let TaskRecord { task, state, at, submitted_at, reason, result, .. } = record;
    if !state.has_ended() {
        return;
    }
    let end = End {
        state: *state,
        reason: *reason,
        took: at.since(*submitted_at),
        error: result.as_ref().and_then(|result| result.error.as_deref()),
        genome: None,
        agent_id: None,
    };
    let (agent_type, priority) = (task.target_agent_type.as_str(), task.priority);
    let what = Change::Ended(end);
    observer.task(&TaskChange { id: task.id, agent_type, priority, at: *at, what });
}

/// Ignores all of it.
pub(super) struct NoopObserver;

impl Observe for NoopObserver {
    fn task(&self, _change: &TaskChange<'_>) {}

    fn refused(&self, _code: &'static str) {}
}
