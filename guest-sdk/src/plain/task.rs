//! One piece of work, for an agent in the specification's form.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::Value;

use super::{Priority, ResourceQuota, TaskId};

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The task's identity, the same over all attempts.
    pub id: TaskId,
    /// How urgent it is.
    pub priority: Priority,
    /// The input. `payload["x"]` is `null` where the input has no such field.
    pub payload: Value,
    /// When it was submitted.
    pub created_at: SystemTime,
    /// When the result stops being of use, if ever. The host ends the call by then.
    pub deadline: Option<SystemTime>,
    /// The limits in force for this call.
    pub resource_quota: ResourceQuota,
    /// Who submitted it, in the submitter's own words.
    pub source_layer: String,
    /// The agent type that it targets.
    pub target_agent_type: String,
    /// The submitter's labels.
    pub metadata: HashMap<String, String>,
}
