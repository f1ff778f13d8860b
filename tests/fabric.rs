//! `Fabric` through its public face, with agents that behave.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4::fabric::config::TaskStoreKind;
use chimera_layer4::fabric::{
    AgentSource, ExecutionResult, Fabric, FabricConfig, FabricError, Fault, HealthStatus,
    InstancePolicy, LimitSource, NewGenome, QuotaKind, SystemStatus, Task, TaskState, utils,
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::{
    config_of, execute, fabric, guest, guest_path, settings, settings_with, small_quota, spawn,
    task,
};

#[tokio::test]
async fn a_task_runs_and_its_cost_is_measured() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "echo").await;
    let result = execute(&fabric, "echo", json!({ "text": "hello" })).await;
    assert_eq!(result.output, json!({ "text": "hello" }));
    assert!(result.success && result.error.is_none() && result.fault.is_none());
    let usage = result.resource_usage;
    assert!(usage.cpu_seconds > 0.0 && usage.cpu_seconds < 1.0, "{usage:?}");
    assert!(usage.memory_peak_mb >= 1.0 && usage.memory_peak_mb < 32.0, "{usage:?}");
    assert_eq!(
        (usage.network_tx_bytes, usage.gpu_utilization),
        (None, None),
        "nothing measures them"
    );
}

#[tokio::test]
async fn what_is_refused_is_refused_before_the_task_is_taken() {
    let stopped = Fabric::new(settings()).unwrap();
    let error = stopped.tasks().execute(task("echo", json!(1))).await.unwrap_err();
    assert_eq!(error.code(), "not-running");
    assert_eq!(stopped.health().await.status, SystemStatus::Stopped);

    let fabric = fabric(settings()).await;
    let error = fabric.tasks().execute(task("unknown", json!(1))).await.unwrap_err();
    assert!(error.to_string().contains("known: none"), "{error}");
    spawn(&fabric, "echo").await;
    let mut bad = task("echo", json!(1));
    bad.resource_quota.max_memory_mb = 0;
    let error = fabric.tasks().execute(bad).await.unwrap_err();
    assert_eq!(error.to_string(), "resource_quota.max_memory_mb is 0; allowed is 1 to 4096");

    fabric.shutdown().await.unwrap();
    fabric.shutdown().await.unwrap();
    let error = fabric.tasks().execute(task("echo", json!(1))).await.unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    assert_eq!(fabric.start().await.unwrap_err().code(), "not-running");
    let late = fabric.agents().spawn(&guest("echo"), config_of("echo", |_| {})).await;
    assert_eq!(late.unwrap_err().code(), "not-running", "the host would never end it");
}

#[tokio::test]
async fn a_configuration_out_of_range_is_refused_with_every_complaint() {
    let config = FabricConfig { max_agents: 0, agent_timeout_secs: 0, ..settings() };
    let error = Fabric::new(config).err().unwrap();
    let FabricError::Configuration(complaints) = error else { panic!("{error}") };
    assert_eq!(complaints.len(), 2, "{complaints:?}");
}

#[tokio::test]
async fn no_more_agents_than_allowed() {
    let fabric = fabric(FabricConfig { max_agents: 2, ..settings() }).await;
    spawn(&fabric, "echo").await;
    spawn(&fabric, "echo").await;
    let config = config_of("echo", |_| {});
    let error = fabric.agents().spawn(&guest("echo"), config).await.unwrap_err();
    assert!(matches!(error, FabricError::TooManyAgents { max_agents: 2 }), "{error}");
    assert_eq!(fabric.agents().active().len(), 2);
}

#[tokio::test]
async fn one_agent_is_ended_and_its_place_is_free() {
    let fabric = fabric(FabricConfig { max_agents: 1, ..settings() }).await;
    let id = spawn(&fabric, "echo").await;
    fabric.agents().shutdown(id).await.unwrap();
    assert_eq!(fabric.agents().shutdown(id).await.unwrap_err().code(), "agent-not-found");
    let error = fabric.tasks().execute(task("echo", json!(1))).await.unwrap_err();
    assert_eq!(error.code(), "agent-type-not-found");
    spawn(&fabric, "echo").await;
    assert!(execute(&fabric, "echo", json!(1)).await.success);
}

#[tokio::test]
async fn an_identity_is_given_once() {
    let fabric = fabric(settings()).await;
    let config = config_of("echo", |_| {});
    fabric.agents().spawn(&guest("echo"), config.clone()).await.unwrap();
    let error = fabric.agents().spawn(&guest("echo"), config).await.unwrap_err();
    assert!(error.to_string().contains("is taken"), "{error}");
    assert_eq!(fabric.health().await.active_agents, 1);
}

#[tokio::test]
async fn a_registered_type_starts_with_its_first_task() {
    let fabric = fabric(FabricConfig { max_agents: 2, ..settings() }).await;
    let source = AgentSource::File(guest_path("echo"));
    fabric.agents().register("parrot", source, config_of("-", |_| {})).unwrap();
    assert!(fabric.agents().active().is_empty());
    let fabric = Arc::new(fabric);
    let first = |n: u64| {
        let fabric = fabric.clone();
        tokio::spawn(async move { execute(&fabric, "parrot", json!(n)).await.output.to_value() })
    };
    let firsts: Vec<_> = (0..20).map(first).collect();
    for (n, first) in firsts.into_iter().enumerate() {
        assert_eq!(first.await.unwrap(), json!(n));
    }
    assert_eq!(fabric.agents().active().len(), 1, "twenty first tasks at once start one agent");

    let missing = AgentSource::File("nowhere.wasm".into());
    fabric.agents().register("ghost", missing, config_of("-", |_| {})).unwrap();
    let error = fabric.tasks().execute(task("ghost", json!(1))).await.unwrap_err();
    assert!(error.to_string().contains("nowhere.wasm"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_and_says_so() {
    let fabric = fabric(FabricConfig { task_queue_capacity: 1, ..settings() }).await;
    spawn(&fabric, "hostile").await;
    let fabric = Arc::new(fabric);
    let busy = |fabric: Arc<Fabric>| {
        tokio::spawn(async move {
            execute(&fabric, "hostile", json!({"do": "burn-ms", "amount": 3000})).await
        })
    };
    let reaches = async |state, one: &JoinHandle<ExecutionResult>| {
        while fabric.tasks().stats().await.unwrap().count(state) < 1 {
            assert!(!one.is_finished(), "it should be {state}");
            tokio::task::yield_now().await;
        }
    };
    let running = busy(fabric.clone());
    reaches(TaskState::Running, &running).await;
    let waiting = busy(fabric.clone());
    reaches(TaskState::Waiting, &waiting).await;
    let error = fabric.tasks().execute(task("hostile", json!({"do": "x"}))).await.unwrap_err();
    assert!(matches!(error, FabricError::QueueFull { capacity: 1, .. }), "{error}");
    assert!(running.await.unwrap().success && waiting.await.unwrap().success);
    assert_eq!(fabric.health().await.pending_tasks, 0);
}

#[tokio::test]
async fn tasks_spread_over_the_agents_of_a_type() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    spawn(&fabric, "hostile").await;
    let order = || execute(&fabric, "hostile", json!({"do": "burn-ms", "amount": 20}));
    tokio::join!(order(), order());
    let done: Vec<_> = fabric.agents().active().iter().map(|agent| agent.tasks_done).collect();
    assert_eq!(done, [1, 1]);
}

#[tokio::test]
async fn a_restart_keeps_the_identity_and_forgets_the_state() {
    let fabric = fabric(settings()).await;
    let id = spawn(&fabric, "hostile").await;
    execute(&fabric, "hostile", json!({"do": "keep", "amount": 10})).await;
    let before = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    assert!(before.resource_usage.memory_peak_mb > 10.0, "a resident instance keeps its memory");
    fabric.agents().restart(id).await.unwrap();
    let after = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    assert!(after.resource_usage.memory_peak_mb < 5.0, "{:?}", after.resource_usage);
    let agents = fabric.agents().active();
    assert_eq!((agents[0].id, agents[0].restarts), (id, 1));
    let unknown = utils::generate_agent_id();
    assert_eq!(fabric.agents().restart(unknown).await.unwrap_err().code(), "agent-not-found");
}

#[tokio::test]
async fn an_unhealthy_agent_is_restarted_by_its_heartbeat() {
    let fabric = fabric(FabricConfig { heartbeat_interval_secs: 1, ..settings() }).await;
    spawn(&fabric, "hostile").await;
    execute(&fabric, "hostile", json!({"do": "fall-ill"})).await;
    while fabric.agents().active()[0].restarts == 0 {
        tokio::task::yield_now().await;
    }
    while fabric.agents().active()[0].health.status != HealthStatus::Healthy {
        tokio::task::yield_now().await;
    }
    let message = fabric.agents().active().remove(0).health.message.unwrap();
    assert!(message.contains("as asked"), "why it was restarted: {message}");
    assert_eq!(fabric.health().await.status, SystemStatus::Healthy);
}

#[tokio::test]
async fn an_agent_that_hangs_when_asked_holds_up_no_other_heartbeat() {
    let quick = FabricConfig { heartbeat_interval_secs: 1, agent_timeout_secs: 30, ..settings() };
    let fabric = fabric(quick).await;
    let mute = config_of("mute", |_| {});
    fabric.agents().spawn(&guest("hostile"), mute).await.unwrap();
    spawn(&fabric, "hostile").await;
    execute(&fabric, "mute", json!({"do": "fall-mute"})).await;
    execute(&fabric, "hostile", json!({"do": "fall-ill"})).await;
    let restarted = async {
        while fabric.agents().active().iter().all(|agent| agent.restarts == 0) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), restarted).await;
    assert!(in_time.is_ok(), "the other agent is still being asked");
}

#[tokio::test]
async fn a_fresh_agent_carries_nothing_over() {
    let fabric = fabric(settings()).await;
    let config = config_of("hostile", |config| config.instances = InstancePolicy::Fresh);
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    execute(&fabric, "hostile", json!({"do": "keep", "amount": 10})).await;
    let after = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    assert!(after.resource_usage.memory_peak_mb < 5.0, "{:?}", after.resource_usage);
}

#[tokio::test]
async fn an_instance_is_retired_after_its_tasks() {
    let fabric = fabric(settings()).await;
    let two = InstancePolicy::Resident { tasks_per_instance: 2 };
    let config = config_of("hostile", |config| config.instances = two);
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    execute(&fabric, "hostile", json!({"do": "keep", "amount": 10})).await;
    let second = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    let third = execute(&fabric, "hostile", json!({"do": "nothing"})).await;
    assert!(second.resource_usage.memory_peak_mb > 10.0);
    assert!(third.resource_usage.memory_peak_mb < 5.0);
}

#[tokio::test]
async fn the_tighter_quota_rules_and_the_error_says_whose_it_is() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let mut order = task("hostile", json!({"do": "keep", "amount": 10}));
    order.resource_quota.max_memory_mb = 5;
    let result = Box::pin(fabric.tasks().execute(order)).await.unwrap();
    let Some(Fault::OverQuota(breach)) = result.fault else { panic!("{result:?}") };
    assert_eq!((breach.quota, breach.set_by), (QuotaKind::Memory, LimitSource::Task));
    assert!(execute(&fabric, "hostile", json!({"do": "keep", "amount": 10})).await.success);
}

#[tokio::test]
async fn a_deadline_ends_a_task_and_one_that_passed_is_refused() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let spin = |deadline| {
        let order = task("hostile", json!({"do": "spin"}));
        Box::pin(fabric.tasks().execute(Task { deadline: Some(deadline), ..order }))
    };
    let result = spin(SystemTime::now() + Duration::from_millis(200)).await.unwrap();
    let Some(Fault::OverQuota(breach)) = result.fault else { panic!("{result:?}") };
    assert_eq!(breach.quota, QuotaKind::Deadline);
    assert!(result.execution_time_ms < 5000);
    let error = spin(SystemTime::now()).await.unwrap_err();
    assert!(error.to_string().contains("deadline is over"), "{error}");
}

#[tokio::test]
async fn dropping_the_future_cancels_the_task_and_frees_the_agent() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let spin = Box::pin(fabric.tasks().execute(task("hostile", json!({"do": "spin"}))));
    assert!(tokio::time::timeout(Duration::from_millis(100), spin).await.is_err());
    while fabric.health().await.pending_tasks > 0 {
        tokio::task::yield_now().await;
    }
    assert!(execute(&fabric, "hostile", json!({"do": "nothing"})).await.success);
    assert!(fabric.agents().active()[0].cpu_seconds > 0.02, "what it used is still counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_turns_the_waiting_away_and_lets_the_running_finish() {
    let folder = tempfile::tempdir().unwrap();
    let fabric = Arc::new(fabric(settings()).await);
    let config = config_of("hostile", |config| {
        config.grants.folders.push(chimera_layer4::fabric::FolderGrant {
            host: folder.path().into(),
            guest: "/data".into(),
            access: chimera_layer4::fabric::FolderAccess::ReadWrite,
        });
    });
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    let run = |signal: bool| {
        let fabric = fabric.clone();
        let order = json!({"do": "burn-ms", "amount": 3000, "signal": signal});
        tokio::spawn(async move { fabric.tasks().execute(task("hostile", order)).await })
    };
    let running = run(true);
    while !folder.path().join("started").exists() {
        tokio::task::yield_now().await;
    }
    let waiting = run(false);
    while fabric.health().await.pending_tasks < 2 {
        tokio::task::yield_now().await;
    }
    fabric.shutdown().await.unwrap();
    assert!(running.await.unwrap().unwrap().success);
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "not-running");
}

/// Both locks, the tasks' and the genomes', though the first host is still there.
#[tokio::test(flavor = "multi_thread")]
async fn once_a_host_has_ended_its_folder_is_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let kept = settings_with(|c| {
        c.data_dir = Some(folder.path().join("data"));
        c.queue.task_store = TaskStoreKind::Embedded;
    });
    let first = fabric(kept.clone()).await;
    spawn(&first, "echo").await;
    let done = execute(&first, "echo", json!("hello")).await;
    assert!(Fabric::new(kept.clone()).unwrap().start().await.is_err(), "it is the first's");
    first.shutdown().await.unwrap();

    let second = fabric(kept).await;
    assert_eq!(second.tasks().get(done.task_id).await.unwrap().state, TaskState::Succeeded);
    let pushed = second.genomes().push(NewGenome::new(guest("echo"))).await.unwrap();
    assert!(pushed.new, "{pushed:?}");
    let late = first.genomes().list().await.unwrap_err();
    assert_eq!(late.code(), "not-running", "{late}");
    assert!(first.health().await.uptime > Duration::ZERO);
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_agent_has_what_was_granted_and_nothing_else() {
    let fabric = fabric(settings()).await;
    spawn(&fabric, "hostile").await;
    let ask = async |what: &str| {
        execute(&fabric, "hostile", json!({ "do": what })).await.output.to_value()
    };
    assert!(ask("read").await["Err"].is_string(), "no files");
    assert!(ask("connect").await["Err"].is_string(), "no network");
    assert_eq!(ask("environment").await, json!([]), "no environment");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "granted").unwrap();
    let config = config_of("granted", |config| {
        config.environment.insert("TOKEN".into(), "t".into());
        config.grants.folders.push(chimera_layer4::fabric::FolderGrant {
            host: folder.path().into(),
            guest: "/data".into(),
            access: Default::default(),
        });
    });
    fabric.agents().spawn(&guest("hostile"), config).await.unwrap();
    let ask = async |what: &str| {
        execute(&fabric, "granted", json!({ "do": what })).await.output.to_value()
    };
    assert_eq!(ask("read").await, json!({ "Ok": "granted" }));
    assert_eq!(ask("environment").await, json!([["TOKEN", "t"]]));
}

#[tokio::test]
async fn a_bad_agent_configuration_is_refused_with_every_complaint() {
    let fabric = fabric(settings()).await;
    let config = config_of("", |config| {
        config.resource_quota.max_cpu_cores = -1.0;
        config.environment.insert("A=B".into(), String::new());
        config.grants.folders.push(chimera_layer4::fabric::FolderGrant {
            host: "/no/such/folder".into(),
            guest: "data".into(),
            access: Default::default(),
        });
    });
    let error = fabric.agents().spawn(&guest("echo"), config).await.unwrap_err();
    let FabricError::InvalidRequest(complaints) = error else { panic!("{error}") };
    assert_eq!(complaints.len(), 5, "{complaints:#?}");
    assert_eq!(fabric.health().await.active_agents, 0, "the place is free again");
}

/// But for wasmtime's own notes on them.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    let files = entries.flat_map(below).filter(|path| path.extension().is_none());
    files.collect()
}

#[tokio::test]
async fn compiled_code_is_kept_and_an_unsafe_folder_refused() {
    use std::os::unix::fs::PermissionsExt;
    let data = crate::folders::data_folder();
    let settings = || FabricConfig { data_dir: Some(data.path().into()), ..settings() };
    let cold = fabric(settings()).await.agents().load(&guest("echo")).await.unwrap();
    assert!(!cold.loading().cached && !cold.loading().compile.is_zero());
    let warm = fabric(settings()).await.agents().load(&guest("echo")).await.unwrap();
    assert!(warm.loading().cached && warm.loading().compile.is_zero());
    assert_eq!(cold.inspection(), warm.inspection());

    // Code that is gone is compiled by a child again, never by the host.
    let code = data.path().join("compiled/code");
    std::fs::rename(&code, data.path().join("gone")).unwrap();
    let again = fabric(settings()).await.agents().load(&guest("echo")).await.unwrap();
    assert!(!again.loading().cached && !again.loading().compile.is_zero());

    // So is code with a bit that is not what it was: it would run as it is.
    for file in files_below(&code) {
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let anew = fabric(settings()).await.agents().load(&guest("echo")).await.unwrap();
        assert!(!anew.loading().cached && !anew.loading().compile.is_zero(), "{}", file.display());
        let warm = fabric(settings()).await.agents().load(&guest("echo")).await.unwrap();
        assert!(warm.loading().cached, "{}", file.display());
    }

    let compiled = data.path().join("compiled");
    std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Fabric::new(settings()).err().unwrap();
    assert!(error.to_string().contains("remove the folder"), "{error}");
}

#[tokio::test]
async fn the_default_quota_is_the_documented_one() {
    let quota = utils::default_resource_quota();
    assert_eq!((quota.max_cpu_cores, quota.max_memory_mb), (1.0, 512));
    assert_eq!((quota.max_execution_time_secs, quota.max_network_mbps), (300, Some(10.0)));
    assert_ne!(quota, small_quota());
}
