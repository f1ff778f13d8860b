//! How an agent's configuration is read, and how long an instance lives.

use serde_json::json;

use super::*;

fn read(text: &str) -> AgentConfig {
    serde_json::from_str(text).unwrap()
}

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn what_is_left_out_is_the_default_and_grants_nothing() {
    let config = read(&json!({ "agent_id": ID, "agent_type": "echo" }).to_string());
    assert_eq!(config.agent_id.to_string(), ID);
    assert_eq!(config.resource_quota, ResourceQuota::default());
    assert_eq!(config.grants, Grants::default());
    assert!(config.environment.is_empty() && config.parameters.is_empty());
    assert_eq!(config.instances, InstancePolicy::Resident { tasks_per_instance: 10_000 });
    let again = read(&serde_json::to_string(&config).unwrap());
    assert_eq!(again, config);
}

#[test]
fn a_misspelt_field_is_refused() {
    let text = json!({ "agent_id": ID, "agent_type": "echo", "environmnt": {} }).to_string();
    let error = serde_json::from_str::<AgentConfig>(&text).unwrap_err();
    assert!(error.to_string().contains("environmnt"), "{error}");
}

/// A key that serde_json uses for itself is a key like any other.
#[test]
fn parameters_are_kept_as_they_were_written() {
    let parameters = json!({
        "model": { "depth": 3, "names": ["a", null] },
        "raw": { "$serde_json::private::RawValue": "[1]" },
    });
    let text = json!({ "agent_id": ID, "agent_type": "echo", "parameters": parameters });
    let config = read(&text.to_string());
    assert_eq!(serde_json::to_value(&config.parameters).unwrap(), parameters);
}

#[test]
fn an_instance_serves_one_task_at_least() {
    let resident = |tasks_per_instance| InstancePolicy::Resident { tasks_per_instance };
    for (policy, tasks) in [
        (resident(0), 1),
        (resident(1), 1),
        (resident(7), 7),
        (resident(u32::MAX), u32::MAX),
        (InstancePolicy::Fresh, 1),
        (InstancePolicy::default(), DEFAULT_TASKS_PER_INSTANCE),
    ] {
        assert_eq!(policy.tasks_per_instance(), tasks, "{policy:?}");
    }
}

#[test]
fn a_policy_is_written_by_its_name() {
    for (policy, written) in [
        (InstancePolicy::Fresh, json!({ "policy": "fresh" })),
        (
            InstancePolicy::Resident { tasks_per_instance: 5 },
            json!({ "policy": "resident", "tasks_per_instance": 5 }),
        ),
    ] {
        assert_eq!(serde_json::to_value(policy).unwrap(), written);
        assert_eq!(serde_json::from_value::<InstancePolicy>(written).unwrap(), policy);
    }
}

#[test]
fn health_is_ordered_from_the_best() {
    use HealthStatus::{Degraded, Healthy, Unhealthy};
    assert!([Healthy, Degraded, Unhealthy].is_sorted());
    let silent = AgentHealth { status: Degraded, message: None };
    assert_eq!(serde_json::to_value(&silent).unwrap(), json!({ "status": "degraded" }));
}
