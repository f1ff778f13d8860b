//! Agents, agent types and their quotas.

use chimera_layer4_core::AgentId;
pub use chimera_layer4_core::status::ActiveAgent;
pub use chimera_layer4_core::{KpiReport, ResourceAllocation, ValidationResult};
use serde::{Deserialize, Serialize};

/// An agent type that tasks may target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentType {
    #[expect(missing_docs, reason = "its name says it")]
    pub name: String,
    /// Agents of it that run.
    pub agents: Vec<AgentId>,
}

/// How many agents have the quota now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Allocated {
    #[expect(missing_docs, reason = "its name says it")]
    pub agents: usize,
}
