//! Agent types that the configuration file declares.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::DEFAULT_TASKS_PER_INSTANCE;
use crate::{AgentConfig, AgentId, Grants, InstancePolicy, ResourceQuota};

/// One `[agents.NAME]` of the file.
#[derive(Clone, PartialEq)]
pub struct AgentDeclaration {
    /// The component; a relative path is the file's neighbour. Or the digest of a
    /// genome that is stored, as `sha256:…`.
    pub component: PathBuf,
    /// Agents to start with the host. With 0 the first task starts one.
    pub instances: u32,
    /// The limits on each; what is left out is the host's default.
    pub quota: PartialQuota,
    /// Environment variables granted.
    pub environment: BTreeMap<String, String>,
    /// Parameters, handed to `init`.
    pub parameters: BTreeMap<String, Value>,
    /// What is granted beside variables; all paths are absolute.
    pub grants: Grants,
    /// Whether each task gets an instance of its own.
    pub fresh: bool,
    /// Tasks that an instance serves before it is replaced.
    pub tasks_per_instance: Option<u32>,
}

impl fmt::Debug for AgentDeclaration {
    /// Values of variables and parameters may be secrets, and are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentDeclaration")
            .field("component", &self.component)
            .field("instances", &self.instances)
            .field("quota", &self.quota)
            .field("environment", &self.environment.keys())
            .field("parameters", &self.parameters.keys())
            .field("grants", &self.grants)
            .field("fresh", &self.fresh)
            .field("tasks_per_instance", &self.tasks_per_instance)
            .finish()
    }
}

/// A quota of which parts may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartialQuota {
    /// Share of processor cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 1024))]
    pub max_cpu_cores: Option<f64>,
    /// Mebibytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 4096))]
    pub max_memory_mb: Option<u64>,
    /// Seconds for one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 604800))]
    pub max_execution_time_secs: Option<u64>,
    /// Megabits per second each way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 1000000))]
    pub max_network_mbps: Option<f64>,
}

impl PartialQuota {
    /// Completed from `defaults`.
    #[must_use]
    pub fn or(&self, defaults: &ResourceQuota) -> ResourceQuota {
        ResourceQuota {
            max_cpu_cores: self.max_cpu_cores.unwrap_or(defaults.max_cpu_cores),
            max_memory_mb: self.max_memory_mb.unwrap_or(defaults.max_memory_mb),
            max_execution_time_secs: self
                .max_execution_time_secs
                .unwrap_or(defaults.max_execution_time_secs),
            max_network_mbps: self.max_network_mbps.or(defaults.max_network_mbps),
        }
    }
}

impl AgentDeclaration {
    /// How an agent of the declaration is set up.
    #[must_use]
    pub fn config(&self, name: &str, agent_id: AgentId, defaults: &ResourceQuota) -> AgentConfig {
        let tasks_per_instance = self.tasks_per_instance.unwrap_or(DEFAULT_TASKS_PER_INSTANCE);
        let resident = InstancePolicy::Resident { tasks_per_instance };
        AgentConfig {
            agent_id,
            agent_type: name.to_owned(),
            resource_quota: self.quota.or(defaults),
            environment: self.environment.clone(),
            parameters: self.parameters.clone(),
            grants: self.grants.clone(),
            instances: if self.fresh { InstancePolicy::Fresh } else { resident },
        }
    }
}
