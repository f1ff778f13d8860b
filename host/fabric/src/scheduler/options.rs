//! How a [`Scheduler`](super::Scheduler) is set up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::config::DEFAULT_TASK_QUEUE_CAPACITY;
use chimera_layer4_core::scheduler::store::Retention;
use chimera_layer4_core::scheduler::{Bounds, BreakerPolicy, RetryPolicy};

use super::observe::{NoopObserver, Observe};

/// Where the scheduler reads the time: the system's, or a simulated one.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Long enough that a busy host does not lose a lease, short enough that a dead
/// one is noticed; asynq's, too.
const LEASE: Duration = Duration::from_secs(30);
/// Each is a future with a task in memory.
const IN_FLIGHT: usize = 4096;

/// How a scheduler is set up.
#[derive(Clone)]
pub struct SchedulerOptions {
    /// Tasks that may be queued for one agent type.
    pub capacity: usize,
    /// How long a claim lasts; it is extended each third of that.
    pub lease: Duration,
    /// Tasks claimed and not settled, at the most.
    pub in_hand: usize,
    /// When a failed attempt is made again.
    pub retry: RetryPolicy,
    /// When an agent type is given a rest.
    pub breaker: BreakerPolicy,
    /// How often a task may be lost with its host.
    pub bounds: Bounds,
    /// What is kept of tasks that have ended.
    pub retention: Retention,
    /// Where jitter and the owner's identity come from.
    pub seed: u64,
    /// Where the time comes from.
    pub clock: Clock,
    /// Receives what becomes of tasks.
    pub observer: Arc<dyn Observe>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            capacity: DEFAULT_TASK_QUEUE_CAPACITY,
            lease: LEASE,
            in_hand: IN_FLIGHT,
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            bounds: Bounds::default(),
            retention: Retention::default(),
            seed: fastrand::u64(..),
            clock: Arc::new(SystemTime::now),
            observer: Arc::new(NoopObserver),
        }
    }
}

impl fmt::Debug for SchedulerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchedulerOptions")
            .field("capacity", &self.capacity)
            .field("lease", &self.lease)
            .field("in_hand", &self.in_hand)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
