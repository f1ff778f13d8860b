//! [`Fabric`]: builds the parts, starts them, ends them in order.

mod agent_pool;
mod agents;
mod allocation;
mod declare;
mod descriptors;
mod folder;
mod genomes;
mod heartbeat;
mod keyvalue;
mod log;
mod probe;
mod program;
mod queue;
mod report;
mod telemetry;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4_core::config::TaskStoreKind;
use chimera_layer4_core::keyvalue::{KeyValueStore, MemoryKeyValue};
use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{
    AgentConfig, AgentId, HealthStatus, Layer4Config, Layer4Error, Layer4Result, Task,
};
use chimera_layer4_folders::{OwnFolder, read_regular};
use chimera_layer4_runtime::executor::{CapabilityOptions, ExecutorOptions, charge_caller};
use chimera_layer4_runtime::genome::worker::CompileLimits;
use chimera_layer4_runtime::{Executor, Genome, RunReport};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::task::{JoinHandle, JoinSet};
use tracing::field::display;

pub use self::agents::AgentSource;
pub use self::declare::{Applied, Outcome};
pub use self::descriptors::{Descriptors, raise_limit};
pub use self::folder::visit as visit_data_folder;
pub use self::genomes::{
    AdmittedGenome, BenchTask, Benchmark, GenomeDetail, GenomeDiff, GenomeRef, GenomeReport,
    GenomeSummary, NewGenome, RolloutView, SideView, StateCarried, Swapped,
};
pub use self::log::TARGET as AGENT_LOG;
pub use self::program::COMPILE_COMMAND;
pub use self::queue::open_queue;
pub use chimera_layer4_core::keyvalue::KeptByKey;
pub use chimera_layer4_core::status::{ActiveAgent, SystemHealth, SystemStatus};

use self::agent_pool::AgentPool;
use self::agents::{AgentEntry, AgentType};
use self::declare::Declared;
use self::genomes::Genomes;
use self::telemetry::Telemetry;
use crate::events::EventKind;
use crate::scheduler::{Observe, Placement, RunTask, Scheduler};
use chimera_layer4_stores::keyvalue::SqliteKeyValue;

/// Instances beyond one for each agent, for agents that run several tasks at once.
const SPARE_INSTANCES: u32 = 128;
/// Agents beyond `max_agents` that may live while they take over from others,
/// are on trial, or are tried out.
const OVERLAPPING: usize = 16;

/// For agents' own `shutdown`, where tasks have taken all of `drain_timeout_secs`.
const LAST_OF_AGENTS: Duration = Duration::from_secs(5);

/// For the spans of the last seconds to be sent, where they are collected.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// The execution fabric: agents, and the tasks that run on them.
///
/// Tasks are taken between [`start`](Self::start) and
/// [`shutdown`](Self::shutdown). Every method may be called from many tasks at
/// once.
pub struct Fabric {
    config: Layer4Config,
    pool: Arc<AgentPool>,
    telemetry: Arc<Telemetry>,
    declared: Declared,
    descriptors: Descriptors,
    /// Opened when it is first needed.
    genomes: OnceCell<Arc<Genomes>>,
    state: AtomicU8,
    started: Mutex<Option<Running>>,
    /// Made at the start, since it opens the store.
    scheduler: OnceCell<Scheduler>,
    /// The data folder, open as it was judged; `None`: nothing is kept.
    data: Option<OwnFolder>,
    /// Held so that the folder goes when the fabric does.
    _scratch: Option<TempDir>,
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

const NEW: u8 = 0;
const RUNNING: u8 = 1;
const DRAINING: u8 = 2;
const STOPPED: u8 = 3;

impl Fabric {
    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// `Configuration` with every complaint at once, or where another user could
    /// change the data folder; `WasmRuntime` when the engine cannot be made.
    pub fn new(config: Layer4Config) -> Layer4Result<Self> {
        let complaints = config.complaints();
        if !complaints.is_empty() {
            return Err(Layer4Error::Configuration(complaints));
        }
        let descriptors = Descriptors::of_process(config.max_connections)?;
        let data = folder::open(&config)?;
        // From here on by the path without links, which nobody else can change.
        let data_dir = data.as_ref().map(|folder| folder.path().to_path_buf());
        let config = Layer4Config { data_dir, ..config };
        let (compiled, scratch) = compiled_folder(&config)?;
        let executor = Executor::new(ExecutorOptions {
            max_agents: u32::try_from(config.max_agents + 2 * OVERLAPPING).unwrap_or(u32::MAX),
            spare_instances: SPARE_INSTANCES,
            housekeeping: config.agent_timeout(),
            compiled,
            compile_program: program::find(config.compile_program.as_deref())?,
            compile_limits: compile_limits(&config),
            capabilities: CapabilityOptions {
                keyvalue: keyvalue(&config),
                http_ca_file: config.http_ca_file.clone(),
            },
            descriptors: descriptors.agents,
        })?;
        let telemetry = Telemetry::new(&config)?;
        Ok(Self {
            pool: Arc::new(AgentPool::new(executor, &config, Arc::clone(&telemetry))),
            telemetry,
            declared: Declared::default(),
            descriptors,
            genomes: OnceCell::new(),
            config,
            state: AtomicU8::new(NEW),
            started: Mutex::new(None),
            scheduler: OnceCell::new(),
            data,
            _scratch: scratch,
        })
    }

    /// How the process's file descriptors are shared out.
    pub fn descriptors(&self) -> Descriptors {
        self.descriptors
    }

    /// Begins all components: opens the task store, and goes on with what it
    /// holds. Started twice is the same as once.
    ///
    /// # Errors
    /// `NotRunning` after a shutdown: a fabric is started once in its life.
    /// `Store` when the task store cannot be opened.
    pub async fn start(&self) -> Layer4Result<()> {
        self.check_not_ending()?;
        let scheduler = self.scheduler.get_or_try_init(|| {
            let runner: Arc<dyn RunTask> = Arc::clone(&self.pool) as _;
            let observer: Arc<dyn Observe> = Arc::clone(&self.telemetry) as _;
            queue::open(&self.config, runner, Some(observer))
        });
        let scheduler = scheduler.await?;
        if self.keeps_genomes() {
            self.genomes().await?.close_interrupted_rollouts().await?;
        }
        // The state changes under this lock alone.
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        match self.state.load(Ordering::Acquire) {
            DRAINING | STOPPED => return Err(self.not_running()),
            RUNNING => return Ok(()),
            _ => {}
        }
        let (agents, telemetry) = (&self.pool.agents, &self.telemetry);
        let every = self.config.heartbeat_interval();
        let heartbeat = heartbeat::start(Arc::clone(agents), Arc::clone(telemetry), every);
        let every = self.config.kpi_reporting_interval();
        let looking = telemetry::start(Arc::clone(telemetry), Arc::clone(agents), every);
        *started = Some(Running { since: Instant::now(), loops: [heartbeat, looking] });
        self.state.store(RUNNING, Ordering::Release);
        scheduler.start();
        let (version, folder) = (env!("CARGO_PKG_VERSION"), self.config.data_dir.as_deref());
        let data_dir = folder.map(|folder| display(folder.display()));
        tracing::info!(version, data_dir, "the host started");
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
    pub async fn shutdown(&self) -> Layer4Result<()> {
        let drain = self.config.drain_timeout();
        let drained_by = Instant::now().checked_add(drain);
        let ran = {
            let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(running) = &*started {
                running.end_loops();
            }
            self.state.fetch_max(DRAINING, Ordering::AcqRel) == RUNNING
        };
        // From here on a start of another agent is refused.
        self.pool.agents.close();
        if ran {
            let drain_timeout_secs = drain.as_secs();
            tracing::info!(drain_timeout_secs, "the host stops: no task is begun any more");
        }
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.drain(drain).await;
        }
        let left = drained_by.map_or(drain, |by| by.saturating_duration_since(Instant::now()));
        let ended = self.end_agents(left.max(LAST_OF_AGENTS)).await;
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.close().await;
        }
        self.state.store(STOPPED, Ordering::Release);
        // Both locks of the data folder go together, and last.
        if let Some(genomes) = self.genomes.get() {
            genomes.close().await;
        }
        self.telemetry.events.tell(|| EventKind::HostEnded {});
        if ran {
            tracing::info!("the host stopped");
        }
        let telemetry = Arc::clone(&self.telemetry);
        let sent = tokio::task::spawn_blocking(move || telemetry.traces.end(LAST_SPANS));
        ended.and(sent.await.map_err(|error| Layer4Error::Internal(error.to_string())))
    }

    /// Ends every agent within `limit`, those too that others took over from.
    async fn end_agents(&self, limit: Duration) -> Layer4Result<()> {
        let replaced = async {
            if let Some(genomes) = self.genomes.get() {
                genomes.shut_down(limit).await;
            }
        };
        // All at once: each may take as long as all.
        let mut ending = JoinSet::new();
        for entry in self.pool.agents.take_all() {
            self.telemetry.ended(&entry);
            ending.spawn(async move {
                let timeout = limit.min(entry.agent.housekeeping_limit());
                let ended = entry.agent.shutdown_within(limit).await;
                let ended =
                    ended.map_err(|fault| Layer4Error::from_fault(entry.id(), fault, timeout));
                ended.inspect_err(|error| not_in_good_order(&entry, error))
            });
        }
        let all = async {
            let mut first = Ok(());
            while let Some(ended) = ending.join_next().await {
                let ended =
                    ended.unwrap_or_else(|error| Err(Layer4Error::Internal(error.to_string())));
                first = first.and(ended);
            }
            first
        };
        tokio::join!(all, replaced).0
    }

    /// Ends one agent as [`shutdown`](Self::shutdown) ends all: tasks that wait
    /// for it are stopped, those in hand finish.
    ///
    /// # Errors
    /// `AgentNotFound`; `AgentFault` when the agent's own `shutdown` failed; it
    /// is ended all the same.
    pub async fn shutdown_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        let entry = self.pool.agents.take(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
        self.telemetry.ended(&entry);
        end(&entry, self.config.agent_timeout()).await
    }

    /// Loads a component and starts an agent of it.
    ///
    /// # Errors
    /// `TooManyAgents`; `Refused` when the bytes are no agent; `AgentFault`,
    /// `ResourceQuotaExceeded` or `AgentTimeout` when its `init` failed;
    /// `InvalidRequest` when `config` is out of range.
    pub async fn spawn_agent(
        &self,
        component: &[u8],
        config: AgentConfig,
    ) -> Layer4Result<AgentId> {
        let genome = self.load(component).await?;
        self.spawn_genome(genome, config).await
    }

    /// Starts an agent of a genome that is loaded already.
    ///
    /// # Errors
    /// As [`spawn_agent`](Self::spawn_agent).
    pub async fn spawn_genome(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> Layer4Result<AgentId> {
        Ok(self.spawn_entry(genome, config).await?.id())
    }

    /// Inspects, compiles and links a component without starting an agent.
    ///
    /// # Errors
    /// `Refused` when the bytes are no agent.
    pub async fn load(&self, component: &[u8]) -> Layer4Result<Arc<Genome>> {
        self.pool.load(component).await
    }

    /// Names an agent type, so that a task can target it before an agent of it
    /// runs: the first task starts one. `config.agent_id` is given to it. An
    /// earlier registration of the name is replaced; agents that run stay.
    ///
    /// # Errors
    /// `InvalidRequest` when the name is empty or `config` is out of range.
    pub fn register_agent_type(
        &self,
        name: &str,
        source: AgentSource,
        config: AgentConfig,
    ) -> Layer4Result<()> {
        if name.is_empty() {
            return Err(Layer4Error::InvalidRequest(vec!["an agent type needs a name".into()]));
        }
        let config = AgentConfig { agent_type: name.to_owned(), ..config };
        chimera_layer4_runtime::executor::check(&config)?;
        self.pool.agents.register(name, AgentType { source, config, starting: Arc::default() });
        self.capacity_changed();
        Ok(())
    }

    /// Runs a task once, outside of the queue, with all that was measured and
    /// all that the agent reported. Nothing is kept of it and nothing made
    /// again; dropping the future ends the run.
    ///
    /// # Errors
    /// Only before the task is taken: `NotRunning`, `InvalidRequest`,
    /// `AgentTypeNotFound`, `QueueFull`, or what starting an agent of a
    /// registered type failed with.
    pub async fn run_task(&self, task: &Task) -> Layer4Result<RunReport> {
        self.check_running()?;
        let complaints = task.complaints();
        if !complaints.is_empty() {
            return Err(Layer4Error::InvalidRequest(complaints));
        }
        let agent = self.pool.admit(&task.target_agent_type).await?;
        Ok(self.pool.run_on(&agent, task, 1, &Placement::default()).await)
    }

    /// Every agent that runs, with its health, oldest first.
    #[must_use]
    pub fn get_active_agents(&self) -> Vec<ActiveAgent> {
        self.pool.agents.all().iter().map(|entry| entry.describe()).collect()
    }

    /// Replaces an agent's instances by new ones. Tasks in hand finish first
    /// in the old ones; the agent keeps its identity.
    ///
    /// # Errors
    /// `AgentNotFound`, `NotRunning`, or what the new instance's `init` failed with.
    pub async fn restart_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        self.check_not_ending()?;
        let entry = self.pool.agents.get(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
        entry.agent.restart().await?;
        self.telemetry.restarted(&entry);
        Ok(())
    }

    /// Asks one agent how it is now, rather than at the next heartbeat, and
    /// restarts it if it is not well.
    ///
    /// # Errors
    /// `AgentNotFound`.
    pub async fn check_agent(&self, agent_id: AgentId) -> Layer4Result<ActiveAgent> {
        let entry = self.pool.agents.get(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
        heartbeat::check(&entry.turn_to_ask().await, &self.telemetry).await;
        Ok(entry.describe())
    }

    /// How the fabric is.
    pub async fn get_health(&self) -> SystemHealth {
        let entries = self.pool.agents.all();
        let queue = match self.scheduler.get() {
            Some(scheduler) => scheduler.stats().await.ok(),
            None => None,
        };
        let status = self.status(&entries, queue.is_some());
        let queued = queue.map_or(0, |stats| queue::pending(&stats));
        // What runs outside of the queue counts too.
        let running: usize = entries.iter().map(|entry| entry.in_hand()).sum();
        SystemHealth {
            status,
            timestamp: SystemTime::now(),
            active_agents: self.pool.agents.count(),
            pending_tasks: queued.max(running),
            uptime: self.uptime(),
            agent_types_down: self.agent_types_down(),
        }
    }

    /// In one word, by how its agents are, whether all that are declared are up, and
    /// whether its queue answers.
    fn status(&self, entries: &[Arc<AgentEntry>], queue_answers: bool) -> SystemStatus {
        let well = |entry: &Arc<AgentEntry>| entry.health().status == HealthStatus::Healthy;
        match self.state.load(Ordering::Acquire) {
            RUNNING
                if queue_answers
                    && entries.iter().all(well)
                    && self.agent_types_down().is_empty() =>
            {
                SystemStatus::Healthy
            }
            RUNNING => SystemStatus::Degraded,
            DRAINING => SystemStatus::Draining,
            _ => SystemStatus::Stopped,
        }
    }

    fn uptime(&self) -> Duration {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.as_ref().map_or(Duration::ZERO, |running| running.since.elapsed())
    }

    /// Starts an agent; tasks of its type may wait for it.
    async fn spawn_entry(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> Layer4Result<Arc<AgentEntry>> {
        let entry = self.pool.spawn(genome, config).await?;
        self.capacity_changed();
        Ok(entry)
    }

    fn capacity_changed(&self) {
        if let Some(scheduler) = self.scheduler.get() {
            scheduler.capacity_changed();
        }
    }

    /// Whether tasks are taken.
    ///
    /// # Errors
    /// `NotRunning`, before `start` and from `shutdown` on.
    pub fn check_running(&self) -> Layer4Result<()> {
        match self.state.load(Ordering::Acquire) {
            RUNNING => Ok(()),
            _ => Err(self.not_running()),
        }
    }

    fn not_running(&self) -> Layer4Error {
        let state = match self.state.load(Ordering::Acquire) {
            NEW => "not started",
            DRAINING => "draining",
            _ => "shut down",
        };
        Layer4Error::NotRunning { state }
    }

    /// Whether something new may be begun here, such as an agent or a trial.
    ///
    /// # Errors
    /// `NotRunning`, from `shutdown` on.
    fn check_not_ending(&self) -> Layer4Result<()> {
        match self.state.load(Ordering::Acquire) {
            NEW | RUNNING => Ok(()),
            _ => Err(self.not_running()),
        }
    }
}

fn not_in_good_order(entry: &AgentEntry, error: &Layer4Error) {
    tracing::warn!(agent = %entry.id(), %error, "an agent did not end in good order");
}

async fn end(entry: &AgentEntry, timeout: Duration) -> Layer4Result<()> {
    let limit = entry.agent.quota().execution_time();
    let ended = entry.agent.shutdown(limit).await;
    ended.map_err(|fault| Layer4Error::from_fault(entry.id(), fault, timeout))
}

fn compile_limits(config: &Layer4Config) -> CompileLimits {
    CompileLimits {
        address_space: config.compile_memory_mb.saturating_mul(MEBIBYTE),
        cpu: Duration::from_secs(config.compile_cpu_secs),
        component: config.max_component_bytes(),
    }
}

/// Where agents keep things by key: beside the queue, or where that is kept in
/// memory, there too.
fn keyvalue(config: &Layer4Config) -> Arc<dyn KeyValueStore> {
    match &config.data_dir {
        Some(folder) if config.task_store == TaskStoreKind::Embedded => {
            let store = SqliteKeyValue::at(folder.join("keyvalue.db"));
            Arc::new(store.charging(charge_caller))
        }
        _ => Arc::new(MemoryKeyValue::default()),
    }
}

/// The folder for compiled code; without a data folder, one that goes with the fabric.
fn compiled_folder(config: &Layer4Config) -> Layer4Result<(PathBuf, Option<TempDir>)> {
    if let Some(folder) = &config.data_dir {
        return Ok((folder.join("compiled"), None));
    }
    let scratch = tempfile::Builder::new().prefix("chimera-").tempdir().map_err(|error| {
        Layer4Error::Configuration(vec![format!(
            "no temporary folder for compiled code: {error}; set `data_dir`"
        )])
    })?;
    Ok((scratch.path().join("compiled"), Some(scratch)))
}

/// Reads a component, at the most one byte more than `most`, which tells that
/// it is too large.
///
/// # Errors
/// `InvalidRequest` when it cannot be read or is no file.
pub async fn read_component(path: &Path, most: u64) -> Layer4Result<Vec<u8>> {
    let wrong = |reason: String| {
        Layer4Error::InvalidRequest(vec![format!("the component {}: {reason}", path.display())])
    };
    let named = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || read_regular(&named, most)).await;
    match read {
        Ok(read) => read.map_err(|error| wrong(error.to_string())),
        Err(error) => Err(Layer4Error::Internal(format!("a component is not read: {error}"))),
    }
}
