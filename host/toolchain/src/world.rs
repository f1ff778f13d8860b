//! The worlds of the contract that an agent can be of.

use serde::Deserialize;

/// What an agent exports.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum World {
    #[default]
    Agent,
    /// It carries its state to the genome that takes over, too.
    StatefulAgent,
}

impl World {
    /// As the contract calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::StatefulAgent => "stateful-agent",
        }
    }

    /// Of a project in a language whose bindings call the author's own code:
    /// what that has is what it exports.
    pub(super) fn with(state: bool) -> Self {
        if state { Self::StatefulAgent } else { Self::Agent }
    }
}
