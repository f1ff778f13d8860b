//! What agents keep by key, as their operator sees it: how much, and whether at all.

use std::sync::Arc;

use chimera_layer4_core::FabricResult;
use chimera_layer4_core::keyvalue::{KeptByKey, KeyValueStore};

/// The key-value store of a fabric.
pub struct KeyValue {
    store: Arc<dyn KeyValueStore>,
}

impl KeyValue {
    pub(crate) fn new(store: Arc<dyn KeyValueStore>) -> Self {
        Self { store }
    }

    /// What each agent type keeps by key, by name; types that keep nothing are
    /// left out.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be read.
    pub async fn kept(&self) -> FabricResult<Vec<KeptByKey>> {
        let spaces = self.store.spaces().await?;
        let kept = |(agent_type, bytes)| KeptByKey { agent_type, bytes };
        Ok(spaces.into_iter().map(kept).collect())
    }

    /// Removes all that an agent type keeps by key, whether it has agents or
    /// not; the answer is what it kept. Agents that run find nothing then.
    ///
    /// # Errors
    /// `KeyValue` when the store cannot be written; nothing is removed then.
    pub async fn clear(&self, agent_type: &str) -> FabricResult<KeptByKey> {
        let bytes = self.store.clear(agent_type).await?;
        tracing::info!(agent_type, bytes, "what it kept by key was removed");
        Ok(KeptByKey { agent_type: agent_type.to_owned(), bytes })
    }
}
