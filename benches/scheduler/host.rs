//! A fabric with real agents, for the questions about components.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use chimera_layer4::fabric::config::{ComponentSettings, QueueSettings, TaskStoreKind};
use chimera_layer4::fabric::{AgentConfig, Fabric, FabricConfig, InstancePolicy, utils};
use chimera_layer4_toolchain::{self as toolchain, Stop};

use crate::scene::{CAPACITY, target};

/// Some agents of one type.
pub(crate) struct AgentSpec<'a> {
    pub(crate) name: &'static str,
    pub(crate) component: &'a [u8],
    pub(crate) agents: usize,
    pub(crate) instances: InstancePolicy,
}

/// A component of this repository, built as its author would.
pub(crate) fn component(folder: &str) -> Result<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let built =
        toolchain::build(&folder, Some(&target().join("guests")), &Stop::default(), &mut |_| {})?;
    Ok(fs::read(built)?)
}

/// A fabric that runs, with an empty queue. Compiled code is found in `data`
/// the second time.
pub(crate) async fn open(
    data: &Path,
    task_store: TaskStoreKind,
    specs: &[AgentSpec<'_>],
) -> Result<Arc<Fabric>> {
    for file in ["chimera.db", "chimera.db-wal", "chimera.db-shm"] {
        // There is none the first time.
        let _ = fs::remove_file(data.join(file));
    }
    // A host refuses a data folder that others can enter.
    fs::set_permissions(data, Permissions::from_mode(0o700))?;
    let fabric = Fabric::new(FabricConfig {
        max_agents: specs.iter().map(|spec| spec.agents).sum(),
        data_dir: Some(data.to_path_buf()),
        components: ComponentSettings {
            compile_program: Some(PathBuf::from(env!("CARGO_BIN_EXE_chimera-under-bench"))),
            ..ComponentSettings::default()
        },
        task_queue_capacity: CAPACITY,
        queue: QueueSettings {
            task_store,
            result_retention_count: CAPACITY as u64,
            dead_letter_retention_count: CAPACITY as u64,
            ..QueueSettings::default()
        },
        ..FabricConfig::default()
    })?;
    fabric.start().await?;
    for spec in specs {
        let genome = fabric.agents().load(spec.component).await?;
        for _ in 0..spec.agents {
            let config = utils::agent_config(spec.name, utils::default_resource_quota());
            let config = AgentConfig { instances: spec.instances, ..config };
            fabric.agents().spawn_genome(Arc::clone(&genome), config).await?;
        }
    }
    Ok(Arc::new(fabric))
}
