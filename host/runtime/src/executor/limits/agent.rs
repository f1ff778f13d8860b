//! The quota of an agent, which may change while the agent lives.
//!
//! The share and the memory are the agent's own and follow at once; the limits
//! of one run are made from the quota when the run begins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chimera_layer4_core::ResourceQuota;

use super::cpu::Bucket;
use super::memory::AgentMemory;

/// What bounds an agent, all its instances together.
#[derive(Debug)]
pub(crate) struct AgentLimits {
    quota: Mutex<ResourceQuota>,
    pub(crate) share: Bucket,
    pub(crate) memory: Arc<AgentMemory>,
}

impl AgentLimits {
    pub(crate) fn new(quota: ResourceQuota) -> Self {
        Self {
            share: Bucket::new(quota.max_cpu_cores),
            memory: AgentMemory::new(quota.memory_bytes()),
            quota: Mutex::new(quota),
        }
    }

    /// The quota in force.
    pub(crate) fn quota(&self) -> ResourceQuota {
        self.locked().clone()
    }

    /// Puts `quota`, which is in range, in force.
    pub(crate) fn change(&self, quota: ResourceQuota) {
        // All of it under the lock: of two changes at once, one is in force whole.
        let mut in_force = self.locked();
        self.share.change(quota.max_cpu_cores);
        self.memory.change(quota.memory_bytes());
        *in_force = quota;
    }

    fn locked(&self) -> MutexGuard<'_, ResourceQuota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
