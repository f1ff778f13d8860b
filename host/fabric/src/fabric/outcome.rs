//! What became of a declaration that was applied.

use chimera_layer4_core::FabricError;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;

/// What became of one declaration.
#[derive(Debug)]
pub struct Applied {
    /// The agent type.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
}

impl Applied {
    /// Logs what became of it, among the lines about what becomes of agents: `changed` under
    /// `code`, or `refused` under `agent-failed` with the reason.
    pub fn log(&self, code: &'static str, changed: &str, refused: &str) {
        let Self { name, outcome } = self;
        let (done, note) = (outcome.word(), outcome.note(name));
        match (outcome, note) {
            (Outcome::Failed(error), _) => tracing::error!(
                target: EXECUTOR_LOG, code = "agent-failed",
                agent_type = name, %error, "{refused}"
            ),
            (_, Some(note)) => tracing::warn!(
                target: EXECUTOR_LOG, code, agent_type = name, done, note, "{changed}"
            ),
            (_, None) => tracing::info!(
                target: EXECUTOR_LOG, code, agent_type = name, done, "{changed}"
            ),
        }
    }
}

/// What was done about a declaration.
#[derive(Debug)]
pub enum Outcome {
    /// Its agents were started.
    Started,
    /// Neither it nor its component has changed.
    Unchanged,
    /// New agents took over; running tasks finished in the old ones.
    Replaced,
    /// It is gone; tasks of the type wait until it is back.
    Removed {
        /// So many wait now.
        waiting: u64,
    },
    /// It is as it was before.
    Failed(FabricError),
}

impl Outcome {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Started => "started",
            Outcome::Unchanged => "unchanged",
            Outcome::Replaced => "replaced",
            Outcome::Removed { .. } => "removed",
            Outcome::Failed(_) => "failed",
        }
    }

    /// What its operator may want to know; `None`: nothing.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<String> {
        match self {
            Outcome::Removed { waiting: waiting @ 1.. } => Some(format!(
                "{waiting} tasks wait for it, until it is declared again or they are cancelled: \
                 `chimera task list --type {name}`"
            )),
            _ => None,
        }
    }
}
