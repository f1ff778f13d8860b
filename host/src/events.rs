//! What happens, as it happens, for whoever listens.
//!
//! A listener that is slower than what happens loses the oldest events and is
//! told how many; it holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use chimera_layer4_core::metrics::KpiReport;
use chimera_layer4_core::scheduler::{DeadReason, TaskState, Timestamp};
use chimera_layer4_core::{AgentId, Digest, Priority, TaskId};
use serde::Serialize;
use tokio::sync::broadcast;

/// Events that a slow listener may be behind.
const BACKLOG: usize = 4096;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Counts, from one, what was told since the start of the host. While nobody
    /// listens nothing is told, and the count stands.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// The task that it is about, if it is about one.
    #[must_use]
    pub fn task_id(&self) -> Option<TaskId> {
        match &self.what {
            What::Task(event) => Some(event.task_id),
            What::AgentStarted { .. }
            | What::AgentEnded { .. }
            | What::AgentRestarted { .. }
            | What::GenomeSwapped { .. }
            | What::RolloutStep { .. }
            | What::RolloutEnded { .. }
            | What::Kpi(_)
            | What::HostEnded {} => None,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Task(event) => match event.change {
                TaskEventKind::Submitted => "task-submitted",
                TaskEventKind::Started { .. } => "task-started",
                TaskEventKind::Progress { .. } => "task-progress",
                TaskEventKind::Retried { .. } => "task-retried",
                TaskEventKind::GivenBack => "task-given-back",
                TaskEventKind::Ended { .. } => "task-ended",
            },
            What::AgentStarted { .. } => "agent-started",
            What::AgentEnded { .. } => "agent-ended",
            What::AgentRestarted { .. } => "agent-restarted",
            What::GenomeSwapped { .. } => "genome-swapped",
            What::RolloutStep { .. } => "rollout-step",
            What::RolloutEnded { .. } => "rollout-ended",
            What::Kpi(_) => "kpi",
            What::HostEnded {} => "host-ended",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
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
    Submitted,
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
    GivenBack,
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

/// Where events go.
#[derive(Debug)]
pub(crate) struct Events {
    sequence: AtomicU64,
    to: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sequence: AtomicU64::new(0), to: broadcast::Sender::new(BACKLOG) }
    }
}

impl Events {
    /// Hears of what happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.to.subscribe()
    }

    pub(crate) fn listeners(&self) -> usize {
        self.to.receiver_count()
    }

    /// Tells what happened now. It is put into words only where somebody listens.
    pub(crate) fn tell(&self, what: impl FnOnce() -> What) {
        self.tell_at(SystemTime::now().into(), what);
    }

    pub(crate) fn tell_at(&self, at: Timestamp, what: impl FnOnce() -> What) {
        if self.listeners() == 0 {
            return;
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Event { sequence, at, what: what() };
        // The last listener may just have gone.
        let _ = self.to.send(Arc::new(event));
    }
}
