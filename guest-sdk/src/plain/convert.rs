//! Between the types of both forms.

use serde_json::Value;

use super::tree::Tree;
use super::{AgentCapabilities, AgentConfig, ExecutionResult, ResourceQuota, Task};
use crate::{AgentError, Capabilities, Config, telemetry};

/// The parameters are read here, once: the typed form reads each where it is asked for.
pub(super) fn config(config: Config) -> Result<AgentConfig, AgentError> {
    let names: Vec<String> = config.parameter_names().map(str::to_owned).collect();
    let read = |name: String| -> Result<_, AgentError> {
        let Tree(value) = config.parameter(&name)?;
        Ok((name, value))
    };
    let parameters = names.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(AgentConfig {
        agent_id: config.agent_id.into(),
        agent_type: config.agent_type,
        resource_quota: quota(config.resource_quota),
        environment: config.environment.into_iter().collect(),
        parameters,
    })
}

pub(super) fn task(task: crate::Task) -> Result<Task, AgentError> {
    let Tree(payload) = task.payload()?;
    Ok(Task {
        payload,
        id: task.id.into(),
        priority: task.priority,
        created_at: task.created_at,
        deadline: task.deadline,
        resource_quota: quota(task.resource_quota),
        source_layer: task.source_layer,
        target_agent_type: task.agent_type,
        metadata: task.metadata.into_iter().collect(),
    })
}

pub(super) fn capabilities(capabilities: AgentCapabilities) -> Capabilities {
    Capabilities {
        supported_task_types: capabilities.supported_task_types,
        max_concurrent_tasks: capabilities.max_concurrent_tasks,
        resource_quota: Some(wanted_quota(&capabilities.resource_quota)),
        required_env_vars: capabilities.required_env_vars.into_iter().collect(),
        features: capabilities.features,
    }
}

/// The part of a result that the host takes: what it measures itself is dropped.
pub(super) fn output(result: ExecutionResult) -> Result<Value, AgentError> {
    let ExecutionResult { success, output, error, .. } = result;
    match (success, error) {
        (true, None) => Ok(output),
        (true, Some(error)) => {
            telemetry::warn(format_args!(
                "the task succeeded, and its result has an error: {error}"
            ));
            Ok(output)
        }
        (false, Some(error)) => Err(AgentError::Failed(error)),
        (false, None) => Err(AgentError::failed(
            "the agent's result says that the task did not succeed, without a reason: set its `error`",
        )),
    }
}

fn quota(quota: crate::ResourceQuota) -> ResourceQuota {
    ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        // `as` takes the nearest number that there is, and 0 for what is none.
        max_network_mbps: quota.max_network_mbps.map(|mbps| mbps.ceil() as u32),
    }
}

fn wanted_quota(quota: &ResourceQuota) -> crate::ResourceQuota {
    crate::ResourceQuota {
        max_cpu_cores: quota.max_cpu_cores,
        max_memory_mb: quota.max_memory_mb,
        max_execution_time_secs: quota.max_execution_time_secs,
        max_network_mbps: quota.max_network_mbps.map(f64::from),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::plain::{Priority, ResourceUsage};
    use crate::testing;

    #[test]
    fn a_task_keeps_every_field() {
        let typed = crate::Task {
            id: "id".to_owned(),
            priority: Priority::High,
            deadline: Some(UNIX_EPOCH),
            source_layer: "layer2".to_owned(),
            metadata: [("k".to_owned(), "v".to_owned())].into(),
            ..testing::task(&json!({ "x": [1] }))
        };
        let expected = Task {
            id: "id".into(),
            priority: Priority::High,
            payload: json!({ "x": [1] }),
            created_at: UNIX_EPOCH,
            deadline: Some(UNIX_EPOCH),
            resource_quota: ResourceQuota::default(),
            source_layer: "layer2".to_owned(),
            target_agent_type: "test".to_owned(),
            metadata: HashMap::from([("k".to_owned(), "v".to_owned())]),
        };
        assert_eq!(task(typed), Ok(expected));
    }

    #[test]
    fn a_payload_that_is_no_json_is_refused() {
        let refused = task(testing::task_from_json("{")).unwrap_err();
        assert!(matches!(refused, AgentError::InvalidInput(_)), "{refused}");
    }

    #[test]
    fn a_configuration_keeps_every_field() {
        let mut typed = testing::config();
        typed.environment.insert("REGION".to_owned(), "eu".to_owned());
        typed.parameters.insert("limits".to_owned(), "[1, null]".to_owned());
        let read = config(typed.clone()).unwrap();
        assert_eq!(read.agent_id.as_str(), "test-agent");
        assert_eq!(read.agent_type, "test");
        assert_eq!(read.resource_quota, ResourceQuota::default());
        assert_eq!(read.environment["REGION"], "eu");
        assert_eq!(read.parameters["limits"], json!([1, null]));
        typed.parameters.insert("limits".to_owned(), "[".to_owned());
        let error = config(typed).unwrap_err();
        assert!(error.message().starts_with("parameter `limits` does not fit"), "{error}");
    }

    #[test]
    fn capabilities_keep_every_field() {
        let typed = capabilities(AgentCapabilities {
            supported_task_types: vec!["a".to_owned()],
            max_concurrent_tasks: 3,
            resource_quota: ResourceQuota { max_memory_mb: 64, ..ResourceQuota::default() },
            required_env_vars: HashMap::from([("KEY".to_owned(), "signs".to_owned())]),
            features: vec!["b".to_owned()],
        });
        let quota = crate::ResourceQuota { max_memory_mb: 64, ..crate::ResourceQuota::default() };
        let expected = Capabilities::new()
            .with_task_type("a")
            .with_max_concurrent_tasks(3)
            .with_resource_quota(quota)
            .with_required_env_var("KEY", "signs")
            .with_feature("b");
        assert_eq!(typed, expected);
    }

    #[test]
    fn a_fraction_of_a_megabit_is_rounded_up() {
        let rows = [
            (None, None),
            (Some(0.0), Some(0)),
            (Some(0.001), Some(1)),
            (Some(2.0), Some(2)),
            (Some(1e12), Some(u32::MAX)),
            (Some(f64::NAN), Some(0)),
        ];
        for (max_network_mbps, expected) in rows {
            let typed =
                crate::ResourceQuota { max_network_mbps, ..crate::ResourceQuota::default() };
            assert_eq!(quota(typed).max_network_mbps, expected, "{max_network_mbps:?}");
        }
    }

    fn result(success: bool, error: Option<&str>) -> ExecutionResult {
        ExecutionResult {
            task_id: "id".into(),
            success,
            output: json!(1),
            execution_time_ms: 150,
            resource_usage: ResourceUsage::default(),
            error: error.map(str::to_owned),
            completed_at: UNIX_EPOCH,
        }
    }

    #[test]
    fn success_decides_between_output_and_error() {
        assert_eq!(output(result(true, None)), Ok(json!(1)));
        assert_eq!(output(result(false, Some("no rows"))), Err(AgentError::failed("no rows")));
        let silent = output(result(false, None)).unwrap_err();
        assert!(silent.message().ends_with("without a reason: set its `error`"), "{silent}");
    }

    #[test]
    fn an_error_beside_success_is_logged() {
        let (done, recording): (Result<Value, _>, _) =
            testing::record(|| output(result(true, Some("half of it"))));
        assert_eq!(done, Ok(json!(1)));
        assert!(recording.logs[0].message.ends_with("has an error: half of it"));
    }
}
