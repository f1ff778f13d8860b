//! What all agents take from one supply, such as file descriptors.
//!
//! One agent may have so many at once, and all agents together so many, so that
//! neither one agent nor all of them take what the host needs for itself. What
//! was taken is given back when the thing that needs it has ended, which may be
//! after the call or the instance that asked for it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many of a thing, for all agents and for one.
#[derive(Clone, Debug)]
pub(super) struct Supply {
    all: usize,
    each: usize,
    free: Arc<Semaphore>,
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

    /// Takes one as soon as there is one; `None` once the pool is closed.
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
