//! An agent's configuration, its capabilities and its health.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::Tree;
use crate::{AgentId, Grants, ResourceQuota};

/// Tasks served before a resident instance is retired, unless set otherwise.
///
/// Enough that the cost of a new instance vanishes; few enough that a slow
/// leak in a guest is swept away within seconds under load.
pub const DEFAULT_TASKS_PER_INSTANCE: u32 = 10_000;

/// How an operator sets up one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The agent's identity.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The limits on this agent.
    #[serde(default)]
    pub resource_quota: ResourceQuota,
    /// Environment variables granted to the agent.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The operator's parameters, handed to the agent's `init`.
    #[serde(default, deserialize_with = "parameters")]
    pub parameters: BTreeMap<String, Value>,
    /// What is granted to the agent.
    #[serde(default)]
    pub grants: Grants,
    /// Whether an instance serves many tasks or one.
    #[serde(default)]
    pub instances: InstancePolicy,
}

fn parameters<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Value>, D::Error> {
    let named = BTreeMap::<String, Tree>::deserialize(from)?;
    Ok(named.into_iter().map(|(name, Tree(value))| (name, value)).collect())
}

/// How long an instance of an agent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "policy")]
pub enum InstancePolicy {
    /// Task after task in the same instance, up to a bounded number.
    Resident {
        /// Tasks that one instance serves before it is retired. Zero counts as one.
        tasks_per_instance: u32,
    },
    /// Each task in an instance of its own: nothing is carried over.
    Fresh,
}

impl Default for InstancePolicy {
    fn default() -> Self {
        Self::Resident { tasks_per_instance: DEFAULT_TASKS_PER_INSTANCE }
    }
}

impl InstancePolicy {
    /// Tasks that one instance serves at the most.
    #[must_use]
    pub fn tasks_per_instance(self) -> u32 {
        match self {
            InstancePolicy::Resident { tasks_per_instance } => tasks_per_instance.max(1),
            InstancePolicy::Fresh => 1,
        }
    }
}

/// What an agent says it can do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentCapabilities {
    /// Kinds of task it understands; empty: it does not say.
    pub supported_task_types: Vec<String>,
    /// Tasks that it may run at once, as the host allows it.
    pub max_concurrent_tasks: u32,
    /// The limits that the agent would like, if it said.
    pub resource_quota: Option<ResourceQuota>,
    /// Environment variables that it needs, each with what it is for.
    pub required_env_vars: BTreeMap<String, String>,
    /// Optional abilities, in its own words.
    pub features: Vec<String>,
}

/// How well an agent is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum HealthStatus {
    /// Ready for work.
    Healthy,
    /// Works, with less than its full abilities.
    Degraded,
    /// Cannot work; the host restarts it.
    Unhealthy,
}

/// The health that an agent reported, or what the host found instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentHealth {
    /// How well it is.
    pub status: HealthStatus,
    /// Why, in words for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[cfg(test)]
mod tests;
