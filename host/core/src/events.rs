//! The events of a host, as its listeners receive them.

use serde::{Deserialize, Serialize, Serializer};

use crate::config::AgentOrigin;
use crate::metrics::KpiReport;
use crate::refinement::RefinementSummary;
use crate::scheduler::{DeadReason, TaskState, Timestamp};
use crate::{AgentId, Digest, Priority, TaskId};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counts, from one, what happened since the start of the host, with and
    /// without listeners.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: EventKind,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            sequence: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            at: Option<Timestamp>,
            #[serde(flatten)]
            what: &'a EventKind,
        }
        // A report has a time of its own: an object has a key once.
        let at = (!matches!(self.what, EventKind::Kpi(_))).then_some(self.at);
        Written { sequence: self.sequence, at, what: &self.what }.serialize(to)
    }
}

impl Event {
    /// The task that it is about, if it is about one.
    #[must_use]
    pub fn task_id(&self) -> Option<TaskId> {
        match &self.what {
            EventKind::Task(event) => Some(event.task_id),
            EventKind::AgentStarted { .. }
            | EventKind::AgentEnded { .. }
            | EventKind::AgentRestarted { .. }
            | EventKind::AgentTypeChanged { .. }
            | EventKind::AgentTypeRefined { .. }
            | EventKind::GenomeSwapped { .. }
            | EventKind::RolloutStep { .. }
            | EventKind::RolloutEnded { .. }
            | EventKind::Kpi(_)
            | EventKind::HostEnded {} => None,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.what {
            EventKind::Task(event) => event.change.name(),
            EventKind::AgentStarted { .. } => "agent-started",
            EventKind::AgentEnded { .. } => "agent-ended",
            EventKind::AgentRestarted { .. } => "agent-restarted",
            EventKind::AgentTypeChanged { .. } => "agent-type-changed",
            EventKind::AgentTypeRefined { .. } => "agent-type-refined",
            EventKind::GenomeSwapped { .. } => "genome-swapped",
            EventKind::RolloutStep { .. } => "rollout-step",
            EventKind::RolloutEnded { .. } => "rollout-ended",
            EventKind::Kpi(_) => "kpi",
            EventKind::HostEnded {} => "host-ended",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventKind {
    /// To a task.
    Task(TaskEvent),
    /// An agent began.
    AgentStarted {
        /// Which.
        agent_id: AgentId,
        /// Its type.
        agent_type: String,
        /// What it runs.
        genome: Digest,
    },
    /// An agent was ended.
    AgentEnded {
        /// Which.
        agent_id: AgentId,
        /// Its type.
        agent_type: String,
    },
    /// An agent was restarted.
    AgentRestarted {
        /// Which.
        agent_id: AgentId,
        /// Its type.
        agent_type: String,
    },
    /// An agent type is declared otherwise, or no longer.
    AgentTypeChanged {
        /// The type.
        agent_type: String,
        /// Where that is declared.
        source: AgentOrigin,
        /// started, replaced, removed or failed.
        outcome: &'static str,
        /// Why it failed: the type is as it was before.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What becomes of tasks that are submitted to an agent type has changed.
    AgentTypeRefined {
        /// The type.
        agent_type: String,
        /// The entry of the record of refinements.
        number: u64,
        /// set or undone.
        outcome: &'static str,
        /// Who decided.
        author: String,
        /// The layer that it belongs to.
        source_layer: String,
        /// Why.
        reason: String,
        /// What counts from now on, in short.
        #[serde(skip_serializing_if = "Option::is_none")]
        refinement: Option<RefinementSummary>,
    },
    /// Another genome took over in agents of a type.
    GenomeSwapped {
        /// The type.
        agent_type: String,
        /// What they ran before.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<Digest>,
        /// What they run now.
        to: Digest,
    },
    /// A candidate is given a share of a type's tasks.
    RolloutStep {
        /// The type.
        agent_type: String,
        /// The candidate.
        candidate: Digest,
        /// Its share from now on, from 0 to 1.
        share: f64,
    },
    /// A rollout ended.
    RolloutEnded {
        /// The type.
        agent_type: String,
        /// The candidate.
        candidate: Digest,
        /// promoted, rolled-back, aborted or inconclusive.
        outcome: &'static str,
        /// Runs of the candidate.
        tasks: u64,
        /// In words.
        why: String,
    },
    /// Key figures were taken.
    Kpi(KpiReport),
    /// Nothing more will be told.
    HostEnded {},
}

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskEvent {
    /// Which.
    pub task_id: TaskId,
    /// Its agent type.
    pub agent_type: String,
    /// How urgent it is.
    pub priority: Priority,
    /// What.
    #[serde(flatten)]
    pub change: TaskEventKind,
}

/// What happened to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TaskEventKind {
    /// It was taken.
    Submitted {},
    /// It was handed out to be run.
    Started {
        /// Which attempt, from one.
        attempt: u32,
    },
    /// Its agent says how far it is.
    Progress {
        /// From 0.0 to 1.0.
        fraction: f64,
        /// What is being done.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A run failed and is made again.
    Retried {
        /// Which attempt failed.
        attempt: u32,
        /// Not before this.
        again: Timestamp,
        /// What failed.
        error: String,
    },
    /// Its runner stopped.
    GivenBack {},
    /// It ended.
    Ended {
        /// Succeeded, dead or cancelled.
        state: TaskState,
        /// Why it is dead.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<DeadReason>,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

impl TaskEventKind {
    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            TaskEventKind::Submitted {} => "task-submitted",
            TaskEventKind::Started { .. } => "task-started",
            TaskEventKind::Progress { .. } => "task-progress",
            TaskEventKind::Retried { .. } => "task-retried",
            TaskEventKind::GivenBack {} => "task-given-back",
            TaskEventKind::Ended { .. } => "task-ended",
        }
    }

    /// What an event of this name says in its data; `None` of one that is not
    /// about a task, or not known to this version.
    #[must_use]
    pub fn read(name: &str, data: &str) -> Option<Self> {
        let name = serde_json::to_string(name).ok()?;
        let named: Named = serde_json::from_str(&format!("{{{name}:{data}}}")).ok()?;
        Some(named.0)
    }
}

/// What happened to a task, under its name.
#[derive(Deserialize)]
struct Named(#[serde(with = "ByName")] TaskEventKind);

/// [`TaskEventKind`] as it is read. The compiler holds its fields to the original's,
/// and a test its names.
#[derive(Deserialize)]
#[serde(remote = "TaskEventKind")]
enum ByName {
    #[serde(rename = "task-submitted")]
    Submitted {},
    #[serde(rename = "task-started")]
    Started { attempt: u32 },
    #[serde(rename = "task-progress")]
    Progress {
        fraction: f64,
        #[serde(default)]
        message: Option<String>,
    },
    #[serde(rename = "task-retried")]
    Retried { attempt: u32, again: Timestamp, error: String },
    #[serde(rename = "task-given-back")]
    GivenBack {},
    #[serde(rename = "task-ended")]
    Ended {
        state: TaskState,
        #[serde(default)]
        reason: Option<DeadReason>,
        #[serde(default)]
        error: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_every_key_once_and_its_times_in_one_form() {
        let report = KpiReport {
            agent_id: uuid::Uuid::nil().into(),
            agent_type: "echo".into(),
            genome: Digest::of(b"genome"),
            at: Timestamp(1_700_000_000_000),
            window_secs: 60,
            runs: 1,
            latency_ms: 1.0,
            latency_p95_ms: 1.0,
            latency_p99_ms: 1.0,
            success_rate: 1.0,
            accuracy: None,
            cpu_seconds: 0.1,
            memory_peak_mb: 1.0,
        };
        let task = TaskEvent {
            task_id: uuid::Uuid::nil().into(),
            agent_type: "echo".into(),
            priority: Priority::Normal,
            change: TaskEventKind::Retried {
                attempt: 1,
                again: report.at,
                error: "at a time".into(),
            },
        };
        let at = report.at;
        for what in [EventKind::Kpi(report), EventKind::Task(task), EventKind::HostEnded {}] {
            let text = serde_json::to_string(&Event { sequence: 1, at, what }).unwrap();
            for key in ["at", "sequence", "agent_type"] {
                assert!(text.matches(&format!("\"{key}\":")).count() <= 1, "{key}: {text}");
            }
            assert!(text.contains("\"at\":\"2023-11-14T22:13:20.000Z\""), "{text}");
            assert!(!text.contains("1700000000000"), "{text}");
        }
    }

    #[test]
    fn what_happens_to_a_task_is_read_by_its_name() {
        let error = || "no".to_owned();
        let kinds = [
            TaskEventKind::Submitted {},
            TaskEventKind::Started { attempt: 2 },
            TaskEventKind::Progress { fraction: 0.5, message: Some("half".into()) },
            TaskEventKind::Progress { fraction: 1.0, message: None },
            TaskEventKind::Retried { attempt: 1, again: Timestamp(1000), error: error() },
            TaskEventKind::GivenBack {},
            TaskEventKind::Ended {
                state: TaskState::Dead,
                reason: Some(DeadReason::Failed),
                error: Some(error()),
            },
            TaskEventKind::Ended { state: TaskState::Succeeded, reason: None, error: None },
        ];
        for change in kinds {
            let event = TaskEvent {
                task_id: uuid::Uuid::nil().into(),
                agent_type: "echo".into(),
                priority: Priority::Normal,
                change: change.clone(),
            };
            let what = EventKind::Task(event);
            let event = Event { sequence: 1, at: Timestamp(1), what };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(TaskEventKind::read(event.name(), &text), Some(change), "{text}");
        }
        for (name, text) in [("host-ended", "{}"), ("task-started", "{}"), ("\"", "1},{"), ("", "")]
        {
            assert_eq!(TaskEventKind::read(name, text), None, "{name}");
        }
    }
}
