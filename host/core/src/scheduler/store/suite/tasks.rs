//! What a test submits: instants, identities and tasks in the making.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scheduler::{Submission, SubmitOptions, Timestamp};
use crate::{Priority, ResourceQuota, Task, TaskId};

/// Every class, most urgent first.
pub const CLASSES: [Priority; 5] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Background];

/// An instant, so many milliseconds after the test's first.
pub fn at(ms: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + ms)
}

/// Identities in the order of their numbers.
pub fn id(n: u32) -> TaskId {
    format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap()
}

/// The time from one instant to another, for what is kept how long.
pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A submission in the making: for agent type `a`, of ordinary priority.
#[derive(Clone, Debug)]
pub struct Given(pub Submission);

/// A task of type `a`, of ordinary priority, with its number as its input.
pub fn given(n: u32) -> Given {
    let task = Task {
        id: id(n),
        priority: Priority::Normal,
        payload: json!({ "n": n }).into(),
        created_at: at(0).to_system_time(),
        deadline: None,
        resource_quota: ResourceQuota::default(),
        source_layer: String::new(),
        target_agent_type: "a".into(),
        metadata: BTreeMap::new(),
    };
    Given(Submission { task, options: SubmitOptions::default() })
}

impl Given {
    /// For another agent type.
    pub fn of(mut self, agent_type: &str) -> Self {
        self.0.task.target_agent_type = agent_type.into();
        self
    }

    /// Of another priority.
    pub fn class(mut self, priority: Priority) -> Self {
        self.0.task.priority = priority;
        self
    }

    /// With another input.
    pub fn payload(mut self, payload: Value) -> Self {
        self.0.task.payload = payload.into();
        self
    }

    /// To end before an instant.
    pub fn deadline(mut self, ms: u64) -> Self {
        self.0.task.deadline = Some(at(ms).to_system_time());
        self
    }

    /// To run from an instant on.
    pub fn not_before(mut self, ms: u64) -> Self {
        self.0.options.not_before = Some(at(ms).to_system_time());
        self
    }

    /// Under an idempotency key.
    pub fn key(mut self, key: &str) -> Self {
        self.0.options.idempotency_key = Some(key.into());
        self
    }

    /// With so many runs at the most.
    pub fn attempts(mut self, most: u32) -> Self {
        self.0.options.max_attempts = Some(most);
        self
    }
}
