//! What agents keep by key, as their operator sees it: how much, and whether at all.

use std::collections::BTreeMap;

use chimera_layer4_core::Layer4Result;
use chimera_layer4_core::keyvalue::KeptByKey;

use super::Fabric;

impl Fabric {
    /// What each agent type keeps by key, by name; nothing is said of those that
    /// keep nothing.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be read.
    pub async fn kept_by_key(&self) -> Layer4Result<Vec<KeptByKey>> {
        let spaces = self.pool.executor.keyvalue().spaces().await?;
        let kept = |(agent_type, bytes)| KeptByKey { agent_type, bytes };
        Ok(spaces.into_iter().map(kept).collect())
    }

    /// Removes all that an agent type keeps by key, whether it has agents or
    /// not; the answer is what it kept. Agents that run find nothing then.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be written; nothing is removed then.
    pub async fn clear_kept_by_key(&self, agent_type: &str) -> Layer4Result<KeptByKey> {
        let bytes = self.pool.executor.keyvalue().clear(agent_type).await?;
        tracing::info!(agent_type, bytes, "what it kept by key was removed");
        Ok(KeptByKey { agent_type: agent_type.to_owned(), bytes })
    }

    /// For the metrics: those that may keep something, too, and keep nothing.
    /// Nothing is said where the store cannot be read.
    pub(super) async fn may_keep_by_key(&self) -> Vec<(String, u64)> {
        let granted = self.pool.agents.all().into_iter().filter_map(|entry| {
            let setup = entry.agent.config();
            setup.grants.keyvalue.map(|_| (setup.agent_type.clone(), 0))
        });
        let mut all: BTreeMap<String, u64> = granted.collect();
        match self.kept_by_key().await {
            Ok(kept) => all.extend(kept.into_iter().map(|one| (one.agent_type, one.bytes))),
            Err(_) => all.clear(),
        }
        all.into_iter().collect()
    }
}
