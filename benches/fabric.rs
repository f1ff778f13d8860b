//! Our side of each comparison: a fabric as an operator sets it up.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chimera_layer4::fabric::config::{ComponentSettings, QueueSettings, TaskStoreKind};
use chimera_layer4::fabric::{
    AgentId, Fabric, FabricConfig, Genome, InstancePolicy, ResourceQuota, Task, utils,
};
use serde_json::Value;

/// The agent type that every task here is for.
const ECHO: &str = "echo";

/// A fabric that runs, with defaults but for what a benchmark has to set.
pub(crate) async fn start(max_agents: u32, data: &Path) -> Result<Fabric> {
    // A host refuses a data folder that others can enter.
    fs::set_permissions(data, Permissions::from_mode(0o700))?;
    let fabric = Fabric::new(FabricConfig {
        max_agents: usize::try_from(max_agents)?,
        data_dir: Some(data.to_path_buf()),
        // No task is queued, and a fabric that makes way for the next is only dropped.
        queue: QueueSettings { task_store: TaskStoreKind::Memory, ..QueueSettings::default() },
        components: ComponentSettings {
            compile_program: Some(env!("CARGO_BIN_EXE_chimera-under-bench").into()),
            ..ComponentSettings::default()
        },
        heartbeat_interval_secs: 86_400, // None while something is measured.
        ..FabricConfig::default()
    })?;
    fabric.start().await?;
    Ok(fabric)
}

/// Spawns an agent of type `echo`.
pub(crate) async fn spawn(
    fabric: &Fabric,
    genome: &Arc<Genome>,
    instances: InstancePolicy,
) -> Result<AgentId> {
    let config =
        chimera_layer4::fabric::AgentConfig { instances, ..utils::agent_config(ECHO, quota()) };
    Ok(fabric.agents().spawn_genome(Arc::clone(genome), config).await?)
}

/// Runs a task, and fails if the task does.
pub(crate) async fn run(fabric: &Fabric, task: &Task) -> Result<Value> {
    let output = fabric.tasks().run_once(task).await?.result.context("the task failed")?;
    Ok(output.to_value())
}

pub(crate) fn task(payload: Value) -> Task {
    utils::task_for(ECHO, payload)
}

fn quota() -> ResourceQuota {
    utils::default_resource_quota()
}
