//! Who may hold how many of the engine's slots.
//!
//! A guest says how many instances it would like, so the slots are given out
//! here and not first come, first served: each agent is sure of its first
//! instance, and what is spare goes to those that want more, while it lasts.
//! A component with many memories or tables weighs as much as it takes.

use std::sync::Arc;

use chimera_layer4_core::{FabricError, FabricResult, HostFault};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Instances of one agent, whatever it asks for.
pub(super) const MAX_INSTANCES: u32 = 64;

/// The slots that are not taken.
#[derive(Debug)]
pub(super) struct InstancePool {
    sure: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

/// The slots of one agent, given back when it goes.
#[derive(Debug)]
pub(super) struct InstancePermit {
    weight: u32,
    _sure: OwnedSemaphorePermit,
    spare: OwnedSemaphorePermit,
}

impl InstancePool {
    /// One slot for each of `agents`, and `spare` for those that want more.
    pub(super) fn new(agents: u32, spare: u32) -> Self {
        let slots = |count| Arc::new(Semaphore::new(count as usize));
        Self { sure: slots(agents), spare: slots(spare) }
    }

    /// Room for the first instance of a component of this weight.
    pub(super) fn first(&self, weight: u32) -> FabricResult<InstancePermit> {
        let spare = Arc::clone(&self.spare).try_acquire_many_owned(weight.saturating_sub(1));
        let sure = Arc::clone(&self.sure).try_acquire_owned();
        match (sure, spare) {
            (Ok(_sure), Ok(spare)) => Ok(InstancePermit { weight, _sure, spare }),
            _ => Err(FabricError::Host(HostFault::NoRoom {
                message: format!("an instance of the component takes {weight} slots"),
            })),
        }
    }

    /// Room for `wanted` instances, or for as many as the spare slots allow.
    pub(super) fn widen(&self, mut permit: InstancePermit, wanted: u32) -> (InstancePermit, u32) {
        for instances in 1..wanted {
            match Arc::clone(&self.spare).try_acquire_many_owned(permit.weight) {
                Ok(more) => permit.spare.merge(more),
                Err(_) => return (permit, instances),
            }
        }
        (permit, wanted.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_is_sure_of_one_and_the_greedy_share_the_spare() {
        let pool = InstancePool::new(3, 10);
        let (greedy, instances) = pool.widen(pool.first(1).unwrap(), 64);
        assert_eq!(instances, 11);
        let second = pool.widen(pool.first(1).unwrap(), 64);
        assert_eq!(second.1, 1);
        assert!(pool.first(2).is_err(), "no spare slot for the heavy one");
        let third = pool.first(1).unwrap();
        assert!(pool.first(1).is_err());
        drop((greedy, third));
        assert_eq!(pool.widen(pool.first(4).unwrap(), 2).1, 2);
    }
}
