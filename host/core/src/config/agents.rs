//! Agent types that the configuration file declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::Layers;
use crate::agent::DEFAULT_TASKS_PER_INSTANCE;
use crate::{AgentConfig, AgentId, Digest, FolderGrant, Grants, InstancePolicy, ResourceQuota};

/// One `[agents.NAME]` of the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentDeclaration {
    /// The component; a relative path is the file's neighbour. Or the digest of a
    /// genome that is stored, as `sha256:…`.
    pub component: PathBuf,
    /// Agents to start with the host. With 0 the first task starts one.
    #[serde(default = "one")]
    pub instances: u32,
    /// The limits on each; what is left out is the host's default.
    #[serde(default)]
    pub quota: PartialQuota,
    /// Environment variables granted.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Parameters, handed to `init`.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Folders granted.
    #[serde(default)]
    pub folders: Vec<FolderGrant>,
    /// Whether each task gets an instance of its own.
    #[serde(default)]
    pub fresh: bool,
    /// Tasks that an instance serves before it is replaced.
    pub tasks_per_instance: Option<u32>,
}

fn one() -> u32 {
    1
}

/// A quota of which parts may be left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialQuota {
    /// Share of processor cores.
    pub max_cpu_cores: Option<f64>,
    /// Mebibytes of memory.
    pub max_memory_mb: Option<u64>,
    /// Seconds for one call.
    pub max_execution_time_secs: Option<u64>,
    /// Megabits per second each way.
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
            grants: Grants { folders: self.folders.clone() },
            instances: if self.fresh { InstancePolicy::Fresh } else { resident },
        }
    }
}

/// The agents that the file declares, by type.
///
/// # Errors
/// Every complaint at once.
pub fn declared(
    layers: &Layers,
    defaults: &ResourceQuota,
    max_agents: usize,
) -> Result<BTreeMap<String, AgentDeclaration>, Vec<String>> {
    let (mut declared, mut complaints) = (BTreeMap::new(), Vec::new());
    let beside = Path::new(&layers.file).parent().unwrap_or(Path::new(""));
    for (name, typed) in &layers.agents {
        let origin = format!("agents.{name} in {}", layers.file);
        match AgentDeclaration::deserialize(typed.clone()) {
            Ok(mut one) => {
                let stored = one.component.to_str().is_some_and(|c| c.parse::<Digest>().is_ok());
                if !stored {
                    one.component = beside.join(one.component);
                }
                let quota = one.quota.or(defaults).complaints();
                complaints.extend(quota.into_iter().map(|c| format!("{origin}: quota.{c}")));
                declared.insert(name.clone(), one);
            }
            Err(error) => complaints.push(format!("{origin}: {}", error.to_string().trim_end())),
        }
    }
    let agents: usize = declared.values().map(|one| one.instances as usize).sum();
    if agents > max_agents {
        complaints.push(format!(
            "{} declares {agents} agents, and `max_agents` is {max_agents}; raise it",
            layers.file
        ));
    }
    if complaints.is_empty() { Ok(declared) } else { Err(complaints) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, AgentDeclaration>, Vec<String>> {
        let layers = Layers::new().with_file("/etc/chimera/chimera.toml", text).unwrap();
        declared(&layers, &ResourceQuota::default(), 10)
    }

    #[test]
    fn an_agent_is_declared_with_what_it_needs_and_the_rest_at_its_default() {
        let text = r#"
            [agents.echo]
            component = "echo.wasm"
            [agents.analyst]
            component = "/opt/analyst.wasm"
            instances = 2
            quota = { max_memory_mb = 64 }
            environment = { MODE = "fast" }
            parameters = { threshold = 3, names = ["a"] }
            folders = [{ host = "/data", guest = "/in" }]
            fresh = true
        "#;
        let agents = read(text).unwrap();
        let echo = &agents["echo"];
        assert_eq!(echo.component, Path::new("/etc/chimera/echo.wasm"));
        assert_eq!((echo.instances, echo.fresh), (1, false));
        let analyst = &agents["analyst"];
        assert_eq!(analyst.component, Path::new("/opt/analyst.wasm"));
        let id = AgentId::from(uuid::Uuid::nil());
        let config = analyst.config("analyst", id, &ResourceQuota::default());
        assert_eq!(config.resource_quota.max_memory_mb, 64);
        assert_eq!(config.resource_quota.max_cpu_cores, 1.0);
        assert_eq!(config.instances, InstancePolicy::Fresh);
        assert_eq!(config.parameters["names"], serde_json::json!(["a"]));
        assert_eq!(config.grants.folders.len(), 1);
    }

    #[test]
    fn every_complaint_names_its_agent() {
        let text = r#"
            [agents.one]
            instances = 1
            [agents.two]
            component = "two.wasm"
            memory = 3
            [agents.three]
            component = "three.wasm"
            instances = 11
            quota = { max_memory_mb = 0 }
        "#;
        let all = read(text).unwrap_err().join("\n");
        for words in [
            "agents.one in /etc/chimera/chimera.toml: missing field `component`",
            "agents.two in /etc/chimera/chimera.toml: unknown field `memory`",
            "agents.three in /etc/chimera/chimera.toml: quota.max_memory_mb is 0",
            "declares 11 agents, and `max_agents` is 10",
        ] {
            assert!(all.contains(words), "{words}\n{all}");
        }
        let error = Layers::new().with_file("chimera.toml", "agents = 3").unwrap();
        assert!(super::super::resolve(&error).is_err());
    }
}
