//! What an agent in the specification's form says it can do.

use std::collections::HashMap;

use super::ResourceQuota;

/// What an agent can do and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentCapabilities {
    /// Kinds of task that the agent understands; empty: it does not say.
    pub supported_task_types: Vec<String>,
    /// Tasks that may run at once, each in an instance of its own. The host may allow
    /// fewer.
    pub max_concurrent_tasks: u32,
    /// The limits that the agent asks for. The operator's quota decides.
    pub resource_quota: ResourceQuota,
    /// Environment variables that the agent needs, each with what it is for. The host
    /// refuses to start an agent that lacks one, and shows the texts: a secret is the
    /// operator's to grant and does not stand here.
    pub required_env_vars: HashMap<String, String>,
    /// Free words that name optional abilities.
    pub features: Vec<String>,
}

/// One task at a time, the usual limits, no needs.
impl Default for AgentCapabilities {
    fn default() -> Self {
        Self {
            supported_task_types: Vec::new(),
            max_concurrent_tasks: 1,
            resource_quota: ResourceQuota::default(),
            required_env_vars: HashMap::new(),
            features: Vec::new(),
        }
    }
}
