//! [`Layer4Fabric`]: a [`Fabric`] under the specification's names, with its port.

use std::sync::Arc;

use chimera_layer4_core::{
    AgentConfig, AgentId, ExecutionResult, KpiReport, ResourceAllocation, Task, TaskId,
    ValidationResult,
};
use chimera_layer4_fabric::scheduler::SchedulerStats;
use chimera_layer4_fabric::{ActiveAgent, AgentSource, Fabric, GenomeRef, Swapped, SystemHealth};

#[cfg(feature = "http")]
use crate::port::Port;
use crate::{Layer4Config, Layer4Result};

/// The execution fabric under the specification's names.
///
/// It holds a [`Fabric`] and adds no behaviour but the port: with the feature `http`,
/// [`start`](Self::start) opens `metrics_port`. [`fabric`](Self::fabric) gives all that
/// has no name here, such as `layer4.fabric().tasks().submit(task)`.
pub struct Layer4Fabric {
    fabric: Arc<Fabric>,
    #[cfg(feature = "http")]
    port: Port,
}

/// Builds a [`Layer4Fabric`] that differs from what [`Layer4Fabric::new`] builds.
#[derive(Debug)]
pub struct Layer4FabricBuilder {
    config: Layer4Config,
    opens_port: bool,
}

impl Layer4FabricBuilder {
    /// [`Layer4Fabric::start`] opens no port. For several fabrics in one process, and for
    /// a program that serves the API itself.
    #[must_use]
    pub fn without_port(self) -> Self {
        Self { opens_port: false, ..self }
    }

    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// As [`Layer4Fabric::new`].
    pub fn build(self) -> Layer4Result<Layer4Fabric> {
        let Self { config, opens_port } = self;
        #[cfg(feature = "http")]
        let port = if opens_port { Port::of(config.clone()) } else { Port::shut() };
        #[cfg(not(feature = "http"))]
        let _ = opens_port;
        Ok(Layer4Fabric {
            fabric: Arc::new(Fabric::new(config)?),
            #[cfg(feature = "http")]
            port,
        })
    }
}

impl Layer4Fabric {
    /// Builds the fabric; nothing runs yet.
    ///
    /// # Errors
    /// As [`Fabric::new`].
    pub fn new(config: Layer4Config) -> Layer4Result<Self> {
        Self::builder(config).build()
    }

    /// For a fabric whose port stays shut.
    #[must_use]
    pub fn builder(config: Layer4Config) -> Layer4FabricBuilder {
        Layer4FabricBuilder { config, opens_port: true }
    }

    /// The fabric itself, with all that has no name here.
    #[must_use]
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// Where the port is, from the start to the end; `None`: it is shut.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.port.address()
    }

    /// Begins all components. With the feature `http` it opens `metrics_port` first,
    /// which answers `/metrics`, `/health`, `/livez`, `/readyz`, `/scheduler/stats`,
    /// `/agents/status` and `/openapi.json`, and changes nothing. Started twice is the
    /// same as once.
    ///
    /// # Errors
    /// As [`Fabric::start`]; `Communication` where the port cannot be had, and nothing
    /// is started then.
    pub async fn start(&self) -> Layer4Result<()> {
        #[cfg(feature = "http")]
        {
            self.port.start(&self.fabric).await
        }
        #[cfg(not(feature = "http"))]
        {
            self.fabric.start().await
        }
    }

    /// Drains and ends the fabric, and shuts the port last. Shut down twice is the same
    /// as once.
    ///
    /// # Errors
    /// As [`Fabric::shutdown`]; `Communication` where the port could not be served to
    /// the end. All has ended all the same.
    pub async fn shutdown(&self) -> Layer4Result<()> {
        #[cfg(feature = "http")]
        {
            self.port.shutdown(&self.fabric).await
        }
        #[cfg(not(feature = "http"))]
        {
            self.fabric.shutdown().await
        }
    }

    /// Submits a task and waits for its result.
    ///
    /// # Errors
    /// As [`Tasks::execute`](crate::fabric::Tasks::execute).
    pub async fn execute_task(&self, task: Task) -> Layer4Result<ExecutionResult> {
        self.fabric.tasks().execute(task).await
    }

    /// The entry for layer 2 (discovery): takes a task to be run in its turn.
    ///
    /// # Errors
    /// As [`Tasks::submit`](crate::fabric::Tasks::submit).
    pub async fn submit_discovery_task(&self, task: Task) -> Layer4Result<TaskId> {
        self.fabric.tasks().submit(task).await
    }

    /// Loads a component and starts an agent of it.
    ///
    /// # Errors
    /// As [`Agents::spawn`](crate::fabric::Agents::spawn).
    pub async fn spawn_agent(
        &self,
        component: &[u8],
        config: AgentConfig,
    ) -> Layer4Result<AgentId> {
        self.fabric.agents().spawn(component, config).await
    }

    /// Names an agent type, so that a task can target it before an agent of it runs.
    ///
    /// # Errors
    /// As [`Agents::register_type`](crate::fabric::Agents::register_type).
    pub fn register_agent_type(
        &self,
        name: &str,
        source: AgentSource,
        config: AgentConfig,
    ) -> Layer4Result<()> {
        self.fabric.agents().register_type(name, source, config)
    }

    /// Every agent that runs, with its health, oldest first.
    #[must_use]
    pub fn get_active_agents(&self) -> Vec<ActiveAgent> {
        self.fabric.agents().active()
    }

    /// Replaces an agent's instances by new ones.
    ///
    /// # Errors
    /// As [`Agents::restart`](crate::fabric::Agents::restart).
    pub async fn restart_agent(&self, agent_id: AgentId) -> Layer4Result<()> {
        self.fabric.agents().restart(agent_id).await
    }

    /// The entry for layer 7 (improvement of genomes): another genome takes over in one
    /// agent.
    ///
    /// # Errors
    /// As [`Genomes::update_agent`](crate::fabric::Genomes::update_agent).
    pub async fn update_agent_genome(
        &self,
        agent_id: AgentId,
        genome: impl Into<GenomeRef>,
    ) -> Layer4Result<Swapped> {
        self.fabric.genomes().update_agent(agent_id, genome).await
    }

    /// Layer 3's entry: what it found out about the output of a task.
    ///
    /// # Errors
    /// As [`Fabric::submit_validation`].
    pub async fn submit_validation(&self, validation: ValidationResult) -> Layer4Result<()> {
        self.fabric.submit_validation(validation).await
    }

    /// Layer 5's view: how each agent did with each genome over the last minutes.
    #[must_use]
    pub fn get_kpi_data(&self) -> Vec<KpiReport> {
        self.fabric.telemetry().kpis()
    }

    /// Layer 8's entry: gives an agent, or every agent of a type, another quota. How
    /// many have it now.
    ///
    /// # Errors
    /// As [`Agents::allocate`](crate::fabric::Agents::allocate).
    pub fn update_resource_allocation(
        &self,
        allocation: ResourceAllocation,
    ) -> Layer4Result<usize> {
        self.fabric.agents().allocate(allocation)
    }

    /// What waits, runs and has ended.
    ///
    /// # Errors
    /// As [`Tasks::stats`](crate::fabric::Tasks::stats).
    pub async fn get_scheduler_stats(&self) -> Layer4Result<SchedulerStats> {
        self.fabric.tasks().stats().await
    }

    /// How the fabric is.
    pub async fn get_health(&self) -> SystemHealth {
        self.fabric.health().await
    }
}
