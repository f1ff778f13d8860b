//! The host, its agents, and what they keep by key.

use chimera_layer4_core::keyvalue::KeptByKey;

use super::send::Ask;
use super::{Client, ClientResult};
use crate::agents::{ActiveAgent, AgentType, DeployRequest, Deployed, KpiReport, Retired};
use crate::host::{Health, Stats};
use crate::paths;
use crate::refinement::{RecordPage, Refined, RefinedBy, RefinementRequest, RefinementView};
use crate::reload::{NEEDS_RESTART, Reload};

impl Client {
    /// How the host is, also where it takes no tasks.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn health(&self) -> ClientResult<Health> {
        self.0.ask(Ask::get(paths::health())).await
    }

    /// What waits, runs and has ended.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn stats(&self) -> ClientResult<Stats> {
        self.0.ask(Ask::get(paths::stats())).await
    }

    /// Every agent that runs, oldest first.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn agents(&self) -> ClientResult<Vec<ActiveAgent>> {
        self.0.ask(Ask::get(paths::agents())).await
    }

    /// The agent types that tasks may target.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn agent_types(&self) -> ClientResult<Vec<AgentType>> {
        self.0.ask(Ask::get(paths::agent_types())).await
    }

    /// Has an agent type served, of a component that is stored.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn deploy_agent_type(&self, wanted: &DeployRequest) -> ClientResult<Deployed> {
        self.0.ask(Ask::post(paths::agent_types()).json(wanted)?).await
    }

    /// Ends an agent type that was deployed.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn retire_agent_type(&self, name: &str) -> ClientResult<Retired> {
        self.0.ask(Ask::delete(paths::agent_type(name))).await
    }

    /// Has a refinement count for tasks that are submitted to an agent type from now on.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn refine_agent_type(
        &self,
        name: &str,
        wanted: &RefinementRequest,
    ) -> ClientResult<Refined> {
        self.0.ask(Ask::put(paths::agent_type_refinement(name)).json(wanted)?).await
    }

    /// Takes the refinement of an agent type back.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn undo_refinement(&self, name: &str, by: &RefinedBy) -> ClientResult<Refined> {
        self.0.ask(Ask::delete(paths::agent_type_refinement(name)).query(by)?).await
    }

    /// The refinement of an agent type, and a page of what was recorded of it.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn refinement(&self, name: &str, page: RecordPage) -> ClientResult<RefinementView> {
        self.0.ask(Ask::get(paths::agent_type_refinement(name)).query(&page)?).await
    }

    /// How each agent did with each genome over the last minutes.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn kpis(&self) -> ClientResult<Vec<KpiReport>> {
        self.0.ask(Ask::get(paths::kpis())).await
    }

    /// Has the host apply its settings file as it is now.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn reload(&self) -> ClientResult<Reload> {
        let (agents, headers) = self.0.ask_with_headers(Ask::post(paths::reload())).await?;
        let names = headers.get(NEEDS_RESTART).and_then(|names| names.to_str().ok());
        let names = names.into_iter().flat_map(|names| names.split(','));
        Ok(Reload { agents, needs_restart: names.map(str::to_owned).collect() })
    }

    /// What agent types keep by key, by name.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn kept_by_key(&self) -> ClientResult<Vec<KeptByKey>> {
        self.0.ask(Ask::get(paths::keyvalue())).await
    }

    /// Removes all that an agent type keeps by key; the answer is what it kept.
    ///
    /// # Errors
    /// [`ClientError`](super::ClientError).
    pub async fn clear_kept_by_key(&self, agent_type: &str) -> ClientResult<KeptByKey> {
        self.0.ask(Ask::delete(paths::keyvalue_of(agent_type))).await
    }
}
