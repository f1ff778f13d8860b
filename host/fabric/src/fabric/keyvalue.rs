//! What agents keep by key, as their operator sees it: how much, and whether at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use chimera_layer4_core::keyvalue::{KeptByKey, KeyValueError, KeyValueStore};
use chimera_layer4_core::{Layer4Error, Layer4Result};

use super::Layer4Fabric;

impl Layer4Fabric {
    /// What each agent type keeps by key, by name; nothing is said of those that
    /// keep nothing.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be read.
    pub async fn kept_by_key(&self) -> Layer4Result<Vec<KeptByKey>> {
        let spaces = self.on_keyvalue(|store| store.spaces()).await?;
        let kept = |(agent_type, bytes)| KeptByKey { agent_type, bytes };
        Ok(spaces.into_iter().map(kept).collect())
    }

    /// Removes all that an agent type keeps by key, whether it has agents or
    /// not; the answer is what it kept. Agents that run find nothing then.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be written; nothing is removed then.
    pub async fn clear_kept_by_key(&self, agent_type: &str) -> Layer4Result<KeptByKey> {
        let agent_type = agent_type.to_owned();
        let name = agent_type.clone();
        let bytes = self.on_keyvalue(move |store| store.clear(&name)).await?;
        tracing::info!(agent_type, bytes, "what it kept by key was removed");
        Ok(KeptByKey { agent_type, bytes })
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

    /// Has something done with the store, away from the threads that run guests.
    async fn on_keyvalue<T: Send + 'static>(
        &self,
        what: impl FnOnce(&dyn KeyValueStore) -> Result<T, KeyValueError> + Send + 'static,
    ) -> Layer4Result<T> {
        let store = Arc::clone(self.pool.executor.keyvalue());
        let done = tokio::task::spawn_blocking(move || what(store.as_ref())).await;
        Ok(done.map_err(|error| Layer4Error::Internal(format!("by key: {error}")))??)
    }
}
