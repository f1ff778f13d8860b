//! Fresh identities and plain values to start from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use uuid::Uuid;

use chimera_layer4_core::{
    AgentConfig, AgentId, Grants, InstancePolicy, JsonText, Priority, ResourceQuota, Task, TaskId,
};

/// A new task identity. Later ones sort after earlier ones.
#[must_use]
pub fn generate_task_id() -> TaskId {
    Uuid::now_v7().into()
}

/// A new agent identity. Later ones sort after earlier ones.
#[must_use]
pub fn generate_agent_id() -> AgentId {
    Uuid::now_v7().into()
}

/// The quota of an agent or task that brings none.
#[must_use]
pub fn default_resource_quota() -> ResourceQuota {
    ResourceQuota::default()
}

/// A task of ordinary priority for `agent_type`, made now, without a deadline.
#[must_use]
pub fn task_for(agent_type: &str, payload: impl Into<JsonText>) -> Task {
    Task {
        id: generate_task_id(),
        priority: Priority::default(),
        payload: payload.into(),
        created_at: SystemTime::now(),
        deadline: None,
        resource_quota: default_resource_quota(),
        source_layer: String::new(),
        target_agent_type: agent_type.to_owned(),
        metadata: BTreeMap::new(),
    }
}

/// An agent of type `agent_type` with nothing granted, kept resident.
#[must_use]
pub fn agent_config(agent_type: &str, quota: ResourceQuota) -> AgentConfig {
    AgentConfig {
        agent_id: generate_agent_id(),
        agent_type: agent_type.to_owned(),
        resource_quota: quota,
        environment: BTreeMap::new(),
        parameters: BTreeMap::new(),
        grants: Grants::default(),
        instances: InstancePolicy::default(),
    }
}
