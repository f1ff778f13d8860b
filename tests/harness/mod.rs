//! What the tests stand on: guests built when a test asks for one, and a host
//! that compiles with the program under test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use chimera_layer4::fabric::{
    AgentConfig, AgentId, ExecutionResult, Fabric, FabricConfig, ResourceQuota, Task,
    config::TaskStoreKind, utils,
};
use chimera_layer4_toolchain::{self as toolchain, Stop};
use serde_json::Value;

/// The program `chimera`, as cargo built it for these tests.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chimera-under-test"))
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where guests are built and their code is kept between runs.
pub(crate) fn guests_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests")
}

/// The component of an agent or fixture, built if it is not up to date.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    static BUILT: OnceLock<Mutex<HashMap<String, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
    let path = built.entry(name.to_owned()).or_insert_with(|| {
        let folder =
            ["agents", "tests/guests", "examples/agents"].iter().map(|f| root().join(f).join(name));
        let folder =
            folder.into_iter().find(|folder| folder.is_dir()).expect("there is no such guest");
        toolchain::build(&folder, Some(&guests_target()), &Stop::default(), &mut |_| {})
            .expect("the guest builds")
    });
    path.clone()
}

/// The bytes of an agent or fixture.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    std::fs::read(guest_path(name)).unwrap()
}

/// The settings of a test: small, and with the compiled code kept between tests.
pub(crate) fn settings() -> FabricConfig {
    let mut settings =
        FabricConfig { data_dir: Some(guests_target().join("data")), ..FabricConfig::default() };
    // Only one host can have the durable store of a folder open.
    settings.queue.task_store = TaskStoreKind::Memory;
    settings.components.compile_program = Some(program().to_path_buf());
    settings
}

/// The settings of a test that needs some of its own.
pub(crate) fn settings_with(change: impl FnOnce(&mut FabricConfig)) -> FabricConfig {
    let mut settings = settings();
    change(&mut settings);
    settings
}

/// A fabric that is running.
pub(crate) async fn fabric(settings: FabricConfig) -> Fabric {
    let fabric = Fabric::new(settings).unwrap();
    fabric.start().await.unwrap();
    fabric
}

/// A quota that a test can reach.
pub(crate) fn small_quota() -> ResourceQuota {
    ResourceQuota {
        max_cpu_cores: 1.0,
        max_memory_mb: 32,
        max_execution_time_secs: 20,
        max_network_mbps: None,
    }
}

/// An agent of the fixture or agent `name`, which is also its type.
pub(crate) async fn spawn(fabric: &Fabric, name: &str) -> AgentId {
    let config = utils::agent_config(name, small_quota());
    fabric.agents().spawn(&guest(name), config).await.unwrap()
}

/// A task with the test's own quota.
pub(crate) fn task(agent_type: &str, payload: Value) -> Task {
    Task { resource_quota: small_quota(), ..utils::task_for(agent_type, payload) }
}

/// Runs one task, which the fabric must take.
pub(crate) async fn execute(fabric: &Fabric, agent: &str, payload: Value) -> ExecutionResult {
    Box::pin(fabric.tasks().execute(task(agent, payload))).await.unwrap()
}

/// An agent with this configuration, changed by `change`.
pub(crate) fn config_of(name: &str, change: impl FnOnce(&mut AgentConfig)) -> AgentConfig {
    let mut config = utils::agent_config(name, small_quota());
    change(&mut config);
    config
}
