//! How an agent was set up, apart from its quota.
//!
//! An `AgentConfig` has both in one, but only one of them stays as it is. They
//! are separated when the agent is made, so that no code reads a quota that is
//! no longer in force: the current quota is
//! [`AgentLimits::quota`](super::limits::agent::AgentLimits::quota).

use std::collections::BTreeMap;

use chimera_layer4_core::{AgentConfig, AgentId, Grants, InstancePolicy, ResourceQuota};
use serde_json::Value;

/// What the operator set once and for all when the agent was spawned.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentSetup {
    /// The agent's identity.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// Environment variables granted to the agent.
    pub environment: BTreeMap<String, String>,
    /// The parameters that the agent's `init` gets: the operator's, with those of the type's
    /// refinement in place of the ones of their names.
    pub parameters: BTreeMap<String, Value>,
    /// The operator's parameters.
    pub declared: BTreeMap<String, Value>,
    /// What is granted to the agent.
    pub grants: Grants,
    /// Whether an instance serves many tasks or one.
    pub instances: InstancePolicy,
}

impl AgentSetup {
    /// The same with other parameters for `init`.
    pub(crate) fn with_parameters(self, parameters: BTreeMap<String, Value>) -> Self {
        Self { parameters, ..self }
    }
}

/// What stays, and the quota that the agent begins with.
pub(crate) fn split(config: AgentConfig) -> (AgentSetup, ResourceQuota) {
    let AgentConfig {
        agent_id,
        agent_type,
        resource_quota,
        environment,
        parameters,
        grants,
        instances,
    } = config;
    (
        AgentSetup {
            agent_id,
            agent_type,
            environment,
            declared: parameters.clone(),
            parameters,
            grants,
            instances,
        },
        resource_quota,
    )
}

/// The settings of another agent that is set up alike.
pub(crate) fn joined(
    setup: AgentSetup,
    resource_quota: ResourceQuota,
    agent_id: AgentId,
) -> AgentConfig {
    let AgentSetup { agent_type, environment, parameters, grants, instances, .. } = setup;
    AgentConfig { agent_id, agent_type, resource_quota, environment, parameters, grants, instances }
}
