//! What all agents take from one supply, such as file descriptors.
//!
//! One agent may have so many at once, and all agents together so many, so that
//! neither one agent nor all of them take what the host needs for itself. What
//! was taken is given back when the thing that needs it has ended, which may be
//! after the call or the instance that asked for it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::threads::{Pool, Threads};

/// Descriptors of one agent, however many there are.
const MOST_DESCRIPTORS_EACH: usize = 1024;
/// What a host's agents share.
#[derive(Debug)]
pub(crate) struct Supplies {
    descriptors: Supply,
    threads: Pool,
}

/// So many of a thing, for all agents and for one.
#[derive(Clone, Debug)]
pub(super) struct Supply {
    all: usize,
    each: usize,
    free: Arc<Semaphore>,
}

impl Supplies {
    /// With so many file descriptors for all agents.
    pub(crate) fn new(descriptors: usize) -> io::Result<Self> {
        let each = (descriptors / 4).clamp(1, MOST_DESCRIPTORS_EACH);
        Ok(Self { descriptors: Supply::new(descriptors, each), threads: Pool::new()? })
    }

    /// One agent's share of the descriptors, and of the threads.
    pub(crate) fn for_agent(&self) -> (Share, Threads) {
        (self.descriptors.share(), self.threads.for_agent())
    }
}

impl Supply {
    pub(super) fn new(all: usize, each: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self { all, each, free: Arc::new(Semaphore::new(all)) }
    }

    pub(super) fn share(&self) -> Share {
        Share { supply: self.clone(), own: Arc::new(Semaphore::new(self.each)) }
    }
}

/// What one agent may take.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    supply: Supply,
    own: Arc<Semaphore>,
}

/// What was taken, given back when this is dropped.
#[derive(Debug)]
#[must_use = "it is given back when this is dropped"]
pub(crate) struct Taken {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// There was none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// The agent has as many as one agent may.
    Agent { most: usize },
    /// All agents together have as many as they may.
    Host { most: usize },
}

impl Share {
    /// Takes `count`, if so many are left.
    pub(crate) fn try_take(&self, count: usize) -> Result<Taken, Short> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let Supply { all, each, free } = &self.supply;
        let own = Arc::clone(&self.own).try_acquire_many_owned(count);
        let own = own.map_err(|_| Short::Agent { most: *each })?;
        let shared = Arc::clone(free).try_acquire_many_owned(count);
        let shared = shared.map_err(|_| Short::Host { most: *all })?;
        Ok(Taken { _own: own, _all: shared })
    }

    /// Takes one as soon as there is one; `None` once nobody gives any.
    pub(crate) async fn take(&self) -> Option<Taken> {
        let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.supply.free).acquire_owned().await.ok()?;
        Some(Taken { _own: own, _all: shared })
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Short::Agent { most } => write!(f, "the {most} that one agent may have are open"),
            Short::Host { most } => write!(f, "the {most} that all agents may have are open"),
        }
    }
}

impl std::error::Error for Short {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_has_a_quarter_and_all_together_no_more_than_there_are() {
        let supplies = Supplies::new(8).unwrap();
        let shares: Vec<_> = (0..5).map(|_| supplies.for_agent().0).collect();
        let taken: Vec<_> = shares.iter().take(4).map(|share| share.try_take(2).unwrap()).collect();
        assert_eq!(shares[0].try_take(1).unwrap_err(), Short::Agent { most: 2 });
        assert_eq!(shares[4].try_take(1).unwrap_err(), Short::Host { most: 8 });
        drop(taken);
        assert!(shares[4].try_take(2).is_ok());
        assert!(shares[4].try_take(2).is_ok(), "it was given back");
    }
}
