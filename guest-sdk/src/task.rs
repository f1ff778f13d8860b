//! One piece of work.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::{AgentError, ResourceQuota, payload};

/// How urgent a task is. The host serves all five; none starves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// A UUID in its usual text form.
    pub id: String,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was submitted.
    pub created_at: SystemTime,
    /// When the result stops being of use, if ever. The host ends the call by then.
    pub deadline: Option<SystemTime>,
    /// 1 for the first attempt, one more for each retry.
    pub attempt: u32,
    /// The limits in force for this call.
    pub resource_quota: ResourceQuota,
    /// Who submitted it, in the submitter's own words.
    pub source_layer: String,
    /// The agent type that it targets.
    pub agent_type: String,
    /// The submitter's labels.
    pub metadata: BTreeMap<String, String>,
    pub(crate) payload: String,
}

impl Task {
    /// The input as a `T`.
    ///
    /// What does not fit is [`AgentError::InvalidInput`] with the place in the
    /// input, so `?` is all an agent needs.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        payload::decode(&self.payload)
    }

    /// The input as it came: JSON text. For an agent that reads a large input
    /// piece by piece instead of building it in memory.
    pub fn payload_json(&self) -> &str {
        &self.payload
    }
}
