//! What is kept of a task beside its progress.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::TaskState;
use super::time::Timestamp;
use crate::telemetry::LogTail;
use crate::{AgentId, Digest, ExecutionResult, Fault, Priority, ResourceUsage, Task, TaskId};

/// Why a task lies in the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DeadReason {
    /// The agent refused its input.
    InvalidInput,
    /// The agent failed for good.
    Failed,
    /// It met a quota, and would again.
    OverQuota,
    /// Every attempt failed.
    AttemptsExhausted,
    /// Its deadline passed.
    Expired,
    /// The host went down under it too often.
    HostCrash,
    /// The host failed to run it too often.
    HostFault,
    /// What is stored of it cannot be read: it is damaged, or of another version.
    Unreadable,
}

impl DeadReason {
    /// Every reason.
    pub const ALL: [DeadReason; 8] = [
        DeadReason::InvalidInput,
        DeadReason::Failed,
        DeadReason::OverQuota,
        DeadReason::AttemptsExhausted,
        DeadReason::Expired,
        DeadReason::HostCrash,
        DeadReason::HostFault,
        DeadReason::Unreadable,
    ];
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeadReason::InvalidInput => "invalid-input",
            DeadReason::Failed => "failed",
            DeadReason::OverQuota => "over-quota",
            DeadReason::AttemptsExhausted => "attempts-exhausted",
            DeadReason::Expired => "expired",
            DeadReason::HostCrash => "host-crash",
            DeadReason::HostFault => "host-fault",
            DeadReason::Unreadable => "unreadable",
        })
    }
}

/// How an attempt that did not succeed ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "error", content = "fault")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AttemptError {
    /// The run ended with a fault.
    #[error(transparent)]
    Fault(Fault),
    /// The host went down, or stopped extending the lease.
    #[error("the host went down while the task ran")]
    Lost,
    /// The deadline passed before a run began.
    #[error("the deadline passed before the task was run")]
    Expired,
}

/// One attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// Which one, counted from one.
    pub number: u32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub error: AttemptError,
    /// What it used; absent where the host went down with the figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ResourceUsage>,
    /// The genome that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genome: Option<Digest>,
    /// The agent that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The end of what the agent logged and printed.
    #[serde(default, skip_serializing_if = "LogTail::is_empty")]
    pub log: LogTail,
}

/// All that is known of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskRecord {
    /// The task as it was submitted.
    pub task: Task,
    /// Where it is.
    pub state: TaskState,
    /// Since when it waits or has ended, when it is due, or how long its lease lasts.
    pub at: Timestamp,
    /// When the store took it.
    pub submitted_at: Timestamp,
    /// Runs begun.
    pub attempts: u32,
    /// Runs that may be begun.
    pub max_attempts: u32,
    /// Runs lost with their host.
    pub crashes: u32,
    /// The genome that ran it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genome: Option<Digest>,
    /// Why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadReason>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ExecutionResult>,
    /// The attempts that did not succeed, oldest first.
    pub failed_attempts: Vec<Attempt>,
    /// What is stored of it, where that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Unreadable>,
}

/// What is stored of a task that cannot be read. What could be read is in the
/// record's other fields; the rest of them is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unreadable {
    /// Which parts, and what is wrong with each.
    pub reason: String,
    /// These parts as they are stored, by their names.
    pub stored: BTreeMap<String, String>,
}

/// A task in a list: what a table shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskSummary {
    /// Which task.
    pub id: TaskId,
    /// Its agent type.
    pub agent_type: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it is.
    pub state: TaskState,
    /// Since when it waits or has ended, when it is due, or how long its lease lasts.
    pub at: Timestamp,
    /// When the store took it.
    pub submitted_at: Timestamp,
    /// Runs begun.
    pub attempts: u32,
    /// Why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadReason>,
}

#[cfg(test)]
mod tests;
