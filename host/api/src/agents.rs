//! Agents, agent types and their quotas.

use std::collections::BTreeMap;

use chimera_layer4_core::Digest;
use chimera_layer4_core::config::AgentOrigin;
use chimera_layer4_core::json::Tree;
pub use chimera_layer4_core::status::{ActiveAgent, AgentType};
pub use chimera_layer4_core::{KpiReport, ResourceAllocation, ValidationResult};
use serde::{Deserialize, Serialize};

/// An agent type that is to be deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeployRequest {
    /// The name that tasks target.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub name: String,
    /// A stored genome.
    pub component: Digest,
    /// The keys of `[agents.NAME]` of the settings file, but for `component`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: BTreeMap<String, Tree>,
}

/// What became of an agent type that was deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deployed {
    #[expect(missing_docs, reason = "its name says it")]
    pub name: String,
    /// started, replaced or unchanged.
    pub outcome: String,
}

/// What is left of an agent type that was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retired {
    /// Tasks that wait for it, until it is there again or they are cancelled.
    pub waiting: u64,
    /// Which place has the type too, and serves it from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<AgentOrigin>,
}

/// How many agents have the quota now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Allocated {
    #[expect(missing_docs, reason = "its name says it")]
    pub agents: usize,
}
