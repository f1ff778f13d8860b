//! The store, the lineage, the recordings of genomes and the record of refinements, open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::genome::lineage::Event;
use chimera_layer4_core::{Digest, FabricConfig, FabricError, FabricResult};
use chimera_layer4_runtime::Genome;
use chimera_layer4_stores::genomes::{
    GenomeStore, GenomeStoreResult, Lineage, NewEntry, Recordings, RecordingsOptions, Refinements,
};
use chimera_layer4_stores::{GenomesPlace, Stores};
use parking_lot::{Mutex, RwLock};
use tempfile::TempDir;
use tokio::sync::{OnceCell, OwnedMutexGuard};
use tokio::task::JoinSet;

use super::evidence::Evidence;
use crate::agents::pool::AgentPool;
use crate::telemetry::Telemetry;

/// Agent types whose tasks are recorded.
const MOST_TYPES: usize = 1000;
/// For what is under way on the disk as the host ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Bytes of one agent type's recorded tasks.
const RECORDED_BYTES: u64 = 64 << 20;

/// What the fabric has of genomes beyond those that run.
pub(crate) struct OpenGenomes {
    pub(super) store: GenomeStore,
    pub(super) lineage: Lineage,
    pub(super) recordings: Arc<Recordings>,
    pub(super) refinements: Refinements,
    pub(super) pool: Arc<AgentPool>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) evidence: Arc<Evidence>,
    /// By agent type: one change of the genome in charge at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// One change of a refinement at a time: whether tasks would go in a circle depends on all.
    pub(super) refining: tokio::sync::Mutex<()>,
    /// One benchmark at a time, so that all have the share of one.
    pub(super) benching: tokio::sync::Semaphore,
    /// Rollouts that are seen through.
    pub(super) controllers: BackgroundTasks,
    /// Changes that run to their end.
    pub(super) changing: BackgroundTasks,
    /// For an agent's own `shutdown`.
    pub(super) agent_timeout: Duration,
    /// Set once interrupted rollouts were ended, so that a second start ends none that runs.
    closed: OnceCell<()>,
    /// Whether the folder is still this host's. Held for reading during each disk access.
    open: RwLock<bool>,
    /// Held so that the folder goes when this does.
    _scratch: Option<TempDir>,
}

impl OpenGenomes {
    /// Opens the store of the data folder, or one that goes with the fabric
    /// where the host keeps nothing.
    pub(super) fn open(
        config: &FabricConfig,
        stores: &Stores,
        pool: Arc<AgentPool>,
        telemetry: Arc<Telemetry>,
        evidence: Arc<Evidence>,
    ) -> FabricResult<Self> {
        let GenomesPlace { options, scratch } = stores.genomes()?;
        let (store, recovered) = GenomeStore::open(&options)?;
        let stored = store.list()?;
        // A store that is new has no index either.
        if let Some(complaint) = recovered.index.filter(|_| !stored.is_empty()) {
            tracing::warn!(complaint, "the index of genomes was made anew from what is stored");
        }
        let recordings = RecordingsOptions {
            max_tasks: config.genomes.recorded_tasks,
            max_bytes: RECORDED_BYTES,
            max_types: MOST_TYPES,
            seed: fastrand::u64(..),
        };
        let refinements = Refinements::open(&store)?;
        pool.agents.load_refinements(refinements.standing()?);
        Ok(Self {
            lineage: Lineage::open(&store)?,
            refinements,
            refining: tokio::sync::Mutex::default(),
            recordings: Arc::new(Recordings::open_or_begin(&store, recordings)?),
            store,
            pool,
            telemetry,
            evidence,
            turns: Mutex::default(),
            benching: tokio::sync::Semaphore::new(1),
            controllers: BackgroundTasks::default(),
            changing: BackgroundTasks::default(),
            agent_timeout: config.agent_timeout(),
            closed: OnceCell::new(),
            open: RwLock::new(true),
            _scratch: scratch,
        })
    }

    /// Ends the rollouts that were under way when the last host went down. A
    /// host does so as it starts, not a command that only opens the store: the
    /// warning belongs in the host's log.
    pub(super) async fn close_interrupted_rollouts(self: &Arc<Self>) -> FabricResult<()> {
        let close = || async {
            let genomes = Arc::clone(self);
            let closed = tokio::task::spawn_blocking(move || genomes.close_interrupted()).await;
            closed.map_err(|error| FabricError::Internal(format!("genomes: {error}")))?
        };
        self.closed.get_or_try_init(close).await.copied()
    }

    /// Runs a blocking call of the stores on the blocking pool, off the threads that run guests.
    pub(super) async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&OpenGenomes) -> GenomeStoreResult<T> + Send + 'static,
    ) -> FabricResult<T> {
        let genomes = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let open = genomes.open.read();
            open.then(|| what(&genomes))
        });
        let done = done.await;
        let done = done.map_err(|error| FabricError::Internal(format!("genomes: {error}")))?;
        Ok(done.ok_or(FabricError::NotRunning { state: "shut down" })??)
    }

    /// The right to change the genome in charge of a type.
    pub(super) async fn turn(&self, agent_type: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock();
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(agent_type.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    pub(super) async fn record(self: &Arc<Self>, entries: Vec<NewEntry>) -> FabricResult<()> {
        self.on_disk(move |genomes| genomes.lineage.append_all(&entries).map(drop)).await
    }

    /// A stored genome, compiled and linked.
    pub(super) async fn load(self: &Arc<Self>, genome: Digest) -> FabricResult<Arc<Genome>> {
        let bytes = self.on_disk(move |genomes| genomes.store.get(&genome)).await?;
        self.pool.load(&bytes).await
    }

    /// Stops the controllers of rollouts, and waits for changes that are under way, up to
    /// `limit`.
    pub(super) async fn shut_down(&self, limit: Duration) {
        self.controllers.take().abort_all();
        self.evidence.trials.end_all();
        let mut changing = self.changing.take();
        let ended = async { while changing.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("a change of genomes or agent types had not ended when the host did");
        }
    }

    /// Lets the folder go, once what is under way on the disk has ended. Nothing is
    /// read or written from then on.
    pub(super) async fn close(self: &Arc<Self>) {
        let genomes = Arc::clone(self);
        let closed = tokio::task::spawn_blocking(move || {
            let mut open = genomes.open.write();
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

/// Background work, which outlives its caller and ends with the fabric at the latest.
#[derive(Default)]
pub(super) struct BackgroundTasks(Mutex<JoinSet<()>>);

impl BackgroundTasks {
    pub(super) fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        let mut under_way = self.0.lock();
        while under_way.try_join_next().is_some() {}
        under_way.spawn(what);
    }

    fn take(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Something that happens now.
pub(super) fn entry(genome: Digest, agent_type: Option<&str>, event: Event) -> NewEntry {
    let at = SystemTime::now().into();
    NewEntry { at, genome, agent_type: agent_type.map(str::to_owned), event }
}
