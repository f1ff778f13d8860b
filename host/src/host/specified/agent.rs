//! An agent's configuration as the specification writes it.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::ResourceQuota;
use crate::host::{AgentId, fabric};

/// How an agent is set up. Nothing is granted to it but its variables: folders, origins and
/// room for keys are in [`fabric::AgentConfig::grants`].
#[derive(Clone, PartialEq)]
pub struct AgentConfig {
    /// The agent's identity.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The limits on this agent.
    pub resource_quota: ResourceQuota,
    /// Environment variables granted to the agent.
    pub environment: HashMap<String, String>,
    /// Parameters, handed to the agent's `init`.
    pub parameters: HashMap<String, Value>,
}

impl fmt::Debug for AgentConfig {
    /// Values of variables and parameters may be secrets: their names are all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("agent_id", &self.agent_id)
            .field("agent_type", &self.agent_type)
            .field("resource_quota", &self.resource_quota)
            .field("environment", &self.environment.keys())
            .field("parameters", &self.parameters.keys())
            .finish()
    }
}

impl From<AgentConfig> for fabric::AgentConfig {
    fn from(config: AgentConfig) -> Self {
        Self {
            agent_id: config.agent_id,
            agent_type: config.agent_type,
            resource_quota: config.resource_quota.into(),
            environment: config.environment.into_iter().collect(),
            parameters: config.parameters.into_iter().collect(),
            grants: fabric::Grants::default(),
            instances: fabric::InstancePolicy::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::utils;

    #[test]
    fn an_agent_has_what_it_was_given_and_no_grant_and_shows_no_value() {
        let environment = HashMap::from([("TOKEN".to_owned(), "hidden".to_owned())]);
        let parameters = HashMap::from([("key".to_owned(), Value::from("hidden"))]);
        let quota = utils::default_resource_quota();
        let config = AgentConfig { environment, parameters, ..utils::agent_config("a", quota) };
        let shown = format!("{config:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hidden"), "{shown}");
        let inside = fabric::AgentConfig::from(config);
        assert_eq!(inside.environment["TOKEN"], "hidden");
        assert_eq!(inside.parameters["key"], "hidden");
        assert_eq!(inside.grants, fabric::Grants::default());
    }
}
