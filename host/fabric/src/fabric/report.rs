//! How the fabric is, as one: its health and its metrics; and what layer 3 found of
//! its tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::config::AgentOrigin;
use chimera_layer4_core::{FabricError, FabricResult, HealthStatus, ValidationResult};

use super::Fabric;
use super::declare::Shown;
use crate::agents::registry::AgentEntry;
use crate::lifecycle::Phase;
use crate::scheduler::moment;
use crate::tasks::pending;
use crate::telemetry::metrics::{Gauges, Snapshot};
use chimera_layer4_core::status::{AgentType, SystemHealth, SystemStatus};

impl Fabric {
    /// How the fabric is.
    pub async fn health(&self) -> SystemHealth {
        let entries = self.pool.agents.all();
        let queue = self.tasks.stats().await.ok();
        let status = self.status(&entries, queue.is_some());
        let queued = queue.map_or(0, |stats| pending(&stats));
        // What runs outside of the queue counts too.
        let running: usize = entries.iter().map(|entry| entry.in_flight()).sum();
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
        match self.life.phase() {
            Phase::Running
                if queue_answers
                    && entries.iter().all(well)
                    && self.agent_types_down().is_empty() =>
            {
                SystemStatus::Healthy
            }
            Phase::Running => SystemStatus::Degraded,
            Phase::Draining => SystemStatus::Draining,
            Phase::New | Phase::Stopped => SystemStatus::Stopped,
        }
    }

    /// Every agent type that tasks may target, that is declared, that tasks wait for, or that
    /// has a refinement in force, in the order of their names.
    pub async fn agent_types(&self) -> Vec<AgentType> {
        let queued = self.tasks.stats().await.map(|stats| stats.queued_by_type);
        let waiting: BTreeMap<String, u64> =
            queued.unwrap_or_default().into_iter().filter(|(_, count)| *count > 0).collect();
        let (shown, down) = (self.declared.shown(), self.agent_types_down());
        let mut refined = self.pool.agents.refinements();
        let names = self.agents.types().into_iter();
        let names = names.chain(shown.keys().cloned()).chain(waiting.keys().cloned());
        let names: BTreeSet<String> = names.chain(refined.keys().cloned()).collect();
        let of_type = |name: String| {
            let declared = shown.get(&name);
            let built_in = || {
                let registered = self.pool.agents.registered(&name)?;
                registered.is_built_in.then_some(AgentOrigin::BuiltIn)
            };
            AgentType {
                agents: self.pool.agents.ids_of(&name),
                source: declared.map(|declared| declared.origin).or_else(built_in),
                down: down.get(&name).cloned(),
                refused: declared.and_then(Shown::refused),
                waiting: waiting.get(&name).copied().unwrap_or(0),
                task_types: self.pool.agents.supported_by(&name),
                refinement: refined.remove(&name),
                name,
            }
        };
        names.into_iter().map(of_type).collect()
    }

    fn uptime(&self) -> Duration {
        let started = self.started.lock();
        started.as_ref().map_or(Duration::ZERO, |running| running.since.elapsed())
    }

    /// Layer 3's entry: what it found out about the output of a task. It counts
    /// for the genome that made the output.
    ///
    /// # Errors
    /// `InvalidRequest` when the accuracy is not from 0.0 to 1.0, or the task
    /// has no output; `TaskNotFound`, `Store`, `NotRunning`.
    pub async fn submit_validation(&self, validation: ValidationResult) -> FabricResult<()> {
        let ValidationResult { task_id, accuracy } = validation;
        if !(0.0..=1.0).contains(&accuracy) {
            return Err(FabricError::InvalidRequest(vec![format!(
                "accuracy is {accuracy}; allowed is 0 to 1"
            )]));
        }
        let record = self.tasks.get(task_id).await?;
        let success = record.result.as_ref().is_some_and(|result| result.success);
        let (true, Some(genome)) = (success, record.genome) else {
            return Err(FabricError::InvalidRequest(vec![format!(
                "task {task_id} is {} and has no output to be judged",
                record.state
            )]));
        };
        let agent_type = &record.task.target_agent_type;
        self.telemetry.metrics.kpis().validated(agent_type, genome, moment(), accuracy);
        self.evidence.judged(agent_type, genome, task_id, accuracy).await;
        Ok(())
    }

    /// Everything counted, in Prometheus' text format.
    ///
    /// # Errors
    /// `Internal`, which is a defect.
    pub async fn metrics_text(&self) -> FabricResult<String> {
        let metrics = &self.telemetry.metrics;
        metrics.known(&self.agents.types());
        let mut queue = self.tasks.stats().await.ok();
        if let Some(queue) = &mut queue {
            // Types that are gone are left out.
            queue.types.retain(|of_type| self.agents.knows_type(&of_type.agent_type));
        }
        let now = Snapshot {
            uptime: self.uptime(),
            status: self.status(&self.pool.agents.all(), queue.is_some()),
            capacity: self.config.task_queue_capacity,
            agents: self.agents.active(),
            queue,
            kept: self.may_keep_by_key().await,
            accuracy: metrics.kpis().accuracy_by_type(moment()),
            load: metrics.load_now(),
            subscribers: self.telemetry.events.listeners(),
        };
        metrics.text(Gauges::of(&now))
    }

    /// For the metrics: also types with the grant that keep nothing. Empty when
    /// the store cannot be read.
    async fn may_keep_by_key(&self) -> Vec<(String, u64)> {
        let granted = self.pool.agents.all().into_iter().filter_map(|entry| {
            let setup = entry.agent.config();
            setup.grants.keyvalue.map(|_| (setup.agent_type.clone(), 0))
        });
        let mut all: BTreeMap<String, u64> = granted.collect();
        match self.keyvalue.kept().await {
            Ok(kept) => all.extend(kept.into_iter().map(|one| (one.agent_type, one.bytes))),
            Err(_) => all.clear(),
        }
        all.into_iter().collect()
    }
}
