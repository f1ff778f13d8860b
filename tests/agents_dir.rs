//! The agents folder: files that are dropped, replaced, broken, removed and brought back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4::fabric::config::{AgentOrigin, TaskStoreKind};
use chimera_layer4::fabric::events::{Event, EventKind};
use chimera_layer4::fabric::{
    AgentType, Fabric, FabricConfig, FabricError, Submission, SubmitOptions, TaskId, TaskState,
    utils,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::genomes::variants::{BROKEN, Variant};
use crate::harness::{execute, settings, task};
use crate::http::declared;

const TYPE: &str = "variant";
/// Far more than two looks at the folder and a compilation take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host on a data folder of its own, which watches the agents folder in it.
struct Host {
    fabric: Arc<Fabric>,
    folder: PathBuf,
    events: Receiver<Arc<Event>>,
    _data: TempDir,
}

fn durable(data: &TempDir) -> FabricConfig {
    let mut config = FabricConfig {
        data_dir: Some(data.path().to_path_buf()),
        task_queue_capacity: 1_000_000,
        ..settings()
    };
    config.queue.task_store = TaskStoreKind::Embedded;
    config
}

impl Host {
    async fn new() -> Self {
        let data = crate::folders::data_folder();
        let fabric = Arc::new(crate::harness::fabric(durable(&data)).await);
        let events = fabric.telemetry().subscribe();
        assert_eq!(Box::pin(fabric.load_agent_types(|_| {})).await.unwrap().len(), 0);
        Self { fabric, folder: data.path().join("agents"), events, _data: data }
    }

    /// A file that is there all at once, as a program puts it there that is careful.
    fn put(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let beside = self.folder.join(format!(".{file}"));
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, self.folder.join(file)).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.folder.join(file)).unwrap();
    }

    /// Waits until the host reports the next change of a type, which must be this; why it
    /// failed.
    async fn reports(&mut self, of: &str, expected: &'static str) -> Option<String> {
        let next = async {
            loop {
                let event = match self.events.recv().await {
                    Ok(event) => event,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => panic!("the host has gone"),
                };
                if let EventKind::AgentTypeChanged { agent_type, source, outcome, reason } =
                    &event.what
                    && agent_type == of
                {
                    return (*source, *outcome, reason.clone());
                }
            }
        };
        let (source, outcome, reason) = timeout(PATIENCE, next).await.expect("it looks");
        assert_eq!((source, outcome), (AgentOrigin::Folder, expected), "{reason:?}");
        reason
    }

    async fn version(&self) -> u64 {
        let done = execute(&self.fabric, TYPE, json!(1)).await;
        assert!(done.success, "{done:?}");
        done.output.to_value()["version"].as_u64().unwrap()
    }

    async fn shown(&self, name: &str) -> Option<AgentType> {
        self.fabric.agent_types().await.into_iter().find(|one| one.name == name)
    }

    /// Waits until what is shown of a type is as it should be.
    async fn shows(&self, name: &str, is_so: impl Fn(Option<&AgentType>) -> bool) {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let shown = self.shown(name).await;
            if is_so(shown.as_ref()) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{shown:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_serves_its_type_and_each_change_is_a_change_of_the_type() {
    let mut host = Host::new().await;
    // Dropped.
    host.put("variant.wasm", Variant::version(1).bytes());
    host.reports(TYPE, "started").await;
    assert_eq!(host.version().await, 1);
    let shown = host.shown(TYPE).await.unwrap();
    assert_eq!((shown.source, shown.agents.len()), (Some(AgentOrigin::Folder), 1));
    let history = host.fabric.genomes().history(TYPE).await.unwrap();
    let tree = host.fabric.genomes().tree(TYPE).await.unwrap();
    assert!(tree.contains("the agents folder"), "{tree}\n{history:?}");

    // Replaced, and written in place, which is not done at once.
    fs::write(host.folder.join("variant.wasm"), Variant::version(2).bytes()).unwrap();
    host.reports(TYPE, "replaced").await;
    assert_eq!(host.version().await, 2);

    // With settings of its own; wrong ones change nothing.
    host.put("variant.toml", "instances = 2");
    host.reports(TYPE, "replaced").await;
    assert_eq!(host.shown(TYPE).await.unwrap().agents.len(), 2);
    host.put("variant.toml", "instances = 2\nmemory = 3");
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("variant.toml: unknown field `memory`"), "{reason}");
    let shown = host.shown(TYPE).await.unwrap();
    assert_eq!((shown.refused, shown.down, shown.agents.len()), (Some(reason), None, 2));
    fs::set_permissions(host.folder.join("variant.toml"), fs::Permissions::from_mode(0o602))
        .unwrap();
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("every user can write to it"), "{reason}");
    host.remove("variant.toml");
    host.reports(TYPE, "replaced").await;
    assert_eq!(host.shown(TYPE).await.unwrap().refused, None);

    // Broken: no component at all, then one that does not start.
    let broken = Variant { state: BROKEN, ..Variant::version(3) }.bytes();
    for broken in [b"not WebAssembly".to_vec(), broken] {
        host.put("variant.wasm", broken);
        let reason = host.reports(TYPE, "failed").await.unwrap();
        let shown = host.shown(TYPE).await.unwrap();
        assert_eq!((shown.refused, shown.agents.len()), (Some(reason), 1));
        assert_eq!(host.version().await, 2);
    }

    // Removed: what waits is counted, and goes on when the file is back.
    let later = SystemTime::now() + Duration::from_secs(3600);
    let submission = Submission {
        task: task(TYPE, json!(1)),
        options: SubmitOptions { not_before: Some(later), ..SubmitOptions::default() },
    };
    let waiting = host.fabric.tasks().submit(submission).await.unwrap();
    host.remove("variant.wasm");
    host.reports(TYPE, "removed").await;
    let shown = host.shown(TYPE).await.unwrap();
    assert_eq!((shown.waiting, shown.source, shown.agents.len()), (1, None, 0));
    let refused = host.fabric.tasks().submit(task(TYPE, json!(1))).await.unwrap_err();
    assert_eq!(refused.code(), "agent-type-not-found");
    host.put("variant.wasm", Variant::version(4).bytes());
    host.reports(TYPE, "started").await;
    assert_eq!(host.version().await, 4);
    assert!(host.fabric.tasks().cancel(waiting).await.unwrap(), "it waits still");
    host.fabric.shutdown().await.unwrap();
}

/// Tasks that wait when a file goes are run when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_wait_for_a_file_go_on_when_it_is_back() {
    let mut host = Host::new().await;
    // More work than one agent does between two looks at the folder.
    let slow = |version| Variant { rounds: 20_000_000, ..Variant::version(version) }.bytes();
    host.put("variant.wasm", slow(1));
    host.reports(TYPE, "started").await;
    let batch = (0..300).map(|_| Submission::from(task(TYPE, json!(1)))).collect();
    let taken = host.fabric.tasks().submit_batch(batch).await.unwrap();
    let taken: Vec<TaskId> = taken.into_iter().map(Result::unwrap).collect();
    host.remove("variant.wasm");
    host.reports(TYPE, "removed").await;
    let waiting = host.shown(TYPE).await.map_or(0, |shown| shown.waiting);
    println!("{waiting} of {} tasks waited", taken.len());
    host.put("variant.wasm", slow(2));
    host.reports(TYPE, "started").await;
    for id in taken {
        let done = timeout(PATIENCE, host.fabric.tasks().wait(id)).await.unwrap().unwrap();
        assert!(done.success, "{done:?}");
    }
    host.fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_go_before_a_file_and_one_file_too_many_refuses_itself() {
    let data = crate::folders::data_folder();
    let folder = data.path().join("agents");
    fs::create_dir(&folder).unwrap();
    for (name, version) in [("variant", 1), ("beside", 2), ("many", 3)] {
        fs::write(folder.join(format!("{name}.wasm")), Variant::version(version).bytes()).unwrap();
    }
    fs::write(folder.join("many.toml"), "instances = 3").unwrap();
    let config = FabricConfig { max_agents: 4, ..durable(&data) };
    let fabric = Arc::new(crate::harness::fabric(config).await);
    let component = data.path().join("settings.wasm");
    fs::write(&component, Variant::version(9).bytes()).unwrap();
    fabric.apply_agents(&declared(TYPE, component), |_| {}).await;
    let applied = Box::pin(fabric.load_agent_types(|_| {})).await.unwrap();
    let outcomes: BTreeMap<_, _> =
        applied.iter().map(|one| (one.name.as_str(), one.outcome.word())).collect();
    let expected = [("beside", "started"), ("many", "failed"), (TYPE, "failed")];
    assert_eq!(outcomes, BTreeMap::from(expected));
    let shown = fabric.agent_types().await;
    let shown = |name: &str| shown.iter().find(|one| one.name == name).unwrap();
    let refused = shown(TYPE).refused.as_ref().unwrap();
    assert!(refused.contains("the agents folder declares it too"), "{refused}");
    assert_eq!((shown(TYPE).source, &shown(TYPE).down), (Some(AgentOrigin::Settings), &None));
    let down = shown("many").down.as_ref().unwrap();
    assert!(down.contains("5 agents are declared") && down.contains("`max_agents` 4"), "{down}");
    let version =
        |done: chimera_layer4::fabric::ExecutionResult| done.output.to_value()["version"].clone();
    assert_eq!(version(execute(&fabric, TYPE, json!(1)).await), 9);
    assert_eq!(version(execute(&fabric, "beside", json!(1)).await), 2);

    // Without the settings' declaration the file counts.
    let applied = fabric.apply_agents(&BTreeMap::new(), |_| {}).await;
    let outcomes: BTreeMap<_, _> =
        applied.iter().map(|one| (one.name.as_str(), one.outcome.word())).collect();
    assert_eq!(outcomes[TYPE], "replaced");
    assert_eq!(version(execute(&fabric, TYPE, json!(1)).await), 1);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_can_change_is_not_used() {
    let folder = crate::folders::data_folder();
    fs::write(folder.path().join("variant.wasm"), Variant::version(1).bytes()).unwrap();
    let load = async |path: PathBuf| {
        let config = FabricConfig { agents_dir: Some(path), ..settings() };
        let fabric = Arc::new(crate::harness::fabric(config).await);
        let loaded = Box::pin(fabric.load_agent_types(|_| {})).await;
        let agents = fabric.agents().active().len();
        fabric.shutdown().await.unwrap();
        (loaded, agents)
    };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("none")] {
        let (loaded, agents) = load(path).await;
        let Err(FabricError::Configuration(complaints)) = loaded else { panic!("{loaded:?}") };
        assert!(complaints[0].contains("the agents folder"), "{complaints:?}");
        assert_eq!(agents, 0);
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (loaded, agents) = load(folder.path().to_path_buf()).await;
    assert_eq!((loaded.unwrap().len(), agents), (1, 1));
}

/// Twenty seconds of it are in the suite.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_or_doubled_while_files_change() {
    changes_under_load(Duration::from_secs(20)).await;
}

/// The long form: `cargo test --workspace --test system -- --ignored long_minute_of_changes`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes over a minute"]
async fn long_minute_of_changes() {
    changes_under_load(Duration::from_secs(60)).await;
}

/// A thousand tasks a second, while the file of their type is replaced, broken, removed and
/// brought back.
async fn changes_under_load(long: Duration) {
    const EACH: Duration = Duration::from_millis(50);
    const BATCH: usize = 50;
    let mut host = Host::new().await;
    host.put("variant.wasm", Variant::version(1).bytes());
    host.reports(TYPE, "started").await;
    let fabric = Arc::clone(&host.fabric);
    let submitter = tokio::spawn(async move {
        let (mut taken, mut refused) = (Vec::new(), BTreeMap::<&str, usize>::new());
        let (began, mut tick) = (Instant::now(), tokio::time::interval(EACH));
        while began.elapsed() < long {
            tick.tick().await;
            let batch = (0..BATCH).map(|_| Submission::from(task(TYPE, json!(1)))).collect();
            for answer in fabric.tasks().submit_batch(batch).await.unwrap() {
                match answer {
                    Ok(id) => taken.push(id),
                    Err(error) => *refused.entry(error.code()).or_default() += 1,
                }
            }
        }
        (taken, refused)
    });
    let (mut changes, mut version) = (0, 1);
    while !submitter.is_finished() {
        version += 1;
        host.put("variant.wasm", Variant::version(version).bytes());
        host.reports(TYPE, "replaced").await;
        host.put("variant.toml", "fresh = \"no\"");
        host.reports(TYPE, "failed").await;
        host.remove("variant.toml");
        host.put("variant.wasm", "broken");
        host.reports(TYPE, "failed").await;
        host.remove("variant.wasm");
        host.reports(TYPE, "removed").await;
        host.put("variant.wasm", Variant::version(version).bytes());
        host.reports(TYPE, "started").await;
        changes += 5;
    }
    let (taken, refused) = submitter.await.unwrap();
    assert!(!taken.is_empty() && changes >= 5);
    assert!(refused.keys().all(|code| code.starts_with("agent-type-")), "{refused:?}");
    for id in &taken {
        let done = timeout(PATIENCE, host.fabric.tasks().wait(*id)).await.unwrap().unwrap();
        assert!(done.success, "{done:?}");
    }
    // Each once: by the store, and by what was observed of the ends.
    let mut ids = taken.clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), taken.len());
    let stats = host.fabric.tasks().stats().await.unwrap();
    let of = |state| usize::try_from(stats.count(state)).unwrap();
    assert_eq!(of(TaskState::Succeeded), taken.len(), "0 lost, 0 doubled");
    let open = TaskState::ALL.into_iter().filter(|state| *state != TaskState::Succeeded);
    assert_eq!(open.map(of).sum::<usize>(), 0);
    let observed = host.fabric.metrics_text().await.unwrap();
    let ended = format!("layer4_tasks_succeeded_total{{agent_type=\"{TYPE}\"}} {}\n", taken.len());
    assert!(observed.contains(&ended), "{ended}{observed}");
    let refused: usize = refused.values().sum();
    println!(
        "{} tasks taken, all ended once; {refused} refused; {changes} changes of the files",
        taken.len()
    );
    host.shows(TYPE, |shown| shown.is_some_and(|shown| shown.waiting == 0)).await;
    host.fabric.shutdown().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "who runs the test says it")]
fn updates() -> bool {
    std::env::var_os("UPDATE_ECHO").is_some()
}

/// Every host has one agent type, whose component is what its text says.
#[test]
fn the_built_in_component_is_what_its_text_says() {
    let folder = crate::harness::root().join("host/fabric/src/sources");
    let text = fs::read_to_string(folder.join("echo.wat")).unwrap();
    let module = wat::parse_str(text).unwrap();
    let made = crate::handmade::componentize(module, &crate::harness::root().join("wit"), "agent");
    let kept = folder.join("echo.wasm");
    if updates() {
        fs::write(&kept, &made).unwrap();
    }
    assert_eq!(
        fs::read(&kept).unwrap(),
        made,
        "UPDATE_ECHO=1 cargo test --workspace --test system -- built_in_component writes it anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_agents_has_an_echo() {
    let fabric = Arc::new(crate::harness::fabric(settings()).await);
    Box::pin(fabric.load_agent_types(|_| {})).await.unwrap();
    let shown = fabric.agent_types().await;
    let [echo] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((echo.name.as_str(), echo.source), ("echo", Some(AgentOrigin::BuiltIn)));
    let payloads = [json!({ "text": "hello" }), json!(null), json!("x".repeat(3 << 20))];
    for payload in payloads {
        let done = execute(&fabric, "echo", payload.clone()).await;
        assert!(done.success && done.output == payload, "{:?}", done.error);
    }
    // One that is declared takes its place.
    let applied =
        fabric.apply_agents(&declared("echo", crate::harness::guest_path("echo")), |_| {}).await;
    assert_eq!(applied[0].outcome.word(), "started");
    assert_eq!(fabric.agents().active().len(), 1);
    assert_eq!(fabric.agent_types().await[0].source, Some(AgentOrigin::Settings));
    let unknown = fabric.tasks().submit(utils::task_for("ecko", json!(1))).await.unwrap_err();
    assert!(unknown.to_string().contains("known: echo"), "{unknown}");
    fabric.shutdown().await.unwrap();
}
