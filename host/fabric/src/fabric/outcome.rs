//! What became of a declaration that was applied.

use chimera_layer4_core::FabricError;

use crate::telemetry::log::{self, AppliedBy};

/// What became of one declaration.
#[derive(Debug)]
pub struct Applied {
    /// The agent type.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
}

impl Applied {
    /// Logs what became of it, among the lines about what becomes of agents.
    pub fn log(&self, by: AppliedBy) {
        let Self { name, outcome } = self;
        let done = match outcome {
            Outcome::Failed(error) => Err(error),
            done => Ok((done.word(), done.note(name))),
        };
        log::agent_type(name, by, done);
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
