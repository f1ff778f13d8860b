//! How one agent in the specification's form is set up.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::{AgentId, ResourceQuota};

/// How one agent is set up: handed to `init` once in the life of an instance.
///
/// `Debug` prints the names of the environment without the values, which may be secrets.
#[derive(Clone, PartialEq)]
pub struct AgentConfig {
    /// The agent's identity: stable over restarts.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The limits that the host enforces on this agent.
    pub resource_quota: ResourceQuota,
    /// What the operator granted as environment.
    pub environment: HashMap<String, String>,
    /// The operator's parameters.
    pub parameters: HashMap<String, Value>,
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of both may be secrets.
        let mut variables: Vec<_> = self.environment.keys().collect();
        variables.sort_unstable();
        let mut parameters: Vec<_> = self.parameters.keys().collect();
        parameters.sort_unstable();
        f.debug_struct("AgentConfig")
            .field("agent_id", &self.agent_id)
            .field("agent_type", &self.agent_type)
            .field("resource_quota", &self.resource_quota)
            .field("environment", &variables)
            .field("parameters", &parameters)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_text_has_no_values_of_variables_and_parameters() {
        let config = AgentConfig {
            agent_id: AgentId::from("a"),
            agent_type: "echo".to_owned(),
            resource_quota: ResourceQuota::default(),
            environment: HashMap::from([("TOKEN".to_owned(), "hidden".to_owned())]),
            parameters: HashMap::from([("key".to_owned(), Value::from("hidden"))]),
        };
        let text = format!("{config:?}");
        assert!(text.contains(r#"environment: ["TOKEN"]"#), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}
