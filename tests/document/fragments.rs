//! The document's fragments for the host, each on a fabric of the kind that it has in mind:
//! what they return, and what they change there.

use std::borrow::Cow;
use std::fs;
use std::sync::Arc;

use chimera_layer4::fabric::AgentSource;
use chimera_layer4::{
    AgentComponent, AgentConfig, AgentId, HealthStatus, Layer4Config, Layer4Fabric,
    ResourceAllocation, ResourceQuota, SystemStatus, Task, ValidationResult, utils,
};
use serde_json::json;

use super::guests::component;
use super::host;
use crate::harness::{guest, settings};

async fn layer4() -> Layer4Fabric {
    let builder = Layer4Fabric::builder(Layer4Config::default()).without_port();
    // No heartbeat comes in between.
    let builder = builder.settings(|all| {
        *all = settings();
        all.heartbeat_interval_secs = 3600;
    });
    let layer4 = builder.build().await.unwrap();
    layer4.start().await.unwrap();
    layer4
}

fn agent(agent_type: &str) -> AgentConfig {
    utils::agent_config(agent_type, utils::default_resource_quota())
}

async fn spawn(layer4: &Layer4Fabric, fixture: &str, agent_type: &str) -> AgentId {
    layer4.spawn_agent(guest(fixture), agent(agent_type)).await.unwrap()
}

/// The same component with a section of its own, which is another genome.
fn other_echo() -> Vec<u8> {
    [guest("echo"), vec![0, 3, 1, b'x', 0]].concat()
}

/// Block 0551, method by method.
#[tokio::test(flavor = "multi_thread")]
async fn the_integration_hands_on_what_the_other_layers_send() {
    let layer4 = layer4().await;
    let echo = spawn(&layer4, "echo", "echo").await;
    let fabric = Arc::clone(layer4.fabric());
    let before = fabric.agents().active().remove(0).genome;
    let layers = host::b0551::Layer4Integration::of(layer4);

    let task = Task { source_layer: "layer2".into(), ..utils::default_task() };
    let result = layers.handle_discovery_task(task.clone()).await.unwrap();
    assert!(result.success && result.output == task.payload, "{result:?}");
    assert_eq!(result.task_id, task.id);
    let record = fabric.tasks().get(task.id).await.unwrap();
    assert_eq!(record.task.source_layer, "layer2");

    let judged = ValidationResult { task_id: task.id, accuracy: 0.75 };
    layers.send_validation_result(judged).await.unwrap();
    let reports = layers.provide_kpi_data().await.unwrap();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.agent_id, report.runs, report.accuracy), (echo, 1, 0.75));
    assert!(report.latency_ms > 0.0, "{report:?}");

    layers.receive_agent_update(echo, other_echo()).await.unwrap();
    let after = fabric.agents().active().remove(0);
    assert!(after.id == echo && after.genome != before, "{after:?}");

    let quota = ResourceQuota { max_memory_mb: 1, ..ResourceQuota::default() };
    let allocation = ResourceAllocation::for_agent(echo, quota);
    layers.receive_resource_allocation(allocation).await.unwrap();
    let over = layers.handle_discovery_task(utils::default_task()).await.unwrap();
    assert!(
        !over.success && over.error.unwrap().contains("max_memory_mb"),
        "the quota is in force"
    );
    fabric.shutdown().await.unwrap();
}

/// The agent of blocks 0875 and 0893, as a build script makes a type of an agent crate.
struct CustomAgent;

impl AgentComponent for CustomAgent {
    const NAME: &'static str = "custom-agent";

    fn component() -> Cow<'static, [u8]> {
        fs::read(component(&["0875", "0893"])).unwrap().into()
    }
}

/// An agent that needs nothing: that of block 0213.
struct DataAnalyzer;

impl AgentComponent for DataAnalyzer {
    const NAME: &'static str = "data-analyzer";

    fn component() -> Cow<'static, [u8]> {
        fs::read(component(&["0213"])).unwrap().into()
    }
}

/// Block 0905.
#[tokio::test(flavor = "multi_thread")]
async fn a_registered_agent_type_is_started_by_its_first_task() {
    let layer4 = layer4().await;
    host::b0905::run::<DataAnalyzer>(&layer4).await.unwrap();
    assert_eq!(layer4.fabric().agents().active().len(), 0);
    let task = || utils::task_for("custom_agent", json!({ "text": "hello" }));
    let result = layer4.execute_task(task()).await.unwrap();
    assert_eq!(result.output["data_points_processed"], 1000, "{result:?}");
    let active = layer4.get_active_agents().await.unwrap();
    assert_eq!((active.len(), active[0].agent_type.as_str()), (1, "custom_agent"));
    layer4.fabric().agents().shutdown(active[0].id).await.unwrap();

    // The document's own agent needs the variable that its capabilities name.
    host::b0905::run::<CustomAgent>(&layer4).await.unwrap();
    let refused = layer4.execute_task(task()).await.unwrap_err();
    assert!(refused.to_string().contains("API_KEY"), "{refused}");
    let source = AgentSource::Bytes(CustomAgent::component().into_owned().into());
    let mut config = agent("custom_agent");
    config.environment.insert("API_KEY".into(), "secret".into());
    layer4.fabric().agents().register("custom_agent", source, config.into()).unwrap();
    let result = layer4.execute_task(task()).await.unwrap();
    assert_eq!(result.output, json!({ "received": { "text": "hello" } }), "{result:?}");
    layer4.shutdown().await.unwrap();
}

/// Block 1214.
#[tokio::test(flavor = "multi_thread")]
async fn a_discovered_task_is_run_by_its_agent_type() {
    let layer4 = layer4().await;
    spawn(&layer4, "echo", "file_processor").await;
    let result = host::b1214::run(&layer4).await.unwrap();
    assert!(result.success && result.output == utils::default_task().payload, "{result:?}");
    let record = layer4.fabric().tasks().get(result.task_id).await.unwrap();
    let task = &record.task;
    assert_eq!((&*task.source_layer, &*task.target_agent_type), ("layer2", "file_processor"));
    layer4.shutdown().await.unwrap();
}

/// Block 1236.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_goes_on_with_the_genome_that_was_sent() {
    let layer4 = layer4().await;
    let echo = spawn(&layer4, "echo", "echo").await;
    let before = layer4.get_active_agents().await.unwrap().remove(0).genome;
    host::b1236::run(&layer4, echo, other_echo()).await.unwrap();
    let after = layer4.get_active_agents().await.unwrap();
    assert_eq!((after.len(), after[0].id), (1, echo));
    assert_ne!(after[0].genome, before);
    assert!(layer4.execute_task(utils::default_task()).await.unwrap().success);
    // What is no component changes nothing.
    let refused = host::b1236::run(&layer4, echo, b"nothing".to_vec()).await.unwrap_err();
    assert!(refused.to_string().contains("not a component"), "{refused}");
    assert_eq!(layer4.get_active_agents().await.unwrap()[0].genome, after[0].genome);
    layer4.shutdown().await.unwrap();
}

/// Block 1308. An agent whose restart by its heartbeat failed stays unhealthy.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_unhealthy_is_restarted_and_no_other() {
    let layer4 = layer4().await;
    let well = spawn(&layer4, "echo", "echo").await;
    let ill = spawn(&layer4, "hostile", "hostile").await;
    let order = |what: &str| utils::task_for("hostile", json!({ "do": what }));
    assert!(layer4.execute_task(order("fall-ill")).await.unwrap().success);
    let memory = async |max_memory_mb| {
        let quota = ResourceQuota { max_memory_mb, ..ResourceQuota::default() };
        let allocation = ResourceAllocation::for_agent(ill, quota);
        layer4.update_resource_allocation(allocation).await.unwrap();
    };
    let restarts = async |id: AgentId| {
        let agents = layer4.get_active_agents().await.unwrap();
        let agent = agents.into_iter().find(|agent| agent.id == id).unwrap();
        (agent.health.status, agent.restarts)
    };
    // A new instance needs more than that.
    memory(1).await;
    layer4.fabric().agents().check(ill).await.unwrap();
    let (status, before) = restarts(ill).await;
    assert_eq!(status, HealthStatus::Unhealthy);
    assert_eq!(layer4.get_health().await.status, SystemStatus::Degraded);
    let refused = host::b1308::run(&layer4).await.unwrap_err();
    assert_eq!(refused.code(), "resource-quota-exceeded", "{refused}");

    memory(64).await;
    host::b1308::run(&layer4).await.unwrap();
    assert_eq!(restarts(ill).await, (HealthStatus::Healthy, before + 2));
    assert_eq!(restarts(well).await, (HealthStatus::Healthy, 0));
    assert_eq!(layer4.get_health().await.status, SystemStatus::Healthy);
    assert!(layer4.execute_task(order("nothing")).await.unwrap().success);
    // Nothing is unhealthy any more.
    host::b1308::run(&layer4).await.unwrap();
    assert_eq!(restarts(ill).await.1, before + 2);
    layer4.shutdown().await.unwrap();
}

/// Blocks 0376, 0944, 0986 and 1059 are settings that a fabric takes; 0787 and 1257 are
/// what an agent is set up with.
#[tokio::test]
async fn settings_of_the_document_are_taken_as_they_are() {
    for (config, agents, capacity, is_debugged) in [
        (host::b0376::run(), 10, 1000, false),
        (host::b0944::run(), 10, 1000, true),
        (host::b0986::run(), 50, 10_000, false),
        (host::b1059::run(), 10, 1000, true),
    ] {
        assert_eq!(config.debug_mode, is_debugged);
        // The log of a detailed one would be that of all tests in this process.
        let config = Layer4Config { debug_mode: false, ..config };
        let layer4 = Layer4Fabric::builder(config).without_port().build().await.unwrap();
        let config = layer4.fabric().config();
        assert_eq!((config.max_agents, config.task_queue_capacity), (agents, capacity));
    }
    for config in [host::b0787::run(), host::b1257::run()] {
        let quota = &config.resource_quota;
        assert_eq!((quota.max_cpu_cores, quota.max_memory_mb), (0.5, 256));
        assert_eq!((quota.max_execution_time_secs, quota.max_network_mbps), (60, Some(1)));
        let layer4 = layer4().await;
        let (agent_type, agent_id) = (config.agent_type.clone(), config.agent_id);
        assert_eq!(layer4.spawn_agent(guest("echo"), config).await.unwrap(), agent_id);
        let result = layer4.execute_task(utils::task_for(&agent_type, json!(1))).await.unwrap();
        assert_eq!(result.output, json!(1));
        layer4.shutdown().await.unwrap();
    }
}
