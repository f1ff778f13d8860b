//! Agent types that the settings do not declare: what was deployed, the agents folder, which
//! is watched, and what every host has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chimera_layer4_core::config::agents_dir::{AgentsDir, FileChange};
use chimera_layer4_core::config::{AgentOrigin, Deployments};
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::FolderError;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Fabric;
use super::declare::{Change, Changes};
use super::outcome::Applied;
use crate::agents::AgentSource;
use crate::agents::registry::AgentType;
use crate::sources::builtin::{ECHO, ECHO_COMPONENT};
use crate::sources::folder::{AgentsFolder, FOLDER};
use crate::utils;

/// Between two looks at the agents folder.
const EVERY: Duration = Duration::from_secs(1);

/// The code of the lines about a change of an agent type.
const CHANGED: &str = "agent-type-changed";

/// What goes on beside the agents that the settings declare.
#[derive(Default)]
pub(crate) struct Loading {
    is_begun: AtomicBool,
    watch: Mutex<Option<JoinHandle<()>>>,
    /// What is deployed, once it was read.
    pub(super) deployed: tokio::sync::Mutex<Option<Deployments>>,
}

impl Loading {
    /// Looks at the folder no more.
    pub(super) fn end(&self) {
        if let Some(watch) = self.watch.lock().take() {
            watch.abort();
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.end();
    }
}

impl Fabric {
    /// Starts the agent types that were deployed to this host and those of the agents folder,
    /// watches the folder from then on, and makes the types known that every host has. What
    /// fails is in the answer and in the log, and leaves the others alone.
    ///
    /// A host does so once, after [`apply_agents`](Self::apply_agents): the second call does
    /// nothing. `told` is called for each type before it is begun.
    ///
    /// # Errors
    /// `Configuration` where the settings name an agents folder that cannot be used, or what
    /// was deployed cannot be read; `NotRunning` from [`shutdown`](Self::shutdown) on.
    pub async fn load_agent_types(
        self: &Arc<Self>,
        told: impl Fn(&str),
    ) -> FabricResult<Vec<Applied>> {
        self.life.check_not_ending()?;
        if self.loading.is_begun.swap(true, Ordering::AcqRel) {
            return Ok(Vec::new());
        }
        let mut applied = self.load_deployed(&told).await?;
        for one in &applied {
            one.log(CHANGED, "deployed", "a deployed agent type did not start");
        }
        let mut watcher = FolderWatcher::of(self);
        applied.extend(watcher.begin(self, &told).await?);
        self.register_built_in();
        let host = Arc::downgrade(self);
        let mut handle = self.loading.watch.lock();
        // The host may have ended meanwhile, and looked for a watch in vain.
        if self.life.check_not_ending().is_ok() {
            *handle = Some(tokio::spawn(watcher.go_on(host)));
        }
        Ok(applied)
    }

    fn register_built_in(&self) {
        let agent = AgentType {
            source: AgentSource::Bytes(ECHO_COMPONENT.into()),
            config: utils::agent_config(ECHO, self.default_quota().clone()),
            starting: Arc::default(),
            is_built_in: true,
        };
        self.pool.agents.register_built_in(ECHO, agent);
        self.pool.capacity_changed();
    }
}

/// The agents folder, look after look.
struct FolderWatcher {
    folder: Arc<AgentsFolder>,
    seen: AgentsDir,
    is_begun: bool,
    /// What the log has of the folder, so that it has it once.
    trouble: Option<String>,
    left_out: usize,
}

impl FolderWatcher {
    fn of(fabric: &Fabric) -> Self {
        let folder = AgentsFolder::of(&fabric.config, fabric.data_folder());
        let seen = AgentsDir::default();
        Self { folder: Arc::new(folder), seen, is_begun: false, trouble: None, left_out: 0 }
    }

    /// The first look.
    ///
    /// # Errors
    /// `Configuration`: the settings name the folder, and it cannot be used.
    async fn begin(&mut self, fabric: &Fabric, told: &impl Fn(&str)) -> FabricResult<Vec<Applied>> {
        if !self.folder.is_named
            && fabric.stores.are_kept()
            && let Some(data) = fabric.data_folder()
            && let Err(error) = data.make_in(FOLDER)
        {
            tracing::warn!(%error, "there is no agents folder");
        }
        match self.look(fabric, told).await {
            Ok(applied) => Ok(applied),
            Err(error) if self.folder.is_named => Err(FabricError::Configuration(vec![format!(
                "the agents folder {} cannot be used: {error}; set `agents_dir` to another one",
                self.folder.path().display()
            )])),
            Err(error) => {
                self.note(&error);
                Ok(Vec::new())
            }
        }
    }

    /// Looks every second, until the host has gone or this is aborted.
    async fn go_on(mut self, host: Weak<Fabric>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(fabric) = host.upgrade() else { return };
            if fabric.life.check_not_ending().is_err() {
                return;
            }
            match Box::pin(self.look(&fabric, &|_: &str| {})).await {
                Ok(_) => self.trouble = None,
                Err(error) => self.note(&error),
            }
        }
    }

    /// Applies what has changed since the last look.
    ///
    /// # Errors
    /// The folder cannot be read. Agents stay as they are: a disk that is away for a while
    /// is no order to end them.
    async fn look(
        &mut self,
        fabric: &Fabric,
        told: &impl Fn(&str),
    ) -> Result<Vec<Applied>, FolderError> {
        let folder = Arc::clone(&self.folder);
        let found = blocking(&self.folder, move || folder.look()).await??;
        if found.left_out > self.left_out {
            let (left_out, folder) = (found.left_out, self.folder.path().display());
            tracing::warn!(left_out, %folder, "the agents folder has more types than are looked at");
        }
        self.left_out = found.left_out;
        let listing = found.listing.clone();
        let changed = match std::mem::replace(&mut self.is_begun, true) {
            false => self.seen.begin(found.listing),
            true => self.seen.look(found.listing),
        };
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes = Changes::new();
        for (name, change) in changed {
            let files = listing.get(&name).copied();
            let change = match (change, files) {
                (FileChange::Put, Some(files)) => {
                    let (folder, defaults) =
                        (Arc::clone(&self.folder), fabric.default_quota().clone());
                    let of = name.clone();
                    let declared =
                        blocking(&self.folder, move || folder.declared(&of, &files, &defaults));
                    declared.await?.map_or_else(Change::Refused, Change::To)
                }
                _ => Change::Gone,
            };
            changes.insert(name, change);
        }
        // Compiled before other changes have to wait for these. What fails here fails again
        // when it is applied, and is reported then.
        let mut compiled = Vec::new();
        for change in changes.values() {
            if let Change::To(declaration) = change
                && let Ok(bytes) = fabric.genomes.declared_bytes(&declaration.component).await
            {
                compiled.push(fabric.pool.load(&bytes).await);
            }
        }
        fabric.await_agents(
            changes
                .iter()
                .filter_map(|(name, change)| matches!(change, Change::To(_)).then(|| name.clone())),
        );
        let mut force = fabric.declared.in_force.lock().await;
        let applied = fabric.apply_changes(&mut force, AgentOrigin::Folder, changes, told).await;
        drop((force, compiled));
        for one in &applied {
            one.log(
                CHANGED,
                "the agents folder changed",
                "an agent of the agents folder was refused",
            );
        }
        Ok(applied)
    }

    fn note(&mut self, error: &FolderError) {
        if let FolderError::Missing(_) = error
            && !self.folder.is_named
        {
            return;
        }
        let error = error.to_string();
        if self.trouble.as_ref() != Some(&error) {
            let folder = self.folder.path().display();
            tracing::warn!(%folder, error, "the agents folder is not read; its agents stay as they are");
        }
        self.trouble = Some(error);
    }
}

/// Runs what blocks off the threads that run guests.
async fn blocking<T: Send + 'static>(
    folder: &AgentsFolder,
    what: impl FnOnce() -> T + Send + 'static,
) -> Result<T, FolderError> {
    let done = tokio::task::spawn_blocking(what).await;
    done.map_err(|error| FolderError::Failed {
        path: folder.path().to_path_buf(),
        what: "read",
        error: std::io::Error::other(error),
    })
}
