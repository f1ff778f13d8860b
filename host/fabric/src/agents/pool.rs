//! The agents and what starts them: all that a task needs to be run.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use chimera_layer4_core::scheduler::Ran;
use chimera_layer4_core::telemetry::LogTail;
use chimera_layer4_core::{
    AgentConfig, AgentId, Digest, FabricConfig, FabricError, FabricResult, Fault, HostFault,
    Refinement, Task,
};
use chimera_layer4_runtime::executor::RunOptions;
use chimera_layer4_runtime::genome::LoadedFrom;
use chimera_layer4_runtime::{Agent, Executor, Genome, RunReport};

use tokio::task::JoinSet;
use tracing::Instrument;

use super::ending::EndingAgents;
use super::registry::{AgentEntry, AgentPermit, AgentRegistry, AgentSource, AgentType};
use crate::component::read_component;
use crate::scheduler::{Capacity, Placement, RunTask, Waker};
use crate::telemetry::Telemetry;
use crate::telemetry::log::{self, Failed};
use crate::telemetry::metrics::Runner;
use crate::telemetry::traces::RunTrace;
use crate::utils;

/// Agents beyond `max_agents` that may live while they take over from others,
/// are on trial, or are tried out.
pub(crate) const OVERLAPPING: usize = 16;

/// A run that has ended.
pub(crate) struct EndedRun<'a> {
    pub(crate) runner: Runner<'a>,
    pub(crate) task: &'a Task,
    pub(crate) attempt: u32,
    pub(crate) place: &'a Placement,
    pub(crate) report: &'a RunReport,
}

/// Receives every run, before its task has its result. It must not block.
pub(crate) trait ObserveRuns: Send + Sync + 'static {
    fn ran(&self, run: &EndedRun<'_>);
}

/// The agents of a fabric.
pub(crate) struct AgentPool {
    pub(crate) executor: Executor,
    pub(crate) agents: Arc<AgentRegistry>,
    max_agents: usize,
    /// Tasks that may wait for an agent type outside the queue.
    capacity: usize,
    max_component_bytes: u64,
    /// For an agent's own `shutdown`.
    agent_timeout: Duration,
    ending: EndingAgents,
    telemetry: Arc<Telemetry>,
    runs: Arc<dyn ObserveRuns>,
    /// Set once there is a scheduler that hands tasks out.
    waker: OnceLock<Waker>,
}

impl AgentPool {
    pub(crate) fn new(
        executor: Executor,
        config: &FabricConfig,
        telemetry: Arc<Telemetry>,
        runs: Arc<dyn ObserveRuns>,
    ) -> Self {
        Self {
            executor,
            telemetry,
            runs,
            waker: OnceLock::new(),
            agents: Arc::default(),
            max_agents: config.max_agents,
            capacity: config.task_queue_capacity,
            max_component_bytes: config.components.max_component_bytes(),
            agent_timeout: config.agent_timeout(),
            ending: EndingAgents::default(),
        }
    }

    /// From now on a change of what agents can take wakes this scheduler.
    pub(crate) fn wakes(&self, waker: Waker) {
        // One that is set already is of the same scheduler: there is but one.
        let _ = self.waker.set(waker);
    }

    /// What tasks can be run has changed.
    pub(crate) fn capacity_changed(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Starts an agent; tasks of its type may wait for it.
    pub(crate) async fn spawn_for_waiting(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> FabricResult<Arc<AgentEntry>> {
        let entry = self.spawn(genome, config).await?;
        self.capacity_changed();
        Ok(entry)
    }

    /// Has these take no more tasks, and ends them beside the caller. Their running tasks
    /// finish; tasks that wait for them go back to the queue.
    pub(crate) fn retire(&self, agents: Vec<AgentId>) {
        // Another caller may have ended one already.
        self.end(agents.into_iter().filter_map(|id| self.agents.take(id)));
        self.capacity_changed();
    }

    /// Ends agents that are in the registry no longer, beside the caller. Their running
    /// tasks finish.
    pub(crate) fn end(&self, agents: impl IntoIterator<Item = Arc<AgentEntry>>) {
        for entry in agents {
            self.telemetry.ended(&entry.runner());
            self.ending.end(entry, self.agent_timeout);
        }
    }

    /// Waits until one more agent of those has ended; `false` where none ends.
    pub(crate) async fn one_more_ended(&self) -> bool {
        self.ending.one_more().await
    }

    /// Ends every agent within `limit`; none comes in any more. Waits for those too that
    /// end already.
    ///
    /// # Errors
    /// What the first failed with whose own `shutdown` failed.
    pub(crate) async fn end_all(&self, limit: Duration) -> FabricResult<()> {
        // All at once: each may take as long as all.
        let mut ending = JoinSet::new();
        for entry in self.agents.take_all() {
            self.telemetry.ended(&entry.runner());
            ending.spawn(async move { entry.end_within(limit).await });
        }
        if tokio::time::timeout(limit, self.ending.all()).await.is_err() {
            tracing::warn!("agents that others took over from had not ended when the host did");
        }
        let mut first = Ok(());
        while let Some(ended) = ending.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(FabricError::Internal(error.to_string())));
            first = first.and(ended);
        }
        first
    }

    pub(crate) async fn spawn(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> FabricResult<Arc<AgentEntry>> {
        let place = self.agents.reserve(self.max_agents)?;
        let (id, agent_type, of) = (config.agent_id, config.agent_type.clone(), genome.digest());
        let agent = self.make(genome, config).await.inspect_err(|error| {
            let runner = Runner { agent_id: id, agent_type: &agent_type, genome: of };
            log::failed(&runner, Failed::Start(error));
        })?;
        let entry = self.agents.insert(place, agent)?;
        self.telemetry.started(&entry.runner());
        Ok(entry)
    }

    /// Starts an agent that no task sees, and ends it.
    pub(crate) async fn try_out(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> FabricResult<()> {
        let agent = self.make(genome, config).await?;
        self.end_tried_out(agent).await;
        Ok(())
    }

    /// An agent with the parameters of its settings and of its type's refinement.
    async fn make(&self, genome: Arc<Genome>, config: AgentConfig) -> FabricResult<Agent> {
        match self.agents.refined_parameters(&config) {
            Some(refined) => self.executor.spawn_refined(genome, config, refined).await,
            None => self.executor.spawn(genome, config).await,
        }
    }

    /// Starts an agent of a registered type with the parameters of this refinement, one that no
    /// task sees, and ends it.
    pub(crate) async fn try_refinement(
        &self,
        registered: &AgentType,
        refinement: &Refinement,
    ) -> FabricResult<()> {
        let genome = self.load_source(&registered.source).await?;
        let agent_id = utils::generate_agent_id();
        let config = AgentConfig { agent_id, ..registered.config.clone() };
        let parameters = refinement.parameters_over(&config.parameters);
        let agent = self.executor.spawn_refined(genome, config, parameters).await?;
        self.end_tried_out(agent).await;
        Ok(())
    }

    async fn end_tried_out(&self, agent: Agent) {
        if let Err(fault) = agent.shutdown(self.agent_timeout).await {
            let agent = agent.config().agent_id;
            tracing::warn!(%agent, %fault, "an agent that was tried out did not end well");
        }
    }

    async fn load_source(&self, source: &AgentSource) -> FabricResult<Arc<Genome>> {
        match source {
            AgentSource::Bytes(bytes) => self.load(bytes).await,
            AgentSource::File(path) => {
                let bytes = read_component(path, self.max_component_bytes).await?;
                self.load(&bytes).await
            }
        }
    }

    /// Inspects, compiles and links a component, and counts where it came from.
    pub(crate) async fn load(&self, component: &[u8]) -> FabricResult<Arc<Genome>> {
        let loaded = self.executor.load(component).await;
        match &loaded {
            Ok((_, LoadedFrom::Memory)) => self.telemetry.metrics.loaded("memory", None),
            Ok((_, LoadedFrom::Cache)) => self.telemetry.metrics.loaded("cache", None),
            Ok((genome, LoadedFrom::Compiler)) => {
                self.telemetry.metrics.loaded("compiled", Some(genome.loading().compile));
            }
            Err(_) => self.telemetry.metrics.loaded("refused", None),
        }
        loaded.map(|(genome, _)| genome)
    }

    /// Starts the first agent of a registered type, unless one runs.
    pub(crate) async fn make_ready(&self, name: &str) -> FabricResult<()> {
        if self.agents.runs(name) {
            return Ok(());
        }
        let unknown = || self.agents.unknown(name);
        let registered = self.agents.registered(name).ok_or_else(unknown)?;
        let _starting = registered.starting.lock().await;
        if self.agents.runs(name) {
            return Ok(()); // Another first task has started it meanwhile.
        }
        // Or it is registered otherwise now.
        let registered = self.agents.registered(name).ok_or_else(unknown)?;
        let genome = self.load_source(&registered.source).await?;
        self.spawn(genome, registered.config).await?;
        Ok(())
    }

    /// The least busy agent of the type; the first of a registered type is
    /// started here.
    pub(crate) async fn admit(&self, name: &str) -> FabricResult<AgentPermit> {
        self.make_ready(name).await?;
        let gone = || Err(self.agents.unknown(name));
        self.agents.admit(name, None, None, self.capacity).unwrap_or_else(gone)
    }

    /// Runs a task once on an agent, and writes what the agent logged.
    pub(crate) async fn run_on(
        &self,
        agent: &AgentPermit,
        task: &Task,
        attempt: u32,
        place: &Placement,
    ) -> RunReport {
        let entry = &agent.0;
        let (setup, genome) = (entry.agent.config(), entry.agent.genome().digest());
        let trace = self.telemetry.traces.run(task, attempt, setup, genome);
        let options = RunOptions {
            progress: self.telemetry.progress(task),
            metadata: trace.as_ref().map(RunTrace::metadata).unwrap_or_default(),
        };
        let runner = entry.runner();
        let run = entry.agent.run_with(task, attempt, options);
        // Not round the lines below, which name all that themselves.
        let report = run.instrument(log::run(&runner, task, attempt)).await;
        self.telemetry.ran(&runner, &report);
        self.runs.ran(&EndedRun { runner, task, attempt, place, report: &report });
        log::write(&runner, task, trace.as_ref(), &report.telemetry.log);
        if let Some(trace) = trace {
            trace.ended(&report);
        }
        if let Some(fault) = &report.shutdown_fault {
            tracing::warn!(agent = %entry.id(), %fault, "an instance did not retire in good order");
        }
        report
    }
}

#[async_trait]
impl RunTask for AgentPool {
    fn capacity(&self) -> Vec<Capacity> {
        self.agents.capacity(self.max_agents)
    }

    async fn prepare(&self, agent_type: &str) -> Result<Option<Digest>, Fault> {
        match self.make_ready(agent_type).await {
            Ok(()) => Ok(self.agents.genome_of(agent_type)),
            // Its agents are being ended, and so is the host.
            Err(FabricError::NotRunning { .. }) => Err(Fault::Stopped),
            // Its type went between the claim and now: the task waits until it is back.
            Err(
                FabricError::AgentTypeNotFound { .. }
                | FabricError::AgentTypeLoading { .. }
                | FabricError::AgentTypeDown { .. },
            ) => Err(Fault::Stopped),
            Err(error) => Err(HostFault::NoAgent { message: error.to_string() }.into()),
        }
    }

    fn takes(&self, agent_type: &str) -> FabricResult<()> {
        self.agents.must_know(agent_type)
    }

    fn meant_for(&self, task: &Task, attempt: u32) -> Vec<Digest> {
        self.agents.meant_for(&task.target_agent_type, of_trial(task, attempt))
    }

    async fn run(&self, task: &Task, attempt: u32, place: &Placement) -> Ran {
        let first = of_trial(task, attempt);
        let admitted = self.agents.admit(&task.target_agent_type, first, place.genome, usize::MAX);
        let Some(Ok(agent)) = admitted else {
            // The last agent of the type went between the claim and now.
            let result = RunReport::unstarted(Fault::Stopped).into_result(task.id);
            return Ran { result, genome: None, agent_id: None, log: LogTail::default() };
        };
        let report = self.run_on(&agent, task, attempt, place).await;
        // The log of a successful run goes to the host's log only.
        let failed = report.result.is_err();
        let log = if failed { LogTail::of(&report.telemetry) } else { LogTail::default() };
        Ran {
            log,
            result: report.into_result(task.id),
            genome: Some(agent.0.agent.genome().digest()),
            agent_id: Some(agent.0.id()),
        }
    }
}

/// What is made again is not a trial's.
fn of_trial(task: &Task, attempt: u32) -> Option<&Task> {
    (attempt <= 1).then_some(task)
}
