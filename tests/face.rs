//! `Layer4Fabric`: the specification's methods over a fabric, and the port that its
//! start opens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use chimera_layer4::{
    AgentSource, AllocationTarget, Layer4Config, Layer4Fabric, ResourceAllocation, SystemStatus,
    Task, ValidationResult, utils,
};
use serde_json::json;

use crate::harness::{config_of, guest, guest_path, settings, small_quota, task};
use crate::http::{Answer, call};

/// Far more than a port takes to open or to shut.
const PATIENCE: Duration = Duration::from_secs(20);

fn with_port(metrics_port: u16) -> Layer4Config {
    Layer4Config { metrics_port, ..settings() }
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
    let layer4 = Layer4Fabric::new(with_port(0)).unwrap();
    assert_eq!(layer4.metrics_address(), None);
    layer4.start().await.unwrap();
    let address = layer4.metrics_address().unwrap();
    layer4.start().await.unwrap();
    assert_eq!(layer4.metrics_address(), Some(address), "started twice is once");

    let echo = layer4.spawn_agent(&guest("echo"), config_of("echo", |_| {})).await.unwrap();
    let source = AgentSource::File(guest_path("echo"));
    layer4.register_agent_type("later", source, config_of("later", |_| {})).unwrap();
    let result = layer4.execute_task(task("echo", json!({ "text": "hi" }))).await.unwrap();
    assert!(result.success && result.output == json!({ "text": "hi" }), "{result:?}");
    let judged = ValidationResult { task_id: result.task_id, accuracy: 0.5 };
    layer4.submit_validation(judged).await.unwrap();
    let id = layer4.submit_discovery_task(task("later", json!(1))).await.unwrap();
    assert!(layer4.fabric().tasks().wait(id).await.unwrap().success);

    let quota = small_quota();
    let target = AllocationTarget::Agent(echo);
    let given = ResourceAllocation { target, resource_quota: quota };
    assert_eq!(layer4.update_resource_allocation(given).unwrap(), 1);
    layer4.restart_agent(echo).await.unwrap();
    assert_eq!(layer4.get_active_agents().len(), 2);
    let kpis = layer4.get_kpi_data();
    assert!(kpis.iter().any(|kpi| kpi.agent_id == echo && kpi.accuracy == Some(0.5)), "{kpis:?}");
    assert_eq!(layer4.get_scheduler_stats().await.unwrap().active_tasks, 0);
    assert_eq!(layer4.get_health().await.status, SystemStatus::Healthy);
    // The same component with a section of its own, which is another genome.
    let other = [guest("echo"), vec![0, 3, 1, b'x', 0]].concat();
    let swapped = layer4.update_agent_genome(echo, other).await.unwrap();
    assert_eq!(swapped.agents, [echo]);

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
    let layer4 = Layer4Fabric::builder(with_port(port)).without_port().build().unwrap();
    layer4.start().await.unwrap();
    assert_eq!(layer4.metrics_address(), None);
    layer4.spawn_agent(&guest("echo"), config_of("echo", |_| {})).await.unwrap();
    assert!(layer4.execute_task(task("echo", json!(1))).await.unwrap().success);
    layer4.shutdown().await.unwrap();
}

#[tokio::test]
async fn nothing_is_started_behind_a_port_that_another_program_has() {
    let (listener, port) = taken();
    let layer4 = Layer4Fabric::new(with_port(port)).unwrap();
    let error = layer4.start().await.unwrap_err();
    let words = error.to_string();
    assert!(error.code() == "communication" && words.contains("metrics_port"), "{words}");
    let early: Task = utils::default_task("echo", json!(1));
    assert_eq!(layer4.execute_task(early).await.unwrap_err().code(), "not-running");
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
    let layer4 = Layer4Fabric::new(with_port(0)).unwrap();
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
