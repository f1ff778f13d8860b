//! One agent as the fabric has it: in the registry, in flight, asked for its health.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::status::ActiveAgent;
use chimera_layer4_core::{
    AgentHealth, AgentId, Digest, FabricError, FabricResult, Fault, HealthStatus,
};
use chimera_layer4_runtime::Agent;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::telemetry::log::{self, Failed};
use crate::telemetry::metrics::Runner;

/// One agent with what the fabric knows of it.
pub(crate) struct AgentEntry {
    pub(crate) agent: Agent,
    in_flight: AtomicUsize,
    /// Tasks in flight over all agents of the type.
    of_type: Arc<AtomicUsize>,
    health: Mutex<AgentHealth>,
    /// Held while its health is asked for.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// The turn to ask an agent for its health, given back when it is dropped.
pub(crate) struct Turn {
    pub(crate) entry: Arc<AgentEntry>,
    _asking: OwnedMutexGuard<()>,
}

/// A task in flight: counted until it is dropped.
pub(crate) struct AgentPermit(pub(crate) Arc<AgentEntry>);

impl AgentEntry {
    pub(super) fn new(agent: Agent, of_type: Arc<AtomicUsize>) -> Self {
        let health = Mutex::new(AgentHealth { status: HealthStatus::Healthy, message: None });
        let in_flight = AtomicUsize::new(0);
        Self { agent, in_flight, of_type, health, asking: Arc::default() }
    }

    /// `None` while another caller is asking.
    pub(crate) fn try_turn_to_ask(self: &Arc<Self>) -> Option<Turn> {
        let asking = Arc::clone(&self.asking).try_lock_owned().ok()?;
        Some(Turn { entry: Arc::clone(self), _asking: asking })
    }

    /// Waits while another caller is asking: the agent reports itself as busy
    /// then, and its last report may be out of date.
    pub(crate) async fn turn_to_ask(self: &Arc<Self>) -> Turn {
        let asking = Arc::clone(&self.asking).lock_owned().await;
        Turn { entry: Arc::clone(self), _asking: asking }
    }

    /// Tasks that it may run at once.
    pub(super) fn room(&self) -> usize {
        self.agent.capabilities().max_concurrent_tasks as usize
    }

    /// The task is counted for the type already.
    pub(super) fn begin_task(self: &Arc<Self>) -> AgentPermit {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        AgentPermit(Arc::clone(self))
    }

    pub(crate) fn genome(&self) -> Digest {
        self.agent.genome().digest()
    }

    pub(crate) fn id(&self) -> AgentId {
        self.agent.config().agent_id
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> AgentHealth {
        self.health.lock().clone()
    }

    pub(crate) fn set_health(&self, health: AgentHealth) {
        *self.health.lock() = health;
    }

    /// As telemetry knows it.
    pub(crate) fn runner(&self) -> Runner<'_> {
        let agent_type = &self.agent.config().agent_type;
        Runner { agent_id: self.id(), agent_type, genome: self.genome() }
    }

    /// Ends the agent: running tasks finish, within the limit of its quota. Its own
    /// `shutdown` has `timeout`.
    ///
    /// # Errors
    /// What its `shutdown` failed with, which the log has too; it has ended all the same.
    pub(crate) async fn end(&self, timeout: Duration) -> FabricResult<()> {
        let limit = self.agent.quota().execution_time();
        self.ended(self.agent.shutdown(limit).await, timeout)
    }

    /// As [`end`](Self::end), with the host: running tasks and its own `shutdown` have `limit`
    /// together.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub(crate) async fn end_within(&self, limit: Duration) -> FabricResult<()> {
        let timeout = limit.min(self.agent.housekeeping_limit());
        self.ended(self.agent.shutdown_within(limit).await, timeout)
    }

    fn ended(&self, ended: Result<(), Fault>, timeout: Duration) -> FabricResult<()> {
        ended.map_err(|fault| {
            let error = FabricError::from_fault(self.id(), fault, timeout);
            log::failed(&self.runner(), Failed::End(&error));
            error
        })
    }

    pub(crate) fn describe(&self) -> ActiveAgent {
        let totals = self.agent.totals();
        let is_granted = !self.agent.config().grants.http.is_empty();
        ActiveAgent {
            id: self.id(),
            agent_type: self.agent.config().agent_type.clone(),
            genome: self.agent.genome().digest(),
            capabilities: self.agent.capabilities().clone(),
            health: self.health(),
            tasks_in_hand: self.in_flight(),
            tasks_done: totals.tasks,
            faults: totals.faults,
            restarts: totals.restarts,
            cpu_seconds: totals.cpu.as_secs_f64(),
            paused_seconds: totals.paused.as_secs_f64(),
            memory_mb: totals.memory as f64 / MEBIBYTE as f64,
            network_tx_bytes: is_granted.then_some(totals.network_sent),
            network_rx_bytes: is_granted.then_some(totals.network_received),
        }
    }
}

impl Drop for AgentPermit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.of_type.fetch_sub(1, Ordering::Relaxed);
    }
}
