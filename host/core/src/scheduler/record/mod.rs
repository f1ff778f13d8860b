//! What is kept of a task beside its progress.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::machine::TaskState;
use crate::telemetry::LogTail;
use crate::{AgentId, Digest, ExecutionResult, Fault, Priority, ResourceUsage, Task, TaskId};

/// Milliseconds since 1970, as stores keep them. In JSON a time is written as
/// every other, as RFC 3339; milliseconds are read too, as they were written once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
pub struct Timestamp(pub u64);

/// The end of the year 9999, after which RFC 3339 has no form.
const LAST_MILLIS: u64 = 253_402_300_799_999;

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let time = Self(self.0.min(LAST_MILLIS)).to_system_time();
        to.collect_str(&humantime_serde::re::humantime::format_rfc3339_millis(time))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(InEitherForm)
    }
}

struct InEitherForm;

impl Visitor<'_> for InEitherForm {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as RFC 3339, or milliseconds since 1970")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        humantime_serde::re::humantime::parse_rfc3339(text).map(Timestamp::from).map_err(E::custom)
    }
}

impl Timestamp {
    /// Later by a duration, which counts in whole milliseconds.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Earlier by a duration.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same instant for the standard library.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        // A stored number may be anything; what no clock shows is the epoch.
        let since = Duration::from_millis(self.0);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Timestamp {
    /// The same instant for a clock that was set by so many milliseconds.
    #[must_use]
    pub fn set_by(self, by_ms: i64) -> Self {
        Self(self.0.saturating_add_signed(by_ms))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::default().after(since)
    }
}

/// Milliseconds on a monotonic clock, which does not give the time of day. It
/// measures what is relative and lives no longer than the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Later by a duration, which counts in whole milliseconds.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(Timestamp(self.0).after(duration).0)
    }

    /// The time from `earlier` to this; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One start of a host: a random identity, never a name that a restart would
/// bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub Uuid);

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
