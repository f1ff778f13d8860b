//! The contract as Rust: generated here and nowhere else, with the
//! conversions between the contract's words and ours.
#![allow(unreachable_pub, reason = "generated code is public within its own module")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chimera_layer4_core as core;
use chimera_layer4_core::{Call, GuestFault, ResourceQuota, Task};

use super::guest_text::sanitize;
use super::setup::AgentSetup;

wasmtime::component::bindgen!({
    path: "wit",
    world: "stateful-agent",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "chimera:agent/telemetry.span": crate::sandbox::context::recorder::SpanHandle,
    },
});

pub(crate) use self::chimera::agent::{telemetry, types};

pub(crate) fn quota(quota: &ResourceQuota) -> types::ResourceQuota {
    types::ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        max_network_mbps: quota.max_network_mbps,
    }
}

pub(crate) fn config(setup: &AgentSetup, in_force: &ResourceQuota) -> types::Config {
    let parameters = setup.parameters.iter();
    types::Config {
        agent_id: setup.agent_id.to_string(),
        agent_type: setup.agent_type.clone(),
        quota: quota(in_force),
        environment: setup.environment.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        parameters: parameters.map(|(name, value)| (name.clone(), value.to_string())).collect(),
    }
}

/// A task as its guest is to see it.
#[derive(Clone, Copy)]
pub(crate) struct HandedTask<'a> {
    pub(crate) task: &'a Task,
    pub(crate) attempt: u32,
    /// In place of the task's own of the same names.
    pub(crate) metadata: &'a BTreeMap<String, String>,
    /// In place of the task's own: text that another JSON library might write.
    pub(crate) payload: Option<&'a str>,
}

impl HandedTask<'_> {
    /// Bytes of its copy for the guest.
    pub(crate) fn bytes(&self) -> usize {
        let Self { task, metadata, payload, .. } = self;
        let entries = task.metadata.iter().chain(*metadata);
        let entries: usize = entries.map(|(name, value)| name.len() + value.len()).sum();
        payload.unwrap_or(task.payload.as_str()).len() + entries
    }
}

pub(crate) fn task(handed: HandedTask<'_>, in_force: &ResourceQuota) -> types::Task {
    let HandedTask { task, attempt, metadata, payload } = handed;
    let own = task.metadata.iter().filter(|(name, _)| !metadata.contains_key(*name));
    types::Task {
        id: task.id.to_string(),
        priority: priority(task.priority),
        payload: payload.unwrap_or(task.payload.as_str()).to_owned(),
        created_at: unix_millis(task.created_at),
        deadline: task.deadline.map(unix_millis),
        attempt,
        quota: quota(in_force),
        source_layer: task.source_layer.clone(),
        agent_type: task.target_agent_type.clone(),
        metadata: own.chain(metadata).map(|(k, v)| (k.clone(), v.clone())).collect(),
    }
}

fn priority(priority: core::Priority) -> types::Priority {
    match priority {
        core::Priority::Critical => types::Priority::Critical,
        core::Priority::High => types::Priority::High,
        core::Priority::Normal => types::Priority::Normal,
        core::Priority::Low => types::Priority::Low,
        core::Priority::Background => types::Priority::Background,
    }
}

fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn agent_error(error: &types::AgentError, during: Call) -> GuestFault {
    match error {
        types::AgentError::InvalidInput(message) => {
            GuestFault::InvalidInput { during, message: sanitize(message) }
        }
        types::AgentError::Unavailable(unavailable) => GuestFault::Unavailable {
            during,
            message: sanitize(&unavailable.message),
            retry_after_ms: unavailable.retry_after_ms,
        },
        types::AgentError::Failed(message) => {
            GuestFault::Failed { during, message: sanitize(message) }
        }
    }
}

/// Entries of a guest's lists that the host keeps.
const ENTRIES: usize = 64;

pub(crate) fn capabilities(said: types::AgentCapabilities, most: u32) -> core::AgentCapabilities {
    let list = |items: Vec<String>| items.iter().take(ENTRIES).map(|item| sanitize(item)).collect();
    let needed = said.required_env_vars.iter().take(ENTRIES);
    core::AgentCapabilities {
        supported_task_types: list(said.supported_task_types),
        max_concurrent_tasks: said.max_concurrent_tasks.clamp(1, most),
        resource_quota: said.wanted_quota.map(wanted).filter(|quota| quota.complaints().is_empty()),
        required_env_vars: needed.map(|(name, why)| (sanitize(name), sanitize(why))).collect(),
        features: list(said.features),
    }
}

fn wanted(quota: types::ResourceQuota) -> ResourceQuota {
    ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        max_network_mbps: quota.max_network_mbps,
    }
}

pub(crate) fn health(said: &types::AgentHealth) -> core::AgentHealth {
    let status = match said.status {
        types::HealthStatus::Healthy => core::HealthStatus::Healthy,
        types::HealthStatus::Degraded => core::HealthStatus::Degraded,
        types::HealthStatus::Unhealthy => core::HealthStatus::Unhealthy,
    };
    core::AgentHealth { status, message: said.message.as_deref().map(sanitize) }
}
