//! What an author's tests and tools make: identities, a quota, a task.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{AgentId, Priority, ResourceQuota, Task, TaskId};

/// A new identity for a task.
pub fn generate_task_id() -> TaskId {
    TaskId::from(uuid_v7())
}

/// A new identity for an agent.
pub fn generate_agent_id() -> AgentId {
    AgentId::from(uuid_v7())
}

/// What a host grants by default.
pub fn default_resource_quota() -> ResourceQuota {
    ResourceQuota::default()
}

/// A task of normal priority for the agent type `echo` with the payload
/// `{"text": "hello"}`.
pub fn default_task() -> Task {
    Task {
        id: generate_task_id(),
        priority: Priority::Normal,
        payload: serde_json::json!({ "text": "hello" }),
        created_at: SystemTime::now(),
        deadline: None,
        resource_quota: default_resource_quota(),
        source_layer: String::new(),
        target_agent_type: "echo".to_owned(),
        metadata: HashMap::new(),
    }
}

/// A UUID of version 7 in its usual text form: the time, then chance. The standard
/// library has no other source of chance than the keys of its maps, and a crate for it
/// would be in every agent.
fn uuid_v7() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let [high, low] = [chance(), chance()];
    let variant = (0b10 << 62) | (low >> 2);
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        (millis >> 16) & 0xffff_ffff,
        millis & 0xffff,
        high & 0xfff,
        variant >> 48,
        variant & 0xffff_ffff_ffff,
    )
}

fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_identity_has_the_form_of_a_uuid() {
        let id = generate_agent_id();
        let text = id.as_str();
        let lengths: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
        assert!(text.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "{text}");
        assert_eq!(text.as_bytes()[14], b'7', "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
    }

    #[test]
    fn identities_differ() {
        let ids: HashSet<_> = (0..1_000).map(|_| generate_task_id()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn a_default_task_is_for_echo() {
        let task = default_task();
        assert_eq!(task.target_agent_type, "echo");
        assert_eq!(task.payload["text"], "hello");
        assert_eq!(task.resource_quota, ResourceQuota::default());
    }
}
