//! The host's settings.
//!
//! [`Layers`] holds what was typed, as text, with where it came from;
//! [`resolve`] turns it into a [`FabricConfig`] or into every complaint at
//! once. Nothing here reads a file or the environment: the program hands both
//! in, so a test needs neither.

mod address;
mod agent_keys;
mod agents;
pub mod agents_dir;
mod alone;
mod declared;
mod deployed;
mod layers;
mod meant;
mod parts;
mod reader;
mod resolve;
mod secret;
mod setting;
mod sources;
mod toml_file;
mod weight;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::ResourceQuota;

pub use address::is_web_address;
pub use agent_keys::AGENT_KEYS;
pub use agents::{AgentDeclaration, PartialQuota};
pub use alone::{declared_alone, declared_in_json};
pub use declared::{bad_name, declared};
pub use deployed::{Deployment, Deployments};
pub use layers::{InvalidFile, Layers};
pub use parts::capabilities::{GRANT_KEYS, GrantKey};
pub use parts::{
    CapabilitySettings, ComponentSettings, DEFAULT_AGENT_TIMEOUT_SECS, DEFAULT_COMPILE_CPU_SECS,
    DEFAULT_COMPILE_MEMORY_MB, DEFAULT_DEAD_LETTER_RETENTION_COUNT,
    DEFAULT_DEAD_LETTER_RETENTION_SECS, DEFAULT_DRAIN_TIMEOUT_SECS,
    DEFAULT_HEARTBEAT_INTERVAL_SECS, DEFAULT_KPI_REPORTING_INTERVAL_SECS, DEFAULT_MAX_AGENTS,
    DEFAULT_MAX_COMPONENT_MB, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_STORE_MB, DEFAULT_METRICS_PORT,
    DEFAULT_RECORDED_TASKS, DEFAULT_RESULT_RETENTION_COUNT, DEFAULT_RESULT_RETENTION_SECS,
    DEFAULT_TASK_QUEUE_CAPACITY, GenomeSettings, HttpSettings, MOST_AGENTS, OptLevel, PARTS, Part,
    QueueSettings, SETTINGS, TelemetrySettings,
};
pub use resolve::resolve;
pub use secret::{Secret, without_userinfo};
pub use setting::{AgentKey, Allowed, LEAST_TOKEN, Setting};
pub use sources::{AgentOrigin, AgentSources, Declarations};

/// Where tasks are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskStoreKind {
    /// In a database in the data folder; without such a folder, in memory.
    #[default]
    Embedded,
    /// In memory, gone with the process.
    Memory,
}

impl fmt::Display for TaskStoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskStoreKind::Embedded => "embedded",
            TaskStoreKind::Memory => "memory",
        })
    }
}

impl FromStr for TaskStoreKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "embedded" => Ok(TaskStoreKind::Embedded),
            "memory" => Ok(TaskStoreKind::Memory),
            _ => Err(()),
        }
    }
}

/// The host's settings, complete and within range.
///
/// The settings that the specification names and the two folders are fields. The others are
/// in groups, one for each part of the host.
#[derive(Clone, Debug, PartialEq)]
pub struct FabricConfig {
    /// Agents that may run at once.
    pub max_agents: usize,
    /// The quota of an agent or task that brings none.
    pub default_resource_quota: ResourceQuota,
    /// Tasks that may wait for one agent type.
    pub task_queue_capacity: usize,
    /// Seconds between two reports of key figures.
    pub kpi_reporting_interval_secs: u64,
    /// Seconds between two looks at an agent's health.
    pub heartbeat_interval_secs: u64,
    /// Seconds that `init`, `health` and `shutdown` may take.
    pub agent_timeout_secs: u64,
    /// Redis, by its address; `None`: tasks are in this host's own store. No version connects
    /// to it yet.
    pub redis_url: Option<Secret>,
    /// The port of the HTTP API and its metrics; 0: one that is free.
    pub metrics_port: u16,
    /// Whether logging is detailed.
    pub debug_mode: bool,
    /// Threads that the program runs agents and the API on; 0: one for each processor. A
    /// program that embeds the library brings its own.
    pub worker_threads: usize,
    /// Where compiled code and tasks are kept; `None`: code in a folder that goes
    /// with the fabric, tasks in memory.
    pub data_dir: Option<PathBuf>,
    /// Where the components of agent types are watched for; `None`: `agents` in the data
    /// folder.
    pub agents_dir: Option<PathBuf>,
    /// A folder of agents that is used where it is there, after `agents_dir` and the data
    /// folder's. It is no error where it is missing or unsafe; where it is unsafe, the log has
    /// a warning. No setting names it, and it is made absolute when it is first read.
    pub local_agents_dir: Option<PathBuf>,
    /// Components, and how they are compiled.
    pub components: ComponentSettings,
    /// Where tasks are kept, and for how long.
    pub queue: QueueSettings,
    /// The HTTP API, but for its port.
    pub http: HttpSettings,
    /// What agents may use, beside what is granted to each.
    pub capabilities: CapabilitySettings,
    /// The real tasks that genomes are benchmarked with.
    pub genomes: GenomeSettings,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
}

impl Default for FabricConfig {
    fn default() -> Self {
        Self {
            max_agents: DEFAULT_MAX_AGENTS,
            default_resource_quota: ResourceQuota::default(),
            task_queue_capacity: DEFAULT_TASK_QUEUE_CAPACITY,
            kpi_reporting_interval_secs: DEFAULT_KPI_REPORTING_INTERVAL_SECS,
            heartbeat_interval_secs: DEFAULT_HEARTBEAT_INTERVAL_SECS,
            agent_timeout_secs: DEFAULT_AGENT_TIMEOUT_SECS,
            redis_url: None,
            metrics_port: DEFAULT_METRICS_PORT,
            debug_mode: false,
            worker_threads: 0,
            data_dir: None,
            agents_dir: None,
            local_agents_dir: None,
            components: ComponentSettings::default(),
            queue: QueueSettings::default(),
            http: HttpSettings::default(),
            capabilities: CapabilitySettings::default(),
            genomes: GenomeSettings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

impl FabricConfig {
    /// The time between two reports of key figures.
    #[must_use]
    pub fn kpi_reporting_interval(&self) -> Duration {
        Duration::from_secs(self.kpi_reporting_interval_secs)
    }

    /// The limit on housekeeping calls.
    #[must_use]
    pub fn agent_timeout(&self) -> Duration {
        Duration::from_secs(self.agent_timeout_secs)
    }

    /// The time between two heartbeats.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        Duration::from_secs(self.heartbeat_interval_secs)
    }

    /// The settings, by their keys, that have another value in `other` and need a restart.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        // What is not shown is compared as it is.
        let is_hidden = |key: &str| match key {
            "api_token" => self.http.api_token != other.http.api_token,
            "redis_url" => self.redis_url != other.redis_url,
            "otlp_endpoint" => self.telemetry.otlp_endpoint != other.telemetry.otlp_endpoint,
            _ => false,
        };
        let changed = |setting: &&Setting| {
            (setting.show)(self) != (setting.show)(other) || is_hidden(setting.key)
        };
        SETTINGS
            .iter()
            .filter(|setting| !setting.reloads)
            .filter(changed)
            .map(|setting| setting.key)
            .collect()
    }

    /// Every field that is out of range, for a configuration made by hand.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        parts::complaints(self)
    }
}

#[cfg(test)]
mod tests;
