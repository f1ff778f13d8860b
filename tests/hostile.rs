//! Agents that misbehave, each beside one that does not: the one gets its own
//! typed error, the other goes on as if nothing had happened.

use chimera_layer4::fabric::{
    Breach, Call, ExecutionResult, Fabric, FabricError, Fault, GuestFault, LimitSource, QuotaKind,
    ResourceQuota, TrapCode,
};
use serde_json::{Value, json};

use crate::harness::{config_of, execute, fabric, guest, settings, small_quota, spawn, task};

/// Runs `order` on the hostile agent while the neighbour works, and afterwards
/// sees that both still do.
async fn beside_a_neighbour(order: Value) -> ExecutionResult {
    beside_a_neighbour_within(order, small_quota()).await
}

async fn beside_a_neighbour_within(order: Value, quota: ResourceQuota) -> ExecutionResult {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let config = config_of("hostile", |config| config.resource_quota = quota);
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    let hostile = execute(&fabric, "hostile", order);
    let (result, answered) = tokio::join!(hostile, neighbour_works(&fabric, 200));
    assert_eq!(answered, 200);
    assert_eq!(neighbour_works(&fabric, 10).await, 10);
    let after = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    assert!(after.success, "the agent has a new instance: {after:?}");
    result
}

async fn neighbour_works(fabric: &Fabric, tasks: u64) -> u64 {
    let mut answered = 0;
    for n in 0..tasks {
        let result = execute(fabric, "echo", json!(n)).await;
        answered += u64::from(result.output == json!(n));
        tokio::task::yield_now().await;
    }
    answered
}

fn trapped(result: &ExecutionResult) -> (Call, TrapCode) {
    match &result.fault {
        Some(Fault::Guest(GuestFault::Trap { during, code, .. })) => (*during, *code),
        other => panic!("no trap: {other:?}"),
    }
}

fn breached(result: &ExecutionResult) -> Breach {
    match &result.fault {
        Some(Fault::OverQuota(breach)) => breach.clone(),
        other => panic!("no breach: {other:?}"),
    }
}

fn one_second() -> ResourceQuota {
    ResourceQuota { max_execution_time_secs: 1, ..small_quota() }
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time() {
    let result = beside_a_neighbour_within(json!({"do": "spin"}), one_second()).await;
    let breach = breached(&result);
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::ExecutionTime, LimitSource::Agent));
    assert!((1000..3000).contains(&result.execution_time_ms), "{result:?}");
    assert!(result.error.unwrap().contains("max_execution_time_secs"));
}

#[tokio::test]
async fn a_sleeper_ends_at_its_wall_time_and_costs_no_processor() {
    let result = beside_a_neighbour_within(json!({"do": "sleep"}), one_second()).await;
    assert_eq!(breached(&result).quota, QuotaKind::ExecutionTime);
    assert!(result.resource_usage.cpu_seconds < 0.1, "{:?}", result.resource_usage);
}

#[tokio::test]
async fn endless_recursion_runs_out_of_stack() {
    let result = beside_a_neighbour(json!({"do": "recurse"})).await;
    assert_eq!(trapped(&result), (Call::ExecuteTask, TrapCode::StackOverflow));
}

#[tokio::test]
async fn a_hoarder_meets_its_memory_quota() {
    let result = beside_a_neighbour(json!({"do": "hoard"})).await;
    let breach = breached(&result);
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::Memory, LimitSource::Agent));
    let peak = result.resource_usage.memory_peak_mb;
    assert!(peak > 16.0 && peak <= 32.0, "{peak}");
    assert!(result.error.unwrap().contains("of 32.0 MiB"));
}

#[tokio::test]
async fn a_giant_result_is_not_copied_into_the_host() {
    let result = beside_a_neighbour(json!({"do": "return-giant", "amount": 5})).await;
    let breach = breached(&result);
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::HostMemory, LimitSource::Host));
}

#[tokio::test]
async fn floods_are_bounded_and_counted() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    spawn(&fabric, "hostile").await;
    for (what, amount) in [("log-flood", 2000), ("print-flood", 2000), ("metric-flood", 5000)] {
        let order = task("hostile", json!({"do": what, "amount": amount}));
        let flood = Box::pin(fabric.tasks().run_once(&order));
        let (report, answered) = tokio::join!(flood, neighbour_works(&fabric, 50));
        let report = report.unwrap();
        assert_eq!(
            (report.result.unwrap().to_value(), answered),
            (json!("done"), 50),
            "a flood is no fault"
        );
        let kept: usize = report.telemetry.log.iter().map(|line| line.message.len()).sum();
        assert!(kept <= 130 * 1024, "{what} kept {kept} bytes");
        assert!(report.telemetry.metrics.len() <= 256);
        let dropped = report.telemetry.dropped;
        assert!(dropped.log_bytes + dropped.metrics > 1000, "{what}: {dropped:?}");
    }
}

#[tokio::test]
async fn open_handles_are_bounded() {
    let result = beside_a_neighbour(json!({"do": "span-flood", "amount": 100_000})).await;
    assert_eq!(breached(&result).quota, QuotaKind::Handles);
}

#[tokio::test]
async fn a_panic_is_a_trap_and_its_words_are_logged() {
    let result = beside_a_neighbour(json!({"do": "trap"})).await;
    assert_eq!(trapped(&result), (Call::ExecuteTask, TrapCode::Unreachable));

    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let report =
        Box::pin(fabric.tasks().run_once(&task("hostile", json!({"do": "trap"})))).await.unwrap();
    let said = |line: &str| report.telemetry.log.iter().any(|l| l.message.contains(line));
    assert!(said("as asked"), "{:?}", report.telemetry.log);
}

#[tokio::test]
async fn exit_ends_the_task_and_not_the_host() {
    let result = beside_a_neighbour(json!({"do": "exit", "amount": 1})).await;
    let Some(Fault::Guest(GuestFault::Exited { status, .. })) = result.fault else {
        panic!("{result:?}")
    };
    assert_eq!(status, 1);
}

#[tokio::test]
async fn what_an_agent_says_of_its_failure_reaches_the_submitter() {
    for (what, code) in [("fail", "failed"), ("unavailable", "unavailable")] {
        let result = beside_a_neighbour(json!({ "do": what })).await;
        assert_eq!(result.fault.unwrap().code(), code);
    }
    let result = beside_a_neighbour(json!({"amount": 1})).await;
    assert_eq!(result.fault.as_ref().unwrap().code(), "invalid-input");
    assert!(result.error.unwrap().contains("missing field `do`"));
}

/// The error of an agent whose `init` does `what`.
async fn spawn_error(what: &str) -> FabricError {
    let settings = chimera_layer4::fabric::FabricConfig { agent_timeout_secs: 1, ..settings() };
    let fabric = fabric(settings).await;
    spawn(&fabric, "echo").await;
    let config = config_of("hostile", |config| {
        config.parameters.insert("in_init".into(), json!(what));
    });
    let error = fabric.agents().spawn(&guest("hostile"), config).await.unwrap_err();
    assert_eq!(neighbour_works(&fabric, 10).await, 10);
    assert_eq!(fabric.health().await.active_agents, 1, "nothing of it is left");
    error
}

#[tokio::test]
async fn a_trap_in_init_refuses_the_agent() {
    let error = spawn_error("trap").await;
    let FabricError::AgentFault { fault: Fault::Guest(GuestFault::Trap { during, .. }), .. } =
        error
    else {
        panic!("{error}")
    };
    assert_eq!(during, Call::Init);
}

#[tokio::test]
async fn an_init_that_never_ends_is_ended() {
    for what in ["spin", "sleep"] {
        let error = spawn_error(what).await;
        assert!(matches!(error, FabricError::AgentTimeout { .. }), "{error}");
        assert!(error.to_string().contains("agent_timeout_secs"), "{error}");
    }
}

#[tokio::test]
async fn a_trap_in_shutdown_is_reported_and_changes_nothing_else() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let config = config_of("hostile", |config| {
        config.parameters.insert("in_shutdown".into(), json!("trap"));
        config.instances =
            chimera_layer4::fabric::InstancePolicy::Resident { tasks_per_instance: 1 };
    });
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    let order = task("hostile", json!({"do": "nothing"}));
    let report = Box::pin(fabric.tasks().run_once(&order)).await.unwrap();
    assert_eq!(report.result.unwrap().to_value(), json!("done"), "the task's own result stands");
    let Some(Fault::Guest(GuestFault::Trap { during, .. })) = report.shutdown_fault else {
        panic!("{:?}", report.shutdown_fault)
    };
    assert_eq!(during, Call::Shutdown);
    let task_free = config_of("hostile-too", |config| {
        config.parameters.insert("in_shutdown".into(), json!("trap"));
    });
    fabric.agents().spawn(&guest("hostile"), task_free).await.unwrap();
    let error = fabric.shutdown().await.unwrap_err();
    assert!(error.to_string().contains("`shutdown` trapped"), "{error}");
    assert_eq!(fabric.health().await.active_agents, 0);
}
