//! Between the contract's generated types and the ones that authors see.
//!
//! Plain functions and not `From`: an implementation of a public trait would
//! put the generated types into the public interface.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::contract::chimera::agent::types as wit;
use crate::{
    AgentError, Capabilities, Config, Health, HealthStatus, Priority, ResourceQuota, Task,
};

pub(crate) fn config(config: wit::Config) -> Config {
    Config {
        agent_id: config.agent_id,
        agent_type: config.agent_type,
        resource_quota: quota(config.quota),
        environment: config.environment.into_iter().collect(),
        parameters: config.parameters.into_iter().collect(),
    }
}

pub(crate) fn task(task: wit::Task) -> Task {
    Task {
        id: task.id,
        priority: priority(task.priority),
        created_at: time(task.created_at),
        deadline: task.deadline.map(time),
        attempt: task.attempt,
        resource_quota: quota(task.quota),
        source_layer: task.source_layer,
        agent_type: task.agent_type,
        metadata: task.metadata.into_iter().collect(),
        payload: task.payload,
    }
}

pub(crate) fn capabilities(capabilities: Capabilities) -> wit::AgentCapabilities {
    wit::AgentCapabilities {
        supported_task_types: capabilities.supported_task_types,
        max_concurrent_tasks: capabilities.max_concurrent_tasks,
        wanted_quota: capabilities.resource_quota.map(wanted_quota),
        required_env_vars: capabilities.required_env_vars.into_iter().collect(),
        features: capabilities.features,
    }
}

pub(crate) fn health(health: Health) -> wit::AgentHealth {
    wit::AgentHealth {
        status: match health.status {
            HealthStatus::Healthy => wit::HealthStatus::Healthy,
            HealthStatus::Degraded => wit::HealthStatus::Degraded,
            HealthStatus::Unhealthy => wit::HealthStatus::Unhealthy,
        },
        message: health.message,
    }
}

pub(crate) fn error(error: AgentError) -> wit::AgentError {
    match error {
        AgentError::InvalidInput(message) => wit::AgentError::InvalidInput(message),
        AgentError::Unavailable { message, retry_after } => {
            wit::AgentError::Unavailable(wit::Unavailable {
                message,
                retry_after_ms: retry_after.map(millis),
            })
        }
        AgentError::Failed(message) => wit::AgentError::Failed(message),
    }
}

fn priority(priority: wit::Priority) -> Priority {
    match priority {
        wit::Priority::Critical => Priority::Critical,
        wit::Priority::High => Priority::High,
        wit::Priority::Normal => Priority::Normal,
        wit::Priority::Low => Priority::Low,
        wit::Priority::Background => Priority::Background,
    }
}

fn quota(quota: wit::ResourceQuota) -> ResourceQuota {
    ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        max_network_mbps: quota.max_network_mbps,
    }
}

fn wanted_quota(quota: ResourceQuota) -> wit::ResourceQuota {
    wit::ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        max_network_mbps: quota.max_network_mbps,
    }
}

/// A time that the platform cannot hold becomes the epoch: a wrong time is
/// better than a trap.
fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

/// Rounded up, so that "wait a little" does not become "do not wait".
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: wit::ResourceQuota = wit::ResourceQuota {
        max_cpu_cores: 0.5,
        max_memory_mb: 64,
        max_execution_time_secs: 9,
        max_network_mbps: None,
    };

    #[test]
    fn a_task_keeps_every_field() {
        let task = task(wit::Task {
            id: "id".into(),
            priority: wit::Priority::High,
            payload: "[1]".into(),
            created_at: 1_500,
            deadline: Some(u64::MAX),
            attempt: 2,
            quota: QUOTA,
            source_layer: "layer2".into(),
            agent_type: "echo".into(),
            metadata: vec![("k".into(), "v".into())],
        });
        assert_eq!(task.priority, Priority::High);
        assert_eq!(task.created_at, UNIX_EPOCH + Duration::from_millis(1_500));
        assert!(task.deadline.is_some());
        assert_eq!(task.payload::<Vec<u8>>(), Ok(vec![1]));
        assert_eq!(task.metadata.get("k").map(String::as_str), Some("v"));
        assert_eq!(task.resource_quota, quota(QUOTA));
        assert_eq!((task.attempt, task.id.as_str()), (2, "id"));
    }

    #[test]
    fn every_priority_has_its_twin() {
        let twins = [
            (wit::Priority::Critical, Priority::Critical),
            (wit::Priority::High, Priority::High),
            (wit::Priority::Normal, Priority::Normal),
            (wit::Priority::Low, Priority::Low),
            (wit::Priority::Background, Priority::Background),
        ];
        for (theirs, ours) in twins {
            assert_eq!(priority(theirs), ours);
        }
    }

    #[test]
    fn capabilities_keep_every_field() {
        let wish = capabilities(
            Capabilities::new()
                .with_task_type("a")
                .with_feature("b")
                .with_max_concurrent_tasks(3)
                .with_required_env_var("KEY", "signs")
                .with_resource_quota(quota(QUOTA)),
        );
        assert_eq!(wish.supported_task_types, ["a"]);
        assert_eq!(wish.features, ["b"]);
        assert_eq!(wish.max_concurrent_tasks, 3);
        assert_eq!(wish.required_env_vars, [("KEY".into(), "signs".into())]);
        assert_eq!(wish.wanted_quota.unwrap().max_memory_mb, 64);
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_millis(2)), 2);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn health_and_errors_keep_case_and_words() {
        assert_eq!(health(Health::degraded("slow")).message.unwrap(), "slow");
        assert!(matches!(health(Health::unhealthy("x")).status, wit::HealthStatus::Unhealthy));
        assert!(matches!(health(Health::healthy()).status, wit::HealthStatus::Healthy));
        assert!(matches!(error(AgentError::failed("x")), wit::AgentError::Failed(m) if m == "x"));
        assert!(matches!(error(AgentError::invalid_input("x")), wit::AgentError::InvalidInput(_)));
        let later = error(AgentError::unavailable_for("x", Duration::from_secs(1)));
        assert!(
            matches!(later, wit::AgentError::Unavailable(u) if u.retry_after_ms == Some(1_000))
        );
    }
}
