//! Genomes: what is stored, which is in charge, and how another takes over.
//!
//! The lineage says which genome is in charge of an agent type; it is written
//! before the agents change, so a host that goes down in between comes back
//! with the new one. Nothing takes over that was not admitted (`admit`). A
//! genome takes over at once (`swap`) or by a rollout (`rollout`), whose trial
//! hears of every run (`trials`).

mod admit;
mod bench;
mod declared;
mod history;
mod idle_priority;
mod layout;
mod record;
mod rollout;
mod rollout_controller;
mod state;
mod swap;
mod trials;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use chimera_layer4_core::config::TaskStoreKind;
use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::{Digest, Layer4Config, Layer4Error, Layer4Result};
use chimera_layer4_runtime::Genome;
use tempfile::TempDir;
use tokio::sync::{OnceCell, OwnedMutexGuard};
use tokio::task::JoinSet;

pub use self::admit::{GenomeRef, NewGenome};
pub(super) use self::record::Recorder;
pub(super) use self::trials::Trials;
pub use chimera_layer4_core::genome::{
    AdmittedGenome, BenchTask, Benchmark, GenomeDetail, GenomeDiff, GenomeSummary, RolloutView,
    SideView, StateCarried, Swapped,
};
pub use chimera_layer4_stores::genomes::Report as GenomeReport;

use super::Fabric;
use super::agent_pool::AgentPool;
use super::agents::AgentEntry;
use super::telemetry::Telemetry;
use chimera_layer4_stores::genomes::{
    GenomeStore, GenomeStoreOptions, GenomeStoreResult, Lineage, NewEntry, Recordings,
    RecordingsOptions,
};

/// Agent types whose tasks are recorded.
const MOST_TYPES: usize = 1000;
/// For what is under way on the disk as the host ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Bytes of one agent type's recorded tasks.
const RECORDED_BYTES: u64 = 64 << 20;

/// What the fabric has of genomes beyond those that run.
pub(super) struct Genomes {
    store: GenomeStore,
    lineage: Lineage,
    recordings: Arc<Recordings>,
    pool: Arc<AgentPool>,
    telemetry: Arc<Telemetry>,
    /// By agent type: one change of who is in charge at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// One benchmark at a time, so that all have the share of one.
    benching: tokio::sync::Semaphore,
    /// Rollouts that are seen through.
    keepers: BackgroundTasks,
    /// Agents that were replaced, and end.
    ending: BackgroundTasks,
    /// For an agent's own `shutdown`.
    agent_timeout: Duration,
    /// Set once interrupted rollouts were ended, so that a second start ends none that runs.
    closed: OnceCell<()>,
    /// Whether the folder is this host's still; read by whoever is at the disk.
    open: RwLock<bool>,
    /// Held so that the folder goes when this does.
    _scratch: Option<TempDir>,
}

impl Genomes {
    /// Opens the store of the data folder, or one that goes with the fabric
    /// where the host keeps nothing.
    fn open(
        config: &Layer4Config,
        pool: Arc<AgentPool>,
        telemetry: Arc<Telemetry>,
    ) -> Layer4Result<Self> {
        let (folder, scratch) = folder(config)?;
        let options = GenomeStoreOptions { folder, max_genome_bytes: config.max_component_bytes() };
        let (store, recovered) = GenomeStore::open(&options)?;
        let stored = store.list()?;
        // A store that is new has no index either.
        if let Some(complaint) = recovered.index.filter(|_| !stored.is_empty()) {
            tracing::warn!(complaint, "the index of genomes was made anew from what is stored");
        }
        let recordings = RecordingsOptions {
            max_tasks: config.recorded_tasks,
            max_bytes: RECORDED_BYTES,
            max_types: MOST_TYPES,
            seed: fastrand::u64(..),
        };
        Ok(Self {
            lineage: Lineage::open(&store)?,
            recordings: Arc::new(Recordings::open_or_begin(&store, recordings)?),
            store,
            pool,
            telemetry,
            turns: Mutex::default(),
            benching: tokio::sync::Semaphore::new(1),
            keepers: BackgroundTasks::default(),
            ending: BackgroundTasks::default(),
            agent_timeout: config.agent_timeout(),
            closed: OnceCell::new(),
            open: RwLock::new(true),
            _scratch: scratch,
        })
    }

    /// Ends the rollouts that were under way when the last host went down. A
    /// host does so as it starts, not a command that only opens the store: the
    /// warning belongs in the host's log.
    pub(super) async fn close_interrupted_rollouts(self: &Arc<Self>) -> Layer4Result<()> {
        let close = || async {
            let genomes = Arc::clone(self);
            let closed = tokio::task::spawn_blocking(move || genomes.close_interrupted()).await;
            closed.map_err(|error| Layer4Error::Internal(format!("genomes: {error}")))?
        };
        self.closed.get_or_try_init(close).await.copied()
    }

    /// Has something done with the disk, away from the threads that run guests.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&Genomes) -> GenomeStoreResult<T> + Send + 'static,
    ) -> Layer4Result<T> {
        let genomes = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let open = genomes.open.read().unwrap_or_else(PoisonError::into_inner);
            open.then(|| what(&genomes))
        });
        let done = done.await;
        let done = done.map_err(|error| Layer4Error::Internal(format!("genomes: {error}")))?;
        Ok(done.ok_or(Layer4Error::NotRunning { state: "shut down" })??)
    }

    /// The right to change who is in charge of a type.
    pub(super) async fn turn(&self, agent_type: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(agent_type.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    async fn record(self: &Arc<Self>, entries: Vec<NewEntry>) -> Layer4Result<()> {
        self.on_disk(move |genomes| genomes.lineage.append_all(&entries).map(drop)).await
    }

    /// A stored genome, compiled and linked.
    async fn load(self: &Arc<Self>, genome: Digest) -> Layer4Result<Arc<Genome>> {
        let bytes = self.on_disk(move |genomes| genomes.store.get(&genome)).await?;
        self.pool.load(&bytes).await
    }

    /// Ends agents that were replaced: what they have in hand finishes.
    fn retire(&self, replaced: Vec<Arc<AgentEntry>>) {
        let timeout = self.agent_timeout;
        for entry in replaced {
            self.telemetry.ended(&entry);
            self.ending.spawn(async move {
                if let Err(error) = super::end(&entry, timeout).await {
                    super::not_in_good_order(&entry, &error);
                }
            });
        }
    }

    /// Sees no rollout through any more, and waits for agents that end, up to `limit`.
    pub(super) async fn shut_down(&self, limit: Duration) {
        self.keepers.take().abort_all();
        self.telemetry.trials.end_all();
        let mut ending = self.ending.take();
        let ended = async { while ending.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("agents that others took over from had not ended when the host did");
        }
    }

    /// Lets the folder go, once what is under way on the disk has ended. Nothing is
    /// read or written from then on.
    pub(super) async fn close(self: &Arc<Self>) {
        let genomes = Arc::clone(self);
        let closed = tokio::task::spawn_blocking(move || {
            let mut open = genomes.open.write().unwrap_or_else(PoisonError::into_inner);
            *open = false;
            genomes.store.close();
        });
        // Who reads the whole store, to verify it, may take longer; the lock then goes
        // with the process.
        if tokio::time::timeout(LAST_WORDS, closed).await.is_err() {
            tracing::warn!("the genome store was still read as the host ended");
        }
    }
}

/// What goes on beside whoever began it, and ends with the fabric at the latest.
#[derive(Default)]
struct BackgroundTasks(Mutex<JoinSet<()>>);

impl BackgroundTasks {
    fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while under_way.try_join_next().is_some() {}
        under_way.spawn(what);
    }

    fn take(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something that happens now.
fn entry(genome: Digest, agent_type: Option<&str>, event: Event) -> NewEntry {
    let at = SystemTime::now().into();
    NewEntry { at, genome, agent_type: agent_type.map(str::to_owned), event }
}

/// Where the host keeps what it has; `None`: it keeps nothing.
fn kept(config: &Layer4Config) -> Option<PathBuf> {
    let folder = config.data_dir.as_ref()?;
    (config.task_store == TaskStoreKind::Embedded).then(|| folder.join("genomes"))
}

fn folder(config: &Layer4Config) -> Layer4Result<(PathBuf, Option<TempDir>)> {
    if let Some(folder) = kept(config) {
        return Ok((folder, None));
    }
    let scratch = tempfile::Builder::new().prefix("chimera-genomes-").tempdir();
    let scratch = scratch.map_err(|error| {
        let words = format!("no temporary folder for genomes: {error}; set `data_dir`");
        Layer4Error::Configuration(vec![words])
    })?;
    Ok((scratch.path().join("genomes"), Some(scratch)))
}

impl Fabric {
    pub(super) fn keeps_genomes(&self) -> bool {
        kept(&self.config).is_some()
    }

    /// Opened when it is first needed: a run that keeps nothing needs none.
    pub(super) async fn genomes(&self) -> Layer4Result<&Arc<Genomes>> {
        let open = || async {
            let (config, pool, telemetry) =
                (self.config.clone(), Arc::clone(&self.pool), Arc::clone(&self.telemetry));
            let opened =
                tokio::task::spawn_blocking(move || Genomes::open(&config, pool, telemetry));
            let opened = opened.await;
            let opened = opened.map_err(|error| Layer4Error::Internal(error.to_string()))??;
            let opened = Arc::new(opened);
            self.telemetry.recorder.start(&opened.recordings);
            Ok(opened)
        };
        self.genomes.get_or_try_init(open).await
    }
}
