//! [`Agents`]: starts agents, monitors them, ends them.
//!
//! `registry` has every agent by its id and its type, and says which of them takes a
//! task; `pool` starts them and runs tasks on them; `ending` has those that end;
//! `heartbeat` asks them for their health.

mod allocation;
mod ending;
pub(crate) mod heartbeat;
pub(crate) mod pool;
mod probe;
pub(crate) mod registry;

use std::sync::Arc;
use std::time::Duration;

use chimera_layer4_core::config::bad_name;
use chimera_layer4_core::{
    AgentConfig, AgentHealth, AgentId, FabricError, FabricResult, HealthStatus,
};
use chimera_layer4_runtime::Genome;

pub use self::registry::AgentSource;

use self::pool::AgentPool;
use self::registry::AgentType;
use crate::lifecycle::Lifecycle;
use crate::telemetry::Telemetry;
use chimera_layer4_core::status::ActiveAgent;

/// The agents of a fabric: started, listed, restarted, given quotas, ended.
pub struct Agents {
    pool: Arc<AgentPool>,
    telemetry: Arc<Telemetry>,
    life: Arc<Lifecycle>,
    /// For an agent's own `shutdown`.
    agent_timeout: Duration,
}

impl Agents {
    pub(crate) fn new(
        pool: Arc<AgentPool>,
        telemetry: Arc<Telemetry>,
        life: Arc<Lifecycle>,
        agent_timeout: Duration,
    ) -> Self {
        Self { pool, telemetry, life, agent_timeout }
    }

    /// Loads a component and starts an agent of it.
    ///
    /// # Errors
    /// `TooManyAgents`; `Refused` when the bytes are no agent; `AgentFault`,
    /// `ResourceQuotaExceeded` or `AgentTimeout` when its `init` failed;
    /// `InvalidRequest` when `config` is out of range.
    pub async fn spawn(&self, component: &[u8], config: AgentConfig) -> FabricResult<AgentId> {
        let genome = self.load(component).await?;
        self.spawn_genome(genome, config).await
    }

    /// Starts an agent of a genome that is loaded already.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_genome(
        &self,
        genome: Arc<Genome>,
        config: AgentConfig,
    ) -> FabricResult<AgentId> {
        Ok(self.pool.spawn_for_waiting(genome, config).await?.id())
    }

    /// Inspects, compiles and links a component without starting an agent.
    ///
    /// # Errors
    /// `Refused` when the bytes are no agent.
    pub async fn load(&self, component: &[u8]) -> FabricResult<Arc<Genome>> {
        self.pool.load(component).await
    }

    /// Names an agent type, so that a task can target it before an agent of it
    /// runs: the first task starts one. `config.agent_id` is given to it. An
    /// earlier registration of the name is replaced; agents that run stay.
    ///
    /// # Errors
    /// `InvalidRequest` when the name has no or more than 256 bytes or a control character,
    /// or when `config` is out of range.
    pub fn register(
        &self,
        name: &str,
        source: AgentSource,
        config: AgentConfig,
    ) -> FabricResult<()> {
        let complaints = bad_name(name);
        if !complaints.is_empty() {
            let of = |complaint| format!("agent type: {complaint}");
            let complaints = complaints.into_iter().map(of).collect();
            return Err(FabricError::InvalidRequest(complaints));
        }
        let config = AgentConfig { agent_type: name.to_owned(), ..config };
        chimera_layer4_runtime::executor::check(&config)?;
        let (starting, is_built_in) = (Arc::default(), false);
        self.pool.agents.register(name, AgentType { source, config, starting, is_built_in });
        self.pool.capacity_changed();
        Ok(())
    }

    /// Starts the first agent of a registered type now, and not with its first
    /// task. Where an agent of the type runs, nothing is done.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn); `AgentTypeNotFound` where it is not registered;
    /// `NotRunning` from the end of the host on.
    pub async fn start_registered(&self, name: &str) -> FabricResult<()> {
        self.life.check_not_ending()?;
        self.pool.make_ready(name).await?;
        self.pool.capacity_changed();
        Ok(())
    }

    /// Every agent that runs, with its health, oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveAgent> {
        self.pool.agents.all().iter().map(|entry| entry.describe()).collect()
    }

    /// Replaces an agent's instances by new ones. Running tasks finish first in
    /// the old ones; the agent keeps its identity, and counts as healthy until it is asked.
    ///
    /// # Errors
    /// `AgentNotFound`, `NotRunning`, or what the new instance's `init` failed with.
    pub async fn restart(&self, agent_id: AgentId) -> FabricResult<()> {
        self.life.check_not_ending()?;
        let entry = self.pool.agents.get(agent_id).ok_or(FabricError::AgentNotFound(agent_id))?;
        entry.agent.restart().await?;
        // What the last heartbeat found was of instances that are gone.
        let message = Some("restarted".to_owned());
        entry.set_health(AgentHealth { status: HealthStatus::Healthy, message });
        self.telemetry.restarted(&entry.runner());
        Ok(())
    }

    /// Asks one agent how it is now, rather than at the next heartbeat, and
    /// restarts it if it is not well.
    ///
    /// # Errors
    /// `AgentNotFound`.
    pub async fn check(&self, agent_id: AgentId) -> FabricResult<ActiveAgent> {
        let entry = self.pool.agents.get(agent_id).ok_or(FabricError::AgentNotFound(agent_id))?;
        heartbeat::check(&entry.turn_to_ask().await, &self.telemetry).await;
        Ok(entry.describe())
    }

    /// Ends one agent as the fabric's own shutdown ends all: tasks that wait for it
    /// are stopped, running ones finish.
    ///
    /// # Errors
    /// `AgentNotFound`; `AgentFault` when the agent's own `shutdown` failed, which the log
    /// has too; it is ended all the same.
    pub async fn shutdown(&self, agent_id: AgentId) -> FabricResult<()> {
        let entry = self.pool.agents.take(agent_id).ok_or(FabricError::AgentNotFound(agent_id))?;
        self.telemetry.ended(&entry.runner());
        entry.end(self.agent_timeout).await
    }

    /// The agent types that tasks may target.
    #[must_use]
    pub fn types(&self) -> Vec<String> {
        self.pool.agents.known_types()
    }

    /// Whether tasks may target this type: an agent of it runs, or it is registered.
    #[must_use]
    pub fn knows_type(&self, name: &str) -> bool {
        self.pool.agents.knows(name)
    }

    /// Whether tasks of an agent type can run here.
    ///
    /// # Errors
    /// `AgentTypeLoading` while its first agents are started; `AgentTypeDown` where
    /// they did not start; `AgentTypeNotFound`, with those that there are.
    pub fn must_know_type(&self, agent_type: &str) -> FabricResult<()> {
        self.pool.agents.must_know(agent_type)
    }
}
