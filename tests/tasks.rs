//! Tasks through the fabric's queue, with real components: handed over,
//! waited for, taken back, and run after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::queue::store::Filter;
use chimera_layer4::fabric::queue::{DeadReason, SubmitOptions, TaskState};
use chimera_layer4::fabric::{
    AgentSource, FabricConfig, FabricError, Fault, Priority, Submission, Task, utils,
};
use serde_json::json;

use crate::folders::data_folder;
use crate::harness::{config_of, fabric, guest, settings, settings_with, small_quota, spawn, task};

/// Settings with a durable queue in this folder.
fn durable(folder: &Path) -> FabricConfig {
    settings_with(|c| {
        c.data_dir = Some(folder.to_path_buf());
        c.queue.task_store = TaskStoreKind::Embedded;
    })
}

#[tokio::test]
async fn a_task_is_handed_over_and_its_result_fetched_later() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let id = fabric.tasks().submit(task("echo", json!({"n": 1}))).await.unwrap();
    let result = fabric.tasks().wait(id).await.unwrap();
    assert!(result.success && result.resource_usage.cpu_seconds > 0.0);
    assert_eq!((result.task_id, result.output.to_value()), (id, json!({"n": 1})));
    assert_eq!(fabric.tasks().wait(id).await.unwrap(), result, "also when it has ended");
    let record = fabric.tasks().get(id).await.unwrap();
    assert_eq!((record.state, record.attempts), (TaskState::Succeeded, 1));
    let stats = fabric.tasks().stats().await.unwrap();
    assert_eq!((stats.count(TaskState::Succeeded), stats.active_tasks), (1, 0));
    assert_eq!((stats.types[0].agent_type.as_str(), stats.types[0].succeeded), ("echo", 1));
    let unknown = utils::generate_task_id();
    assert_eq!(fabric.tasks().wait(unknown).await.unwrap_err().code(), "task-not-found");
}

#[tokio::test]
async fn each_task_of_a_batch_is_answered_by_itself() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let mut bad = task("echo", json!(2));
    bad.resource_quota.max_memory_mb = 0;
    let batch = [task("echo", json!(1)), task("unknown", json!(0)), bad, task("echo", json!(3))];
    let batch = batch.map(Submission::from).to_vec();
    let ids: Vec<_> = batch.iter().map(|one| one.task.id).collect();
    let answers = fabric.tasks().submit_batch(batch).await.unwrap();
    assert!(matches!(answers[1], Err(FabricError::AgentTypeNotFound { .. })));
    assert!(matches!(answers[2], Err(FabricError::InvalidRequest(_))));
    for (index, output) in [(0, 1), (3, 3)] {
        assert_eq!(*answers[index].as_ref().unwrap(), ids[index]);
        assert_eq!(fabric.tasks().wait(ids[index]).await.unwrap().output, json!(output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_taken_back_and_a_waiting_one_too() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let spin = fabric.tasks().submit(task("hostile", json!({"do": "spin"}))).await.unwrap();
    let waiting = fabric.tasks().submit(task("hostile", json!({"do": "spin"}))).await.unwrap();
    while fabric.tasks().get(spin).await.unwrap().state != TaskState::Running {
        tokio::task::yield_now().await;
    }
    assert!(fabric.tasks().cancel(waiting).await.unwrap(), "it was queued");
    assert!(!fabric.tasks().cancel(spin).await.unwrap(), "it ran");
    for id in [spin, waiting] {
        assert_eq!(fabric.tasks().wait(id).await.unwrap().fault, Some(Fault::Cancelled));
        assert_eq!(fabric.tasks().cancel(id).await.unwrap_err().code(), "task-ended");
    }
    let order = task("hostile", json!({"do": "nothing"}));
    assert!(fabric.tasks().execute(order).await.unwrap().success, "the agent is free again");
}

#[tokio::test]
async fn a_trap_is_tried_again_and_then_a_dead_letter() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let options = SubmitOptions { max_attempts: Some(2), ..SubmitOptions::default() };
    let submission = Submission { task: task("hostile", json!({"do": "trap"})), options };
    let id = fabric.tasks().submit(submission).await.unwrap();
    let result = fabric.tasks().wait(id).await.unwrap();
    assert!(matches!(result.fault, Some(Fault::Guest(_))), "{result:?}");
    let record = fabric.tasks().get(id).await.unwrap();
    assert_eq!(record.reason, Some(DeadReason::AttemptsExhausted));
    let agents = fabric.agents().active();
    assert_eq!(record.failed_attempts.len(), 2);
    for failed in &record.failed_attempts {
        assert_eq!(failed.genome, Some(agents[0].genome));
        assert_eq!(failed.agent_id, Some(agents[0].id));
        assert!(failed.usage.as_ref().unwrap().cpu_seconds > 0.0);
    }
    assert_eq!(fabric.tasks().requeue(vec![id]).await.unwrap(), [id]);
    assert!(!fabric.tasks().wait(id).await.unwrap().success);
    assert_eq!(fabric.tasks().purge(vec![id]).await.unwrap(), [id]);
    assert_eq!(fabric.tasks().get(id).await.unwrap_err().code(), "task-not-found");
}

#[tokio::test]
async fn what_was_handed_over_is_run_by_the_next_host() {
    let folder = data_folder();
    let submissions: Vec<Submission> = (0..50)
        .map(|n| Task { priority: Priority::Low, ..task("later", json!(n)) }.into())
        .collect();
    let ids: Vec<_> = submissions.iter().map(|one| one.task.id).collect();
    {
        let fabric = fabric(durable(folder.path())).await;
        // Registered with a file that is not there yet: its tasks wait.
        let missing = AgentSource::File(folder.path().join("later.wasm"));
        fabric.agents().register("later", missing, config_of("later", |_| {})).unwrap();
        let answers = fabric.tasks().submit_batch(submissions).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let health = fabric.health().await;
        assert_eq!(health.pending_tasks, 50);
        fabric.shutdown().await.unwrap();
    }
    let fabric = fabric(durable(folder.path())).await;
    let source = AgentSource::Bytes(guest("echo").into());
    fabric.agents().register("later", source, config_of("later", |_| {})).unwrap();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(fabric.tasks().wait(*id).await.unwrap().output, json!(n));
    }
    let filter = Filter { limit: 100, ..Filter::of(Some(TaskState::Succeeded)) };
    assert_eq!(fabric.tasks().list(filter).await.unwrap().len(), 50);
    assert_eq!(fabric.health().await.pending_tasks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_gives_back_what_did_not_end_in_time() {
    let folder = data_folder();
    let mut impatient = durable(folder.path());
    impatient.queue.drain_timeout_secs = 0;
    let id = {
        let fabric = Arc::new(fabric(impatient).await);
        spawn(&fabric, "hostile").await;
        let long = json!({"do": "sleep-ms", "amount": 15_000});
        let id = fabric.tasks().submit(task("hostile", long)).await.unwrap();
        while fabric.tasks().get(id).await.unwrap().state != TaskState::Running {
            tokio::task::yield_now().await;
        }
        let waiting = {
            let fabric = Arc::clone(&fabric);
            tokio::spawn(async move { fabric.tasks().wait(id).await })
        };
        fabric.shutdown().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), "not-running");
        id
    };
    let fabric = fabric(durable(folder.path())).await;
    let record = fabric.tasks().get(id).await.unwrap();
    assert_eq!((record.state, record.attempts, record.crashes), (TaskState::Waiting, 0, 0));
}

#[tokio::test]
async fn an_agent_that_cannot_start_costs_no_attempt() {
    let fabric = fabric(settings()).await;
    let missing = AgentSource::File("/nowhere/ghost.wasm".into());
    fabric.agents().register("ghost", missing, config_of("ghost", |_| {})).unwrap();
    let id = fabric.tasks().submit(task("ghost", json!(1))).await.unwrap();
    let record = loop {
        let record = fabric.tasks().get(id).await.unwrap();
        if !record.failed_attempts.is_empty() {
            break record;
        }
        tokio::task::yield_now().await;
    };
    let said = record.failed_attempts[0].error.to_string();
    assert!(said.contains("no agent could be started") && said.contains("ghost.wasm"), "{said}");
    assert_eq!((record.attempts, record.crashes), (0, 0));
    // Once it can start, the task runs.
    let echo = AgentSource::Bytes(guest("echo").into());
    fabric.agents().register("ghost", echo, config_of("ghost", |_| {})).unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(30), fabric.tasks().wait(id)).await;
    assert!(waited.unwrap().unwrap().success);
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let fabric = fabric(FabricConfig { task_queue_capacity: 3, ..settings() }).await;
    let missing = AgentSource::File("/nowhere/ghost.wasm".into());
    fabric.agents().register("ghost", missing, config_of("ghost", |_| {})).unwrap();
    let later = SubmitOptions {
        not_before: Some(std::time::SystemTime::now() + Duration::from_secs(3600)),
        ..SubmitOptions::default()
    };
    let submit = || {
        let quota = small_quota();
        let made = Task { resource_quota: quota, ..utils::task_for("ghost", json!(1)) };
        fabric.tasks().submit(Submission { task: made, options: later.clone() })
    };
    for _ in 0..3 {
        submit().await.unwrap();
    }
    let Err(FabricError::QueueFull { agent_type, capacity, retry_after }) = submit().await else {
        panic!("the queue is full");
    };
    assert_eq!((agent_type.as_str(), capacity), ("ghost", 3));
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(60));
}
