//! The agents folder: files that are dropped, replaced, broken, removed and brought back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4::fabric::config::{AgentDeclaration, AgentOrigin, TaskStoreKind};
use chimera_layer4::fabric::events::{Event, EventKind};
use chimera_layer4::fabric::{
    AgentType, Fabric, FabricConfig, FabricError, Submission, SubmitOptions, TaskId, utils,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::cli::Chimera;
use crate::genomes::variants::{BROKEN, Variant};
use crate::harness::{execute, settings, task};
use crate::http::declared;
use crate::http::service::{self, Service};

mod under_load;

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

    /// Applies settings; what it reports of that is passed over.
    async fn apply(&mut self, settings: &BTreeMap<String, AgentDeclaration>) {
        self.fabric.apply_agents(settings, |_| {}).await;
        self.events = self.fabric.telemetry().subscribe();
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

/// What cannot be used refuses itself alone, also where it would have been taken as absent.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_refuses_its_own_type() {
    let mut host = Host::new().await;
    // A link that leads to itself.
    symlink("loop.wasm", host.folder.join("loop.wasm")).unwrap();
    let reason = host.reports("loop", "failed").await.unwrap();
    assert!(reason.contains("loop.wasm is a link; put the file itself there"), "{reason}");
    host.put("variant.wasm", Variant::version(1).bytes());
    host.reports(TYPE, "started").await;
    assert_eq!(host.version().await, 1);
    fs::create_dir(host.folder.join("folder.wasm")).unwrap();
    assert!(host.reports("folder", "failed").await.unwrap().contains("is a folder"));

    // A component that others can change, and one that is elsewhere.
    host.put("beside", Variant::version(2).bytes());
    fs::set_permissions(host.folder.join("beside"), fs::Permissions::from_mode(0o646)).unwrap();
    fs::rename(host.folder.join("beside"), host.folder.join("variant.wasm")).unwrap();
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("every user can write to it, and the host would run"), "{reason}");
    fs::rename(host.folder.join("variant.wasm"), host.folder.join("beside")).unwrap();
    fs::set_permissions(host.folder.join("beside"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink("beside", host.folder.join("variant.wasm")).unwrap();
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("variant.wasm is a link"), "{reason}");
    assert_eq!(host.version().await, 1, "it is as it was");
    host.put("variant.wasm", Variant::version(3).bytes());
    host.reports(TYPE, "replaced").await;

    // Settings that lead nowhere are no settings at all.
    symlink("nowhere", host.folder.join("variant.toml")).unwrap();
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("variant.toml is a link"), "{reason}");
    host.remove("variant.toml");
    host.shows(TYPE, |shown| shown.is_some_and(|shown| shown.refused.is_none())).await;
    host.remove("loop.wasm");
    host.shows("loop", |shown| shown.is_none()).await;
    assert_eq!(host.version().await, 3);
    host.fabric.shutdown().await.unwrap();
}

/// A name that serves no type is in the log once, and so is a folder that has gone.
#[test]
fn what_serves_no_type_is_in_the_log() {
    let chimera = Chimera::new();
    let data = chimera.data().join("data");
    let folder = data.join("agents");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    for folder in [chimera.data(), data.clone(), folder.clone()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    // A file of a type that the settings declare is no second type.
    let component = chimera.data().join("settings.wasm");
    fs::write(&component, Variant::version(1).bytes()).unwrap();
    fs::write(folder.join("variant.wasm"), Variant::version(2).bytes()).unwrap();
    let mut service = Service::start(chimera, &service::declare(TYPE, &component, 1));
    assert!(service.told().contains("1 agent types are up"), "{}", service.told());

    let names = [b"\xff.wasm".to_vec(), b"LOUD.WASM".to_vec(), b"alone.toml".to_vec()];
    for name in names {
        fs::write(folder.join(std::ffi::OsString::from_vec(name)), "").unwrap();
    }
    let said = [(); 3].map(|()| service.hears("serves no type")).concat();
    for words in
        ["is not UTF-8", "LOUD.WASM does not end", "alone.toml is there without alone.wasm"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    fs::rename(&folder, data.join("elsewhere")).unwrap();
    assert!(service.hears("the agents folder is not read").contains("there is no folder"));
    assert_eq!(service.end().0, 0);
}

/// What the host would refuse is found without it.
#[test]
fn the_folder_is_checked_with_the_settings() {
    let chimera = Chimera::new();
    let folder = crate::folders::data_folder();
    fs::write(folder.path().join("variant.wasm"), Variant::version(1).bytes()).unwrap();
    let file = chimera.home().join("chimera.toml");
    fs::write(&file, format!("agents_dir = {:?}\n", folder.path())).unwrap();
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let done = chimera.run(&check);
    assert_eq!(done.code, 0, "{}", done.err);
    fs::write(folder.path().join("variant.toml"), "memory = 3").unwrap();
    symlink("variant.wasm", folder.path().join("linked.wasm")).unwrap();
    chimera.refuses(3, &check, &["unknown field `memory`", "linked.wasm is a link"]);
}

/// Each place has a refusal of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_one_place_is_not_shown_as_anothers_nor_forgotten_with_it() {
    let mut host = Host::new().await;
    let component = host.folder.join("component");
    fs::write(&component, Variant::version(9).bytes()).unwrap();
    let settings = declared(TYPE, component);
    host.apply(&settings).await;
    host.put("variant.toml", "memory = 3");
    host.put("variant.wasm", Variant::version(1).bytes());
    let reason = host.reports(TYPE, "failed").await.unwrap();
    assert!(reason.contains("unknown field `memory`"), "{reason}");
    let shown = host.shown(TYPE).await.unwrap();
    assert_eq!((shown.source, &shown.down), (Some(AgentOrigin::Settings), &None));
    let refused = shown.refused.unwrap();
    assert!(refused.starts_with("the agents folder declares it too"), "{refused}");
    assert!(refused.ends_with(&reason), "{refused}");

    // The settings' declaration goes, and the file is refused still.
    host.apply(&BTreeMap::new()).await;
    let shown = host.shown(TYPE).await.unwrap();
    assert_eq!((shown.source, shown.down), (Some(AgentOrigin::Folder), Some(reason)));
    host.apply(&settings).await;

    // Mended, it is declared beside the settings, and nothing is wrong with it.
    host.put("variant.toml", "instances = 2");
    host.reports(TYPE, "failed").await.unwrap();
    let refused = host.shown(TYPE).await.unwrap().refused.unwrap();
    assert!(refused.ends_with("does not count beside the settings file"), "{refused}");
    assert_eq!(host.version().await, 9);
    host.fabric.shutdown().await.unwrap();
}

/// What is deployed or in the folder comes after the host takes tasks.
#[tokio::test(flavor = "multi_thread")]
async fn until_all_types_are_loaded_none_is_called_unknown() {
    let folder = crate::folders::data_folder();
    let path = folder.path().join("agents");
    let config = FabricConfig { agents_dir: Some(path.clone()), ..settings() };
    let fabric = Arc::new(crate::harness::fabric(config).await);
    let refused = async || fabric.tasks().submit(task(TYPE, json!(1))).await.unwrap_err().code();
    assert_eq!(refused().await, "agent-type-not-found");
    fabric.await_agent_types();
    assert_eq!(refused().await, "agent-type-loading");
    // What could not be loaded is not waited for, and may be loaded again.
    for _ in 0..2 {
        let loaded = Box::pin(fabric.load_agent_types(|_| {})).await;
        let Err(FabricError::Configuration(complaints)) = loaded else { panic!("{loaded:?}") };
        assert!(complaints[0].contains("make it, or set `agents_dir`"), "{complaints:?}");
        assert_eq!(refused().await, "agent-type-not-found");
    }
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path.join("variant.wasm"), Variant::version(1).bytes()).unwrap();
    assert_eq!(Box::pin(fabric.load_agent_types(|_| {})).await.unwrap().len(), 1);
    assert!(execute(&fabric, TYPE, json!(1)).await.success);
    assert_eq!(Box::pin(fabric.load_agent_types(|_| {})).await.unwrap().len(), 0);
    fabric.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_folder_of_agents_is_used_where_it_is_there_and_safe() {
    let folder = crate::folders::data_folder();
    fs::write(folder.path().join("variant.wasm"), Variant::version(1).bytes()).unwrap();
    let load = async |config: FabricConfig| {
        let fabric = Arc::new(crate::harness::fabric(config).await);
        let loaded = Box::pin(fabric.load_agent_types(|_| {})).await.unwrap().len();
        fabric.shutdown().await.unwrap();
        loaded
    };
    let without = || FabricConfig { data_dir: None, ..settings() };
    let local = |path: PathBuf| FabricConfig { local_agents_dir: Some(path), ..without() };
    let path = folder.path().to_path_buf();
    assert_eq!(load(local(path.clone())).await, 1);
    assert_eq!(load(local(path.join("none"))).await, 0);
    assert_eq!(load(without()).await, 0);
    // The data folder's goes before it.
    let data = crate::folders::data_folder();
    assert_eq!(
        load(FabricConfig { local_agents_dir: Some(path.clone()), ..durable(&data) }).await,
        0
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(load(local(path)).await, 0);
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
