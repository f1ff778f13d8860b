//! The first steps: settings, a task for the agent that every host has, and one for an agent
//! of one's own.
//!
//! `cargo run -p chimera-examples --bin quick_start`

#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::collections::HashMap;
use std::time::SystemTime;

use chimera_layer4::*;
use serde_json::json;

// The agents that the build script built: here `Words`, of `agents/words`.
chimera_layer4::include_agents!();

fn main() -> Layer4Result<()> {
    // Components are compiled in a child of this program, with limits.
    compile_if_asked();
    start()
}

#[tokio::main]
async fn start() -> Layer4Result<()> {
    // What the nine settings leave open comes from `chimera.toml` and `LAYER4_…` variables.
    let layer4 = Layer4Fabric::new(config()).await?;
    let report = run(&layer4).await?;
    show("the built-in agent echo", &report.echoed);
    show("an agent of our own", &report.counted);
    let health = report.health;
    println!("the host is {:?}, with {} agents", health.status, health.active_agents);
    Ok(())
}

fn show(agent: &str, result: &ExecutionResult) {
    match &result.fault {
        None => println!(
            "{agent} answered {} within {} ms, for {:.1} ms of a processor and {:.1} MiB",
            result.output,
            result.execution_time_ms,
            result.resource_usage.cpu_seconds * 1000.0,
            result.resource_usage.memory_peak_mb,
        ),
        Some(fault) => println!("{agent} failed: {fault}"),
    }
}

/// What happened.
pub(crate) struct Report {
    pub(crate) echoed: ExecutionResult,
    pub(crate) counted: ExecutionResult,
    pub(crate) health: SystemHealth,
}

pub(crate) fn config() -> Layer4Config {
    Layer4Config {
        max_agents: 20,
        default_resource_quota: ResourceQuota {
            max_cpu_cores: 2.0,
            max_memory_mb: 256,
            max_execution_time_secs: 60,
            max_network_mbps: None,
        },
        task_queue_capacity: 5000,
        kpi_reporting_interval_secs: 5,
        heartbeat_interval_secs: 10,
        agent_timeout_secs: 60,
        redis_url: String::new(),
        metrics_port: 9090,
        debug_mode: false,
    }
}

pub(crate) async fn run(layer4: &Layer4Fabric) -> Layer4Result<Report> {
    layer4.start().await?;

    // Every host has the agent type `echo`, which answers with the payload.
    let task = Task {
        id: utils::generate_task_id(),
        priority: Priority::High,
        payload: json!({ "hello": "world" }),
        created_at: SystemTime::now(),
        deadline: None,
        resource_quota: ResourceQuota::default(),
        source_layer: "layer2".to_owned(),
        target_agent_type: "echo".to_owned(),
        metadata: HashMap::new(),
    };
    let echoed = layer4.execute_task(task).await?;

    // The first task for a type that is registered starts an agent of it.
    layer4.register_agent_type::<Words>("words").await?;
    let task = utils::task_for("words", json!({ "text": "one two three" }));
    let counted = layer4.execute_task(task).await?;

    let health = layer4.get_health().await;
    layer4.shutdown().await?;
    Ok(Report { echoed, counted, health })
}
