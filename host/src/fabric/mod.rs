//! [`Layer4Fabric`]: builds the parts, starts them, ends them in order.

mod agents;
mod heartbeat;
mod log;
mod program;
mod status;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{
    AgentConfig, AgentId, ExecutionResult, HealthStatus, Layer4Config, Layer4Error, Layer4Result,
    Task,
};
use chimera_layer4_runtime::executor::ExecutorOptions;
use chimera_layer4_runtime::genome::worker::CompileLimits;
use chimera_layer4_runtime::{Executor, Genome, RunReport};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::{JoinHandle, JoinSet};

pub use self::agents::AgentSource;
pub(crate) use self::log::TARGET as AGENT_LOG;
pub(crate) use self::program::COMPILE_COMMAND;
pub use self::status::{ActiveAgent, SystemHealth, SystemStatus};

use self::agents::{AgentType, Agents, Entry, InHand};

/// Instances beyond one for each agent, for agents that run several tasks at once.
const SPARE_INSTANCES: u32 = 128;
/// Wall time that a compilation has at the least, however little processor time
/// it may take: the machine may be busy with other things.
const LEAST_COMPILE_WALL: Duration = Duration::from_secs(30);

/// The execution fabric: agents, and the tasks that run on them.
///
/// Tasks are taken between [`start`](Self::start) and
/// [`shutdown`](Self::shutdown). Every method may be called from many tasks at
/// once.
pub struct Layer4Fabric {
    config: Layer4Config,
    executor: Executor,
    agents: Arc<Agents>,
    state: AtomicU8,
    started: Mutex<Option<Running>>,
    /// Held so that the folder goes when the fabric does.
    _scratch: Option<TempDir>,
}

struct Running {
    since: Instant,
    heartbeat: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

const NEW: u8 = 0;
const RUNNING: u8 = 1;
const STOPPED: u8 = 2;

impl Layer4Fabric {
    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// `Configuration` with every complaint at once; `WasmRuntime` when the
    /// engine cannot be made.
    pub fn new(config: Layer4Config) -> Layer4Result<Self> {
        let complaints = config.complaints();
        if !complaints.is_empty() {
            return Err(Layer4Error::Configuration(complaints));
        }
        let (compiled, scratch) = compiled_folder(&config)?;
        let executor = Executor::new(ExecutorOptions {
            max_agents: u32::try_from(config.max_agents).unwrap_or(u32::MAX),
            spare_instances: SPARE_INSTANCES,
            housekeeping: config.agent_timeout(),
            compiled,
            compile_program: program::find(config.compile_program.as_deref())?,
            compile_limits: compile_limits(&config),
        })?;
        Ok(Self {
            config,
            executor,
            agents: Arc::default(),
            state: AtomicU8::new(NEW),
            started: Mutex::new(None),
            _scratch: scratch,
        })
    }

    /// Begins all components. Started twice is the same as once.
    ///
    /// # Errors
    /// `NotRunning` after a shutdown: a fabric is started once in its life.
    pub async fn start(&self) -> Layer4Result<()> {
        // The state changes under this lock alone.
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        match self.state.load(Ordering::Acquire) {
            STOPPED => return Err(self.not_running()),
            RUNNING => return Ok(()),
            _ => {}
        }
        let interval = self.config.heartbeat_interval();
        let heartbeat = heartbeat::start(Arc::clone(&self.agents), interval);
        *started = Some(Running { since: Instant::now(), heartbeat });
        self.state.store(RUNNING, Ordering::Release);
        Ok(())
    }

    /// Takes no more tasks, lets those in hand finish within their own limits,
    /// and retires every agent. Shut down twice is the same as once.
    ///
    /// # Errors
    /// `AgentFault` with the first agent whose own `shutdown` failed; all are
    /// ended all the same.
    pub async fn shutdown(&self) -> Layer4Result<()> {
        {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            self.state.store(STOPPED, Ordering::Release);
            *started = None;
        }
        let timeout = self.config.agent_timeout();
        // All at once: each may take as long as its tasks are allowed to.
        let mut ending = JoinSet::new();
        for entry in self.agents.take_all() {
            ending.spawn(async move { end(&entry, timeout).await });
        }
        let mut first = Ok(());
        while let Some(ended) = ending.join_next().await {
            first = first
                .and(ended.unwrap_or_else(|error| Err(Layer4Error::Internal(error.to_string()))));
        }
        first
    }

    /// Ends one agent as [`shutdown`](Self::shutdown) ends all: tasks that wait
    /// for it are stopped, those in hand finish.
    ///
    /// # Errors
    /// `AgentNotFound`; `AgentFault` when the agent's own `shutdown` failed; it
    /// is ended all the same.
    pub async fn shutdown_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        let entry = self.agents.take(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
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
        self.executor.load(component).await
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
        self.agents.register(name, AgentType { source, config, starting: Arc::default() });
        Ok(())
    }

    /// Runs a task on the least busy agent of its type and waits for the result.
    ///
    /// A task that was taken always has a result: `success` says how it ended
    /// and `fault` why. What the agent logged goes to the host's log, under the
    /// target `agent`. Dropping the future cancels the task.
    ///
    /// # Errors
    /// Only before the task is taken: `NotRunning`, `InvalidRequest`,
    /// `AgentTypeNotFound`, `QueueFull`, or what starting an agent of a
    /// registered type failed with.
    pub async fn execute_task(&self, task: Task) -> Layer4Result<ExecutionResult> {
        Ok(self.run_task(&task).await?.into_result(task.id))
    }

    /// Like [`execute_task`](Self::execute_task), with all that was measured
    /// and all that the agent reported.
    ///
    /// # Errors
    /// As [`execute_task`](Self::execute_task).
    pub async fn run_task(&self, task: &Task) -> Layer4Result<RunReport> {
        self.check_running()?;
        let complaints = task.resource_quota.complaints();
        if !complaints.is_empty() {
            return Err(Layer4Error::InvalidRequest(complaints));
        }
        let in_hand = self.admit(&task.target_agent_type).await?;
        let report = in_hand.0.agent.run(task, 1).await;
        log::write(in_hand.0.id(), task, &report.telemetry.log);
        if let Some(fault) = &report.shutdown_fault {
            tracing::warn!(agent = %in_hand.0.id(), %fault, "an instance did not retire in good order");
        }
        Ok(report)
    }

    /// Every agent that runs, with its health, oldest first.
    #[must_use]
    pub fn get_active_agents(&self) -> Vec<ActiveAgent> {
        self.agents.all().iter().map(|entry| entry.describe()).collect()
    }

    /// Replaces an agent's instances by new ones. Tasks in hand finish first
    /// in the old ones; the agent keeps its identity.
    ///
    /// # Errors
    /// `AgentNotFound`, or what the new instance's `init` failed with.
    pub async fn restart_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        let entry = self.agents.get(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
        entry.agent.restart().await
    }

    /// Asks one agent how it is now, rather than at the next heartbeat, and
    /// restarts it if it is not well.
    ///
    /// # Errors
    /// `AgentNotFound`.
    pub async fn check_agent(&self, agent_id: AgentId) -> Layer4Result<ActiveAgent> {
        let entry = self.agents.get(agent_id).ok_or(Layer4Error::AgentNotFound(agent_id))?;
        heartbeat::check(&entry).await;
        Ok(entry.describe())
    }

    /// How the fabric is.
    #[must_use]
    pub fn get_health(&self) -> SystemHealth {
        let entries = self.agents.all();
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let well = |entry: &Arc<Entry>| entry.health().status == HealthStatus::Healthy;
        let status = match self.state.load(Ordering::Acquire) {
            RUNNING if entries.iter().all(well) => SystemStatus::Healthy,
            RUNNING => SystemStatus::Degraded,
            _ => SystemStatus::Stopped,
        };
        SystemHealth {
            status,
            timestamp: SystemTime::now(),
            active_agents: self.agents.count(),
            pending_tasks: entries.iter().map(|entry| entry.in_hand()).sum(),
            uptime: started.as_ref().map_or(Duration::ZERO, |running| running.since.elapsed()),
        }
    }

    async fn spawn_entry(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> Layer4Result<Arc<Entry>> {
        let place = self.agents.reserve(self.config.max_agents)?;
        let agent = self.executor.spawn(genome, config).await?;
        self.agents.insert(place, agent)
    }

    /// The least busy agent of the type; the first of a registered type is
    /// started here.
    async fn admit(&self, name: &str) -> Layer4Result<InHand> {
        let capacity = self.config.task_queue_capacity;
        if let Some(admitted) = self.agents.admit(name, capacity) {
            return admitted;
        }
        let unknown = || Layer4Error::AgentTypeNotFound {
            agent_type: name.to_owned(),
            known: self.agents.known_types(),
        };
        let registered = self.agents.registered(name).ok_or_else(unknown)?;
        let _starting = registered.starting.lock().await;
        if let Some(admitted) = self.agents.admit(name, capacity) {
            return admitted; // Another first task has started the agent meanwhile.
        }
        let genome = match &registered.source {
            AgentSource::Bytes(bytes) => self.load(bytes).await?,
            AgentSource::File(path) => {
                let most = self.config.max_component_bytes();
                self.load(&read_component(path, most).await?).await?
            }
        };
        self.spawn_entry(genome, registered.config).await?;
        self.agents.admit(name, capacity).unwrap_or_else(|| Err(unknown()))
    }

    fn check_running(&self) -> Layer4Result<()> {
        match self.state.load(Ordering::Acquire) {
            RUNNING => Ok(()),
            _ => Err(self.not_running()),
        }
    }

    fn not_running(&self) -> Layer4Error {
        let state = match self.state.load(Ordering::Acquire) {
            NEW => "not started",
            _ => "shut down",
        };
        Layer4Error::NotRunning { state }
    }
}

async fn end(entry: &Entry, timeout: Duration) -> Layer4Result<()> {
    let limit = entry.agent.config().resource_quota.execution_time();
    let ended = entry.agent.shutdown(limit).await;
    ended.map_err(|fault| Layer4Error::from_fault(entry.id(), fault, timeout))
}

fn compile_limits(config: &Layer4Config) -> CompileLimits {
    let cpu = Duration::from_secs(config.compile_cpu_secs);
    CompileLimits {
        address_space: config.compile_memory_mb.saturating_mul(MEBIBYTE),
        cpu,
        wall: (2 * cpu).max(LEAST_COMPILE_WALL),
        component: config.max_component_bytes(),
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
pub(crate) async fn read_component(path: &Path, most: u64) -> Layer4Result<Vec<u8>> {
    let wrong = |reason: String| {
        Layer4Error::InvalidRequest(vec![format!("the component {}: {reason}", path.display())])
    };
    let told = |error: std::io::Error| wrong(error.to_string());
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !tokio::fs::metadata(path).await.map_err(told)?.is_file() {
        return Err(wrong("it is not a file".into()));
    }
    let file = tokio::fs::File::open(path).await.map_err(told)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).await.map_err(told)?;
    Ok(bytes)
}
