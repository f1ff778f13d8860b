//! The host's settings.
//!
//! [`Layers`] holds what was typed, as text, with where it came from;
//! [`resolve`] turns it into a [`Layer4Config`] or into every complaint at
//! once. Nothing here reads a file or the environment: the program hands both
//! in, so a test needs neither.

mod layers;
mod resolve;

use std::path::PathBuf;
use std::time::Duration;

use crate::ResourceQuota;

pub use layers::{InvalidFile, Layers};
pub use resolve::{SETTINGS, Setting, resolve};

/// Agents at once: what the person this is built for asked for.
pub const DEFAULT_MAX_AGENTS: usize = 10;
/// Each live instance takes about six memory mappings; Linux allows 65,530.
pub const MOST_AGENTS: usize = 10_000;
/// Tasks that may wait.
pub const DEFAULT_TASK_QUEUE_CAPACITY: usize = 1000;
/// Often enough to notice a sick agent before its users do.
pub const DEFAULT_HEARTBEAT_INTERVAL_SECS: u64 = 10;
/// Ample for an interpreter's `init`, short enough that a hung agent is noticed.
pub const DEFAULT_AGENT_TIMEOUT_SECS: u64 = 60;
/// Larger than any Rust, Go or Python component seen; small enough to hold in memory.
pub const DEFAULT_MAX_COMPONENT_MB: u64 = 32;

/// Processor time of one compilation: the slowest interpreter seen needs 7 s.
pub const DEFAULT_COMPILE_CPU_SECS: u64 = 30;
/// Address space of one compilation: the largest interpreter seen needs 400 MiB.
pub const DEFAULT_COMPILE_MEMORY_MB: u64 = 2048;

/// The host's settings, complete and within range.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer4Config {
    /// Agents that may run at once.
    pub max_agents: usize,
    /// The quota of an agent or task that brings none.
    pub default_resource_quota: ResourceQuota,
    /// Tasks that may wait for one agent type.
    pub task_queue_capacity: usize,
    /// Seconds between two looks at an agent's health.
    pub heartbeat_interval_secs: u64,
    /// Seconds that `init`, `health` and `shutdown` may take.
    pub agent_timeout_secs: u64,
    /// Mebibytes that a component may have.
    pub max_component_mb: u64,
    /// Seconds of processor time that compiling one component may take; of
    /// wall time, twice that, and 30 s at the least.
    pub compile_cpu_secs: u64,
    /// Mebibytes of address space that compiling one component may take.
    pub compile_memory_mb: u64,
    /// Where compiled code is kept; `None`: in a folder that goes with the fabric.
    pub data_dir: Option<PathBuf>,
    /// The `chimera` program, which compiles components in a process of its
    /// own; `None`: looked for beside the running program.
    pub compile_program: Option<PathBuf>,
    /// Whether logging is detailed.
    pub debug_mode: bool,
}

impl Default for Layer4Config {
    fn default() -> Self {
        Self {
            max_agents: DEFAULT_MAX_AGENTS,
            default_resource_quota: ResourceQuota::default(),
            task_queue_capacity: DEFAULT_TASK_QUEUE_CAPACITY,
            heartbeat_interval_secs: DEFAULT_HEARTBEAT_INTERVAL_SECS,
            agent_timeout_secs: DEFAULT_AGENT_TIMEOUT_SECS,
            max_component_mb: DEFAULT_MAX_COMPONENT_MB,
            compile_cpu_secs: DEFAULT_COMPILE_CPU_SECS,
            compile_memory_mb: DEFAULT_COMPILE_MEMORY_MB,
            data_dir: None,
            compile_program: None,
            debug_mode: false,
        }
    }
}

impl Layer4Config {
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

    /// The largest component, in bytes.
    #[must_use]
    pub fn max_component_bytes(&self) -> u64 {
        self.max_component_mb.saturating_mul(crate::quota::MEBIBYTE)
    }

    /// Every field that is out of range, for a configuration made by hand.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let numbers = [
            ("max_agents", self.max_agents as u64),
            ("task_queue_capacity", self.task_queue_capacity as u64),
            ("heartbeat_interval_secs", self.heartbeat_interval_secs),
            ("agent_timeout_secs", self.agent_timeout_secs),
            ("max_component_mb", self.max_component_mb),
            ("compile_cpu_secs", self.compile_cpu_secs),
            ("compile_memory_mb", self.compile_memory_mb),
        ];
        let mut complaints: Vec<String> = numbers
            .into_iter()
            .filter_map(|(name, value)| resolve::out_of_range(name, value))
            .collect();
        complaints.extend(
            self.default_resource_quota
                .complaints()
                .into_iter()
                .map(|c| format!("default_resource_quota.{c}")),
        );
        complaints
    }
}
