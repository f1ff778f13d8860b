//! Fresh identities and plain values to start from, as the specification names them.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::fabric::utils as inner;
use super::{AgentConfig, AgentId, Priority, ResourceQuota, Task, TaskId};

/// A new task identity. Later ones sort after earlier ones.
#[must_use]
pub fn generate_task_id() -> TaskId {
    inner::generate_task_id()
}

/// A new agent identity. Later ones sort after earlier ones.
#[must_use]
pub fn generate_agent_id() -> AgentId {
    inner::generate_agent_id()
}

/// The quota of an agent or task that brings none.
#[must_use]
pub fn default_resource_quota() -> ResourceQuota {
    ResourceQuota::default()
}

/// A task for the agent type `echo`, which answers with its payload.
#[must_use]
pub fn default_task() -> Task {
    task_for("echo", json!({ "text": "hello" }))
}

/// A task of ordinary priority for `agent_type`, made now, without a deadline.
#[must_use]
pub fn task_for(agent_type: &str, payload: impl Into<Value>) -> Task {
    Task {
        id: generate_task_id(),
        priority: Priority::default(),
        payload: payload.into(),
        created_at: SystemTime::now(),
        deadline: None,
        resource_quota: default_resource_quota(),
        source_layer: String::new(),
        target_agent_type: agent_type.to_owned(),
        metadata: HashMap::new(),
    }
}

/// An agent of type `agent_type` with nothing granted.
#[must_use]
pub fn agent_config(agent_type: &str, resource_quota: ResourceQuota) -> AgentConfig {
    AgentConfig {
        agent_id: generate_agent_id(),
        agent_type: agent_type.to_owned(),
        resource_quota,
        environment: HashMap::new(),
        parameters: HashMap::new(),
    }
}
