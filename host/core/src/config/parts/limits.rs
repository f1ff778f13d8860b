//! Limits of agents: how many run, what each may use, how long calls may take.

use super::super::setting::{Allowed, Setting, Wrong, put};
use crate::quota::{
    MAX_CPU_CORES, MAX_EXECUTION_TIME_SECS, MAX_MEMORY_MB, MAX_NETWORK_MBPS, MIN_CPU_CORES,
    MIN_NETWORK_MBPS,
};

/// Agents at once: what the person this is built for asked for.
pub const DEFAULT_MAX_AGENTS: usize = 10;
/// Each live instance takes about six memory mappings; Linux allows 65,530.
pub const MOST_AGENTS: usize = 10_000;
/// Often enough to notice a sick agent before its users do.
pub const DEFAULT_HEARTBEAT_INTERVAL_SECS: u64 = 10;
/// Ample for an interpreter's `init`, short enough that a hung agent is noticed.
pub const DEFAULT_AGENT_TIMEOUT_SECS: u64 = 60;

/// More than the processors of any machine that is seen, and within `TasksMax` of the unit.
const MOST_WORKER_THREADS: u64 = 512;

pub(in super::super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "max_agents",
        variable: "LAYER4_MAX_AGENTS",
        flag: None,
        help: "Agents that may run at once.",
        allowed: Allowed::Whole { least: 1, most: MOST_AGENTS as u64 },
        default_note: "",
        reloads: false,
        show: |c| c.max_agents.to_string(),
        set: |c, text| put(&mut c.max_agents, text),
    },
    Setting {
        key: "default_resource_quota.max_cpu_cores",
        variable: "LAYER4_MAX_CPU_CORES",
        flag: None,
        help: "Share of processor cores of an agent or task that brings no quota; 0.25 is a quarter of one.",
        allowed: Allowed::Number { least: MIN_CPU_CORES, most: MAX_CPU_CORES },
        default_note: "",
        reloads: false,
        show: |c| c.default_resource_quota.max_cpu_cores.to_string(),
        set: |c, text| put(&mut c.default_resource_quota.max_cpu_cores, text),
    },
    Setting {
        key: "default_resource_quota.max_memory_mb",
        variable: "LAYER4_MAX_MEMORY_MB",
        flag: None,
        help: "Mebibytes of memory of an agent or task that brings no quota.",
        allowed: Allowed::Whole { least: 1, most: MAX_MEMORY_MB },
        default_note: "",
        reloads: false,
        show: |c| c.default_resource_quota.max_memory_mb.to_string(),
        set: |c, text| put(&mut c.default_resource_quota.max_memory_mb, text),
    },
    Setting {
        key: "default_resource_quota.max_execution_time_secs",
        variable: "LAYER4_MAX_EXECUTION_TIME_SECS",
        flag: None,
        help: "Seconds that one call may take where no quota says more.",
        allowed: Allowed::Whole { least: 1, most: MAX_EXECUTION_TIME_SECS },
        default_note: "",
        reloads: false,
        show: |c| c.default_resource_quota.max_execution_time_secs.to_string(),
        set: |c, text| put(&mut c.default_resource_quota.max_execution_time_secs, text),
    },
    Setting {
        key: "default_resource_quota.max_network_mbps",
        variable: "LAYER4_MAX_NETWORK_MBPS",
        flag: None,
        help: "Megabits per second in each direction of an agent or task that brings no quota; `none`: no network.",
        allowed: Allowed::NumberOrNone { least: MIN_NETWORK_MBPS, most: MAX_NETWORK_MBPS },
        default_note: "",
        reloads: false,
        show: |c| rate(c.default_resource_quota.max_network_mbps),
        set: |c, text| put_rate(&mut c.default_resource_quota.max_network_mbps, text),
    },
    Setting {
        key: "heartbeat_interval_secs",
        variable: "LAYER4_HEARTBEAT_INTERVAL_SECS",
        flag: None,
        help: "Seconds between two looks at an agent's health.",
        allowed: Allowed::Whole { least: 1, most: 86_400 },
        default_note: "",
        reloads: false,
        show: |c| c.heartbeat_interval_secs.to_string(),
        set: |c, text| put(&mut c.heartbeat_interval_secs, text),
    },
    Setting {
        key: "agent_timeout_secs",
        variable: "LAYER4_AGENT_TIMEOUT_SECS",
        flag: None,
        help: "Seconds that an agent's `init`, `health` and `shutdown` may take.",
        allowed: Allowed::Whole { least: 1, most: 86_400 },
        default_note: "",
        reloads: false,
        show: |c| c.agent_timeout_secs.to_string(),
        set: |c, text| put(&mut c.agent_timeout_secs, text),
    },
    Setting {
        key: "worker_threads",
        variable: "LAYER4_WORKER_THREADS",
        flag: None,
        help: "Threads that agents and the API run on; 0 is one for each processor.",
        allowed: Allowed::Whole { least: 0, most: MOST_WORKER_THREADS },
        default_note: "",
        reloads: false,
        show: |c| c.worker_threads.to_string(),
        set: |c, text| put(&mut c.worker_threads, text),
    },
];

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "none".into(), |rate| rate.to_string())
}

fn put_rate(field: &mut Option<f64>, text: &str) -> Result<(), Wrong> {
    *field = match text {
        "none" => None,
        text => Some(text.parse().map_err(|_| Wrong::NotAllowed)?),
    };
    Ok(())
}
