//! `Layer4Fabric`: the specification's methods over a fabric, and the port that its
//! start opens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use chimera_layer4::fabric::{AgentSource, FabricConfig};
use chimera_layer4::{
    AgentConfig, HealthStatus, Layer4Config, Layer4Error, Layer4Fabric, Layer4FabricBuilder,
    ResourceAllocation, ResourceQuota, SystemStatus, Task, ValidationResult, utils,
};
use serde_json::{Value, json};

use crate::harness::{config_of, guest, guest_path, root, settings};
use crate::http::{Answer, call};

/// Far more than a port takes to open or to shut.
const PATIENCE: Duration = Duration::from_secs(20);

/// As the tests' fabrics are, but for the port.
fn with_port(metrics_port: u16) -> Layer4FabricBuilder {
    let config = Layer4Config { metrics_port, ..Layer4Config::default() };
    Layer4Fabric::builder(config).settings(|all| *all = FabricConfig { metrics_port, ..settings() })
}

fn quota() -> ResourceQuota {
    ResourceQuota { max_memory_mb: 32, max_execution_time_secs: 20, ..ResourceQuota::default() }
}

fn agent(name: &str) -> AgentConfig {
    utils::agent_config(name, quota())
}

fn task(agent_type: &str, payload: Value) -> Task {
    Task { resource_quota: quota(), ..utils::task_for(agent_type, payload) }
}

async fn asked(method: &str, address: SocketAddr, path: &str) -> Answer {
    let request = ureq::http::Request::builder().method(method);
    let request = request.uri(format!("http://{address}{path}")).body(String::new()).unwrap();
    tokio::task::spawn_blocking(move || call(request)).await.unwrap()
}

fn is_open(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// A port that another program has for as long as the listener lives.
fn taken() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_task_runs_by_the_specifications_methods_and_the_port_shows_it() {
    let layer4 = with_port(0).build().await.unwrap();
    assert_eq!(layer4.metrics_address(), None);
    layer4.start().await.unwrap();
    let address = layer4.metrics_address().unwrap();
    layer4.start().await.unwrap();
    assert_eq!(layer4.metrics_address(), Some(address), "started twice is once");

    let echo = layer4.spawn_agent(&guest("echo"), agent("echo")).await.unwrap();
    let source = AgentSource::File(guest_path("echo"));
    layer4.fabric().agents().register("later", source, config_of("later", |_| {})).unwrap();
    let result = layer4.execute_task(task("echo", json!({ "text": "hi" }))).await.unwrap();
    assert!(result.success && result.output == json!({ "text": "hi" }), "{result:?}");
    let judged = ValidationResult { task_id: result.task_id, accuracy: 0.5 };
    layer4.submit_validation(judged).await.unwrap();
    assert!(layer4.submit_discovery_task(task("later", json!(1))).await.unwrap().success);
    let id = layer4.submit(task("later", json!(2))).await.unwrap();
    assert!(layer4.fabric().tasks().wait(id).await.unwrap().success);

    let given = ResourceAllocation::for_agent(echo, quota());
    layer4.update_resource_allocation(given).await.unwrap();
    layer4.restart_agent(echo).await.unwrap();
    let agents = layer4.get_active_agents().await.unwrap();
    assert_eq!(agents.len(), 2);
    assert!(agents.iter().all(|agent| agent.health.status == HealthStatus::Healthy));
    let kpis = layer4.get_kpi_data().await.unwrap();
    let judged = |accuracy: f64| if accuracy.is_nan() { Value::Null } else { json!(accuracy) };
    for kpi in &kpis {
        let expected = if kpi.agent_id == echo { json!(0.5) } else { Value::Null };
        assert_eq!(judged(kpi.accuracy), expected, "{kpi:?}");
        assert_eq!(serde_json::to_value(kpi).unwrap()["accuracy"], expected);
    }
    assert_eq!(layer4.get_scheduler_stats().await.unwrap().active_tasks, 0);
    assert_eq!(layer4.get_health().await.status, SystemStatus::Healthy);
    // The same component with a section of its own, which is another genome.
    let other = [guest("echo"), vec![0, 3, 1, b'x', 0]].concat();
    layer4.update_agent_genome(echo, other).await.unwrap();

    let metrics = asked("GET", address, "/metrics").await;
    assert_eq!(metrics.status, 200);
    let done = "layer4_tasks_succeeded_total{agent_type=\"echo\"} 1";
    assert!(metrics.body.contains(done), "{}", metrics.body);
    for path in ["/health", "/scheduler/stats", "/agents/status"] {
        assert_eq!(asked("GET", address, path).await.status, 200, "{path}");
    }
    for (method, path) in [("POST", "/v1/tasks"), ("GET", "/v1/agents"), ("GET", "/v1/events")] {
        assert_eq!(asked(method, address, path).await.code(), "no-such-route", "{path}");
    }

    layer4.shutdown().await.unwrap();
    assert!(!is_open(address));
    assert_eq!(layer4.metrics_address(), None);
    layer4.shutdown().await.unwrap();
    assert_eq!(layer4.start().await.unwrap_err().code(), "not-running");
}

#[tokio::test]
async fn a_port_stays_shut_where_that_is_asked_for() {
    let (_listener, port) = taken();
    let layer4 = with_port(port).without_port().build().await.unwrap();
    layer4.start().await.unwrap();
    assert_eq!(layer4.metrics_address(), None);
    layer4.spawn_agent(&guest("echo"), agent("echo")).await.unwrap();
    assert!(layer4.execute_task(task("echo", json!(1))).await.unwrap().success);
    layer4.shutdown().await.unwrap();
}

#[tokio::test]
async fn nothing_is_started_behind_a_port_that_another_program_has() {
    let (listener, port) = taken();
    let layer4 = with_port(port).build().await.unwrap();
    let error = layer4.start().await.unwrap_err();
    let words = error.to_string();
    assert!(error.code() == "communication" && words.contains("metrics_port"), "{words}");
    // A task would start the fabric, and the port is taken still.
    let early = layer4.execute_task(task("echo", json!(1))).await.unwrap_err();
    assert_eq!(early.code(), "communication");
    drop(listener);
    // Another process may have taken the port for a moment.
    let until = Instant::now() + PATIENCE;
    while let Err(error) = layer4.start().await {
        assert!(Instant::now() < until, "{error}");
    }
    assert_eq!(layer4.metrics_address().map(|address| address.port()), Some(port));
    layer4.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_fabric_that_is_dropped_leaves_no_port() {
    let layer4 = with_port(0).build().await.unwrap();
    layer4.start().await.unwrap();
    let address = layer4.metrics_address().unwrap();
    let fabric = std::sync::Arc::downgrade(layer4.fabric());
    // A client that stays connected must not keep the fabric alive.
    let kept = tokio::task::spawn_blocking(move || {
        let mut kept = TcpStream::connect(address).unwrap();
        kept.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut first = [0; 12];
        kept.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 204");
        kept
    });
    let _kept = kept.await.unwrap();
    drop(layer4);
    let until = Instant::now() + PATIENCE;
    while is_open(address) || fabric.upgrade().is_some() {
        assert!(Instant::now() < until, "the port or the fabric is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_task_starts_a_fabric_that_was_not_started_and_takes_a_millisecond_at_the_least() {
    let layer4 = with_port(0).without_port().build().await.unwrap();
    layer4.spawn_agent(guest("echo"), agent("echo")).await.unwrap();
    assert_eq!(layer4.get_health().await.status, SystemStatus::Stopped);
    let result = layer4.execute_task(utils::default_task()).await.unwrap();
    assert!(result.success && result.execution_time_ms > 0, "{result:?}");
    assert_eq!(layer4.get_health().await.status, SystemStatus::Healthy);
    layer4.shutdown().await.unwrap();
    let late = layer4.execute_task(utils::default_task()).await.unwrap_err();
    assert!(matches!(late, Layer4Error::NotRunning { .. }), "{late}");
    assert!(format!("{late:?}").starts_with("not-running: "), "{late:?}");
}

#[tokio::test]
async fn a_redis_server_is_taken_with_a_warning_that_readyz_shows() {
    let url = "redis://user:hidden@localhost:6379".to_owned();
    let with_redis = chimera_layer4::fabric::config::Secret::new(url);
    let builder = with_port(0).settings(|all| all.redis_url = Some(with_redis));
    let layer4 = builder.build().await.unwrap();
    layer4.start().await.unwrap();
    let ready = asked("GET", layer4.metrics_address().unwrap(), "/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    let said: Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(said["warnings"][0]["code"], "redis-not-used", "{said}");
    assert!(!ready.body.contains("hidden"), "{}", ready.body);
    let page = std::fs::read_to_string(root().join("docs/src/operators.md")).unwrap();
    assert!(page.contains(&ready.body), "the page shows another answer: {}", ready.body);
    layer4.shutdown().await.unwrap();
}
