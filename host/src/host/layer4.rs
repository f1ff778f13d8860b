//! [`Layer4Fabric`]: a [`Fabric`] under the specification's names, with its port.

use std::sync::Arc;

use chimera_layer4_fabric::Fabric;

use super::fabric::{self, ActiveAgent, GenomeRef, SchedulerStats, SystemHealth, ValidationResult};
use super::start::Start;
use super::{
    AgentComponent, AgentConfig, AgentId, ExecutionResult, KpiReport, Layer4Result,
    ResourceAllocation, Task, TaskId,
};

/// The execution fabric under the specification's names.
///
/// It holds a [`Fabric`] and adds the port: with the feature `http`, [`start`](Self::start)
/// opens `metrics_port`. [`fabric`](Self::fabric) gives all that has no name here, such as
/// `layer4.fabric().genomes()`.
pub struct Layer4Fabric {
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) start: Arc<Start>,
}

impl Layer4Fabric {
    /// The fabric itself, with all that has no name here.
    #[must_use]
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// Where the port is, from the start to the end; `None`: it is shut.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.start.port.address()
    }

    /// Begins all components, and starts the agent types that the settings declare. One that
    /// does not start is down, and the log and `get_health` say why.
    ///
    /// With the feature `http` it opens `metrics_port` first, which answers `/metrics`,
    /// `/health`, `/livez`, `/readyz`, `/scheduler/stats`, `/agents/status` and
    /// `/openapi.json`, and changes nothing; `/readyz` answers 503 until the agents are up.
    ///
    /// Several calls are one start, and each waits for all of it. It goes on where a caller
    /// is dropped meanwhile. One that failed is tried again by the next call.
    ///
    /// # Errors
    /// `NotRunning` from a shutdown on; `Fabric` when the task store cannot be opened;
    /// `Communication` where the port cannot be had, and nothing is started then;
    /// `Configuration` where the settings name a folder of agents that cannot be used.
    pub async fn start(&self) -> Layer4Result<()> {
        self.start.run().await
    }

    /// Drains and ends the fabric, and shuts the port last. Shut down twice is the same
    /// as once.
    ///
    /// # Errors
    /// `Fabric`, `AgentTimeout` or `ResourceQuotaExceeded` with the first agent whose own
    /// `shutdown` failed; `Communication` where the port could not be served to the end. All
    /// has ended all the same.
    pub async fn shutdown(&self) -> Layer4Result<()> {
        #[cfg(feature = "http")]
        let ended = self.start.port.shutdown(&self.fabric).await;
        #[cfg(not(feature = "http"))]
        let ended = self.fabric.shutdown().await;
        Ok(ended?)
    }

    /// A fabric that was never started is started by its first task.
    async fn started(&self) -> Layer4Result<()> {
        if self.start.is_done() { Ok(()) } else { self.start().await }
    }

    /// Submits a task and waits for its result. On a fabric that was not started it
    /// [starts](Self::start) it.
    ///
    /// # Errors
    /// `AgentTypeNotFound` and `QueueFull` where the task is not taken, `InvalidRequest`
    /// where its quota, payload or labels are not allowed, `NotRunning` after a shutdown;
    /// `Serialization` where the output is too large as values. A task that fails is no
    /// error: `success` is false then.
    pub async fn execute_task(&self, task: Task) -> Layer4Result<ExecutionResult> {
        self.started().await?;
        Box::pin(self.fabric.tasks().execute(fabric::Task::from(task))).await?.try_into()
    }

    /// Layer 2's entry (discovery): as [`execute_task`](Self::execute_task).
    ///
    /// # Errors
    /// As [`execute_task`](Self::execute_task).
    pub async fn submit_discovery_task(&self, task: Task) -> Layer4Result<ExecutionResult> {
        self.execute_task(task).await
    }

    /// Submits a task, and does not wait: `fabric().tasks().wait(id)` has the result later.
    ///
    /// # Errors
    /// As [`execute_task`](Self::execute_task), of a task that is not taken.
    pub async fn submit(&self, task: Task) -> Layer4Result<TaskId> {
        self.started().await?;
        Ok(self.fabric.tasks().submit(fabric::Task::from(task)).await?)
    }

    /// Loads a component and starts an agent of it, before or after the fabric is started.
    ///
    /// # Errors
    /// `Fabric` with the reason when the bytes are no agent, or when its `init` fails;
    /// `TooManyAgents`, `AgentTimeout`, `ResourceQuotaExceeded`.
    pub async fn spawn_agent(
        &self,
        wasm_binary: impl AsRef<[u8]>,
        config: AgentConfig,
    ) -> Layer4Result<AgentId> {
        let spawned = self.fabric.agents().spawn(wasm_binary.as_ref(), config.into());
        Ok(Box::pin(spawned).await?)
    }

    /// Names an agent type by the component that a build script made of an agent crate
    /// ([`include_agents!`](crate::include_agents)): the first task for it starts an agent,
    /// with the fabric's default quota and nothing granted. An earlier registration of the name is
    /// replaced; agents that run stay.
    ///
    /// # Errors
    /// `InvalidRequest` when the name has no or more than 256 bytes, or a control character.
    pub async fn register_agent_type<T: AgentComponent>(&self, name: &str) -> Layer4Result<()> {
        let source = fabric::AgentSource::Bytes(T::component().into_owned().into());
        let quota = self.fabric.config().default_resource_quota.clone();
        let config = fabric::utils::agent_config(name, quota);
        Ok(self.fabric.agents().register(name, source, config)?)
    }

    /// Every agent that runs, with its health, oldest first.
    ///
    /// # Errors
    /// None today; the specification has a result.
    pub async fn get_active_agents(&self) -> Layer4Result<Vec<ActiveAgent>> {
        Ok(self.fabric.agents().active())
    }

    /// Replaces an agent's instances by new ones.
    ///
    /// # Errors
    /// `AgentNotFound`; as [`spawn_agent`](Self::spawn_agent) when it does not start again.
    pub async fn restart_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        Ok(Box::pin(self.fabric.agents().restart(agent_id)).await?)
    }

    /// Layer 7's entry (evolution): another genome takes over in one agent. Tasks that run
    /// end in the old one.
    ///
    /// # Errors
    /// `AgentNotFound`; as [`spawn_agent`](Self::spawn_agent) when the genome is not
    /// accepted or does not start, and the old one stays.
    pub async fn update_agent_genome(
        &self,
        agent_id: AgentId,
        genome: impl Into<GenomeRef>,
    ) -> Layer4Result<()> {
        Box::pin(self.fabric.genomes().update_agent(agent_id, genome)).await?;
        Ok(())
    }

    /// Layer 3's entry (validation): what it found out about the output of a task.
    ///
    /// # Errors
    /// `TaskNotFound`; `InvalidRequest` where the accuracy is not within 0.0 and 1.0;
    /// `NotRunning` before the start.
    pub async fn submit_validation(&self, validation: ValidationResult) -> Layer4Result<()> {
        Ok(self.fabric.submit_validation(validation).await?)
    }

    /// Layer 5's view (refinement): how each agent did with each genome over the last minutes.
    ///
    /// # Errors
    /// None today; the specification has a result.
    pub async fn get_kpi_data(&self) -> Layer4Result<Vec<KpiReport>> {
        Ok(self.fabric.telemetry().kpis().into_iter().map(KpiReport::from).collect())
    }

    /// Layer 8's entry (resources): gives an agent, or every agent of a type, another quota.
    ///
    /// # Errors
    /// `AgentNotFound`, `AgentTypeNotFound`; `InvalidRequest` where the quota is not allowed.
    pub async fn update_resource_allocation(
        &self,
        allocation: ResourceAllocation,
    ) -> Layer4Result<()> {
        self.fabric.agents().allocate(allocation.into())?;
        Ok(())
    }

    /// What waits, runs and has ended.
    ///
    /// # Errors
    /// `NotRunning` before the start; `Fabric` when the task store does not answer.
    pub async fn get_scheduler_stats(&self) -> Layer4Result<SchedulerStats> {
        Ok(self.fabric.tasks().stats().await?)
    }

    /// How the fabric is.
    pub async fn get_health(&self) -> SystemHealth {
        self.fabric.health().await
    }
}
