//! A task and its result.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Fault, JsonText, ResourceQuota, ResourceUsage, TaskId};

/// How urgent a task is, most urgent first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before ordinary work.
    High,
    /// Ordinary work.
    #[default]
    Normal,
    /// After ordinary work.
    Low,
    /// When there is room.
    Background,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
            Priority::Background => "background",
        })
    }
}

/// One piece of work for an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    /// The task's identity.
    pub id: TaskId,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// The input, handed to the agent as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: JsonText,
    /// When it was submitted.
    #[serde(with = "humantime_serde")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: SystemTime,
    /// When its result stops being of use. A call still running then is ended.
    #[serde(default, with = "humantime_serde::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub deadline: Option<SystemTime>,
    /// The limits for this task. Where the agent's own are tighter, those rule.
    #[serde(default)]
    pub resource_quota: ResourceQuota,
    /// Who submitted it.
    #[serde(default)]
    pub source_layer: String,
    /// The agent type that it is for.
    pub target_agent_type: String,
    /// The submitter's labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecutionResult {
    /// The task that this is about.
    pub task_id: TaskId,
    /// Whether the agent returned an output.
    pub success: bool,
    /// The agent's output; `null` without success.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub output: JsonText,
    /// Wall time from the start of the run to its end, in milliseconds, the last one counted
    /// whole.
    pub execution_time_ms: u64,
    /// What the run used.
    pub resource_usage: ResourceUsage,
    /// What went wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What went wrong, for a program to act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// When the run ended.
    #[serde(with = "humantime_serde")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub completed_at: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_with_what_is_left_out_at_its_default() {
        let text = r#"{"id": "01890a5d-ac96-774b-bcce-b302099a8057", "payload": {"n": 1},
            "created_at": "2026-01-02T03:04:05Z", "target_agent_type": "echo"}"#;
        let task: Task = serde_json::from_str(text).unwrap();
        assert_eq!((task.priority, task.deadline), (Priority::Normal, None));
        assert_eq!(task.resource_quota, ResourceQuota::default());
        let again: Task = serde_json::from_str(&serde_json::to_string(&task).unwrap()).unwrap();
        assert_eq!(again, task);
    }

    #[test]
    fn priorities_are_ordered_and_written_in_one_word() {
        use Priority::{Background, Critical, High, Low, Normal};
        let all = [Critical, High, Normal, Low, Background];
        assert!(all.is_sorted());
        for priority in all {
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.to_string());
        }
    }
}
