//! What a store must be able to do with its rows, so that a
//! [`TaskQueue`](super::TaskQueue) can apply the rules to them.

use crate::scheduler::machine::{Progress, TaskState};
use crate::scheduler::record::{Attempt, DeadReason, TaskRecord, TaskSummary};
use crate::scheduler::time::Timestamp;
use crate::{Digest, ExecutionResult, Priority, Task, TaskId};

/// A task without its body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Its place in the order of submission.
    pub seq: u64,
    /// Its identity.
    pub id: TaskId,
    /// Its agent type, by the number that [`Rows::intern`] gave it.
    pub agent_type: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// When its result stops being of use.
    pub deadline: Option<Timestamp>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// What changes.
    pub progress: Progress,
    /// The genome of the last run.
    pub genome: Option<Digest>,
    /// Why it is dead.
    pub reason: Option<DeadReason>,
}

impl Row {
    /// The row as a line of a list.
    #[must_use]
    pub fn summary(&self, agent_type: String) -> TaskSummary {
        TaskSummary {
            id: self.id,
            agent_type,
            priority: self.priority,
            state: self.progress.state,
            at: self.progress.at,
            submitted_at: self.submitted_at,
            attempts: self.progress.attempts,
            reason: self.reason,
        }
    }

    /// The row with all that belongs to it.
    #[must_use]
    pub fn record(
        &self,
        task: Task,
        result: Option<ExecutionResult>,
        failed_attempts: Vec<Attempt>,
    ) -> TaskRecord {
        TaskRecord {
            task,
            state: self.progress.state,
            at: self.progress.at,
            submitted_at: self.submitted_at,
            attempts: self.progress.attempts,
            max_attempts: self.progress.max_attempts,
            crashes: self.progress.crashes,
            genome: self.genome,
            reason: self.reason,
            result,
            failed_attempts,
            unreadable: None,
        }
    }
}

/// A task that no row exists for yet.
#[derive(Debug)]
pub struct NewRow<'a, B> {
    /// Its identity.
    pub id: TaskId,
    /// Its agent type's number.
    pub agent_type: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// When its result stops being of use.
    pub deadline: Option<Timestamp>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Its beginning.
    pub progress: Progress,
    /// The submitter's key, and what tells its submissions apart.
    pub key: Option<&'a (String, Digest)>,
    /// The whole task.
    pub body: &'a B,
}

/// So many tasks of a type and class in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// The state.
    pub state: TaskState,
    /// The type's number.
    pub agent_type: u32,
    /// The class.
    pub priority: Priority,
    /// How many.
    pub count: usize,
}

/// A store's rows. Every list is bounded by its `limit` and in the order named.
pub trait Rows {
    /// What can go wrong.
    type Error;
    /// A task, as it is kept.
    type Body;
    /// A result, as it is kept.
    type Outcome;

    /// The number of an agent type, given out at its first mention.
    ///
    /// # Errors
    /// The store failed.
    fn intern(&mut self, agent_type: &str) -> Result<u32, Self::Error>;

    /// The agent type with this number.
    ///
    /// # Errors
    /// The store failed.
    fn type_name(&mut self, number: u32) -> Result<Option<String>, Self::Error>;

    /// The row of a task.
    ///
    /// # Errors
    /// The store failed.
    fn find(&mut self, id: TaskId) -> Result<Option<Row>, Self::Error>;

    /// What was submitted under a key.
    ///
    /// # Errors
    /// The store failed.
    fn find_key(&mut self, key: &str) -> Result<Option<(TaskId, Digest)>, Self::Error>;

    /// Adds a row, the last in the order of submission.
    ///
    /// # Errors
    /// The store failed.
    fn insert(&mut self, row: &NewRow<'_, Self::Body>) -> Result<(), Self::Error>;

    /// Replaces what differs between two versions of a row.
    ///
    /// # Errors
    /// The store failed.
    fn update(&mut self, before: &Row, after: &Row) -> Result<(), Self::Error>;

    /// Waiting tasks of a class and type, those first that have waited longest,
    /// and of these in the order of submission.
    ///
    /// # Errors
    /// The store failed.
    fn waiting(
        &mut self,
        priority: Priority,
        agent_type: u32,
        limit: usize,
    ) -> Result<Vec<Row>, Self::Error>;

    /// Tasks in a state, other than waiting, whose `at` is `until` or before,
    /// in the order of `at`.
    ///
    /// # Errors
    /// The store failed.
    fn timed(
        &mut self,
        state: TaskState,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Row>, Self::Error>;

    /// Adds so many milliseconds to the `at` of every task that waits or is leased,
    /// and of those delayed that have run before.
    ///
    /// # Errors
    /// The store failed.
    fn shift(&mut self, by_ms: i64) -> Result<(), Self::Error>;

    /// When the task's latest attempt ended.
    ///
    /// # Errors
    /// The store failed.
    fn failed_at(&mut self, row: &Row) -> Result<Option<Timestamp>, Self::Error>;

    /// Queued tasks whose deadline is `now` or before, in the order of deadlines.
    ///
    /// # Errors
    /// The store failed.
    fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Self::Error>;

    /// The first `at` of a delayed or leased task, or deadline of a queued one.
    ///
    /// # Errors
    /// The store failed.
    fn next_event(&mut self) -> Result<Option<Timestamp>, Self::Error>;

    /// The whole task; `None` when it has been removed.
    ///
    /// # Errors
    /// The store failed.
    fn body(&mut self, row: &Row) -> Result<Option<Self::Body>, Self::Error>;

    /// Whether a task was submitted with the payload of this one.
    ///
    /// # Errors
    /// The store failed.
    fn has_payload(&mut self, row: &Row, body: &Self::Body) -> Result<bool, Self::Error>;

    /// A result as it is kept.
    fn outcome(&self, result: ExecutionResult) -> Self::Outcome;

    /// Keeps how a task ended; `None` when it is to be run again after all.
    ///
    /// # Errors
    /// The store failed.
    fn set_outcome(
        &mut self,
        row: &Row,
        outcome: Option<&Self::Outcome>,
    ) -> Result<(), Self::Error>;

    /// Adds a failed attempt to a task's history.
    ///
    /// # Errors
    /// The store failed.
    fn add_attempt(&mut self, row: &Row, attempt: &Attempt) -> Result<(), Self::Error>;

    /// Removes a task with all that belongs to it.
    ///
    /// # Errors
    /// The store failed.
    fn remove(&mut self, row: &Row) -> Result<(), Self::Error>;

    /// Every task, counted.
    ///
    /// # Errors
    /// The store failed.
    fn census(&mut self) -> Result<Vec<Census>, Self::Error>;
}
