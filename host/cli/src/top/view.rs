//! What is shown of a host: read from its API, and compared with a moment ago.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use crate::client::{Client, Typed};
use chimera_layer4_server::Stats;

/// A host at one moment.
pub(super) struct View {
    pub(super) health: Health,
    pub(super) stats: Stats,
    pub(super) agents: Vec<Agent>,
    /// By agent.
    pub(super) kpis: BTreeMap<String, Kpi>,
    /// Cores that each agent used since the view before.
    pub(super) cores: BTreeMap<String, f64>,
    at: Instant,
}

#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) active_agents: usize,
    pub(super) pending_tasks: usize,
    pub(super) uptime_seconds: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) agent_id: String,
    pub(super) agent_type: String,
    pub(super) health: Wellness,
    pub(super) tasks_in_hand: usize,
    pub(super) tasks_done: u64,
    pub(super) faults: u64,
    pub(super) restarts: u64,
    pub(super) cpu_seconds: f64,
    pub(super) memory_mb: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wellness {
    pub(super) status: String,
}

/// Key figures of an agent, of the genome that it ran last.
#[derive(Debug, Deserialize)]
pub(super) struct Kpi {
    agent_id: String,
    pub(super) latency_ms: f64,
    pub(super) latency_p99_ms: f64,
    pub(super) success_rate: f64,
}

impl Typed for Health {}
impl Typed for Agent {}
impl Typed for Kpi {}

impl View {
    /// The host as it is now.
    ///
    /// # Errors
    /// It does not answer, or not as it should.
    pub(super) async fn of(client: &Client, before: Option<&View>) -> anyhow::Result<Self> {
        let at = Instant::now();
        let health = client.ask("GET", "/health", None).await?;
        let stats = client.ask("GET", "/scheduler/stats", None).await?;
        let agents: Vec<Agent> = client.ask("GET", "/v1/agents", None).await?;
        let kpis: Vec<Kpi> = client.ask("GET", "/v1/kpis", None).await?;
        let kpis = kpis.into_iter().map(|kpi| (kpi.agent_id.clone(), kpi)).collect();
        let cores = before.map(|before| before.cores_until(&agents, at)).unwrap_or_default();
        Ok(Self { health, stats, agents, kpis, cores, at })
    }

    fn cores_until(&self, agents: &[Agent], at: Instant) -> BTreeMap<String, f64> {
        let seconds = at.duration_since(self.at).as_secs_f64();
        let cores = |now: &Agent| {
            let then = self.agents.iter().find(|then| then.agent_id == now.agent_id)?;
            let used = (now.cpu_seconds - then.cpu_seconds) / seconds;
            used.is_finite().then(|| (now.agent_id.clone(), used.max(0.0)))
        };
        agents.iter().filter_map(cores).collect()
    }
}
