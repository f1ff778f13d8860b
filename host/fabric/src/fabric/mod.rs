//! [`Fabric`]: builds the parts, starts them, ends them in order.

mod declare;
mod deploy;
mod in_force;
mod load;
mod outcome;
mod refine;
mod report;
mod warnings;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::telemetry::EXECUTOR_LOG;
use chimera_layer4_core::{FabricConfig, FabricError, FabricResult, ResourceQuota};
use chimera_layer4_folders::OwnFolder;
use chimera_layer4_runtime::Executor;
use chimera_layer4_runtime::executor::ExecutorOptions;
use chimera_layer4_runtime::genome::worker::CompileLimits;
use chimera_layer4_runtime::sandbox::{CapabilityOptions, charge_caller};
use chimera_layer4_stores::Stores;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tracing::field::display;

pub use self::deploy::RetiredType;
pub use self::outcome::{Applied, Outcome};
pub use self::warnings::Warning;

use self::declare::Declared;
use self::load::Loading;
use crate::agents::pool::{AgentPool, OVERLAPPING};
use crate::agents::{Agents, heartbeat};
use crate::descriptors::Descriptors;
use crate::genomes::Genomes;
use crate::genomes::evidence::Evidence;
use crate::keyvalue::KeyValue;
use crate::lifecycle::{Lifecycle, Phase};
use crate::program;
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use crate::telemetry::events::EventKind;

/// Instances beyond one for each agent, for agents that run several tasks at once.
const SPARE_INSTANCES: u32 = 128;

/// For agents' own `shutdown`, where tasks have taken all of `drain_timeout_secs`.
const LAST_OF_AGENTS: Duration = Duration::from_secs(5);

/// For the spans of the last seconds to be sent, where they are collected.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// The execution fabric: agents, and the tasks that run on them.
///
/// It hands out its parts: [`tasks`](Self::tasks), [`agents`](Self::agents),
/// [`genomes`](Self::genomes), [`keyvalue`](Self::keyvalue) and
/// [`telemetry`](Self::telemetry). Tasks are taken between [`start`](Self::start) and
/// [`shutdown`](Self::shutdown). Every method may be called from many tasks at
/// once.
pub struct Fabric {
    config: Arc<FabricConfig>,
    stores: Arc<Stores>,
    life: Arc<Lifecycle>,
    pool: Arc<AgentPool>,
    telemetry: Arc<Telemetry>,
    evidence: Arc<Evidence>,
    agents: Agents,
    genomes: Genomes,
    tasks: Tasks,
    keyvalue: KeyValue,
    declared: Declared,
    loading: Loading,
    descriptors: Descriptors,
    started: Mutex<Option<Running>>,
}

struct Running {
    since: Instant,
    /// Heartbeats, and the look at the machine.
    loops: [JoinHandle<()>; 2],
}

impl Running {
    fn end_loops(&self) {
        self.loops.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_loops();
    }
}

impl Fabric {
    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// `Configuration` with every complaint at once, or where another user could
    /// change the data folder; `WasmRuntime` when the engine cannot be made.
    pub fn new(config: FabricConfig) -> FabricResult<Self> {
        let complaints = config.complaints();
        if !complaints.is_empty() {
            return Err(FabricError::Configuration(complaints));
        }
        let descriptors = Descriptors::of_process(config.http.max_connections)?;
        let stores = Arc::new(Stores::open(&config)?);
        let (config, life) = (Arc::new(config), Arc::new(Lifecycle::default()));
        let keyvalue = stores.keyvalue(charge_caller);
        let executor = Executor::new(ExecutorOptions {
            max_agents: u32::try_from(config.max_agents + 2 * OVERLAPPING).unwrap_or(u32::MAX),
            spare_instances: SPARE_INSTANCES,
            housekeeping: config.agent_timeout(),
            compiled: stores.compiled().to_path_buf(),
            compile_with: program::find(config.components.compile_program.as_deref())?,
            compile_limits: compile_limits(&config),
            opt_level: config.components.compile_opt_level,
            capabilities: CapabilityOptions {
                keyvalue: Arc::clone(&keyvalue),
                http_ca_file: config.capabilities.http_ca_file.clone(),
            },
            descriptors: descriptors.agents,
        })?;
        let telemetry = Telemetry::new(&config)?;
        let evidence = Arc::new(Evidence::new(&config));
        let (told, runs) = (Arc::clone(&telemetry), Arc::clone(&evidence));
        let pool = Arc::new(AgentPool::new(executor, &config, told, runs));
        Ok(Self {
            agents: Agents::new(
                Arc::clone(&pool),
                Arc::clone(&telemetry),
                Arc::clone(&life),
                config.agent_timeout(),
            ),
            genomes: Genomes::new(
                Arc::clone(&config),
                Arc::clone(&stores),
                Arc::clone(&pool),
                Arc::clone(&telemetry),
                Arc::clone(&evidence),
                Arc::clone(&life),
            ),
            tasks: Tasks::new(Arc::clone(&pool), Arc::clone(&life)),
            keyvalue: KeyValue::new(keyvalue),
            declared: Declared::default(),
            loading: Loading::default(),
            started: Mutex::new(None),
            config,
            stores,
            life,
            pool,
            telemetry,
            evidence,
            descriptors,
        })
    }

    /// Its tasks: submitted, waited for, listed, cancelled.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Its agents: started, listed, restarted, given quotas, ended.
    #[must_use]
    pub fn agents(&self) -> &Agents {
        &self.agents
    }

    /// Its genomes: stored, tried, put in charge, taken back.
    #[must_use]
    pub fn genomes(&self) -> &Genomes {
        &self.genomes
    }

    /// What its agents keep by key.
    #[must_use]
    pub fn keyvalue(&self) -> &KeyValue {
        &self.keyvalue
    }

    /// What it counts and tells: key figures, events, traces.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// How the process's file descriptors are shared out.
    pub fn descriptors(&self) -> Descriptors {
        self.descriptors
    }

    /// The quota of a task that brings none.
    #[must_use]
    pub fn default_quota(&self) -> &ResourceQuota {
        &self.config.default_resource_quota
    }

    /// The largest component that is taken, in bytes.
    #[must_use]
    pub fn max_component_bytes(&self) -> u64 {
        self.config.components.max_component_bytes()
    }

    /// Where this host keeps what it has; `None`: nowhere.
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_folder().map(OwnFolder::path)
    }

    /// The same, open.
    pub fn data_folder(&self) -> Option<&OwnFolder> {
        self.stores.data_folder()
    }

    /// The settings that it was built with.
    #[must_use]
    pub fn config(&self) -> &FabricConfig {
        &self.config
    }

    /// Whether it was never started.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.life.phase() == Phase::New
    }

    /// Whether tasks are taken.
    ///
    /// # Errors
    /// `NotRunning`, before `start` and from `shutdown` on.
    pub fn check_running(&self) -> FabricResult<()> {
        self.life.check_running()
    }

    /// Opens the task store, which another host then cannot. No task runs before
    /// [`start`](Self::start): agents may be started first.
    ///
    /// # Errors
    /// `NotRunning` after a shutdown; `Store` when the task store cannot be opened.
    pub async fn open(&self) -> FabricResult<()> {
        self.life.check_not_ending()?;
        self.tasks.open(&self.config, &self.stores, &self.telemetry).await.map(drop)
    }

    /// Begins all components: opens the task store, and goes on with what it
    /// holds. Started twice is the same as once.
    ///
    /// # Errors
    /// `NotRunning` after a shutdown: a fabric is started once in its life.
    /// `Store` when the task store cannot be opened.
    pub async fn start(&self) -> FabricResult<()> {
        self.life.check_not_ending()?;
        let scheduler = self.tasks.open(&self.config, &self.stores, &self.telemetry).await?;
        self.genomes.start().await?;
        // The phase changes under this lock alone.
        let mut started = self.started.lock();
        match self.life.phase() {
            Phase::Draining | Phase::Stopped => return Err(self.life.not_running()),
            Phase::Running => return Ok(()),
            Phase::New => {}
        }
        let (agents, telemetry) = (&self.pool.agents, &self.telemetry);
        let every = self.config.heartbeat_interval();
        let beats = heartbeat::start(Arc::clone(agents), Arc::clone(telemetry), every);
        let every = self.config.kpi_reporting_interval();
        let figures = heartbeat::take_figures(Arc::clone(agents), Arc::clone(telemetry), every);
        *started = Some(Running { since: Instant::now(), loops: [beats, figures] });
        self.life.advance(Phase::Running);
        scheduler.start();
        let (version, folder) = (env!("CARGO_PKG_VERSION"), self.data_dir());
        let data_dir = folder.map(|folder| display(folder.display()));
        tracing::info!(
            target: EXECUTOR_LOG, code = "host-started", version, data_dir, "the host started"
        );
        for Warning { code, message } in self.warnings() {
            tracing::warn!(code, "{message}");
        }
        Ok(())
    }

    /// Takes no more tasks, lets those that run finish within
    /// `drain_timeout_secs`, gives back the rest to the queue, and retires
    /// every agent. Their own `shutdown` has what is left of that time, and five
    /// seconds at the least. Tasks, lists and figures can be read until they have ended;
    /// then the folder is free for another host. Shut down twice is the same as once.
    ///
    /// # Errors
    /// `AgentFault`, `ResourceQuotaExceeded` or `AgentTimeout` with the first agent
    /// whose own `shutdown` failed; all are ended all the same, and the log names
    /// each that failed.
    pub async fn shutdown(&self) -> FabricResult<()> {
        let drain = self.config.queue.drain_timeout();
        let drained_by = Instant::now().checked_add(drain);
        let ran = {
            let started = self.started.lock();
            if let Some(running) = &*started {
                running.end_loops();
            }
            self.life.advance(Phase::Draining) == Phase::Running
        };
        self.loading.end();
        // From here on a start of another agent is refused.
        self.pool.agents.close();
        if ran {
            let drain_timeout_secs = drain.as_secs();
            tracing::info!(
                target: EXECUTOR_LOG, code = "host-draining",
                drain_timeout_secs, "the host stops: no task is begun any more"
            );
        }
        if let Some(scheduler) = self.tasks.scheduler() {
            scheduler.drain(drain).await;
        }
        let left = drained_by.map_or(drain, |by| by.saturating_duration_since(Instant::now()));
        let limit = left.max(LAST_OF_AGENTS);
        // Those too that others took over from.
        let (ended, ()) = tokio::join!(self.pool.end_all(limit), self.genomes.shut_down(limit));
        if let Some(scheduler) = self.tasks.scheduler() {
            scheduler.close().await;
        }
        let is_first = self.life.advance(Phase::Stopped) != Phase::Stopped;
        // Both locks of the data folder go together, and last.
        self.genomes.close().await;
        if is_first {
            self.telemetry.events.tell(|| EventKind::HostEnded {});
        }
        if ran {
            tracing::info!(target: EXECUTOR_LOG, code = "host-stopped", "the host stopped");
        }
        let telemetry = Arc::clone(&self.telemetry);
        let sent = tokio::task::spawn_blocking(move || telemetry.traces.end(LAST_SPANS));
        ended.and(sent.await.map_err(|error| FabricError::Internal(error.to_string())))
    }
}

fn compile_limits(config: &FabricConfig) -> CompileLimits {
    CompileLimits {
        address_space: config.components.compile_memory_mb.saturating_mul(MEBIBYTE),
        cpu: Duration::from_secs(config.components.compile_cpu_secs),
        component: config.components.max_component_bytes(),
    }
}
