//! A task as the specification writes it.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::Value;

use super::ResourceQuota;
use crate::host::{Priority, TaskId, fabric};

/// One piece of work for an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The task's identity, as [`utils::generate_task_id`](crate::utils::generate_task_id) makes
    /// one. A second submission of the same task is answered with the first one's result.
    pub id: TaskId,
    /// How urgent it is.
    pub priority: Priority,
    /// The input, handed to the agent as it is.
    pub payload: Value,
    /// When it was made.
    pub created_at: SystemTime,
    /// When its result stops being of use. A call still running then is ended.
    pub deadline: Option<SystemTime>,
    /// The limits for this task. Where the agent's own are tighter, those rule.
    pub resource_quota: ResourceQuota,
    /// Which layer submitted it.
    pub source_layer: String,
    /// The agent type that it is for.
    pub target_agent_type: String,
    /// The submitter's labels.
    pub metadata: HashMap<String, String>,
}

impl From<Task> for fabric::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            priority: task.priority,
            payload: task.payload.into(),
            created_at: task.created_at,
            deadline: task.deadline,
            resource_quota: task.resource_quota.into(),
            source_layer: task.source_layer,
            target_agent_type: task.target_agent_type,
            metadata: task.metadata.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::utils;

    #[test]
    fn a_task_becomes_the_fabrics_with_all_that_it_has() {
        let task = Task {
            priority: Priority::High,
            payload: serde_json::json!({ "n": [1, 2.5, "x"] }),
            deadline: Some(SystemTime::UNIX_EPOCH),
            source_layer: "layer2".into(),
            metadata: HashMap::from([("a".to_owned(), "b".to_owned())]),
            ..utils::default_task()
        };
        let inside = fabric::Task::from(task.clone());
        assert_eq!((inside.id, inside.priority), (task.id, task.priority));
        assert_eq!(inside.payload, task.payload);
        assert_eq!((inside.created_at, inside.deadline), (task.created_at, task.deadline));
        assert_eq!(inside.resource_quota, task.resource_quota.into());
        assert_eq!(inside.source_layer, task.source_layer);
        assert_eq!(inside.target_agent_type, task.target_agent_type);
        assert_eq!(inside.metadata.get("a").map(String::as_str), Some("b"));
    }
}
