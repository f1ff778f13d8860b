//! The quota of an agent, which may change while the agent lives.
//!
//! The share, the memory and the bandwidth are the agent's own and follow at
//! once; the limits of one run are made from the quota when the run begins.

use std::sync::Arc;

use chimera_layer4_core::ResourceQuota;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::bandwidth::Bandwidth;
use super::bucket::Bucket;
use super::cpu;
use super::memory::AgentMemory;
use super::pool::Share;
use super::supplies::Supplies;
use super::threads::Threads;

/// What bounds an agent, all its instances together.
#[derive(Debug)]
pub(crate) struct AgentLimits {
    quota: Mutex<ResourceQuota>,
    pub(crate) share: Bucket,
    pub(crate) memory: Arc<AgentMemory>,
    pub(crate) bandwidth: Bandwidth,
    /// File descriptors: opened files and folders, sockets.
    pub(crate) descriptors: Share,
    /// Threads that do for it what blocks.
    pub(crate) threads: Threads,
}

impl AgentLimits {
    pub(crate) fn new(quota: ResourceQuota, supplies: &Supplies) -> Self {
        let (descriptors, threads) = supplies.for_agent();
        let now = Instant::now();
        Self {
            descriptors,
            threads,
            share: cpu::share(quota.max_cpu_cores, now),
            memory: AgentMemory::new(quota.memory_bytes()),
            bandwidth: Bandwidth::new(quota.max_network_mbps, now),
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
        self.bandwidth.change(quota.max_network_mbps);
        *in_force = quota;
    }

    fn locked(&self) -> MutexGuard<'_, ResourceQuota> {
        self.quota.lock()
    }
}
