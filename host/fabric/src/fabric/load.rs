//! Agent types that the settings do not declare: what was deployed, the agents folder, which
//! is watched, and what every host has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chimera_layer4_core::config::agents_dir::{AgentsDir, FileChange, Found};
use chimera_layer4_core::config::{AgentOrigin, Deployments};
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::FolderError;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Fabric;
use super::declare::{Change, Changes};
use super::outcome::{Applied, Outcome};
use crate::agents::AgentSource;
use crate::agents::registry::AgentType;
use crate::sources::builtin::{ECHO, ECHO_COMPONENT};
use crate::sources::deployed;
use crate::sources::folder::{AgentsFolder, FOLDER, NotDeclared};
use crate::telemetry::log::AppliedBy;
use crate::utils;

/// Between two looks at the agents folder.
const EVERY: Duration = Duration::from_secs(1);

/// What goes on beside the agents that the settings declare.
#[derive(Default)]
pub(crate) struct Loading {
    /// Held while types are loaded; whether they were.
    is_done: tokio::sync::Mutex<bool>,
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
    /// A host does so once, after [`apply_agents`](Self::apply_agents): a call after one that
    /// went well does nothing, and one beside it waits for it. `told` is called for each type
    /// before it is begun.
    ///
    /// # Errors
    /// `Configuration` where the settings name an agents folder that cannot be used, or what
    /// was deployed cannot be read; `NotRunning` from [`shutdown`](Self::shutdown) on.
    pub async fn load_agent_types(
        self: &Arc<Self>,
        told: impl Fn(&str),
    ) -> FabricResult<Vec<Applied>> {
        self.life.check_not_ending()?;
        let mut is_done = self.loading.is_done.lock().await;
        if *is_done {
            return Ok(Vec::new());
        }
        self.await_agent_types();
        let loaded = self.load(&told).await;
        self.pool.agents.note_loading(false);
        *is_done = loaded.is_ok();
        loaded
    }

    /// [`load_agent_types`](Self::load_agent_types) will be called: until it has ended, a task
    /// for a type that is not known is answered "try again later", not "no such type".
    pub fn await_agent_types(&self) {
        self.pool.agents.note_loading(true);
    }

    async fn load(self: &Arc<Self>, told: &impl Fn(&str)) -> FabricResult<Vec<Applied>> {
        let mut applied = self.load_deployed(told).await?;
        for one in &applied {
            one.log(AppliedBy::Deployments);
        }
        let mut watcher = FolderWatcher::of(self);
        if let Some(watcher) = &mut watcher {
            applied.extend(watcher.begin(self, told).await?);
        }
        self.register_built_in();
        let Some(watcher) = watcher else { return Ok(applied) };
        let host = Arc::downgrade(self);
        let mut handle = self.loading.watch.lock();
        // The host may have ended meanwhile, and looked for a watch in vain.
        if self.life.check_not_ending().is_ok() {
            *handle = Some(tokio::spawn(watcher.go_on(host)));
        }
        Ok(applied)
    }

    /// What is wrong with the agent types that were deployed and those of the agents folder.
    /// Nothing is started or compiled. It blocks.
    #[must_use]
    pub fn check_agent_types(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        match self.data_folder().map(deployed::read) {
            Some(Ok(kept)) => {
                for (name, one) in &kept.0 {
                    let wrong = one.declaration(name, self.default_quota()).err();
                    let wrong = wrong.into_iter().flatten();
                    complaints.extend(
                        wrong.map(|why| format!("the deployed agent type {name:?}: {why}")),
                    );
                }
            }
            Some(Err(FabricError::Configuration(more))) => complaints.extend(more),
            Some(Err(error)) => complaints.push(error.to_string()),
            None => {}
        }
        let Some(folder) = AgentsFolder::of(&self.config, self.data_folder()) else {
            return complaints;
        };
        match folder.look() {
            Ok(seen) => {
                complaints.extend(seen.listing.iter().filter_map(|(name, found)| match found {
                    Found::Refused(reason) => Some(reason.clone()),
                    Found::Files(files) => match folder.declared(name, files, self.default_quota())
                    {
                        Ok(_) => None,
                        Err(NotDeclared::Wrong(why) | NotDeclared::Unread(why)) => Some(why),
                    },
                }));
                complaints.extend(seen.strange);
            }
            // One that no setting names need not be there.
            Err(FolderError::Missing(_)) if !folder.is_named => {}
            Err(error) => complaints.push(format!("the agents folder cannot be used: {error}")),
        }
        complaints
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
    /// Whether the folder was looked at: it was there.
    is_begun: bool,
    /// Types whose files could not be read, and why: they are tried at each look.
    unread: BTreeMap<String, String>,
    told: Told,
}

/// What the log has of the folder, so that it has it once.
#[derive(Default)]
struct Told {
    trouble: Option<String>,
    left_out: usize,
    is_cut: bool,
    /// Of the look before: a file may be there before the other one of its agent.
    strange: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl FolderWatcher {
    /// `None`: there is no folder to look at.
    fn of(fabric: &Fabric) -> Option<Self> {
        let folder = Arc::new(AgentsFolder::of(&fabric.config, fabric.data_folder())?);
        let (seen, unread, told) = (AgentsDir::default(), BTreeMap::new(), Told::default());
        Some(Self { folder, seen, is_begun: false, unread, told })
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
            Err(error) if self.folder.is_named => {
                let advice = match &error {
                    FolderError::Missing(_) => "; make it, or set `agents_dir` to another one",
                    // It says itself what to do.
                    FolderError::Unsafe(_) => "",
                    FolderError::Failed { .. } => "; set `agents_dir` to another one",
                };
                let folder = self.folder.path().display();
                Err(FabricError::Configuration(vec![format!(
                    "the agents folder {folder} cannot be used: {error}{advice}"
                )]))
            }
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
                Ok(_) => self.told.trouble = None,
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
        let changed = match std::mem::replace(&mut self.is_begun, true) {
            false => self.seen.begin(found.listing, found.is_whole),
            true => self.seen.look(found.listing, found.is_whole),
        };
        self.told.of_a_look(&self.folder, self.seen.left_out(), found.is_whole, found.strange);
        let mut changes = Changes::new();
        for (name, change) in changed {
            if let Some(change) = self.change(fabric, &name, change).await? {
                changes.insert(name, change);
            }
        }
        if changes.is_empty() {
            return Ok(Vec::new());
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
        let put = changes.iter().filter(|(_, change)| matches!(change, Change::To(_)));
        fabric.await_agents(put.map(|(name, _)| name.clone()));
        let mut force = fabric.declared.in_force.lock().await;
        let applied = fabric.apply_changes(&mut force, AgentOrigin::Folder, changes, told).await;
        drop((force, compiled));
        for one in applied.iter().filter(|one| !matches!(one.outcome, Outcome::Unchanged)) {
            one.log(AppliedBy::Folder);
        }
        Ok(applied)
    }

    /// What becomes of a type's declaration; `None`: nothing new.
    ///
    /// # Errors
    /// The folder cannot be read.
    async fn change(
        &mut self,
        fabric: &Fabric,
        name: &str,
        change: FileChange,
    ) -> Result<Option<Change>, FolderError> {
        let before = self.unread.remove(name);
        let files = match change {
            FileChange::Removed => return Ok(Some(Change::Gone)),
            FileChange::Refused(reason) => return Ok(Some(Change::Refused(reason))),
            FileChange::Put(files) => files,
        };
        let (folder, defaults) = (Arc::clone(&self.folder), fabric.default_quota().clone());
        let of = name.to_owned();
        let declared = blocking(&self.folder, move || folder.declared(&of, &files, &defaults));
        Ok(match declared.await? {
            Ok(declaration) => Some(Change::To(declaration)),
            Err(NotDeclared::Wrong(reason)) => Some(Change::Refused(reason)),
            Err(NotDeclared::Unread(reason)) => {
                self.seen.again(name);
                self.unread.insert(name.to_owned(), reason.clone());
                (before.as_ref() != Some(&reason)).then_some(Change::Refused(reason))
            }
        })
    }

    fn note(&mut self, error: &FolderError) {
        // One that was never there is not wanted.
        if let FolderError::Missing(_) = error
            && !self.folder.is_named
            && !self.is_begun
        {
            return;
        }
        let error = error.to_string();
        if self.told.trouble.as_ref() != Some(&error) {
            let folder = self.folder.path().display();
            tracing::warn!(%folder, error, "the agents folder is not read; its agents stay as they are");
        }
        self.told.trouble = Some(error);
    }
}

impl Told {
    /// Logs what a look found that is new and serves no type.
    fn of_a_look(
        &mut self,
        folder: &AgentsFolder,
        left_out: usize,
        is_whole: bool,
        strange: BTreeSet<String>,
    ) {
        let folder = folder.path().display();
        if left_out > self.left_out {
            tracing::warn!(left_out, %folder, "the agents folder has more types than are looked at");
        }
        if !is_whole && !self.is_cut {
            tracing::warn!(
                %folder,
                "the agents folder has more names than are read; what is not read is taken to be as it was"
            );
        }
        (self.left_out, self.is_cut) = (left_out, !is_whole);
        self.told.retain(|reason| strange.contains(reason));
        for reason in strange.intersection(&self.strange) {
            if self.told.insert(reason.clone()) {
                tracing::warn!(%folder, reason, "a file of the agents folder serves no type");
            }
        }
        self.strange = strange;
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
