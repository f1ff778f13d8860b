//! An agent in the specification's form, driven through the test host.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
#![expect(clippy::indexing_slicing, reason = "a JSON value without the field answers `null`")]

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use chimera_agent_sdk::plain::*;
use chimera_agent_sdk::serde_json::json;
use chimera_agent_sdk::testing::{TestHost, task_from_json};

wasm_agent!(Counter, CounterAgent);

/// Counts words. What the task's field `fail` names goes wrong.
struct CounterAgent {
    base: BaseWasmAgent,
    tasks: u64,
}

impl CounterAgent {
    fn new() -> Self {
        let capabilities = AgentCapabilities {
            supported_task_types: vec!["count".to_string()],
            max_concurrent_tasks: 2,
            resource_quota: ResourceQuota {
                max_cpu_cores: 1.5,
                max_memory_mb: 2048,
                max_execution_time_secs: 600,
                max_network_mbps: Some(100),
            },
            required_env_vars: HashMap::from([("LANG".to_string(), "decides".to_string())]),
            features: vec!["wasm".to_string()],
        };
        Self { base: BaseWasmAgent::new("counter".to_string(), capabilities), tasks: 0 }
    }

    fn count(&self, text: &str) -> Layer4Result<serde_json::Value> {
        self.base.telemetry.start_tracking()?;
        let words = text.split_whitespace().count();
        self.base.telemetry.record_metric("words", words as f64);
        Ok(json!({ "words": words, "tasks": self.tasks }))
    }
}

impl WasmAgent for CounterAgent {
    fn execute_task(&mut self, task: Task) -> Layer4Result<ExecutionResult> {
        self.tasks += 1;
        let fail = task.payload["fail"].as_str();
        match fail {
            Some("parse") => {
                let _: u8 = serde_json::from_str("true")?;
            }
            Some("read") => {
                std::fs::read("/nowhere/counter")?;
            }
            Some("late") => {
                let later = AgentError::unavailable_for("index", Duration::from_secs(2));
                return Err(later.into());
            }
            _ => {}
        }
        let output = self.count(task.payload["text"].as_str().unwrap_or("one"))?;
        if fail == Some("health") {
            self.base.set_health(AgentHealth::degraded("tired"));
        }
        Ok(ExecutionResult {
            task_id: task.id,
            success: fail != Some("result"),
            output,
            execution_time_ms: 150,
            resource_usage: ResourceUsage {
                cpu_seconds: 0.2,
                memory_peak_mb: 128.0,
                network_tx_bytes: 1024,
                network_rx_bytes: 512,
                disk_io_ops: 25,
                gpu_utilization: None,
            },
            error: (fail == Some("result")).then(|| "no words".to_string()),
            completed_at: SystemTime::now(),
        })
    }

    fn init(&mut self, config: AgentConfig) -> Layer4Result<()> {
        match config.parameters.get("start") {
            Some(start) => self.tasks = serde_json::from_value(start.clone())?,
            None => self.base.telemetry.start_tracking()?,
        }
        self.base.init(config)
    }

    fn get_capabilities(&self) -> AgentCapabilities {
        self.base.get_capabilities()
    }

    fn shutdown(&mut self) -> Layer4Result<()> {
        match self.base.config() {
            Some(config) if config.environment.contains_key("STUCK") => {
                Err(Layer4Error::Internal("stuck".to_string()))
            }
            _ => self.base.shutdown(),
        }
    }

    fn health_check(&self) -> AgentHealth {
        self.base.health_check()
    }
}

fn start() -> TestHost<Counter> {
    TestHost::builder().parameter("start", &4).start().unwrap()
}

#[test]
fn a_task_yields_its_output_and_telemetry() {
    let mut host = start();
    let output = host.execute(&json!({ "text": "one two" })).unwrap();
    assert_eq!(output, json!({ "words": 2, "tasks": 5 }));
    assert_eq!(host.execute(&json!({})).unwrap(), json!({ "words": 1, "tasks": 6 }));
    let recording = host.recording();
    assert_eq!(recording.metric_values("words"), [2.0, 1.0]);
    assert_eq!(recording.spans.len(), 2);
    assert!(recording.spans.iter().all(|span| span.ended && span.name == "counter"));
}

#[test]
fn a_span_of_init_does_not_outlive_it() {
    let host = TestHost::<Counter>::start().unwrap();
    assert!(host.recording().spans[0].ended);
}

#[test]
fn capabilities_and_health_are_those_of_the_agent() {
    let mut host = start();
    let capabilities = host.capabilities().unwrap();
    assert_eq!(capabilities.supported_task_types, ["count"]);
    assert_eq!(capabilities.max_concurrent_tasks, 2);
    assert_eq!(capabilities.resource_quota.unwrap().max_network_mbps, Some(100.0));
    assert_eq!(capabilities.required_env_vars["LANG"], "decides");
    assert_eq!(capabilities.features, ["wasm"]);
    assert_eq!(host.health(), AgentHealth::healthy());
    host.execute(&json!({ "fail": "health" })).unwrap();
    assert_eq!(host.health(), AgentHealth::degraded("tired"));
}

#[test]
fn each_way_to_fail_has_its_case() {
    let mut host = start();
    let mut refusal = |fail: &str| host.execute(&json!({ "fail": fail })).unwrap_err();
    assert_eq!(refusal("result"), AgentError::failed("no words"));
    assert!(matches!(refusal("parse"), AgentError::InvalidInput(_)));
    assert!(matches!(refusal("read"), AgentError::Unavailable { retry_after: None, .. }));
    assert_eq!(refusal("late"), AgentError::unavailable_for("index", Duration::from_secs(2)));
    let refused = host.execute_task(task_from_json("{")).unwrap_err();
    assert!(matches!(refused, AgentError::InvalidInput(_)));
}

#[test]
fn a_wrong_parameter_is_no_fault_of_a_tasks_input() {
    let error = TestHost::<Counter>::builder().parameter("start", &"x").start().unwrap_err();
    assert!(matches!(error, AgentError::Failed(_)), "{error}");
}

#[test]
fn an_agent_ends_once() {
    let mut host = start();
    host.shutdown().unwrap();
    assert!(host.execute(&json!({})).is_err());
    let mut host = TestHost::<Counter>::builder().env("STUCK", "1").start().unwrap();
    assert_eq!(host.shutdown(), Err(AgentError::failed("stuck")));
}
