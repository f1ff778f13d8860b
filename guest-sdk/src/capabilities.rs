//! What an agent says it can do.

use std::collections::BTreeMap;

use crate::ResourceQuota;

/// What an agent can do and what it needs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Kinds of task the agent understands; empty: it does not say.
    pub supported_task_types: Vec<String>,
    /// Tasks that may run at once, each in an instance of its own. The
    /// host may allow fewer.
    pub max_concurrent_tasks: u32,
    /// The limits the agent would like. A wish: the operator's quota rules.
    pub resource_quota: Option<ResourceQuota>,
    /// Environment variables the agent needs, each with what it is for. The
    /// host refuses to start an agent that lacks one.
    pub required_env_vars: BTreeMap<String, String>,
    /// Free words that name optional abilities.
    pub features: Vec<String>,
}

impl Capabilities {
    /// One task at a time, no wishes, no needs.
    pub fn new() -> Self {
        Self {
            supported_task_types: Vec::new(),
            max_concurrent_tasks: 1,
            resource_quota: None,
            required_env_vars: BTreeMap::new(),
            features: Vec::new(),
        }
    }

    /// Adds a kind of task that the agent understands.
    #[must_use]
    pub fn with_task_type(mut self, name: impl Into<String>) -> Self {
        self.supported_task_types.push(name.into());
        self
    }

    /// Adds the name of an optional ability.
    #[must_use]
    pub fn with_feature(mut self, name: impl Into<String>) -> Self {
        self.features.push(name.into());
        self
    }

    /// Sets how many tasks may run at once.
    #[must_use]
    pub fn with_max_concurrent_tasks(mut self, count: u32) -> Self {
        self.max_concurrent_tasks = count;
        self
    }

    /// Asks for these limits.
    #[must_use]
    pub fn with_resource_quota(mut self, quota: ResourceQuota) -> Self {
        self.resource_quota = Some(quota);
        self
    }

    /// Names an environment variable without which the agent does not start.
    #[must_use]
    pub fn with_required_env_var(
        mut self,
        name: impl Into<String>,
        purpose: impl Into<String>,
    ) -> Self {
        self.required_env_vars.insert(name.into(), purpose.into());
        self
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}
