//! The settings that the specification names.

use std::fmt;

use super::ResourceQuota;
use crate::host::fabric::FabricConfig;
use crate::host::fabric::config::{Secret, without_userinfo};

/// The settings that the specification names, all of them.
///
/// The others are read by [`Layer4Fabric::new`](crate::Layer4Fabric::new) from the environment
/// and `chimera.toml`, or given to [`Layer4Fabric::builder`](crate::Layer4Fabric::builder).
/// The default reads nothing.
#[derive(Clone, PartialEq)]
pub struct Layer4Config {
    /// Agents that may run at once, 1 to 10,000.
    pub max_agents: usize,
    /// The quota of an agent or task that brings none.
    pub default_resource_quota: ResourceQuota,
    /// Tasks that may wait for one agent type.
    pub task_queue_capacity: usize,
    /// Seconds between two reports of key figures.
    pub kpi_reporting_interval_secs: u64,
    /// Seconds between two looks at an agent's health.
    pub heartbeat_interval_secs: u64,
    /// Seconds that an agent's `init`, `health` and `shutdown` may take.
    pub agent_timeout_secs: u64,
    /// Redis, as `redis://localhost:6379`; empty: tasks are in this host's own store. No
    /// version connects to it yet: an address is taken, with a warning in the log and in
    /// `/readyz`, and tasks are in this host's own store all the same.
    pub redis_url: String,
    /// The port of the HTTP API and its metrics; 0: one that is free.
    pub metrics_port: u16,
    /// Whether logging is detailed. Installs a subscriber where the program has none.
    pub debug_mode: bool,
}

impl Default for Layer4Config {
    fn default() -> Self {
        let config = FabricConfig::default();
        Self {
            max_agents: config.max_agents,
            default_resource_quota: config.default_resource_quota.into(),
            task_queue_capacity: config.task_queue_capacity,
            kpi_reporting_interval_secs: config.kpi_reporting_interval_secs,
            heartbeat_interval_secs: config.heartbeat_interval_secs,
            agent_timeout_secs: config.agent_timeout_secs,
            redis_url: String::new(),
            metrics_port: config.metrics_port,
            debug_mode: config.debug_mode,
        }
    }
}

impl fmt::Debug for Layer4Config {
    /// A password in `redis_url` is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer4Config")
            .field("max_agents", &self.max_agents)
            .field("default_resource_quota", &self.default_resource_quota)
            .field("task_queue_capacity", &self.task_queue_capacity)
            .field("kpi_reporting_interval_secs", &self.kpi_reporting_interval_secs)
            .field("heartbeat_interval_secs", &self.heartbeat_interval_secs)
            .field("agent_timeout_secs", &self.agent_timeout_secs)
            .field("redis_url", &without_userinfo(&self.redis_url))
            .field("metrics_port", &self.metrics_port)
            .field("debug_mode", &self.debug_mode)
            .finish()
    }
}

impl Layer4Config {
    /// Puts the nine into a fabric's settings, and leaves the others as they are.
    pub(crate) fn put_into(self, config: &mut FabricConfig) {
        config.max_agents = self.max_agents;
        config.default_resource_quota = self.default_resource_quota.into();
        config.task_queue_capacity = self.task_queue_capacity;
        config.kpi_reporting_interval_secs = self.kpi_reporting_interval_secs;
        config.heartbeat_interval_secs = self.heartbeat_interval_secs;
        config.agent_timeout_secs = self.agent_timeout_secs;
        config.redis_url = (!self.redis_url.is_empty()).then(|| Secret::new(self.redis_url));
        config.metrics_port = self.metrics_port;
        config.debug_mode = self.debug_mode;
    }
}

impl From<Layer4Config> for FabricConfig {
    fn from(config: Layer4Config) -> Self {
        let mut all = Self::default();
        config.put_into(&mut all);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_fabrics_and_a_password_is_not_shown() {
        assert_eq!(FabricConfig::from(Layer4Config::default()), FabricConfig::default());
        let redis_url = "redis://user:hidden@localhost:6379".to_owned();
        let config = Layer4Config { redis_url, ..Layer4Config::default() };
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
        let inside = FabricConfig::from(config.clone());
        assert_eq!(inside.redis_url.unwrap().reveal(), config.redis_url);
    }

    #[test]
    fn each_of_the_nine_is_put_and_what_is_no_such_setting_stays() {
        let config = Layer4Config {
            max_agents: 1,
            default_resource_quota: ResourceQuota { max_memory_mb: 2, ..Default::default() },
            task_queue_capacity: 3,
            kpi_reporting_interval_secs: 4,
            heartbeat_interval_secs: 5,
            agent_timeout_secs: 6,
            redis_url: "redis://localhost".into(),
            metrics_port: 7,
            debug_mode: true,
        };
        let mut all = FabricConfig { data_dir: Some("/d".into()), ..FabricConfig::default() };
        config.put_into(&mut all);
        assert_eq!(all.data_dir.as_deref(), Some("/d".as_ref()));
        assert_eq!((all.max_agents, all.task_queue_capacity, all.metrics_port), (1, 3, 7));
        assert_eq!(all.default_resource_quota.max_memory_mb, 2);
        assert_eq!((all.kpi_reporting_interval_secs, all.heartbeat_interval_secs), (4, 5));
        assert_eq!((all.agent_timeout_secs, all.debug_mode), (6, true));
        assert!(all.redis_url.is_some());
    }
}
