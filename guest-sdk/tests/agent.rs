//! An agent written as an author writes one, driven through the test host.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use chimera_agent_sdk::prelude::*;
use chimera_agent_sdk::testing::{TestHost, task, task_from_json};
use chimera_agent_sdk::{ResourceQuota, telemetry};

#[derive(Deserialize)]
#[serde(crate = "serde")]
struct Words {
    words: Vec<String>,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct Counted {
    words: usize,
    longest: Option<String>,
}

struct Counter {
    base: BaseWasmAgent,
    limit: usize,
}

impl TypedAgent for Counter {
    type Output = Counted;

    fn init(config: Config) -> Result<Self, AgentError> {
        let limit = config.parameter("limit")?;
        let capabilities = Capabilities::new()
            .with_task_type("count")
            .with_required_env_var("LANG", "decides what a letter is");
        telemetry::info(format_args!("starting as {}", config.agent_id));
        Ok(Self { base: BaseWasmAgent::new(config).with_capabilities(capabilities), limit })
    }

    fn execute_task(&mut self, task: Task) -> Result<Counted, AgentError> {
        let span = self.base.telemetry.start_tracking("count");
        let Words { words } = task.payload()?;
        span.set_attribute("words", words.len());
        if words.len() > self.limit {
            self.base.health = Health::degraded("was asked for too much");
            return Err(AgentError::invalid_input("too many words"));
        }
        self.base.telemetry.record_metric("words", words.len() as f64);
        Ok(Counted { words: words.len(), longest: words.into_iter().max_by_key(String::len) })
    }

    fn base(&self) -> Option<&BaseWasmAgent> {
        Some(&self.base)
    }
}

wasm_agent!(Counter);

fn start() -> TestHost<Counter> {
    TestHost::builder()
        .parameter("limit", &2)
        .env("LANG", "C")
        .resource_quota(ResourceQuota::default())
        .start()
        .unwrap()
}

#[test]
fn a_task_yields_json_and_telemetry() {
    let mut host = start();
    let output = host.execute(&json!({"words": ["a", "bcd"]})).unwrap();
    assert_eq!(output, json!({"words": 2, "longest": "bcd"}));
    assert_eq!(host.recording().metric_values("words"), [2.0]);
    let span = host.recording().span("count").unwrap();
    assert!(span.ended);
    assert_eq!(span.attributes["words"], "2");
    assert_eq!(host.recording().logs[0].message, "starting as test-agent");
}

#[test]
fn capabilities_and_health_come_from_the_base() {
    let mut host = start();
    let capabilities = host.capabilities().unwrap();
    assert_eq!(capabilities.supported_task_types, ["count"]);
    assert!(capabilities.required_env_vars.contains_key("LANG"));
    assert_eq!(host.health().status, HealthStatus::Healthy);
    host.execute(&json!({"words": ["a", "b", "c"]})).unwrap_err();
    assert_eq!(host.health(), Health::degraded("was asked for too much"));
}

#[test]
fn a_wrong_payload_names_the_place() {
    let mut host = start();
    let error = host.execute(&json!({"words": ["a", 1]})).unwrap_err();
    assert!(error.message().contains("at `words[1]`: invalid type"), "{error}");
    let error = host.execute_task(task_from_json("{")).unwrap_err();
    assert!(matches!(error, AgentError::InvalidInput(_)));
}

#[test]
fn a_missing_parameter_keeps_the_agent_from_starting() {
    let error = TestHost::<Counter>::start().unwrap_err();
    assert!(error.message().contains("parameter `limit` is not set"), "{error}");
}

#[test]
fn a_task_can_be_changed_before_it_runs() {
    let mut host = start();
    let mut retried = task(&json!({"words": []}));
    retried.attempt = 3;
    retried.metadata.insert("origin".into(), "test".into());
    let output = host.execute_task(retried).unwrap();
    assert_eq!(output, json!({"words": 0, "longest": null}));
    assert_eq!(host.take_recording().spans.len(), 1);
    assert!(host.recording().spans.is_empty());
}

#[test]
fn nothing_runs_after_shutdown() {
    let mut host = start();
    host.shutdown().unwrap();
    assert!(host.execute(&json!({"words": []})).is_err());
    assert_eq!(host.health().status, HealthStatus::Unhealthy);
    assert!(format!("{host:?}").starts_with("TestHost"));
}
