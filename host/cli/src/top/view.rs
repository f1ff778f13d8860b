//! What is shown of a host: read from its API, and compared with a moment ago.

use std::collections::BTreeMap;
use std::time::Instant;

use chimera_layer4_api::Client;
use chimera_layer4_api::agents::{ActiveAgent, KpiReport};
use chimera_layer4_api::host::{Health, Stats};
use chimera_layer4_core::AgentId;

/// A host at one moment.
pub(super) struct View {
    pub(super) health: Health,
    pub(super) stats: Stats,
    pub(super) agents: Vec<ActiveAgent>,
    /// By agent.
    pub(super) kpis: BTreeMap<AgentId, KpiReport>,
    /// Cores that each agent used since the view before.
    pub(super) cores: BTreeMap<AgentId, f64>,
    at: Instant,
}

impl View {
    /// The host as it is now.
    ///
    /// # Errors
    /// It does not answer, or not as it should.
    pub(super) async fn of(client: &Client, before: Option<&View>) -> anyhow::Result<Self> {
        let at = Instant::now();
        let health = client.health().await?;
        let stats = client.stats().await?;
        let agents = client.agents().await?;
        let kpis = client.kpis().await?.into_iter().map(|kpi| (kpi.agent_id, kpi)).collect();
        let cores = before.map(|before| before.cores_until(&agents, at)).unwrap_or_default();
        Ok(Self { health, stats, agents, kpis, cores, at })
    }

    fn cores_until(&self, agents: &[ActiveAgent], at: Instant) -> BTreeMap<AgentId, f64> {
        let seconds = at.duration_since(self.at).as_secs_f64();
        let cores = |now: &ActiveAgent| {
            let then = self.agents.iter().find(|then| then.id == now.id)?;
            let used = (now.cpu_seconds - then.cpu_seconds) / seconds;
            used.is_finite().then(|| (now.id, used.max(0.0)))
        };
        agents.iter().filter_map(cores).collect()
    }
}
