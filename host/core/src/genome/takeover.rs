//! What a host says of a genome that takes over, or is tried for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Comparison, Fitness};
use crate::{AgentId, Digest, JsonText};

/// A genome took over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Swapped {
    /// The agent type.
    pub agent_type: String,
    /// The agents that run it now; each keeps its identity.
    pub agents: Vec<AgentId>,
    /// Agents whose successors did not start, though others' did: they go on
    /// with what they ran. Promoting it again tries these again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<AgentId>,
    /// What they ran before; absent where none ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// What they run now.
    pub to: Digest,
    /// Microseconds in which tasks waited for the change.
    pub switch_micros: u64,
    /// What became of the agents' own state.
    pub state: StateCarried,
}

/// What became of the agents' own state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StateCarried {
    /// Each agent goes on from where the old one stood.
    Carried {
        /// Over all agents.
        bytes: u64,
        /// Microseconds in which no task began, so that none was forgotten.
        paused_micros: u64,
    },
    /// At least one agent began as its `init` left it.
    StartedAnew {
        /// Why.
        why: String,
    },
}

impl fmt::Display for StateCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateCarried::Carried { bytes, .. } => write!(f, "carried, {bytes} bytes"),
            StateCarried::StartedAnew { why } => write!(f, "started anew: {why}"),
        }
    }
}

/// A task for a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BenchTask {
    /// The input.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: JsonText,
    /// The output that is known to be right, if one is.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<serde_json::Value>))]
    pub expected: Option<JsonText>,
}

/// What a benchmark found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Benchmark {
    /// The agent type.
    pub agent_type: String,
    /// The genome that was held against.
    pub champion: Digest,
    /// The genome that was tried.
    pub candidate: Digest,
    /// How they compare.
    pub comparison: Comparison,
    /// The score that follows.
    pub fitness: Fitness,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_the_state_is_shown_in_words() {
        let carried = StateCarried::Carried { bytes: 7, paused_micros: 2 };
        assert_eq!(carried.to_string(), "carried, 7 bytes");
        let anew = StateCarried::StartedAnew { why: "it has none".into() };
        assert_eq!(anew.to_string(), "started anew: it has none");
    }
}
